"""Reads a source into a spool."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from synthmill.catalog.importing.decoding import Found, decode_all
from synthmill.catalog.importing.issues import IssueLog, of_rejection
from synthmill.catalog.importing.spool import Spool
from synthmill.kinds.base import CollectLimits, Item, Kind, Schema
from synthmill.runtime.errors import BadData

_SAMPLE_ITEMS = 256
_SAMPLE_BYTES = 64 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a source holds.

    Attributes:
        schema: resolved from the parameters and the first items.
        spool: the records, sealed.
        issues: the items that are no records.
        seen_count: items in all.
        traits: how often each (name, value) of `Record.traits` occurred.
    """

    schema: Schema
    spool: Spool
    issues: IssueLog
    seen_count: int
    traits: Counter[tuple[str, str]]


def read_source(
    kind: Kind, parameters: Any, source: Path, label_from: str, folder: Path, on_progress: Callable[[int], None]
) -> Reading:
    """Collects and decodes a source.

    Args:
        folder: where the spool may put its files.
        on_progress: called with the number of items seen so far.

    Raises:
        BadData: the source cannot be read, or nothing in it is a record.
        InvalidField: `label_from` does not fit the source.
        ResourceExhausted: the source is over a limit.
    """
    found = enumerate(kind.collect(source, label_from, CollectLimits()))
    sample = list(_take_sample(found))
    items = [item for _, item in sample if isinstance(item, Item)]
    issues = IssueLog()
    if not items:
        issues.add(of_rejection(position, item) for position, item in sample)
        raise _nothing_usable(source, issues, len(sample))
    schema = kind.resolve_schema(parameters, items)
    spool = Spool(folder, kind.columns(schema))
    traits: Counter[tuple[str, str]] = Counter()
    seen_count = 0
    for chunk in decode_all(kind, schema, parameters, itertools.chain(sample, found)):
        spool.append(chunk)
        issues.add(of_rejection(*rejected) for rejected in chunk.rejections)
        traits.update(chunk.traits)
        seen_count += len(chunk.origins) + len(chunk.rejections)
        on_progress(seen_count)
    if not len(spool):
        raise _nothing_usable(source, issues, seen_count)
    spool.seal()
    return Reading(schema, spool, issues, seen_count, traits)


def _take_sample(found: Iterable[Found]) -> Iterator[Found]:
    count = size_bytes = 0
    for position, item in found:
        yield position, item
        if isinstance(item, Item):
            count, size_bytes = count + 1, size_bytes + item.size_bytes
        if count >= _SAMPLE_ITEMS or size_bytes >= _SAMPLE_BYTES:
            return


def _nothing_usable(source: Path, issues: IssueLog, seen_count: int) -> BadData:
    first = next(iter(issues), None)
    example = f"; {first.source}: {first.detail}" if first else ""
    return BadData(
        f"{source.name}: none of {seen_count} items can be used: {issues.summary()}{example}",
        field="source_uri",
        value=source.name,
        allowed="at least one usable item",
    )
