"""The two ways to reach a service."""

from __future__ import annotations

import pickle

import pytest

from synthmill.client.blocking import run
from synthmill.client.endpoints import AsyncEndpoint, BlockingEndpoint
from synthmill.runtime.errors import BadData
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1.catalog_service_pb2_grpc import CatalogServiceStub


def broken_requests():
    yield pb.ImportModelRequest(header=pb.ImportModelHeader(model="pets"))
    raise BadData("the file has changed")


def test_error_of_what_is_sent_is_not_hidden_by_grpc(services):
    endpoint = BlockingEndpoint("catalog", services.addresses["catalog"])
    with pytest.raises(BadData, match="the file has changed"):
        run(endpoint.upload(CatalogServiceStub, "ImportModel", broken_requests(), 10))
    run(endpoint.close())


async def test_async_error_of_what_is_sent_is_not_hidden_by_grpc(services):
    endpoint = AsyncEndpoint("catalog", services.addresses["catalog"])
    with pytest.raises(BadData, match="the file has changed"):
        await endpoint.upload(CatalogServiceStub, "ImportModel", broken_requests(), 10)
    await endpoint.close()


def test_closed_endpoint_connects_again(services):
    endpoint = BlockingEndpoint("catalog", services.addresses["catalog"])
    for _ in range(2):
        model = run(endpoint.unary(CatalogServiceStub, "GetModel", pb.GetModelRequest(name="models/pets"), 10))
        assert model.name == "models/pets/versions/1"
        run(endpoint.close())


def test_blocking_endpoint_survives_pickling_while_it_is_connected(services):
    endpoint = BlockingEndpoint("catalog", services.addresses["catalog"])
    run(endpoint.unary(CatalogServiceStub, "GetModel", pb.GetModelRequest(name="models/pets"), 10))
    copy = pickle.loads(pickle.dumps(endpoint))
    assert run(copy.unary(CatalogServiceStub, "GetModel", pb.GetModelRequest(name="models/pets"), 10))
    run(copy.close())
    run(endpoint.close())
