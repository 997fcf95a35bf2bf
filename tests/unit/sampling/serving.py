"""The sampling service inside the test process: real gRPC, real graphs, and a catalog that a test can change."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import grpc
import numpy as np
import onnx
from onnx import TensorProto, helper
from prometheus_client import REGISTRY
from unit.graph.generators import LABELS, model_of, sampler_graph

from synthmill.client import AsyncClient
from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.compose import compose
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import NotFound, SynthmillError, Unavailable
from synthmill.runtime.status import from_rpc_error
from synthmill.runtime.store import ObjectStore
from synthmill.sampling.assembly import build
from synthmill.sampling.attempts import plan_attempts
from synthmill.sampling.config import SamplingConfig
from synthmill.sampling.engine import Engine
from synthmill.sampling.hardware import CPU
from synthmill.sampling.providers import ProviderChoice
from synthmill.sampling.servicer import SERVICE
from synthmill.sampling.signature import read_signature
from synthmill.v1 import catalog_service_pb2_grpc, dataset_pb2, model_pb2
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.sampling_service_pb2_grpc import SamplingServiceStub

FLOATS, SHAPES, WORDS, SLOW = "models/floats", "models/shapes", "models/words", "models/slow"
PATIENCE_S = 60.0


class FakeCatalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    """A catalog of what a test puts in.

    Attributes:
        models: the versions by name; "models/{model}" means the one promoted last.
        datasets: datasets by name.
        asked: names in the order in which they were asked for.
        reachable: whether it answers.
        gate: while it is clear, nobody gets an answer.
    """

    def __init__(self) -> None:
        self.models: dict[str, model_pb2.Model] = {}
        self.datasets: dict[str, dataset_pb2.Dataset] = {}
        self.asked: list[str] = []
        self.reachable = True
        self.gate = asyncio.Event()
        self.gate.set()

    def promote(self, model: model_pb2.Model) -> None:
        """Makes a version known, and the one that its model's name means."""
        self.models[model.name] = model
        self.models[model.name.rpartition("/versions/")[0]] = model

    async def GetModel(self, request, context):
        return await self._answer(request.name, self.models)

    async def GetDataset(self, request, context):
        return await self._answer(request.name, self.datasets)

    async def _answer(self, name, known):
        self.asked.append(name)
        await self.gate.wait()
        if not self.reachable:
            raise Unavailable("the catalog is away")
        if name not in known:
            raise NotFound(f"no {name!r}", name=name)
        return known[name]


@contextlib.asynccontextmanager
async def serving_catalog(catalog: FakeCatalog) -> AsyncIterator[str]:
    """Serves a catalog for the length of an async with block; yields its address."""
    server = grpc.aio.server()
    catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(catalog, ObservedServer(server, "catalog", Drain()))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@dataclasses.dataclass
class Service:
    """A sampling service that is running.

    Attributes:
        address: "host:port".
        catalog: the catalog that it asks.
        store: where its graphs are.
        drain: its switch at shutdown.
        stub: its methods, as gRPC has them.
        client: its methods, as the SDK has them.
    """

    address: str
    catalog: FakeCatalog
    store: ObjectStore
    drain: Drain
    stub: SamplingServiceStub
    client: AsyncClient

    def publish(self, graph: onnx.ModelProto, name: str, labels: Sequence[str] = ()) -> model_pb2.Model:
        """Stores a graph as "models/{name}/versions/{n}" and promotes it."""
        model = stored(self.store, graph, name, labels)
        self.catalog.promote(model)
        return model

    async def sample(self, model: str, count: int, **fields: object) -> pb.SampleChunk:
        """Asks for a few samples; fields as in the request."""
        return await self.stub.Sample(pb.SampleRequest(model=model, count=count, **fields), timeout=PATIENCE_S)

    def stream(self, model: str, count: int, **fields: object) -> grpc.aio.UnaryStreamCall:
        """Asks for a stream; fields as in the request."""
        return self.stub.StreamSamples(pb.StreamSamplesRequest(model=model, count=count, **fields), timeout=PATIENCE_S)


@contextlib.asynccontextmanager
async def serving(
    folder: Path, catalog: FakeCatalog | None = None, port: int = 0, **settings: object
) -> AsyncIterator[Service]:
    """Runs the service as its process puts it together, for the length of an async with block.

    Args:
        folder: where graphs are.
        catalog: the catalog that it asks; a new one by default.
        port: where it listens; zero means any.
        settings: fields of `SamplingConfig`.
    """
    catalog, drain = catalog or FakeCatalog(), Drain()
    async with contextlib.AsyncExitStack() as stack:
        catalog_address = await stack.enter_async_context(serving_catalog(catalog))
        config = SamplingConfig(store=str(folder), catalog_address=catalog_address, port=0, **settings)
        assembly = build(config, drain)
        for hook in reversed(assembly.stop):
            stack.push_async_callback(hook)
        server = grpc.aio.server()
        for mount in assembly.mounts:
            mount.add(mount.servicer, ObservedServer(server, "sampling", drain))
        address = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
        await server.start()
        stack.push_async_callback(server.stop, None)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        client = await stack.enter_async_context(AsyncClient(catalog_address=catalog_address, sampling_address=address))
        yield Service(address, catalog, ObjectStore(config.store_url), drain, SamplingServiceStub(channel), client)


