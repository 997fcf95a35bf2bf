"""Which part of `synthmill` may import which, and what a process must start without.

services -> pages -> learning -> kinds -> runtime -> synthmill.v1, and beside the services the client and the command
line.
"""

from __future__ import annotations

from collections.abc import Iterator

from repo_checks.files import Files, Finding
from repo_checks.imports import imports_of, loaded_with, modules_of

_BELOW_KINDS = {"runtime", "v1"}
_BELOW_LEARNING = {"kinds", *_BELOW_KINDS}
_BELOW_SERVICES = {"learning", *_BELOW_LEARNING}
MAY_IMPORT = {
    "v1": set(),
    "oip": set(),
    "runtime": {"v1"},
    "kinds": _BELOW_KINDS,
    "learning": _BELOW_LEARNING,
    "pages": _BELOW_SERVICES,
    **dict.fromkeys(("catalog", "augmentation", "training"), _BELOW_SERVICES),
    **{service: {"pages", *_BELOW_SERVICES} for service in ("evaluation", "pipeline")},
    "sampling": {"oip", *_BELOW_SERVICES} - {"kinds"},
    "client": _BELOW_LEARNING,
    "bench": {"client", *_BELOW_KINDS},
    "cli": {"bench", "client", *_BELOW_LEARNING},
}

_TRAINING = ("torch", "lightning_fabric")
_BACKEND = (*_TRAINING, "onnx", "onnxruntime", "sqlalchemy", "fsspec", "boto3", "prometheus_client", "ray")
# What importing a module must not load, not even through others. A service's own process starts in seconds and in
# little memory; what trains runs in its workers.
STARTS_WITHOUT = {
    "synthmill.catalog.__main__": (*_TRAINING, "cv2"),
    "synthmill.augmentation.__main__": (*_TRAINING, "onnx", "onnxruntime"),
    "synthmill.training.__main__": (*_TRAINING, "ray"),
    "synthmill.evaluation.__main__": (*_TRAINING, "onnx", "onnxruntime", "sklearn", "matplotlib"),
    "synthmill.pipeline.__main__": (*_TRAINING, "onnx", "onnxruntime", "optuna", "sklearn"),
    # Of several processes, the one that was started only looks after the others.
    "synthmill.sampling.__main__": (*_TRAINING, "onnx", "onnxruntime", "numpy", "synthmill.kinds"),
    "synthmill.sampling.assembly": (*_TRAINING, "onnx", "synthmill.kinds"),
    "synthmill.kinds.registry": _BACKEND,
    "synthmill.client": _BACKEND,
    "synthmill.cli.main": _BACKEND,
}

_SHARED_BY_KINDS = ("policies",)


def layering(files: Files) -> Iterator[Finding]:
    """Imports that go up, or sideways from service to service."""
    for module in modules_of(files).values():
        part = module.name.split(".")[1]
        if part not in MAY_IMPORT:
            yield Finding(module.path, 0, f"synthmill.{part} has no place among the layers yet")
            continue
        for found in module.imports:
            if found.module.startswith("."):
                yield Finding(module.path, found.line, "relative import: name the module in full")
            other = found.module.split(".")[1:2]
            allowed = {part, *MAY_IMPORT[part]}
            if found.module.startswith("synthmill.") and not allowed.issuperset(other):
                yield Finding(module.path, found.line, f"synthmill.{part} must not import synthmill.{other[0]}")


def kind_specific(files: Files) -> Iterator[Finding]:
    """Imports of one kind's folder from outside of it: kinds are found through their registry."""
    kinds = {path.split("/")[3] for path in files.paths if _is_kind(path)}
    for path, tree in files.python.items():
        if not path.startswith(("services/", "clients/")):
            continue
        for found in imports_of(tree):
            names = found.module.split(".")
            kind = names[2] if names[:2] == ["synthmill", "kinds"] and len(names) > 2 else None
            if kind in kinds and not path.startswith(f"services/synthmill/kinds/{kind}/"):
                yield Finding(path, found.line, f"{found.module} belongs to one kind; ask synthmill.kinds.registry")


def start_up(files: Files) -> Iterator[Finding]:
    """Heavy modules that a light process would load."""
    modules = modules_of(files)
    parts = {name.split(".")[1] for name in modules}
    kinds = sorted({".".join(path.split("/")[1:4]) for path in files.paths if _is_kind(path)})
    for start, forbidden in {**STARTS_WITHOUT, **dict.fromkeys(kinds, _BACKEND)}.items():
        if start not in modules:
            if start.split(".")[1] in parts:
                yield Finding("scripts/repo_checks/layers.py", 0, f"no such module: {start}")
            continue
        for module, found in loaded_with(start, modules):
            if any(f"{found.module}.".startswith(f"{name}.") for name in forbidden):
                yield Finding(module.path, found.line, f"{start} would load {found.module}")


def _is_kind(path: str) -> bool:
    parts = path.split("/")
    return parts[:3] == ["services", "synthmill", "kinds"] and len(parts) > 4 and parts[3] not in _SHARED_BY_KINDS
