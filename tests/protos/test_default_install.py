"""What `pip install .` gives: a client that needs no torch and no ONNX Runtime, on the oldest gRPC and protobuf."""

from __future__ import annotations

import json
import subprocess

import pytest

HEAVY = {"torch", "onnxruntime", "onnxruntime-gpu", "onnx", "lightning-fabric", "sqlalchemy", "fsspec", "boto3"}

REQUIRED = """
import importlib.metadata as metadata, json, re
waiting, seen = ["synthmill"], set()
while waiting:
    name = re.sub("[-_.]+", "-", waiting.pop()).lower()
    if name not in seen:
        seen.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # Required on other platforms or versions of Python only.
        waiting += [re.match("[A-Za-z0-9._-]+", line).group() for line in lines if "extra ==" not in line]
installed = sorted({dist.name.lower().replace("_", "-") for dist in metadata.distributions()})
print(json.dumps({"required": sorted(seen), "installed": installed}))
"""


def test_nothing_heavy_is_required_or_installed(oldest_python):
    found = json.loads(run(oldest_python, "-c", REQUIRED))
    assert {"synthmill", "numpy", "grpcio", "protobuf"} <= set(found["required"])
    assert HEAVY.isdisjoint(found["required"])
    assert HEAVY.isdisjoint(found["installed"])


@pytest.mark.parametrize(
    "statement",
    [
        "import synthmill.client",
        "import synthmill.cli.main",
        "from synthmill.kinds.registry import get_kind; get_kind('image').to_table",
    ],
    ids=["client", "command-line", "codec-of-a-kind"],
)
def test_default_install_has_what_it_imports(oldest_python, statement):
    assert run(oldest_python, "-W", "error", "-c", statement) == ""


def test_command_is_installed(oldest_python):
    assert "sample" in run(oldest_python.with_name("synthmill"), "--help")


@pytest.mark.parametrize("module", ["torch", "onnxruntime"])
def test_default_install_cannot_import(oldest_python, module):
    with pytest.raises(AssertionError, match=f"No module named '{module}'"):
        run(oldest_python, "-c", f"import {module}")


def run(*command: object) -> str:
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout
