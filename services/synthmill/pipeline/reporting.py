"""Puts the pages of a loop into the store, where they are read while it runs and after."""

from __future__ import annotations

import datetime

from synthmill.pipeline.minting import PREVIEW
from synthmill.pipeline.record import Round
from synthmill.pipeline.report import Facts, render_loop, render_round
from synthmill.pipeline.report.rounds import page_of
from synthmill.pipeline.run import Run
from synthmill.pipeline.weaknesses import collection_list
from synthmill.runtime.errors import DataLoss, NotFound
from synthmill.runtime.store import Artifact
from synthmill.v1 import catalog_service_pb2 as pb

LOOP, COLLECT = "loop.html", "collect.csv"

_HTML, _CSV = "text/html", "text/csv"


def publish_reports(run: Run, *, always: bool = False) -> None:
    """Draws the pages of a loop and of its rounds, unless it goes over old ground; those that they replace are removed.

    Args:
        always: whether to draw in any case.
    """
    if not (always or run.journal.is_fresh):
        return
    facts = Facts(run.name, run.plan.to_json(), run.record, datetime.datetime.now(datetime.UTC))
    files = [(LOOP, render_loop(facts), _HTML)]
    for found in run.record.rounds:
        files.append((page_of(found.number), render_round(facts, found.number, _picture(run, found)), _HTML))
    weak = next((each.weak_classes for each in reversed(run.record.rounds) if each.weak_classes), ())
    if weak:
        files.append((COLLECT, collection_list(run.name, weak).encode(), _CSV))
    earlier = run.record.artifacts
    run.record.artifacts = [run.context.store.put_bytes(data, name, kind) for name, data, kind in files]
    run.keep(always=always)
    kept = {artifact.sha256 for artifact in run.record.artifacts}
    for artifact in earlier:
        if artifact.sha256 not in kept:
            run.context.store.delete(artifact)


def _picture(run: Run, found: Round) -> bytes:
    """Returns a picture of a round's samples; nothing if there is none any more."""
    if not found.synthetic_dataset:
        return b""
    try:
        dataset = run.partners.catalog.ask("GetDataset", pb.GetDatasetRequest(name=found.synthetic_dataset))
        artifact = next(each for each in dataset.artifacts if each.name == PREVIEW)
        return run.context.store.get_bytes(Artifact.from_proto(artifact))
    except (NotFound, DataLoss, StopIteration):
        return b""
