"""What stands around the services: reflection, other languages, what a service needs installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
NODE_CLIENT = ROOT / "clients" / "node"


@pytest.mark.parametrize("service", ["catalog", "augmentation", "training", "sampling", "evaluation"])
def test_reflection_describes_every_service(services, service):
    with grpc.insecure_channel(services.address(service)) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=20)
        names = [found.name for found in answer.list_services_response.service]
        assert f"synthmill.v1.{service.capitalize()}Service" in names
        requests = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in names]
        for described in stub.ServerReflectionInfo(iter(requests), timeout=20):
            assert described.file_descriptor_response.file_descriptor_proto


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
@pytest.mark.skipif(not (NODE_CLIENT / "node_modules").exists(), reason="run `make setup` for the Node client")
def test_node_client_lists_models_and_streams_ten_thousand_samples(services, client, model):
    command = ["node", "sample.js", "--model", model, "--count", "10000"]
    for service in ("catalog", "sampling"):
        command += [f"--{service}", services.address(service)]
    done = subprocess.run(command, cwd=NODE_CLIENT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["count"] == 10_000
    assert model in done.stdout


@pytest.mark.parametrize(
    ("service", "unwanted"),
    [
        ("sampling", ["torch", "onnx", "synthmill.kinds"]),
        ("training", ["torch", "onnx"]),
        ("catalog", ["torch"]),
        ("augmentation", ["torch", "onnx", "onnxruntime"]),
        ("evaluation", ["torch", "onnx", "onnxruntime", "sklearn", "matplotlib"]),
    ],
)
def test_service_starts_without_what_it_does_not_need(service, unwanted):
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in {unwanted!r}:
            raise ImportError(name + " is not wanted here")
sys.meta_path.insert(0, Refuse())
import synthmill.{service}.__main__
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
