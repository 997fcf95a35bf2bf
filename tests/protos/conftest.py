"""The tools that these tests run, each in an environment of its own that `make setup` creates."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def buf() -> Path:
    """buf, which lints protos and compares them with older ones."""
    return _tool(".venv-protos/bin/buf")


@pytest.fixture(scope="session")
def protos_python() -> Path:
    """Python with the pinned generator of stubs."""
    return _tool(".venv-protos/bin/python")


@pytest.fixture(scope="session")
def oldest_python() -> Path:
    """Python with the default install on the oldest gRPC and protobuf that it is declared to work with."""
    return _tool(".venv-client6/bin/python")


@pytest.fixture(scope="session")
def compile_protos(protos_python, tmp_path_factory):
    """Function from a folder of protos to their descriptors, comments included."""

    def compile_folder(folder: Path) -> FileDescriptorSet:
        out = tmp_path_factory.mktemp("descriptors") / "set.bin"
        flags = ["--include_source_info", f"--descriptor_set_out={out}"]
        sources = sorted(map(str, folder.rglob("*.proto")))
        subprocess.run([protos_python, "-m", "grpc_tools.protoc", "-I", folder, *flags, *sources], check=True)
        return FileDescriptorSet.FromString(out.read_bytes())

    return compile_folder


@pytest.fixture(scope="session")
def descriptors(compile_protos) -> FileDescriptorSet:
    """The descriptors of protos/."""
    return compile_protos(ROOT / "protos")


def _tool(path: str) -> Path:
    tool = ROOT / path
    if not tool.exists():
        pytest.skip(f"{path} is missing: run 'make setup' or 'make test'")
    return tool
