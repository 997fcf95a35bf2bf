"""What the project installs: nothing refused, nothing unpinned, nothing tied to one registry."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from repo_checks.files import Files, Finding
from repo_checks.imports import imports_of

# Business Source, AGPL or frozen; no CPU build; weights fetched at run time. See requirements/README.md.
REFUSED = {
    *("sdv", "ctgan", "rdt", "copulas", "deepecho", "sdmetrics"),
    *("albumentations", "albucore", "synthcity", "ydata-synthetic"),
    *("torchvision", "torchaudio"),
}
# Programs that run in environments of others, to be measured beside our own.
MEASURED_AGAINST = "tests/bench/peers/"
# What the default install, the client, must do without.
HEAVY = {"torch", "lightning-fabric", "onnx", "onnxruntime", "onnxruntime-gpu", "sqlalchemy"}

# For GPUs: one has no place beside the pinned onnxruntime, the other follows the CUDA that torch was built for.
UNPINNED = {"onnxruntime-gpu", "cuda-bindings"}

CONSTRAINTS = "requirements/constraints.txt"
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def refused_dependencies(files: Files) -> Iterator[Finding]:
    """Packages that this project does not build on, required or imported."""
    for path, number, name in _required(files):
        if name in REFUSED:
            yield Finding(path, number, f"refused dependency: {name}")
    for path, tree in files.python.items():
        if path.startswith(MEASURED_AGAINST):
            continue
        for found in imports_of(tree):
            name = _normalise(found.module.split(".")[0])
            if name in REFUSED:
                yield Finding(path, found.line, f"refused dependency: {name}")


def heavy_default(files: Files) -> Iterator[Finding]:
    """Heavy packages in the default install."""
    for requirement in _project(files)["dependencies"]:
        if (name := _name_of(requirement)) in HEAVY:
            yield Finding("pyproject.toml", 0, f"the default install would pull {name}; it belongs to an extra")


def unpinned(files: Files) -> Iterator[Finding]:
    """Dependencies of the project that the constraints do not pin."""
    pinned = {name for path, _, name in _required(files) if path == CONSTRAINTS}
    for path, number, name in _required(files):
        if path == "pyproject.toml" and name not in pinned | UNPINNED:
            yield Finding(path, number, f"{name} is not pinned in {CONSTRAINTS}; run 'make lock'")


def registries(files: Files) -> Iterator[Finding]:
    """Lock files that tie an installation to one registry."""
    for path, number, line in files.lines():
        if path.endswith("package-lock.json") and '"resolved"' in line:
            yield Finding(path, number, "names a registry's host: leave 'resolved' out")
        if path.startswith("requirements/") and path.endswith(".txt") and re.match(r"-|[^#]*://", line):
            yield Finding(path, number, "names a registry or a file: give name==version alone")


def _required(files: Files) -> Iterator[tuple[str, int, str]]:
    project = _project(files)
    extras = project.get("optional-dependencies", {})
    for requirement in [*project["dependencies"], *(item for items in extras.values() for item in items)]:
        if (name := _name_of(requirement)) != _normalise(project["name"]):
            yield "pyproject.toml", 0, name
    for path, number, line in files.lines():
        if path.startswith("requirements/") and path.endswith(".txt") and _NAME.match(line):
            yield path, number, _name_of(line)


def _project(files: Files) -> dict:
    return tomllib.loads(files.texts["pyproject.toml"])["project"]


def _name_of(requirement: str) -> str:
    return _normalise(_NAME.match(requirement).group())


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
