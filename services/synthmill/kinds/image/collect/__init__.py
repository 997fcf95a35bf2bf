"""Finds images in a source, whatever its form.

    form                                        module
    folder per class, zip or tar of one         trees (entries: folder, zip_file, tar_file in containers)
    .csv of paths and labels                    listing
    .npz arrays                                 arrays
    IDX pairs, .gz too                          idx
    .parquet, or a folder of them               parquet

Nothing is decoded here: an item carries a path, encoded bytes or raw numbers, and `pixels.decode` judges it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthmill.kinds.base import CollectLimits, Item, Rejection
from synthmill.kinds.image.collect import arrays, containers, idx, listing, parquet, trees
from synthmill.runtime.errors import BadData, ResourceExhausted

ALLOWED = "a folder, or a .zip, .tar, .tar.gz, .npz, .parquet, .csv or IDX file"


def collect(source: Path, label_from: str, limits: CollectLimits) -> Iterator[Item | Rejection]:
    """Yields the images of a source in a fixed order; see `Kind.collect`."""
    found = _open(source, label_from, limits)
    for count, item in enumerate(found):
        if count >= limits.items:
            raise ResourceExhausted(f"{source.name}: more than {limits.items:,} items", field="source_uri")
        yield item


def _open(source: Path, label_from: str, limits: CollectLimits) -> Iterator[Item | Rejection]:
    if source.is_dir():
        return _open_folder(source, label_from, limits)
    name = source.name.lower()
    if name.endswith(".npz"):
        return arrays.collect(source, label_from, limits)
    if name.endswith(".parquet"):
        return parquet.collect([source], label_from, limits)
    if name.endswith(".csv"):
        return listing.collect(source, label_from, limits)
    if name.endswith(".zip"):
        return trees.collect(containers.zip_file(source, limits), label_from, limits)
    if name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")):
        return trees.collect(containers.tar_file(source, limits), label_from, limits)
    if idx.is_idx(source):
        return idx.collect(idx.pair_file(source, label_from), limits)
    raise BadData(
        f"{source.name}: a form of data that is not known, allowed: {ALLOWED}",
        field="source_uri",
        value=source.name,
        allowed=ALLOWED,
    )


def _open_folder(source: Path, label_from: str, limits: CollectLimits) -> Iterator[Item | Rejection]:
    if not any(source.iterdir()):
        raise BadData(f"{source.name}: the folder is empty", field="source_uri", value=source.name, allowed=ALLOWED)
    if pairs := idx.pair_folder(source, label_from):
        return idx.collect(pairs, limits)
    if files := parquet.find(source):
        return parquet.collect(files, label_from, limits)
    return trees.collect(containers.folder(source, limits), label_from, limits)
