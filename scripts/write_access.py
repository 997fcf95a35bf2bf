"""Writes the table of every method and the roles that may call it: docs/access.md."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import ServiceDescriptor

import synthmill.oip.v1
import synthmill.v1
from synthmill.runtime.security.roles import ROLES, Access

PAGE = "access.md"
INTRODUCTION = """# Who may call what

Made by `make access` from the protos, where each method says it by the option `synthmill.v1.roles`. It holds where a
service is given `--tokens` or `--jwt-keys`; without, whoever reaches a service may call everything. A method that is
not here is refused to everybody. `grpc.health.v1.Health` answers everybody, and server reflection those who may read.

A `reader` looks, a `sampler` also takes samples and augments, a `trainer` also brings data and makes versions and jobs.
A `reviewer` evaluates and promotes beside what a sampler may, but trains nothing, so that whoever makes a version need
not be who promotes it. An `admin` may do everything. Calls that change something are written into the audit log, where
there is one.
"""


def services() -> Iterator[ServiceDescriptor]:
    """Yields all services of the protos, by name."""
    for package in (synthmill.v1, synthmill.oip.v1):
        folder = Path(next(iter(package.__path__)))
        for path in sorted(folder.glob("*_service_pb2.py")):
            module = importlib.import_module(f"{package.__name__}.{path.stem}")
            yield from module.DESCRIPTOR.services_by_name.values()


def page() -> str:
    """Returns the page."""
    parts = [INTRODUCTION]
    for service in services():
        parts.append(f"\n## {service.full_name}\n\n| Method | " + " | ".join(ROLES) + " | Changes something |\n")
        parts.append("|---|" + "---|" * (len(ROLES) + 1) + "\n")
        for method in service.methods:
            access = Access.of(method)
            cells = ["yes" if access.lets_in([name]) else "" for name in ROLES]
            parts.append(f"| `{method.name}` | " + " | ".join([*cells, "yes" if access.changes else ""]) + " |\n")
    return "".join(parts)


def main() -> None:
    """Writes the page into the folder that is named."""
    (Path(sys.argv[1]) / PAGE).write_text(page())


if __name__ == "__main__":
    main()
