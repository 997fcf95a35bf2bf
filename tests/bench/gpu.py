"""The Fashion-MNIST generator on a GPU, in all precisions: graphs, services, and the loops they are compared with."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.model_catalog import write_models

from support.cluster import ServiceProcess
from synthmill.bench.sampling.pipe import MESSAGE_BYTES
from synthmill.bench.sampling.target import Target, pump_requests
from synthmill.bench.workers import Process, Worker, call_together
from synthmill.runtime.channels import connect_sync
from synthmill.runtime.store import ObjectStore
from synthmill.sampling.hardware import CUDA
from synthmill.v1 import model_pb2, sampling_service_pb2_grpc
from synthmill.v1 import sampling_service_pb2 as pb

TESTS = str(Path(__file__).resolve().parents[1])
LABELS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
SCHEMA = {"height": 28, "width": 28, "channels": 1}
_SLACK_S = 120.0
_LOAD_S = 900.0


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to run the generator.

    Attributes:
        name: for the table.
        graph: which file: "float32" or "float16".
        precision: what the service is told.
        graphs: whether batches are replayed as CUDA graphs.
    """

    name: str
    graph: str
    precision: str
    graphs: bool

    @property
    def flags(self) -> list[str]:
        """Settings of the sampling service."""
        return ["--gpu-precision", self.precision, "--cuda-graphs", str(self.graphs).lower()]


WAYS = [
    Way(f"{name}{', graphs' if graphs else ''}", graph, precision, graphs)
    for name, graph, precision in (
        ("float32", "float32", "float32"),
        ("tf32", "float32", "tf32"),
        ("float16", "float16", "tf32"),
    )
    for graphs in (True, False)
]


def write_graphs(folder: Path) -> dict[str, Path]:
    """Writes the image kind's generator for Fashion-MNIST as sampler graphs; its weights are drawn, not trained."""
    import torch

    from synthmill.kinds.image.learning import LEARNING
    from synthmill.learning.compress.half import to_half
    from synthmill.learning.configuration import hyper_parameters
    from synthmill.learning.export import export_sampler
    from synthmill.learning.graph.metadata import GraphMetadata

    torch.manual_seed(28)
    parameters = hyper_parameters("image", "gan", {}).resolve(SCHEMA, 60_000)
    generator = LEARNING.generator(SCHEMA, len(LABELS), parameters).eval()
    about = GraphMetadata(kind="image", schema=SCHEMA, labels=LABELS, family="gan")
    data = export_sampler(generator, LEARNING, ["image"], parameters.latent_size, about)
    written = {"float32": data, "float16": to_half(data)}
    paths = {name: folder / f"{name}.onnx" for name in written}
    for name, path in paths.items():
        path.write_bytes(written[name])
    return paths


@contextlib.contextmanager
def running_service(folder: Path, graphs: dict[str, Path], flags: Sequence[str]) -> Iterator[ServiceProcess]:
    """Runs a sampling service beside a catalog that has the graphs, for the length of a with block."""
    store, models = folder / "store", {}
    objects = ObjectStore(f"{store}/objects")
    for name, path in graphs.items():
        artifact = objects.put_bytes(path.read_bytes(), "sampler.onnx").to_proto()
        version = f"models/{name}/versions/1"
        models[version] = models[f"models/{name}"] = model_pb2.Model(
            name=version, labels=LABELS, artifacts=[artifact], digest=artifact.sha256
        )
    write_models(folder / "models.json", models)
    environment = {"PYTHONPATH": os.pathsep.join([TESTS, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "bench.model_catalog", "--store", str(store), "--port", "0"]
    with (folder / "catalog.log").open("wb") as log:
        catalog = subprocess.Popen(
            [*command, "--models", str(folder / "models.json")],
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **environment},
            text=True,
        )
    with catalog:
        address = json.loads(catalog.stdout.readline())["address"]
        given = ["--catalog-address", address, *flags]
        service = ServiceProcess("sampling", store, folder / "sampling.log", given, {})
        try:
            service.start()
            yield service
        finally:
            service.kill()
            catalog.terminate()


def load(service: ServiceProcess, model: str) -> pb.LoadedModel:
    """Makes a service load a model, however long that takes."""
    with connect_sync(service.address) as channel:
        stub = sampling_service_pb2_grpc.SamplingServiceStub(channel)
        return stub.LoadModel(pb.LoadModelRequest(name=f"models/{model}"), timeout=_LOAD_S)


def stream_rate(service: ServiceProcess, model: str, clients: Sequence[Worker], seconds: float) -> dict[str, float]:
    """Returns what clients receive together, each with a stream of its own, in a process of its own."""
    target = Target(service.address, f"models/{model}", "", len(LABELS), CUDA, "")
    given = [
        {"address": service.address, "requests": [request], "warm_s": seconds / 2, "seconds": seconds}
        for request in target.stream_requests(len(clients))
    ]
    return _sum(call_together(clients, "receive", given, _SLACK_S + 12 * seconds))


def pipe_rate(clients: Sequence[Worker], seconds: float) -> dict[str, float]:
    """Returns what the same clients receive of a server that does nothing but send."""
    with Process("synthmill.bench.sampling.pipe") as pipe:
        address = pipe.receive(_SLACK_S)["address"]
        given = [
            {"address": address, "requests": pump_requests(1, MESSAGE_BYTES), "warm_s": seconds / 2, "seconds": seconds}
            for _ in clients
        ]
        return _sum(call_together(clients, "receive_pipe", given, _SLACK_S + 12 * seconds))


def device_rates(graph: Path, way: Way, seconds: float, provider: str, sizes: Sequence[int]) -> dict[str, Any]:
    """Returns what the device comes to alone; see `bench.device_loop`."""
    command = [sys.executable, "-m", "bench.device_loop", str(graph), "--labels", json.dumps(LABELS)]
    command += ["--precision", way.precision, "--seconds", str(seconds), "--provider", provider]
    command += ["--sizes", *map(str, sizes), *(["--graphs"] if way.graphs else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([TESTS, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=_LOAD_S)
    if done.returncode:
        raise RuntimeError(f"the loop on the device failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _sum(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: sum(figures[name] for figures in found) for name in ("samples_per_s", "bytes_per_s")}
