"""Does the first steps of records on a GPU, many records in one go: what moves their pixels, and what mixes channels.

What follows, masks and points are left to the CPU, and so are records that are better off there or that the graph does
not know: 16-bit levels, a border that wraps, sides of one pixel, views that shrink, views that only move pixels to
other places, images that are huge or much larger than what is seen of them. Where a record goes depends on nothing but
the record and its own steps.

A record's bytes are the same alone and in any batch, on one provider. OpenCV's differ from them a little, as it rounds
levels after moving and again after mixing, where the graph rounds once. By how many levels they do, on noise:

    moved alone                  0.0003 in the mean, 1 at most
    mixed alone                  0.05                1
    both, by the ready-made
    policy "standard"            0.17                2

That is for the graph on the CPU. A GPU's float32 rounds in other places, which may show as one level now and then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from synthmill.kinds.image.augmentation.resampling import Border, View, level
from synthmill.kinds.image.augmentation.work import Mix, Move, Step, Work
from synthmill.runtime.errors import FailedPrecondition

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"

# In one run, of the images or of what is seen of them; it takes some 60 bytes for each. On CUDA, ONNX Runtime's
# GridSample counts levels in float32: of more than 2^24, the last ones may be left out.
_MOST_PIXELS = 1 << 22
# An image with this many times the pixels of what is seen of it is seen sooner than it is sent.
_WORTH_SENDING = 4
_ERRORS_ONLY = 3
_REASON_LENGTH = 300

_log = logging.getLogger(__name__)


class Device:
    """What does the first steps of records, from any number of threads; one run at a time, so that memory has a bound.

    Args:
        provider: ONNX Runtime's name for it.

    Raises:
        FailedPrecondition: ONNX Runtime is not installed, or cannot run the graph there.
    """

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self._sessions: dict[tuple[str, int], Any] = {}
        self._lock = threading.Lock()
        self._prove()

    def begin(self, images: Sequence[np.ndarray], steps: Sequence[Sequence[Step]], border: Border) -> list[list[Step]]:
        """Does the first steps of those records that it can do something for.

        Args:
            images: of each record, uint8 or uint16 (height, width, channels).
            steps: what is to be done to each.
            border: what lies outside.

        Returns:
            What is still to be done to each; that puts in the image.
        """
        rest = [list(own) for own in steps]
        groups: dict[tuple[tuple[int, ...], tuple[int, int]], list[tuple[int, _Start]]] = {}
        for row, (image, own) in enumerate(zip(images, rest, strict=True)):
            if (start := _start_of(image, own, border)) is not None:
                groups.setdefault((image.shape, start.view.size), []).append((row, start))
        for (shape, size), members in groups.items():
            most = _MOST_PIXELS // max(shape[0] * shape[1], size[0] * size[1])
            for first in range(0, len(members), most):
                part = members[first : first + most]
                begun = self._run([images[row] for row, _ in part], [start for _, start in part], border)
                for (row, start), image in zip(part, begun, strict=True):
                    rest[row] = [_PutIn(image, start.move), *rest[row][start.count :]]
        return rest

    def _run(self, images: Sequence[np.ndarray], starts: Sequence[_Start], border: Border) -> np.ndarray:
        """Returns what becomes of images of one shape that are seen in one size."""
        from synthmill.kinds.image.augmentation.graph import inverse_maps

        (height, width, channels), size = images[0].shape, starts[0].view.size
        feeds = {
            "image": np.stack(images),
            "inverse": inverse_maps(np.stack([start.view.inverse for start in starts]), (height, width)),
            "rows": np.arange(size[0], dtype=np.float32)[:, None, None],
            "columns": np.arange(size[1], dtype=np.float32)[:, None],
            "mix": np.stack([start.levels(channels) for start in starts]),
            # As OpenCV rounds it.
            "fill": np.rint([level(border.fill, images[0].dtype)]).astype(np.float32),
        }
        with self._lock:
            return self._session(border.mode, channels).run(None, feeds)[0]

    def _session(self, border: str, channels: int) -> Any:
        from synthmill.kinds.image.augmentation.graph import build_graph

        if (border, channels) not in self._sessions:
            self._sessions[border, channels] = _open_session(build_graph(border, channels), self.provider)
        return self._sessions[border, channels]

    def _prove(self) -> None:
        """Requires that an image comes back as it was: drivers, memory and kernels fail no earlier than in a run."""
        image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
        try:
            found = self._run([image], [_Start(None, None, _whole(image), 0)], Border("reflect"))
        except ImportError as error:
            raise FailedPrecondition(f"{error}; synthmill[augmentation-gpu] brings it") from None
        # A provider may raise anything when its libraries or devices are missing.
        except Exception as error:
            raise FailedPrecondition(f"{self.provider} did not start: {_brief(error)}") from error
        if not np.array_equal(found[0], image):
            raise FailedPrecondition(f"{self.provider} does not give back an image as it was")


def open_device(wanted: str = "auto") -> Device | None:
    """Returns the GPU, or None if the CPU does everything; says in the log which and why.

    Args:
        wanted: "auto", CUDA where it starts; "cuda"; "cpu", which is OpenCV without ONNX Runtime.

    Raises:
        FailedPrecondition: CUDA is wanted, and does not start.
    """
    if wanted == "cpu":
        _log.info("images are moved and coloured by OpenCV (first choice)")
        return None
    try:
        device = Device(CUDA)
    except FailedPrecondition as error:
        if wanted == "cuda":
            raise
        _log.info("images are moved and coloured by OpenCV (%s)", error)
        return None
    _log.info("images are moved and coloured on %s (first choice)", device.provider)
    return device


@dataclasses.dataclass(frozen=True, slots=True)
class _Start:
    """The first steps of a record, as far as they are one on a device.

    Attributes:
        move: moves its pixels and targets, if anything does.
        mix: mixes channels, if anything does.
        view: how its image is to be seen.
        count: how many steps it takes the place of.
    """

    move: Move | None
    mix: Mix | None
    view: View
    count: int

    def levels(self, channels: int) -> np.ndarray:
        """Returns the map of levels, float32 (channels, channels + 1)."""
        return np.eye(channels, channels + 1, dtype=np.float32) if self.mix is None else self.mix.levels(channels)


@dataclasses.dataclass(slots=True, eq=False)
class _PutIn:
    """Puts in the image that a device has made, and moves the targets after it."""

    image: np.ndarray
    move: Move | None

    def __call__(self, work: Work) -> None:
        work.image = self.image
        if self.move is not None:
            self.move.move_targets(work)


def _start_of(image: np.ndarray, steps: Sequence[Step], border: Border) -> _Start | None:
    """Returns the first steps of a record that are for the device, if any are."""
    match steps:
        case [Move() as move, Mix() as mix, *_]:
            start = _Start(move, mix, move.view, 2)
        case [Move() as move, *_]:
            start = _Start(move, None, move.view, 1)
        case [Mix() as mix, *_]:
            start = _Start(None, mix, _whole(image), 1)
        case _:
            return None
    return start if _is_suited(image, start, border) else None


def _is_suited(image: np.ndarray, start: _Start, border: Border) -> bool:
    view, pixels = start.view, image.shape[0] * image.shape[1]
    seen = view.size[0] * view.size[1]
    return (
        border.mode != "wrap"
        and image.dtype == np.uint8
        and min(image.shape[:2]) > 1
        and max(pixels, seen) <= _MOST_PIXELS
        and pixels <= _WORTH_SENDING * seen
        and view.shrink == 1
        # Copying is all that there is to do, and sending is copying too.
        and not (view.is_exact and start.mix is None)
    )


def _whole(image: np.ndarray) -> View:
    return View(np.eye(3), image.shape[:2], is_exact=True, is_affine=True, shrink=1)


def _open_session(graph: bytes, provider: str) -> Any:
    """Opens a graph on a provider and on no other.

    Raises:
        ImportError: ONNX Runtime is not installed.
        RuntimeError: it has no such provider, or cannot start it.
    """
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():
        raise RuntimeError("not part of this ONNX Runtime; synthmill[augmentation-gpu] brings one that has it")
    if provider == CUDA and hasattr(onnxruntime, "preload_dlls"):
        # ONNX Runtime does not look into NVIDIA's packages by itself, and prints what it does not find.
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=[provider], enable_fallback=0)
    # It goes on without a provider that cannot start, and tells by leaving it out.
    if session.get_providers()[0] != provider:
        raise RuntimeError("ONNX Runtime left it out")
    return session


def _brief(error: Exception) -> str:
    # ONNX Runtime begins with where in its sources it is, and ends with what is the matter.
    text = " ".join(str(error).split())
    return text if len(text) <= _REASON_LENGTH else f"...{text[-_REASON_LENGTH:]}"
