"""The command, for the benchmarks of all services."""

from unit.cli.conftest import run as run
