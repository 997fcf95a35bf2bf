"""What images are made by and begin with, run here as a container would: no engine is needed for any of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dockerfile
import pytest

from support.cluster import ServiceProcess
from support.s3 import running_s3
from synthmill.runtime.addresses import PORT_OFFSETS

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "deploy/images"
HEALTHCHECK = IMAGES / "healthcheck.py"
ENTRYPOINT = IMAGES / "entrypoint.sh"
# What python:3.11-slim has of shared libraries beside Python's own.
SYSTEM_LIBRARIES = (
    "libc.",
    "libm.",
    "libdl.",
    "libpthread.",
    "librt.",
    "libutil.",
    "libresolv.",
    "libgcc_s.",
    "libstdc++.",
    "libz.",
)
SMALL = ("sampling", "pipeline")
LARGE = ("catalog", "augmentation", "training", "evaluation")
# Far above what they are, far below what they would be with torch.
MOST_MB = {"client": 500, "sampling": 700, "pipeline": 700, "catalog": 900, "augmentation": 900}


class Installed:
    """What `install.sh` has made.

    Attributes:
        part: a service, or client.
        prefix: its folder.
        told: the line that it printed.
    """

    def __init__(self, part: str, prefix: Path) -> None:
        environment = {**os.environ, "PYTHON": sys.executable}
        command = [IMAGES / "install.sh", part, "cpu", prefix]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.part = part
        self.prefix = prefix
        self.told = json.loads(done.stdout.splitlines()[-1])

    def python(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs its Python, which sees nothing of this environment."""
        command = [self.prefix / "bin/python", *arguments]
        return subprocess.run(command, cwd=self.prefix, capture_output=True, text=True, check=False)

    def has(self, module: str) -> bool:
        """Tells whether a module is in it."""
        return self.python("-c", f"import {module}").returncode == 0


@pytest.fixture(
    scope="module", params=[pytest.param(part, marks=pytest.mark.slow) for part in (*SMALL, *LARGE, "client")]
)
def installed(request, tmp_path_factory) -> Iterator[Installed]:
    """One of the parts, in an environment of its own."""
    prefix = tmp_path_factory.mktemp("installed") / request.param
    yield Installed(request.param, prefix)
    shutil.rmtree(prefix)


def test_an_image_has_what_it_needs_and_no_more(installed):
    """With `--capture=no` it tells how large each is."""
    print(installed.told)
    assert installed.told["size_mb"] < MOST_MB.get(installed.part, 8000)
    assert installed.has("torch") == (installed.part in ("training", "evaluation"))
    assert installed.has("psycopg") == (installed.part not in ("sampling", "client"))
    assert installed.has("boto3") == (installed.part != "client")
    assert not installed.has("pip")
    assert not installed.has("pytest")


def test_bytecode_is_there_for_a_file_system_that_takes_none(installed):
    package = next(installed.prefix.glob("lib/python3*/site-packages/synthmill"))
    sources = list(package.rglob("*.py"))
    compiled = {path.name.partition(".")[0] for path in package.rglob("*.pyc")}
    assert {source.stem for source in sources} <= compiled


