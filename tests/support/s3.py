"""A server of S3's protocol on a free port, and what else S3 can do to a client."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from support.processes import free_port

READY_WITHIN_S = 30.0
KEY_ID, SECRET = "synthmill-tests", "a-secret-of-the-tests"


class S3Server:
    """A running server.

    Attributes:
        endpoint: its URL.
        env: the environment variables with which anybody reaches it.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.env = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
        }

    @functools.cached_property
    def client(self) -> Any:
        """A bare client."""
        # The tests on a GPU have no use for it, and no boto3.
        import boto3

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )

    def make_bucket(self) -> str:
        """Makes a bucket that nobody else has and returns its name."""
        bucket = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=bucket)
        return bucket

    def keys(self, bucket: str) -> list[str]:
        """Returns the names of all objects of a bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


@contextlib.contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """Runs a server for the length of a with block; its log is in the folder."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/moto-api/", process)
        yield S3Server(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def faulty_s3(server: S3Server, fault: Callable[[str, str], int | float | None]) -> Iterator[str]:
    """Runs a server that hands requests on to another one, and yields its endpoint.

    Args:
        server: the other one.
        fault: what to do instead, by method and path: None nothing, a status to answer with it, a fraction to break
            off after that share of the answer.
    """
    handler = type("Handler", (_Relay,), {"to": server.endpoint.removeprefix("http://"), "fault": staticmethod(fault)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{relay.server_port}"
        finally:
            relay.shutdown()


class _Relay(BaseHTTPRequestHandler):
    """Hands a request on, or fails it."""

    protocol_version = "HTTP/1.1"
    to: str
    fault: Callable[[str, str], int | float | None]

    def _hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.fault(self.command, self.path)
        self.close_connection = fault is not None
        if isinstance(fault, int):
            self.send_response(fault)
            self.send_header("Content-Length", "0")
            # Else the next try may still take the connection that this one ends.
            self.send_header("Connection", "close")
            self.end_headers()
            return
        connection = http.client.HTTPConnection(self.to)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data if fault is None else data[: int(len(data) * fault)])

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _hand_on

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: tests look at what arrives."""


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urlopen(url, timeout=5):
            return
        time.sleep(0.1)
    raise RuntimeError("the server of S3 did not start; its log is in s3.log")
