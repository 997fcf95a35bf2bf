"""Shows what a policy makes of one record, many times, as a picture."""

from __future__ import annotations

from synthmill.augmentation.opening import Task
from synthmill.augmentation.records import require_index, to_example
from synthmill.augmentation.results import POSTPONED
from synthmill.runtime.errors import InvalidField, ResourceExhausted
from synthmill.runtime.squares import INDEX_LIMIT
from synthmill.v1 import augmentation_service_pb2 as pb

MAX_COUNT = 256
_COUNT, _COLUMNS = 16, 8
_ORIGINAL = "original"


def draw_preview(task: Task, request: pb.PreviewRequest) -> bytes:
    """Returns a PNG file: the record, then what becomes of it at each index from its own on.

    Raises:
        InvalidField: a number or the record is not allowed.
        ResourceExhausted: the results are too large to be shown side by side.
    """
    for name, high in (("count", MAX_COUNT), ("columns", MAX_COUNT)):
        if not 0 <= getattr(request, name) <= high:
            raise InvalidField(name, getattr(request, name), f"0 to {high}")
    count, first = request.count or _COUNT, request.record.index
    require_index(first)
    if first + count > INDEX_LIMIT:
        raise InvalidField("count", count, "indices below 2^48")
    example = to_example(task.kind, task.augmentation, request.record.arrays)
    indices = range(first, first + count)
    results = task.augmenter.augment([example] * count, indices, task.seed)
    if any(result is POSTPONED for result in results):
        raise ResourceExhausted("the results are too large to be shown together: ask for fewer", field="count")
    captions = [_ORIGINAL, *map(str, indices)]
    return task.augmentation.picture([example, *results], captions, request.columns or _COLUMNS)
