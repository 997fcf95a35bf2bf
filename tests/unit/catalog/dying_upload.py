"""A client that sends half of a file and waits for its end: `python -m unit.catalog.dying_upload ADDRESS METHOD ID`."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

from unit.catalog.calls import make_spec

from synthmill.runtime.channels import connect_sync
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1.catalog_service_pb2_grpc import CatalogServiceStub

WHOLE = bytes(1 << 20)


def main() -> None:
    """Sends half of a file, says so, and waits."""
    address, method, name = sys.argv[1:]
    digest = hashlib.sha256(WHOLE).hexdigest()
    if method == "ImportModel":
        message, header = pb.ImportModelRequest, pb.ImportModelHeader(model=name, kind="image", sha256=digest)
    else:
        message = pb.UploadDatasetRequest
        header = pb.UploadHeader(spec=make_spec(name), file_name="a.npz", sha256=digest)

    def half() -> Iterator[Any]:
        yield message(header=header)
        yield message(data=WHOLE[: len(WHOLE) // 2])
        # Asked for more: gRPC has taken what there was.
        print("sent", flush=True)
        threading.Event().wait()

    getattr(CatalogServiceStub(connect_sync(address)), method)(half())


if __name__ == "__main__":
    main()
