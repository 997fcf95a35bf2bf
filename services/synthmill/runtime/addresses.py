"""Where services listen when nobody says otherwise."""

from __future__ import annotations

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
