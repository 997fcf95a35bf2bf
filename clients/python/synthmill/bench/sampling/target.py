"""What is measured: a model version behind a service, and the requests that loads send to it."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np

from synthmill.bench.sampling.pipe import MESSAGE_BYTES
from synthmill.bench.sampling.wire import ECHO, SAMPLE, echo_request
from synthmill.runtime.status import from_rpc_error
from synthmill.v1 import sampling_service_pb2 as pb

if TYPE_CHECKING:
    from synthmill.client import Client

SAMPLER = "sampler.onnx"
_STREAM_SAMPLES = 1 << 40
_MIX_REQUESTS = 256
_MIX_START = 1 << 32
_TIMEOUT_S = 60.0


@dataclasses.dataclass(frozen=True)
class Target:
    """A model version that a sampling service has in memory.

    Attributes:
        address: "host:port" of the service.
        model: the version.
        digest: of its sampler graph.
        classes: number of its classes.
        provider: execution provider that it runs on.
        columns: its columns, for people.
    """

    address: str
    model: str
    digest: str
    classes: int
    provider: str
    columns: str

    def stream_requests(self, streams: int, chunk_bytes: int = 0) -> list[str]:
        """Makes requests for endless streams, in base64, each with a seed of its own."""
        requests = (
            pb.StreamSamplesRequest(model=self.model, seed=seed, count=_STREAM_SAMPLES, chunk_bytes=chunk_bytes)
            for seed in range(streams)
        )
        return [_text(request.SerializeToString()) for request in requests]

    def mix(self, least: int, most: int) -> dict[str, Any]:
        """Makes requests for `least` to `most` samples each, all sizes alike, as `worker` takes them."""
        generator = np.random.default_rng(0)
        counts = [int(count) for count in np.resize(np.arange(least, most + 1), _MIX_REQUESTS)]
        generator.shuffle(counts)
        requests = [
            pb.SampleRequest(
                model=self.model, seed=turn, start_index=int(generator.integers(_MIX_START)), count=count
            ).SerializeToString()
            for turn, count in enumerate(counts)
        ]
        return {"method": SAMPLE, "requests": list(map(_text, requests)), "counts": counts}

    def echo_mix(self, mix: dict[str, Any]) -> dict[str, Any]:
        """Makes requests to the bare server: as long as those of a mix, for answers as long as those to it."""
        sizes = {count: answer_bytes(self.address, self.model, count) for count in sorted(set(mix["counts"]))}
        requests = [
            echo_request(sizes[count], len(base64.b64decode(request)))
            for request, count in zip(mix["requests"], mix["counts"], strict=True)
        ]
        return {"method": ECHO, "requests": list(map(_text, requests)), "counts": mix["counts"]}


def answer_bytes(address: str, model: str, count: int) -> int:
    """Asks for samples and returns how long the answer is.

    Raises:
        SynthmillError: there was no answer.
    """
    request = pb.SampleRequest(model=model, count=count).SerializeToString()
    with grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", 64 << 20)]) as channel:
        try:
            return len(channel.unary_unary(SAMPLE)(request, timeout=_TIMEOUT_S))
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error


def pump_requests(streams: int, message_bytes: int = MESSAGE_BYTES) -> list[str]:
    """Makes requests for endless streams of the bare server, in base64."""
    return [_text(echo_request(message_bytes, 0))] * streams


def find_target(client: Client, model: str) -> Target:
    """Makes the service load a model, and tells what it has loaded.

    Raises:
        NotFound: there is no such model.
    """
    loaded = client.sampling.load_model(model)
    return Target(
        address=client.addresses["sampling"],
        model=loaded.model.name,
        digest=loaded.model.digest,
        classes=len(loaded.model.labels),
        provider=loaded.provider,
        columns=", ".join(f"{column.name} {list(column.shape[1:])}" for column in loaded.model.columns),
    )


def fetch_graph(client: Client, target: Target, folder: Path) -> Path:
    """Downloads the sampler graph of a target into a folder."""
    version = client.catalog.get_model(target.model)
    graph = next(artifact for artifact in version.artifacts if artifact.name == SAMPLER)
    path = folder / SAMPLER
    client.catalog.download_artifact(version.name, graph, path)
    return path


def _text(request: bytes) -> str:
    return base64.b64encode(request).decode()
