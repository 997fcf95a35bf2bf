"""Where a client looks for the services."""

from __future__ import annotations

import pytest

from synthmill.client import Client
from synthmill.client.addresses import resolve_addresses
from synthmill.runtime.errors import InvalidField, Unavailable


@pytest.mark.parametrize(
    ("given", "address", "environ", "catalog", "sampling"),
    [
        ({}, None, {}, "127.0.0.1:50051", "127.0.0.1:50054"),
        ({}, "mill:7000", {}, "mill:7001", "mill:7004"),
        ({}, "mill", {}, "mill:50051", "mill:50054"),
        ({}, "[::1]", {}, "[::1]:50051", "[::1]:50054"),
        ({}, "[::1]:7000", {}, "[::1]:7001", "[::1]:7004"),
        ({}, None, {"SYNTHMILL_ADDRESS": "mill:7000"}, "mill:7001", "mill:7004"),
        ({}, None, {"SYNTHMILL_ADDRESS": "mill", "SYNTHMILL_CATALOG_ADDRESS": "a:1"}, "a:1", "mill:50054"),
        ({}, "mill", {"SYNTHMILL_CATALOG_ADDRESS": "a:1"}, "mill:50051", "mill:50054"),
        ({"sampling": "dns:///b:2"}, "mill", {"SYNTHMILL_SAMPLING_ADDRESS": "a:1"}, "mill:50051", "dns:///b:2"),
    ],
)
def test_nearer_settings_win(given, address, environ, catalog, sampling):
    addresses = resolve_addresses(given, address, environ)
    assert (addresses["catalog"], addresses["sampling"]) == (catalog, sampling)


@pytest.mark.parametrize(
    ("given", "address", "environ", "field"),
    [
        ({}, "mill:x", {}, "address"),
        ({}, "mill:0", {}, "address"),
        ({}, "mill:65535", {}, "address"),
        ({}, "::1", {}, "address"),
        ({}, None, {"SYNTHMILL_ADDRESS": ":7000"}, "SYNTHMILL_ADDRESS"),
        ({}, None, {"SYNTHMILL_TRAINING_ADDRESS": "mill"}, "SYNTHMILL_TRAINING_ADDRESS"),
        ({"catalog": "mill"}, None, {}, "catalog_address"),
    ],
)
def test_malformed_addresses_are_named(given, address, environ, field):
    with pytest.raises(InvalidField) as caught:
        resolve_addresses(given, address, environ)
    assert caught.value.metadata["field"] == field


def test_service_that_is_not_there_is_named_with_its_address():
    with (
        Client(catalog_address="127.0.0.1:1") as client,
        pytest.raises(Unavailable, match="catalog at 127"),
    ):
        client.catalog.get_dataset("pets")
