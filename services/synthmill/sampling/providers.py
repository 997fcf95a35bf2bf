"""Chooses what ONNX Runtime computes on: TensorRT before CUDA before the CPU, and says why."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence

import onnxruntime

from synthmill.runtime.errors import BadGraph

CPU = "CPUExecutionProvider"
PREFERENCE = ("TensorrtExecutionProvider", "CUDAExecutionProvider", CPU)

_ERRORS_ONLY = 3

_log = logging.getLogger(__name__)

OpenSession = Callable[[bytes, Sequence[str]], onnxruntime.InferenceSession]
"""Opens a graph with providers in order of preference."""


@dataclasses.dataclass(frozen=True)
class ProviderChoice:
    """What a session computes on.

    Attributes:
        name: name of the execution provider.
        reason: why that one.
    """

    name: str
    reason: str


def session_opener(threads: int) -> OpenSession:
    """Returns what opens sessions with a number of threads each; zero means one per core."""

    def open_session(graph: bytes, providers: Sequence[str]) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = _ERRORS_ONLY
        return onnxruntime.InferenceSession(graph, options, providers=list(providers))

    return open_session


def choose_provider(
    graph: bytes, open_session: OpenSession, available: Sequence[str], wanted: Sequence[str] = PREFERENCE
) -> tuple[onnxruntime.InferenceSession, ProviderChoice]:
    """Opens a graph on the first provider that starts.

    Args:
        graph: an ONNX file.
        open_session: opens it.
        available: providers that this build of ONNX Runtime lists.
        wanted: providers in order of preference.

    Raises:
        BadGraph: no provider can run the graph.
    """
    refusals = []
    for position, provider in enumerate(wanted):
        if provider not in available:
            refusals.append(f"{provider} is not part of this ONNX Runtime")
            continue
        # A provider runs what it can; those after it run the rest of the graph.
        usable = [each for each in wanted[position:] if each in available]
        session, failure = _try_open(graph, open_session, usable)
        if session is not None:
            reason = "; ".join(refusals) or "first choice"
            return session, ProviderChoice(provider, reason)
        refusals.append(f"{provider} did not start: {failure}")
        _log.warning("%s", refusals[-1])
    raise BadGraph(f"no execution provider can run the graph: {'; '.join(refusals)}")


def _try_open(
    graph: bytes, open_session: OpenSession, providers: Sequence[str]
) -> tuple[onnxruntime.InferenceSession | None, str]:
    try:
        session = open_session(graph, providers)
    # A provider may raise anything when its libraries or devices are missing, and so may its graph compiler.
    except Exception as error:
        return None, str(error)
    # ONNX Runtime goes on without a provider that cannot start, and tells by leaving it out.
    if session.get_providers()[0] != providers[0]:
        return None, "ONNX Runtime left it out"
    return session, ""
