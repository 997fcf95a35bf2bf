"""With what a run was made: versions of libraries, and of this very code."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from importlib.resources import files

_LIBRARIES = ("synthmill", "torch", "lightning-fabric", "onnx", "onnxruntime", "numpy")
# What decides about a model, given its task.
_PACKAGES = ("synthmill.kinds", "synthmill.learning")


def versions() -> dict[str, str]:
    """Returns versions by name, and the digest of the sources, which tells changes that have no version yet."""
    found = {name: version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **found, "code_sha256": code_digest()}


def code_digest() -> str:
    """Returns the SHA-256 over the names and contents of all modules that take part in training, 64 hex digits."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        root = files(package)
        for path in sorted(root.rglob("*.py")):  # type: ignore[attr-defined]
            digest.update(f"{package}/{path.relative_to(root).as_posix()}".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
