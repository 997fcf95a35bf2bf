"""Where services listen when nobody says otherwise."""

from __future__ import annotations

import ipaddress

DEFAULT_HOST = "127.0.0.1"
DEFAULT_BASE_PORT = 50050

# A service listens on the base port plus this.
PORT_OFFSETS = {
    "catalog": 1,
    "augmentation": 2,
    "training": 3,
    "sampling": 4,
    "evaluation": 5,
    "pipeline": 6,
}


def default_address(service: str, host: str = DEFAULT_HOST, base_port: int = DEFAULT_BASE_PORT) -> str:
    """Returns "host:port" of a service."""
    return f"{host}:{base_port + PORT_OFFSETS[service]}"


def address_variable(service: str) -> str:
    """Returns the environment variable that holds a service's address."""
    return f"SYNTHMILL_{service.upper()}_ADDRESS"


def is_loopback(address: str) -> bool:
    """Tells whether what goes to an address stays on this machine.

    Args:
        address: "host", "host:port", or another target that gRPC knows.
    """
    if address.startswith("unix"):
        return True
    for scheme in ("dns:///", "ipv4:", "ipv6:"):
        address = address.removeprefix(scheme)
    return all(map(_is_loopback, address.split(",")))


def _is_loopback(address: str) -> bool:
    host = address
    if address.startswith("["):
        host = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        host = address.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
