"""`synthmill serve`: one service, or what it lacks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SERVICE = """
from typing import ClassVar
from synthmill.runtime.config import ServiceConfig
from synthmill.runtime.service import Assembly, run_service

class Config(ServiceConfig):
    service: ClassVar[str] = "pipeline"

def main():
    run_service(Config, lambda config, drain: Assembly(mounts=[]))

if __name__ == "__main__":
    main()
"""


def write_service(folder: Path, text: str) -> dict[str, str]:
    """Adds a service "pipeline" to the package and returns an environment that has it."""
    package = folder / "synthmill/pipeline"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(text)
    return {**os.environ, "PYTHONPATH": str(folder)}


def serve(environ: dict[str, str], *flags: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "synthmill.cli", "serve", "pipeline", *flags]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environ, text=True)


def test_service_runs_with_its_own_settings_until_sigterm(tmp_path):
    with serve(write_service(tmp_path, SERVICE), "--port", "0", "--metrics-port", "-1") as process:
        ready = json.loads(process.stdout.readline())
        assert (ready["service"], ready["state"]) == ("pipeline", "SERVING")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_service_ends_with_its_parent_when_asked_to(tmp_path):
    with serve(write_service(tmp_path, SERVICE), "--until-stdin-closes", "--port", "0") as process:
        assert process.stdout.readline()
        process.stdin.close()
        assert process.wait(30) == 0


def test_bad_setting_of_a_service_is_named(tmp_path):
    with serve(write_service(tmp_path, SERVICE), "--port", "many") as process:
        assert process.wait(30) == 2
        assert "--port: got 'many', allowed: an integer" in process.stderr.read()


@pytest.mark.parametrize("module", ["torch_of_the_future", "torch_of_the_future.nn"])
def test_missing_dependency_names_the_extra_to_install(tmp_path, module):
    with serve(write_service(tmp_path, f"import {module}")) as process:
        assert process.wait(30) == 6
        [line] = process.stderr.read().splitlines()
    assert line == (
        "synthmill: pipeline needs torch_of_the_future, which is not installed: pip install 'synthmill[pipeline]'"
    )
