"""Pictures of the same samples over a run, and the film that they make."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from synthmill.learning.checkpoint import is_disk_full, write_atomically

_FRAMES = 24
_FRAME_MS = 250
_LAST_FRAME_MS = 2000


class Film:
    """Keeps pictures in a folder, one for each 24th of a run.

    Args:
        folder: where they are kept.
        number: tells which checkpoint the run is at; names the pictures.
        draw: draws a PNG file.
        takes: whether this process takes pictures at all.
    """

    def __init__(
        self, folder: Path, number: Callable[[], int], draw: Callable[[], bytes], *, takes: bool = True
    ) -> None:
        self._folder, self._number, self._draw, self._takes = folder, number, draw, takes

    def take_if_due(self, before: float, after: float) -> None:
        """Takes a picture if a step has led into another 24th of the run.

        Args:
            before: progress before the step.
            after: progress after it.
        """
        if not self._takes or int(_FRAMES * before) == int(_FRAMES * after):
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / f"{self._number():012d}.png", self._draw())
        except OSError as error:
            # A missing frame is no reason to stop; that the disk is full is told when a checkpoint does not fit.
            if not is_disk_full(error):
                raise

    def cut_after(self, number: int) -> None:
        """Drops the pictures of what a run has gone back behind."""
        for path in self._folder.glob("*.png"):
            if self._takes and int(path.stem) > number:
                path.unlink(missing_ok=True)

    def to_gif(self, last: bytes) -> bytes:
        """Returns an animated GIF.

        Args:
            last: picture that it ends with, a PNG file.
        """
        pictures = [path.read_bytes() for path in sorted(self._folder.glob("*.png"))]
        frames = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in [*pictures, last]]
        stream = io.BytesIO()
        durations = [_FRAME_MS] * len(pictures) + [_LAST_FRAME_MS]
        # Two frames at least: Pillow writes a lone one without the time it is shown.
        frames, durations = (frames * 2, durations * 2) if len(frames) == 1 else (frames, durations)
        frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
        return stream.getvalue()
