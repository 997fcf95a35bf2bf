"""Takes a port that several processes of this service will listen on, and nobody else."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """Keeps a port for sockets with SO_REUSEPORT, for the length of a with block, and yields its number.

    Args:
        host: address to listen on, as gRPC has it.
        port: 0 means any free one.

    Raises:
        OSError: somebody else has it, or the host has no such address.
    """
    family, _, _, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with _bound(family, address, shared=True) as reservation:
        taken = reservation.getsockname()
        # Only one socket at a time can listen on a port without SO_REUSEPORT, and none beside others that listen: who
        # comes to listen here is alone, also among services that begin at the same time.
        with _bound(family, taken, shared=False) as claim:
            claim.listen()
            # Connections that wait for their end (TIME_WAIT) let nobody bind without this option. Once it is gone from
            # the reservation, nobody without SO_REUSEPORT gets past that, and neither does the claim of another front.
            reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        yield taken[1]


def _bound(family: int, address: tuple, *, shared: bool) -> socket.socket:
    """Returns a socket that is bound and does not listen."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound
