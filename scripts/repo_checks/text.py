"""What any file must not contain, and what every folder must."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from repo_checks.files import Files, Finding

# "/home/someone" is the example that tests may use.
_MACHINE_PATH = re.compile(r"/(?:work|root|Users|home(?!/someone))/\w|/tmp/(?:bash|pytest)[-_]")
_UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")


def machine_paths(files: Files) -> Iterator[Finding]:
    """Paths that exist on one machine only."""
    for path, number, line in files.lines():
        if match := _MACHINE_PATH.search(line):
            yield Finding(path, number, f"path of a machine: {match.group()}...")


def unfinished(files: Files) -> Iterator[Finding]:
    """Work left over, by its own words."""
    for path, number, line in files.lines():
        if match := _UNFINISHED.search(line):
            yield Finding(path, number, f"unfinished: {match.group()}")


def readmes(files: Files) -> Iterator[Finding]:
    """Top-level folders that do not say what they are."""
    folders = {path.split("/")[0] for path in files.paths if "/" in path}
    for folder in sorted(folder for folder in folders if not folder.startswith(".")):
        if f"{folder}/README.md" not in files.paths:
            yield Finding(folder, 0, "folder without a README.md")


def changelog(files: Files) -> Iterator[Finding]:
    """A version that the changelog does not know."""
    version = tomllib.loads(files.texts["pyproject.toml"])["project"]["version"]
    if not re.search(rf"^## {re.escape(version)}\b", files.texts.get("CHANGELOG.md", ""), re.MULTILINE):
        yield Finding("CHANGELOG.md", 0, f"no section for version {version} of pyproject.toml")
