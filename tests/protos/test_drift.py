"""The committed stubs are what the protos give, and a difference is noticed in either direction."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUBS = Path("clients", "python", "synthmill")


@pytest.fixture
def copy(tmp_path) -> Path:
    """Protos and stubs, laid out as in the repository."""
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    ignore = shutil.ignore_patterns("__pycache__")
    for package in ("v1", "oip"):
        shutil.copytree(ROOT / STUBS / package, tmp_path / STUBS / package, ignore=ignore)
    return tmp_path


def test_committed_stubs_are_fresh(protos_python):
    result = check_drift(protos_python, ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_modified_stub_is_noticed(protos_python, copy):
    stub = copy / "clients/python/synthmill/v1/tensor_pb2.pyi"
    stub.write_text(stub.read_text() + "\nEXTRA: int\n")
    assert_noticed(protos_python, copy, "tensor_pb2.pyi")


def test_missing_stub_is_noticed(protos_python, copy):
    (copy / "clients/python/synthmill/v1/job_pb2_grpc.py").unlink()
    assert_noticed(protos_python, copy, "job_pb2_grpc.py")


def test_modified_stub_of_the_inference_protocol_is_noticed(protos_python, copy):
    stub = copy / "clients/python/synthmill/oip/v1/tensor_pb2.pyi"
    stub.write_text(stub.read_text() + "\nEXTRA: int\n")
    assert_noticed(protos_python, copy, "oip/v1/tensor_pb2.pyi")


def test_stub_without_proto_is_noticed(protos_python, copy):
    (copy / "clients/python/synthmill/v1/old_pb2.py").write_text("")
    assert_noticed(protos_python, copy, "old_pb2.py")


def test_changed_proto_is_noticed_until_the_stubs_are_regenerated(protos_python, copy):
    proto = copy / "protos/synthmill/v1/artifact.proto"
    proto.write_text(proto.read_text() + "\n// More.\nmessage More {}\n")
    assert_noticed(protos_python, copy, "artifact_pb2.py")
    subprocess.run([copy / "protos/generate.sh", protos_python], check=True)
    assert check_drift(protos_python, copy).returncode == 0


def assert_noticed(python: Path, root: Path, name: str) -> None:
    result = check_drift(python, root)
    assert result.returncode == 1
    assert name in result.stdout
    assert "run 'make protos'" in result.stderr


def check_drift(python: Path, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([root / "protos" / "check_drift.sh", python], capture_output=True, text=True, check=False)
