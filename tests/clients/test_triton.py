"""A stock tritonclient against the real service: what it gets is what our own client gets."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnx
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from onnx import TensorProto, helper, numpy_helper
from unit.graph.generators import dense_generator

from support.cluster import Cluster
from support.studio import client_of, running_services
from synthmill.client import Client

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-triton/bin/python"
SCRIPT = Path(__file__).with_name("triton_calls.py")
README = ROOT / "services/synthmill/sampling/oip/README.md"
LABELS = [str(number) for number in range(10)]
FINAL = "triton_final_response"
# More than fits one response: a sample of "digits" is 264 bytes with its label.
MANY = 30_000
SEED = 2**64 - 5

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason=".venv-triton is missing: run 'make setup'")


@dataclasses.dataclass(frozen=True)
class Service:
    """The running service.

    Attributes:
        cluster: its processes; replica "shared" has shared memory on.
        client: our own client.
    """

    cluster: Cluster
    client: Client

    def triton(self, *calls: dict[str, Any], name: str = "sampling") -> list[Any]:
        """Makes calls with a stock client and returns their answers."""
        process = subprocess.run(
            [PYTHON, SCRIPT, self.cluster.address(name)],
            input=json.dumps(calls),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert process.returncode == 0, process.stderr[-3000:]
        return json.loads(process.stdout)


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("triton")
    with running_services(folder, "catalog", "sampling") as cluster, client_of(cluster) as client:
        cluster.add("sampling", "shared", ["--system-shared-memory", "true"])
        publish(client, folder, "digits", dense_generator(labels=10, size=16, finished=False), "image")
        publish(client, folder, "digits", dense_generator(32, labels=10, size=16, finished=False), "image")
        publish(client, folder, "waves", vector_generator(), "tensor")
        yield Service(cluster, client)


def vector_generator() -> onnx.ModelProto:
    """Makes a generator of six numbers."""
    weights = numpy_helper.from_array(np.linspace(-1, 1, 48, dtype=np.float32).reshape(8, 6), "w")
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 8])]
    outputs = [helper.make_tensor_value_info("v", TensorProto.FLOAT, ["n", 6])]
    graph = helper.make_graph([helper.make_node("MatMul", ["z", "w"], ["v"])], "vector", inputs, outputs, [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def publish(client: Client, folder: Path, name: str, generator: onnx.ModelProto, kind: str) -> None:
    path = folder / f"{name}.onnx"
    path.write_bytes(generator.SerializeToString())
    job = client.catalog.import_model(name, path, kind=kind, labels=LABELS if kind == "image" else ())
    client.jobs.wait(job.name)


def method(name: str, *arguments: Any, **named: Any) -> dict[str, Any]:
    return {"call": "method", "name": name, "arguments": arguments, **named}


def infer(model: str = "digits", **given: Any) -> dict[str, Any]:
    return {"call": "infer", "model": model, **given}


def array(output: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(output["hex"]), output["dtype"]).reshape(output["shape"])


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def test_server_and_models_are_described(service):
    live, ready, server, model, config = service.triton(
        method("is_server_live"),
        method("is_server_ready"),
        method("get_server_metadata", as_json=True),
        method("get_model_metadata", "digits", as_json=True),
        method("get_model_config", "waves", as_json=True),
    )
    assert live is ready is True
    assert (server["name"], server["version"]) == ("synthmill", importlib.metadata.version("synthmill"))
    assert "system_shared_memory" not in server["extensions"]
    assert model["versions"] == ["1", "2"]
    assert [each["name"] for each in model["inputs"]] == ["seed", "index", "label"]
    assert model["outputs"][0] == {"name": "image", "datatype": "UINT8", "shape": ["-1", "16", "16", "1"]}
    assert config["config"]["output"][0]["data_type"] == "TYPE_FP32"
    assert [each["optional"] for each in config["config"]["input"]] == [True, True]


def test_samples_are_those_of_our_own_client(service):
    index = [5, 0, 2**40, 5]
    by_index, by_range, waves, first = service.triton(
        infer(inputs={"seed": ["UINT64", [SEED]], "index": ["INT64", index]}, request_id="mine"),
        {**infer(parameters={"seed": 3, "start_index": 100, "count": 200}), "call": "infer_async"},
        infer("waves", parameters={"count": 64}),
        infer(model_version="1", parameters={"count": 20}),
    )
    own = service.client.sampling.sample("digits", seed=SEED, indices=index)
    assert np.array_equal(array(by_index["outputs"]["image"]), own["image"])
    assert np.array_equal(array(by_index["outputs"]["label"]), own["label"])
    assert (by_index["model"], by_index["version"], by_index["id"]) == ("digits", "2", "mine")
    own = service.client.sampling.sample("digits", 200, seed=3, start_index=100)
    assert by_range["outputs"]["image"]["sha256"] == digest(own["image"])
    assert by_range["parameters"]["first_index"] == 100
    own = service.client.sampling.sample("waves", 64)
    (name,) = waves["outputs"]
    assert np.array_equal(array(waves["outputs"][name]), own[name])
    assert waves["outputs"][name]["dtype"] == "float32"
    own = service.client.sampling.sample("digits/versions/1", 20)
    assert np.array_equal(array(first["outputs"]["image"]), own["image"])
    assert first["parameters"]["model_digest"] == service.client.catalog.get_model("digits/versions/1").digest


def test_one_latent_vector_in_every_class(service):
    inputs = {"index": ["INT64", [7] * 10], "label": ["INT64", list(range(10))]}
    by_row, by_plan = service.triton(
        infer(inputs=inputs, outputs=["image"]),
        infer(inputs={"index": ["INT64", [7]]}, parameters={"label_plan": '{"label": "4"}'}),
    )
    assert list(by_row["outputs"]) == ["image"]
    for label in (0, 4, 9):
        own = service.client.sampling.sample("digits", indices=[7], labels=str(label))["image"]
        assert np.array_equal(array(by_row["outputs"]["image"])[[label]], own)
    assert np.array_equal(array(by_plan["outputs"]["image"])[0], array(by_row["outputs"]["image"])[4])


def test_stream_is_the_range_in_order_and_says_where_it_ends(service):
    parameters = {"count": MANY, "seed": 9}
    requests = [
        {"model": "digits", "request_id": "a", "parameters": parameters},
        {"model": "digits", "request_id": "b", "parameters": {"count": 0}},
        {"model": "digits", "request_id": "c", "parameters": parameters, "empty_final": True},
        {"model": "waves", "request_id": "d", "parameters": {"count": 5}},
    ]
    (answers,) = service.triton({"call": "stream", "requests": requests})
    error = next(place for place, answer in enumerate(answers) if "error" in answer)
    assert "count: got 0" in answers[error]["error"]
    left, right = answers[:error], answers[error + 1 : -1]
    assert [answer["id"] for answer in left + right] == ["a"] * len(left) + ["c"] * len(right)
    assert [answer["parameters"][FINAL] for answer in left] == [False] * (len(left) - 1) + [True]
    assert [answer["parameters"][FINAL] for answer in right] == [False] * (len(right) - 1) + [True]
    assert right.pop()["outputs"] == {}
    assert len(left) > 3
    assert [each["outputs"] for each in left] == [each["outputs"] for each in right]
    assert (answers[-1]["id"], answers[-1]["parameters"][FINAL]) == ("d", True)
    own = service.client.sampling.iter_batches("digits", MANY, seed=9)
    images = np.concatenate([batch["image"] for batch in own])
    for answer in left:
        first, (count, *_) = answer["parameters"]["first_index"], answer["outputs"]["image"]["shape"]
        assert answer["outputs"]["image"]["sha256"] == digest(images[first : first + count])


def test_error_ends_the_stream_if_the_client_says_so(service):
    requests = [{"model": "digits"}, {"model": "digits", "parameters": {"count": 0}}]
    (answers,) = service.triton({"call": "stream", "requests": requests, "headers": {"triton_grpc_error": "true"}})
    assert answers[-1]["status"] == "StatusCode.INVALID_ARGUMENT"


def test_asyncio_client(service):
    unary = {"model": "digits", "parameters": {"count": 3}}
    requests = [{"model": "digits", "parameters": {"count": MANY}}, {"model": "nothing"}]
    (answer,) = service.triton({"call": "aio", "unary": unary, "requests": requests})
    assert answer["live"] is True
    assert np.array_equal(
        array(answer["infer"]["outputs"]["image"]), service.client.sampling.sample("digits", 3)["image"]
    )
    *data, error = answer["stream"]
    assert sum(each["outputs"]["label"]["shape"][0] for each in data) == MANY
    assert "nothing" in error["error"]


def test_models_are_controlled_as_in_the_stock_example(service):
    answers = service.triton(
        method("load_model", "waves"),
        method("is_model_ready", "waves"),
        method("get_model_repository_index", as_json=True),
        method("unload_model", "waves"),
        method("is_model_ready", "waves"),
        method("get_model_repository_index", as_json=True),
        method("load_model", "wrong-name"),
        infer("waves"),
        method("is_model_ready", "waves"),
    )
    assert [answers[place] for place in (1, 4, 8)] == [True, False, True]
    before, after = answers[2]["models"], answers[5]["models"]
    assert {"name": "waves", "version": "1", "state": "READY"} in before
    assert [(each["name"], each["version"]) for each in after] == [("digits", "1"), ("digits", "2"), ("waves", "1")]
    assert after[2]["state"] == "UNAVAILABLE"
    assert "failed to load 'wrong-name'" in answers[6]["error"]
    assert answers[6]["status"] == "StatusCode.NOT_FOUND"


def test_statistics_count_what_happened_in_between(service):
    ask = method("get_inference_statistics", "digits", "2", as_json=True)
    stream = {"call": "stream", "requests": [{"model": "digits", "parameters": {"count": MANY}}]}
    bad = infer(parameters={"count": -1})
    before, _, _, responses, _, after = service.triton(ask, infer(), infer(), stream, bad, ask)
    (before,), (after,) = before["model_stats"], after["model_stats"]

    def change(*path: str) -> int:
        return _number(after, path) - _number(before, path)

    assert change("inference_count") == 2 + MANY
    assert 2 + len(responses) <= change("execution_count") <= 2 + MANY
    assert change("inference_stats", "success", "count") == 3
    assert change("inference_stats", "fail", "count") == 1
    for part in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"):
        assert change("inference_stats", part, "ns") > 0


def _number(stats: dict[str, Any], path: tuple[str, ...]) -> int:
    # The client leaves zeros out.
    for name in path:
        stats = stats.get(name, {} if name != path[-1] else 0)
    return int(stats)


def test_shared_memory_in_both_directions(service):
    index = [3, 1, 2**45]
    outputs = {"image": ["UINT8", [3, 16, 16, 1], 1024], "label": ["INT64", [3], 24]}
    large = {"image": ["UINT8", [MANY, 16, 16, 1], MANY * 256], "label": ["INT64", [MANY], MANY * 8]}
    small, many = service.triton(
        {
            "call": "shared_memory",
            "model": "digits",
            "input_data": index,
            "outputs": outputs,
            "parameters": {"seed": 2},
        },
        {
            "call": "shared_memory",
            "model": "digits",
            "input_data": [],
            "outputs": large,
            "parameters": {"count": MANY},
        },
        name="shared",
    )
    own = service.client.sampling.sample("digits", seed=2, indices=index)
    assert np.array_equal(array(small["outputs"]["image"]), own["image"])
    assert np.array_equal(array(small["outputs"]["label"]), own["label"])
    assert small["raw"] == [0, 0]
    assert small["status"]["regions"]["made"]["offset"] == "64"
    assert small["left"] == ["given"]
    images = [batch["image"] for batch in service.client.sampling.iter_batches("digits", MANY)]
    assert many["outputs"]["image"]["sha256"] == digest(np.concatenate(images))


def test_shared_memory_is_off_by_default(service):
    for answer in service.triton(
        method("register_system_shared_memory", "mine", "/mine", 64),
        method("get_system_shared_memory_status"),
        method("unregister_system_shared_memory"),
    ):
        assert answer["status"] == "StatusCode.FAILED_PRECONDITION"
        assert "--system-shared-memory true" in answer["error"]


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        (
            {"inputs": {"index": ["INT64", [-1]]}},
            "INVALID_ARGUMENT",
            "inputs.index: got -1, allowed: 0 to 281474976710655",
        ),
        ({"inputs": {"index": ["INT32", [1]]}}, "INVALID_ARGUMENT", "inputs.index.datatype"),
        (
            {"inputs": {"index": ["INT64", [1]], "label": ["INT64", [10]]}},
            "INVALID_ARGUMENT",
            "label: got 10, allowed: 0 to 9",
        ),
        ({"inputs": {"latent": ["FP32", [1.0]]}}, "INVALID_ARGUMENT", "each once: seed, index, label"),
        ({"outputs": ["picture"]}, "INVALID_ARGUMENT", "each once: image, label"),
        ({"parameters": {"cuont": 5}}, "INVALID_ARGUMENT", "only seed, start_index, count, label_plan, truncation"),
        ({"parameters": {"count": "5"}}, "INVALID_ARGUMENT", "parameters.count"),
        ({"parameters": {"count": 10**6}}, "RESOURCE_EXHAUSTED", "async_stream_infer"),
        ({"model_version": "9"}, "NOT_FOUND", "digits"),
        ({"model_version": "newest"}, "INVALID_ARGUMENT", "model_version"),
        ({"sequence_id": 5}, "INVALID_ARGUMENT", "sequence"),
    ],
)
def test_bad_input_is_told(service, given, status, words):
    answer, after = service.triton(infer(**given), infer())
    assert answer["status"] == f"StatusCode.{status}"
    assert words in answer["error"]
    assert after["outputs"]


def test_cancelled_stream_leaves_the_service_well(service):
    endless = {"call": "stream_cancelled", "model": "digits", "after": 2, "parameters": {"count": 2**40}}
    answers = service.triton(endless, endless, infer())
    assert answers[:2] == [2, 2]
    assert answers[2]["outputs"]
    assert '"exception"' not in service.cluster.services["sampling"].log_tail(10_000_000)


def test_reflection_does_not_list_it_and_metrics_do(service):
    service.triton(infer())
    process = service.cluster.services["sampling"]
    with grpc.insecure_channel(process.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
        (listed,) = stub.ServerReflectionInfo(iter(requests), timeout=20)
    names = {each.name for each in listed.list_services_response.service}
    assert "synthmill.v1.SamplingService" in names
    assert not any("Inference" in name for name in names)
    metrics = urllib.request.urlopen(f"http://{process.metrics}/metrics", timeout=20).read().decode()
    assert 'method="/inference.GRPCInferenceService/ModelInfer"' in metrics


def test_snippet_of_the_manual_runs(service, tmp_path):
    snippet = README.read_text().split("```python\n")[1].split("```")[0]
    assert "localhost:50054" in snippet
    script = tmp_path / "snippet.py"
    script.write_text(snippet.replace("localhost:50054", service.cluster.address("sampling")))
    process = subprocess.run([PYTHON, script], capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    assert process.stdout.splitlines()[0] == "(16, 16, 16, 1) uint8"
    assert process.stdout.splitlines()[-1] == "100000 samples"
