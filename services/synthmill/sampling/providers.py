"""Chooses what ONNX Runtime computes on: the first of the wanted providers that does compute, and says why.

A provider has started when it has opened the graph and computed its first batches, not before: drivers, memory and
kernels fail that late.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import onnxruntime

from synthmill.runtime.errors import BadGraph, SynthmillError
from synthmill.sampling.batches import CPU_LIMITS, GPU_LIMITS, Limits
from synthmill.sampling.hardware import CPU, CUDA, TENSORRT
from synthmill.sampling.runners import Runner

# A reason is also the label of a metric.
_REASON_LENGTH = 300

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Traits:
    """How batches are run on a provider.

    Attributes:
        limits: which batch sizes suit it.
        in_flight: batches of one graph that are under way at a time; zero means one per core.
        inline: whether small batches may be computed by the event loop itself.
    """

    limits: Limits
    in_flight: int
    inline: bool


_HOST = Traits(CPU_LIMITS, in_flight=0, inline=True)
# One is computed, one is on its way back, one is packed.
_DEVICE = Traits(GPU_LIMITS, in_flight=3, inline=False)
TRAITS: Mapping[str, Traits] = {CPU: _HOST, CUDA: _DEVICE, TENSORRT: _DEVICE}


@dataclasses.dataclass(frozen=True)
class ProviderChoice:
    """What a session computes on.

    Attributes:
        name: name of the execution provider.
        reason: why that one.
    """

    name: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A way to run a graph.

    Attributes:
        provider: name of the execution provider.
        title: what is tried, for the log.
        open: opens an ONNX file that way.
    """

    provider: str
    title: str
    open: Callable[[bytes], Runner]


def use_first(
    graph: bytes,
    attempts: Sequence[Attempt],
    use: Callable[[Runner, ProviderChoice], T],
    available: Sequence[str] | None = None,
) -> T:
    """Opens a graph and puts it to use in the first way in which both succeed.

    Args:
        graph: an ONNX file.
        attempts: the ways, in order.
        use: puts the open graph to use; told what it runs on.
        available: providers that this build of ONNX Runtime lists; by default it is asked.

    Raises:
        BadGraph: nothing can run the graph.
        SynthmillError: `use` finds the graph unfit, whatever it runs on.
    """
    available = onnxruntime.get_available_providers() if available is None else available
    # What was tried, by what it failed of.
    refused: dict[str, list[str]] = {}
    for attempt in attempts:
        if attempt.provider not in available:
            refused.setdefault("not part of this ONNX Runtime", []).append(attempt.title)
            continue
        choice = ProviderChoice(attempt.provider, _reason(refused) or "first choice")
        try:
            return _open_and_use(graph, attempt, lambda runner, choice=choice: use(runner, choice))
        except SynthmillError:
            raise
        # A provider may raise anything when its libraries or devices are missing, and so may its graph compiler.
        except Exception as error:
            refused.setdefault(_brief(error), []).append(attempt.title)
            _log.warning("%s did not start: %s", attempt.title, _brief(error))
    raise BadGraph(f"no execution provider can run the graph: {_reason(refused)}")


def _open_and_use(graph: bytes, attempt: Attempt, use: Callable[[Runner], T]) -> T:
    runner = attempt.open(graph)
    try:
        return use(runner)
    except BaseException:
        runner.close()
        raise


def _reason(refused: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{', '.join(titles)}: {failure}" for failure, titles in refused.items())


def _brief(error: Exception) -> str:
    # ONNX Runtime begins with where in its sources it is, and ends with what is the matter.
    text = " ".join(str(error).split())
    return text if len(text) <= _REASON_LENGTH else f"...{text[-_REASON_LENGTH:]}"
