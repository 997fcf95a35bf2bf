"""The curves of a run for people and for TensorBoard."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, float]]
"""As `History.rows` gives them: the step, and figures by name."""

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 32


def summarise(rows: Rows) -> dict[str, dict[str, Any]]:
    """Returns each curve as a line of bars, with its first, last, least and greatest value.

    >>> summarise([{"step": 1, "loss": 3.0}, {"step": 2, "loss": 1.0}])
    {'loss': {'curve': '█▁', 'first': 3.0, 'last': 1.0, 'least': 1.0, 'greatest': 3.0}}
    """
    return {
        name: {
            "curve": sparkline(values),
            "first": values[0],
            "last": values[-1],
            "least": min(values),
            "greatest": max(values),
        }
        for name, values in _curves(rows).items()
    }


def sparkline(values: Sequence[float]) -> str:
    """Returns values as a line of at most 32 bars, each a mean.

    >>> sparkline([0.0, 1.0, 2.0, 3.0])
    '▁▃▅█'
    """
    width = min(_WIDTH, len(values))
    edges = [position * len(values) // width for position in range(width + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in itertools.pairwise(edges)]
    least, span = min(means), max(means) - min(means)
    return "".join(_BARS[round((mean - least) / span * (len(_BARS) - 1)) if span else 0] for mean in means)


def write_events(path: Path, rows: Rows) -> None:
    """Writes the curves as an event file that TensorBoard reads, in its folder or by name.

    Args:
        path: of the file; its name holds "tfevents".
        rows: the curves.
    """
    # Here, as it is slow to load and needed once, at the end of a run.
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.record_writer import RecordWriter

    now = time.time()
    writer = RecordWriter(str(path))
    try:
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for row in rows:
            values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items() if name != "step"]
            event = Event(wall_time=now, step=int(row["step"]), summary=Summary(value=values))
            writer.write(event.SerializeToString())
    finally:
        writer.close()


def _curves(rows: Rows) -> dict[str, list[float]]:
    names = dict.fromkeys(name for row in rows for name in row if name != "step")
    return {name: [row[name] for row in rows if name in row] for name in names}
