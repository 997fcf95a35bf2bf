"""Callers of the toy service, with what they show."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from synthmill.runtime.channels import connect_sync
from synthmill.runtime.credentials import Credentials
from synthmill.v1 import catalog_service_pb2_grpc


@contextlib.contextmanager
def calling(address: str, credentials: Credentials) -> Iterator[catalog_service_pb2_grpc.CatalogServiceStub]:
    """Connects to a toy for the length of a with block."""
    with connect_sync(address, credentials) as channel:
        yield catalog_service_pb2_grpc.CatalogServiceStub(channel)


def holding(folder: Path, token: str, **parts: str) -> Credentials:
    """Returns credentials with a token."""
    path = folder / "token"
    path.write_text(token + "\n")
    return Credentials(token_file=str(path), **parts)
