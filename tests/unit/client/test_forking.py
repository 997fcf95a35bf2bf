"""A forked process either calls or says why it cannot; it never hangs."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
{imports}
import os, signal
from synthmill.client import Client
from synthmill.runtime.errors import SynthmillError
client = Client(catalog_address="127.0.0.1:1")
def call():
    try:
        client.catalog.get_model("pets")
    except SynthmillError as error:
        print(type(error).__name__, flush=True)
call()
if os.fork() == 0:
    signal.alarm(20)
    call()
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize(
    ("imports", "seen_by_child"),
    [("", "Unavailable"), ("import grpc", "FailedPrecondition")],
    ids=["with fork support", "grpc was imported before"],
)
def test_fork_of_a_process_that_has_called(imports, seen_by_child):
    command = [sys.executable, "-c", PROGRAM.format(imports=imports)]
    environ = {"PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environ)
    assert done.stdout.split() == ["Unavailable", seen_by_child]
