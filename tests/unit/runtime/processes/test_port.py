"""A port that this service's processes share, and nobody else."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys

import pytest

from synthmill.runtime.processes.port import reserved_port

HOST = "127.0.0.1"
# Prints the port, and holds it until its input ends.
FRONT = """
import sys
from synthmill.runtime.processes.port import reserved_port
try:
    with reserved_port("127.0.0.1", int(sys.argv[1])) as port:
        print(port, flush=True)
        sys.stdin.read()
except OSError:
    print("taken", flush=True)
"""


@contextlib.contextmanager
def listening(port: int, *, shared: bool):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        listener.bind((HOST, port))
        listener.listen()
        yield listener


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


def test_several_listen_where_it_is_reserved():
    with reserved_port(HOST, 0) as port, listening(port, shared=True) as one, listening(port, shared=True) as other:
        assert one.getsockname() == other.getsockname() == (HOST, port)
        with socket.create_connection((HOST, port), timeout=5):
            pass


def test_reservation_takes_no_connections_itself():
    with reserved_port(HOST, 0) as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=5)


@pytest.mark.parametrize("already", [False, True], ids=["before-they-listen", "while-they-listen"])
def test_nobody_else_gets_it(already):
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(reserved_port(HOST, 0))
        if already:
            stack.enter_context(listening(port, shared=True))
        with pytest.raises(OSError, match="in use"), listening(port, shared=False):
            pass
        with pytest.raises(OSError, match="in use"), reserved_port(HOST, port):
            pass
        # And it is still there for those that it is for.
        with listening(port, shared=True):
            pass


@pytest.mark.parametrize("shared", [False, True])
def test_port_that_somebody_listens_on_is_refused(shared):
    port = free_port()
    with listening(port, shared=shared), pytest.raises(OSError, match="in use"), reserved_port(HOST, port):
        pass


@pytest.mark.parametrize("shared", [False, True])
def test_port_is_free_again_at_once_though_connections_wait_for_their_end(shared):
    port = free_port()
    with listening(port, shared=shared) as listener, socket.create_connection((HOST, port), timeout=5):
        # Who closes first is the one that waits.
        listener.accept()[0].close()
    for _ in range(2):
        with reserved_port(HOST, port) as again:
            assert again == port


def test_of_those_that_begin_at_the_same_time_one_gets_it():
    port = free_port()
    command = [sys.executable, "-c", FRONT, str(port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    fronts = [subprocess.Popen(command, **pipes) for _ in range(4)]
    try:
        answers = [front.stdout.readline().strip() for front in fronts]
    finally:
        for front in fronts:
            front.communicate()
    assert sorted(answers) == [str(port), "taken", "taken", "taken"]


def test_names_and_the_newer_protocol():
    with reserved_port("localhost", 0) as port:
        assert port
    if socket.has_ipv6:
        with contextlib.suppress(OSError), reserved_port("[::1]", 0) as port:
            assert port
    with pytest.raises(OSError, match=r"."), reserved_port("no.such.host.invalid", 0):
        pass
