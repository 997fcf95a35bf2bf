"""Handlers of jobs for tests of the job engine; they run in real worker processes."""

from __future__ import annotations

import io
import os
import signal
import time
from pathlib import Path

from synthmill.runtime.errors import BadData
from synthmill.runtime.jobs.context import JobContext

TYPES = ("count", "refuse", "break_down", "die", "sleep_without_a_word", "tell", "draw", "pass_phases")
HANDLERS = {name: f"support.handlers:{name}" for name in TYPES}


def count(context: JobContext) -> str:
    """Counts to parameter "to", a pause between two numbers, and goes on from its checkpoint after a death.

    Every number is appended to the file "ledger", so that a test sees what was done, by whom, and in what order.
    """
    checkpoint = context.scratch / "done"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    while done < int(context.parameters["to"]):
        context.check()
        time.sleep(context.parameters.get("pause_s", 0.0))
        done += 1
        with Path(context.parameters["ledger"]).open("a") as ledger:
            ledger.write(f"{context.attempt} {done}\n")
        temporary = checkpoint.with_suffix(".tmp")
        temporary.write_text(str(done))
        temporary.replace(checkpoint)
        context.progress(done, int(context.parameters["to"]), "numbers", metrics={"last": done})
    return f"numbers/{done}"


def refuse(context: JobContext) -> None:
    """Ends with an error of the tree."""
    raise BadData("the numbers are too large", field="numbers", value="9", allowed="up to 8")


def break_down(context: JobContext) -> None:
    """Ends with an error of another kind."""
    raise RuntimeError("a secret of the inside")


def die(context: JobContext) -> None:
    """Kills its own process, every time."""
    os.kill(os.getpid(), signal.SIGKILL)


def sleep_without_a_word(context: JobContext) -> None:
    """Looks at nothing but the clock until it is told to stop."""
    while True:
        context.check()
        time.sleep(0.01)


def tell(context: JobContext) -> None:
    """Says a few things."""
    for number in range(int(context.parameters["times"])):
        context.message(f"message {number}")


def pass_phases(context: JobContext) -> None:
    """Goes from one phase to the next."""
    for phase in context.parameters["phases"]:
        context.progress(1, 2, "steps", phase=phase)


def draw(context: JobContext) -> None:
    """Shows the same picture a few times, then waits for a file before it ends."""
    for number in range(int(context.parameters["times"])):
        context.progress(number, 0, "pictures", picture=context.keep_picture(black()))
    while not Path(context.parameters["gate"]).exists():
        context.check()
        time.sleep(0.01)


def black() -> bytes:
    """Returns a picture."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "PNG")
    return file.getvalue()