def stored(store: ObjectStore, graph: onnx.ModelProto, name: str, labels: Sequence[str] = ()) -> model_pb2.Model:
    """Puts a graph into a store and returns the version that it is."""
    artifact = store.put_bytes(graph.SerializeToString(), "sampler.onnx").to_proto()
    return model_pb2.Model(name=f"models/{name}", labels=labels, artifacts=[artifact], digest=artifact.sha256)


def dense(version: int = 1, labels: Sequence[str] = LABELS) -> onnx.ModelProto:
    """Returns a small sampler graph of pictures; another one for each version."""
    return sampler_graph(labels, latent=8 * version)


def floats_graph(width: int = 5, latent: int = 6, repeat: int = 0, labels: Sequence[str] = ()) -> onnx.ModelProto:
    """Returns a sampler graph whose columns show every bit: "x", float32 [N, width], and "z", the latent vector.

    Args:
        width: size of x.
        latent: size of z.
        repeat: matrix products in a row, to make samples slow.
        labels: class names; each class moves x by its position.
    """
    rng = np.random.default_rng(width * 100 + latent)
    builder = GraphBuilder("floats")
    inputs = [helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["batch", latent])]
    hidden = builder.add("Tanh", builder.add("MatMul", "latent", _weights(builder, rng, latent, width)))
    weights = _weights(builder, rng, width, width) if repeat else ""
    for _ in range(repeat):
        hidden = builder.add("Tanh", builder.add("MatMul", hidden, weights))
    if labels:
        inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
        shift = builder.add("Unsqueeze", builder.cast("label", np.float32), builder.constant([1], np.int64))
        hidden = builder.add("Add", hidden, shift)
    builder.add("Identity", hidden, output="x")
    builder.add("Identity", "latent", output="z")
    outputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", width]),
        helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", latent]),
    ]
    about = GraphMetadata(kind="tensor", schema={}, labels=tuple(labels), family="imported")
    return compose(model_of(builder, inputs, outputs), about, latent="latent", label="label")


def slow_graph(layers: int = 4) -> onnx.ModelProto:
    """Returns a sampler graph that works about a tenth of a millisecond or more for each layer and sample of 2 KiB."""
    rng = np.random.default_rng(layers)
    builder = GraphBuilder("slow")
    corner = builder.add("Reshape", "latent", builder.constant([-1, 32, 1, 1], np.int64))
    picture = builder.add("Tile", corner, builder.constant([1, 1, 32, 32], np.int64))
    for _ in range(layers):
        weights = builder.constant(rng.standard_normal((32, 32, 3, 3)) / 17, np.float32)
        picture = builder.add("Tanh", builder.add("Conv", picture, weights, pads=[1, 1, 1, 1]))
    bounds = [builder.constant(bound, np.int64) for bound in ([0, 0], [4, 4], [2, 3])]
    builder.add("Slice", picture, *bounds, output="x")
    inputs = [helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["batch", 32])]
    outputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 32, 4, 4])]
    about = GraphMetadata(kind="tensor", schema={})
    return compose(model_of(builder, inputs, outputs), about, latent="latent", label=None)


def words_graph() -> onnx.ModelProto:
    """Returns a sampler graph with a column of strings beside one of numbers."""
    builder = GraphBuilder("words")
    inputs = [helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["batch", 4])]
    words = builder.constant(np.array(["ä", "birch", "", "Zeder 木"], object), object)
    builder.add("Gather", words, builder.add("ArgMax", "latent", axis=1, keepdims=0), output="word")
    builder.add("Identity", "latent", output="z")
    outputs = [
        helper.make_tensor_value_info("word", TensorProto.STRING, ["batch"]),
        helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 4]),
    ]
    return compose(
        model_of(builder, inputs, outputs), GraphMetadata(kind="tensor", schema={}), latent="latent", label=None
    )


def engine_of(graph: onnx.ModelProto, labels: Sequence[str] = (), name: str = "models/m/versions/1") -> Engine:
    """Opens a graph on the CPU, with one thread."""
    data = graph.SerializeToString()
    runner = plan_attempts([CPU])[0].open(data)
    return Engine(name, runner, ProviderChoice(CPU, "asked for"), read_signature(runner.session, labels), len(data))


def publish_all(service: Service) -> None:
    """Publishes a first version of each model that is named above."""
    service.publish(floats_graph(width=500), "floats/versions/1")
    service.publish(dense(), "shapes/versions/1", LABELS)
    service.publish(words_graph(), "words/versions/1")
    service.publish(slow_graph(), "slow/versions/1")


def metric(name: str, **labels: str) -> float:
    """Returns the present value of a series of the sampling service; zero if there is none."""
    return REGISTRY.get_sample_value(f"synthmill_{name}", labels) or 0.0


def active(method: str) -> float:
    """Returns how many calls of a method are in progress, in the service that was started last."""
    return metric("active_calls", service="sampling", method=f"/{SERVICE}/{method}")


def computed(model: str) -> float:
    """Returns how many samples of the first version of a model have been computed."""
    return metric("sampling_samples_total", model=f"{model}/versions/1")


async def refusal(call: Awaitable[object]) -> SynthmillError:
    """Waits for a call to fail; returns the error of our tree."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    raise AssertionError("the call was answered")


async def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Waits until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        await asyncio.sleep(0.005)


def _weights(builder: GraphBuilder, rng: np.random.Generator, *shape: int) -> str:
    return builder.constant(rng.standard_normal(shape) / np.sqrt(shape[0]), np.float32)