def test_no_library_of_the_system_is_missing_in_a_slim_image(installed):
    missing = set()
    libraries = list(installed.prefix.rglob("*.so*"))
    # A wheel's own library finds another one of the wheel only once whoever loads both has said where.
    brought = tuple(library.name for library in libraries)
    for library in libraries:
        done = subprocess.run(["ldd", library], capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            name, arrow, place = line.strip().partition(" => ")
            if (
                arrow
                and not place.startswith(str(installed.prefix))
                and not name.startswith((*SYSTEM_LIBRARIES, *brought))
            ):
                missing.add(f"{library.name} needs {name}")
    assert not missing


def test_its_service_starts_is_healthy_and_ends(installed, tmp_path):
    if installed.part == "client":
        assert "sample" in installed.python("-m", "synthmill.cli", "--help").stdout
        return
    assert "--drain-grace-s" in installed.python("-m", f"synthmill.{installed.part}", "--help").stdout
    environment = {**os.environ, "PATH": f"{installed.prefix / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"SERVICE": installed.part, "HOME": str(tmp_path)}
    command = [ENTRYPOINT, "--port=0", "--metrics-port=0", f"--store={tmp_path / 'store'}", f"--local={tmp_path}"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = json.loads(process.stdout.readline())
            asked = installed.python(HEALTHCHECK, ready["address"])
            assert (asked.returncode, asked.stdout.split()[-1]) == (0, "SERVING")
        finally:
            # The shell has become the service, or this would not reach it.
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    assert installed.python(HEALTHCHECK, ready["address"]).returncode == 1


@pytest.mark.parametrize("part", ["client", "sampling"])
def test_only_some_parts_have_a_variant_for_gpus(part, tmp_path):
    command = [IMAGES / "install.sh", part, "fpga" if part == "sampling" else "cuda", tmp_path / "prefix"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"there is no {part}" in done.stderr
    assert not (tmp_path / "prefix").exists()


def test_health_of_the_default_port_is_asked_for(tmp_path):
    done = subprocess.run(
        [sys.executable, HEALTHCHECK], env={**os.environ, "SERVICE": "pipeline"}, capture_output=True, text=True
    )
    assert done.stdout.split(":")[:2] == ["127.0.0.1", str(50050 + PORT_OFFSETS["pipeline"])]


def test_a_stopped_service_is_not_healthy(tmp_path):
    service = ServiceProcess("sampling", tmp_path / "store", tmp_path / "log", [], {})
    service.start()
    try:
        os.kill(service.pid, signal.SIGSTOP)
        done = subprocess.run([sys.executable, HEALTHCHECK, service.address], capture_output=True, text=True)
        assert (done.returncode, done.stdout.split()[-1]) == (1, "DEADLINE_EXCEEDED")
    finally:
        os.kill(service.pid, signal.SIGCONT)
        service.stop()


def run_entrypoint(folder: Path, *arguments: str, **environment: str) -> str:
    """Returns what a container prints."""
    given = {"PATH": os.environ["PATH"], "SECRETS_FOLDER": str(folder), **environment}
    done = subprocess.run([ENTRYPOINT, *arguments], env=given, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_secrets_become_variables(tmp_path):
    secret = "a 'quoted' $secret\\"
    (tmp_path / "PGPASSWORD").write_text(secret + "\n")
    (tmp_path / "tls.crt").write_text("a certificate")
    (tmp_path / "PATH").write_text("/nowhere")
    shown = run_entrypoint(tmp_path, sys.executable, "-c", "import os, json; print(json.dumps(dict(os.environ)))")
    variables = json.loads(shown)
    assert variables["PGPASSWORD"] == secret
    assert variables["PATH"] == os.environ["PATH"]
    assert "tls.crt" not in variables


@pytest.mark.parametrize(
    ("service", "arguments", "expected"),
    [
        ("sampling", [], "python -m synthmill.sampling"),
        ("sampling", ["--processes", "2"], "python -m synthmill.sampling --processes 2"),
        ("catalog", ["synthmill", "database", "migrate", "catalog"], "synthmill database migrate catalog"),
        ("client", ["--help"], "synthmill --help"),
    ],
    ids=["nothing", "flags", "command", "client"],
)
def test_what_a_container_runs(tmp_path, service, arguments, expected):
    for name in ("python", "synthmill"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\necho "$(basename "$0") $*"\n')
        program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    assert run_entrypoint(tmp_path, *arguments, SERVICE=service, PATH=path) == expected


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_a_bucket_is_made_once(tmp_path, region):
    with running_s3(tmp_path) as server:
        environment = {**os.environ, **server.env, "AWS_DEFAULT_REGION": region}
        command = [sys.executable, IMAGES / "make_bucket.py", "s3://samples-and-more/prefix"]
        for _ in range(2):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        assert [bucket["Name"] for bucket in server.client.list_buckets()["Buckets"]] == ["samples-and-more"]


@pytest.mark.parametrize(
    ("arguments", "target", "tag"),
    [
        (["sampling"], "service", "synthmill/sampling:"),
        (["training", "cuda"], "service", "-cuda"),
        (["client", "cpu", "--no-cache"], "client", "synthmill/client:"),
    ],
    ids=["service", "cuda", "client"],
)
def test_build_asks_docker_for_the_right_image(tmp_path, arguments, target, tag):
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    docker.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PIP_CONFIG_FILE": "pip.conf"}
    done = subprocess.run(
        [IMAGES / "build.sh", *arguments], env=environment, capture_output=True, text=True, check=True
    )
    words = done.stdout.split()
    assert words[words.index("--target") + 1] == target
    assert tag in words[words.index("--tag") + 1]
    assert f"PART={arguments[0]}" in words
    assert "id=pip.conf,src=pip.conf" in words
    assert set(arguments[2:]) <= set(words)
    declared = {command.value[0].partition("=")[0] for command in commands("ARG")}
    assert {words[i + 1].partition("=")[0] for i, word in enumerate(words) if word == "--build-arg"} <= declared


def commands(name: str) -> list[dockerfile.Command]:
    return [command for command in dockerfile.parse_file(str(IMAGES / "Dockerfile")) if command.cmd.upper() == name]


def test_dockerfile_runs_nothing_but_what_is_tested_here():
    (entrypoint,) = commands("ENTRYPOINT")
    assert entrypoint.value == ("/opt/synthmill/libexec/entrypoint.sh",)
    (health,) = commands("HEALTHCHECK")
    assert health.value == ("CMD", "python", "/opt/synthmill/libexec/healthcheck.py")
    built = next(command.original for command in commands("RUN") if "install.sh" in command.original)
    for script in ("entrypoint.sh", "healthcheck.py", "make_bucket.py"):
        assert f"deploy/images/{script}" in built
        assert os.access(IMAGES / script, os.X_OK) or script.endswith(".py")
    (stop,) = commands("STOPSIGNAL")
    assert stop.value == ("SIGTERM",)


def test_what_install_reads_goes_into_the_build():
    kept = [line[1:] for line in (IMAGES / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    for needed in ("pyproject.toml", "README.md", "LICENSE", "requirements", "services", "clients/python"):
        assert needed in kept
        assert (ROOT / needed).exists()
