"""Starts the sampling service: `python -m synthmill.sampling`."""

from __future__ import annotations

from synthmill.runtime.processes.front import run_processes
from synthmill.sampling.config import SamplingConfig

# By name: a process that only looks after others has no use for what computes samples.
BUILD = "synthmill.sampling.assembly:build"


def main() -> None:
    """Runs the sampling service until it is asked to stop."""
    run_processes(SamplingConfig, BUILD)


if __name__ == "__main__":
    main()
