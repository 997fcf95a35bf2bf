"""How channels spread and repeat calls."""

from __future__ import annotations

import importlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

import synthmill.v1
from support.toys import Toy
from synthmill.runtime import channels
from synthmill.runtime.addresses import is_loopback
from synthmill.runtime.channels import connect_sync
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc

CONFIG = json.loads(Path(channels.__file__).with_name("service_config.json").read_text())
ASK = pb.GetDatasetRequest(name="any")


def methods() -> Iterator[MethodDescriptor]:
    """Yields the methods with one request and one answer."""
    for path in Path(next(iter(synthmill.v1.__path__))).glob("*_service_pb2.py"):
        module = importlib.import_module(f"synthmill.v1.{path.stem}")
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from (each for each in service.methods if not each.client_streaming and not each.server_streaming)


def test_calls_are_repeated_that_the_protos_call_harmless():
    read, repeated = ({(name["service"], name["method"]) for name in part["name"]} for part in CONFIG["methodConfig"])
    expected: dict[int, set[tuple[str, str]]] = {}
    for method in methods():
        level = method.GetOptions().idempotency_level
        expected.setdefault(level, set()).add((method.containing_service.full_name, method.name))
    assert read == expected[MethodOptions.NO_SIDE_EFFECTS]
    assert repeated == expected[MethodOptions.IDEMPOTENT]


def test_requests_with_a_request_id_are_the_harmless_ones():
    for method in methods():
        if "request_id" in method.input_type.fields_by_name:
            assert method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENT, method.full_name


@pytest.fixture
def replicas(tmp_path) -> Iterator[list[Toy]]:
    """Two toys that say their names."""
    toys = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        toys.append(Toy(tmp_path / name, "--greeting", name))
    yield toys
    for toy in toys:
        if toy.process.poll() is None:
            toy.end()
        toy.process.stdout.close()


def test_calls_are_spread_over_replicas_and_go_on_without_one(replicas):
    with connect_sync("ipv4:" + ",".join(toy.address for toy in replicas)) as channel:
        stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        # The second connection may come up a moment after the first.
        found = [stub.GetDataset(ASK, timeout=10).name for _ in range(40)]
        assert min(map(found.count, ("first", "second"))) >= 10
        replicas[0].end(signal.SIGKILL)
        assert {stub.GetDataset(ASK, timeout=10).name for _ in range(20)} == {"second"}


@pytest.mark.parametrize(
    ("address", "stays"),
    [
        ("127.0.0.1:50051", True),
        ("localhost", True),
        ("[::1]:50051", True),
        ("unix:/run/synthmill.sock", True),
        ("ipv4:127.0.0.1:1,127.0.0.2:2", True),
        ("ipv4:127.0.0.1:1,10.0.0.1:2", False),
        ("dns:///sampling:50054", False),
        ("0.0.0.0:0", False),
        ("[::]:50051", False),
        ("localhost.example:1", False),
    ],
)
def test_loopback_is_told_from_what_others_reach(address, stays):
    assert is_loopback(address) is stays
