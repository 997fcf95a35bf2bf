"""What runs in one of several processes: `python -m synthmill.runtime.processes.child`, started by the front.

Its first line of input says what to do; after that, the end of input means that the front has gone, and the process
with it. Its first line of output says that it serves.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from synthmill.runtime.config import ProcessesConfig, load_config, to_flags
from synthmill.runtime.logs import set_up_logging
from synthmill.runtime.places import load, place_of
from synthmill.runtime.processes.metrics import METRICS, told
from synthmill.runtime.processes.siblings import Siblings
from synthmill.runtime.service import refusal_told, run_in_loop, serve

ORPHANED_STATUS = 4
# Long enough for streams to say where to go on, short enough that the port is soon free for another front.
_ORPHANED_FOR_S = 2.0


@dataclasses.dataclass(frozen=True)
class Order:
    """What a process is told to be.

    Attributes:
        config: "module:class" of the service's settings.
        flags: those of this process.
        build: "module:function" that puts the service together.
        number: of this process, from 0.
        count: of the processes.
        folder: what they share.
    """

    config: str
    flags: list[str]
    build: str
    number: int
    count: int
    folder: str

    @classmethod
    def make(cls, config: ProcessesConfig, build: str, number: int, port: int, folder: str) -> Order:
        """Puts an order together.

        Args:
            config: settings of the whole service.
            build: "module:function" that puts it together.
            number: which process this is for.
            port: the port that they share.
            folder: what else they share.
        """
        # The front tells the metrics of all of them.
        own = dataclasses.replace(config.share(number), port=port, metrics_port=-1)
        return cls(place_of(type(config)), to_flags(own), build, number, config.process_count, folder)

    def to_line(self) -> bytes:
        """Returns the line that is sent to the process."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"


def main() -> None:
    """Serves as the first line of input says."""
    order = Order(**json.loads(sys.stdin.buffer.readline()))
    folder = Path(order.folder)
    threading.Thread(target=_end_with_front, args=(folder,), daemon=True).start()
    config = load_config(load(order.config), order.flags, {})
    set_up_logging(config.service, config.log_level, process=str(order.number))
    siblings = Siblings(folder, order.number, order.count)
    siblings.add(METRICS, told)
    with refusal_told(type(config)):
        run_in_loop(serve(config, functools.partial(load(order.build), siblings=siblings), siblings))


def _end_with_front(folder: Path) -> None:
    """Ends this process once the front has gone: as an operator would, and at once if that takes too long."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORPHANED_FOR_S)
    os._exit(ORPHANED_STATUS)


if __name__ == "__main__":
    main()
