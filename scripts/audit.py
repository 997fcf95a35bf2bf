"""Looks for known vulnerabilities in what each extra installs. Usage: python scripts/audit.py [EXTRA ...]

Needs the network, and pip-audit beside it: `make audit` brings that. Prints a line for each vulnerability that
`requirements/vulnerabilities.toml` gives no reason for, for each reason that nothing needs, and for each package that
could not be looked up; ends with status 1 if there is any.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CLIENT = "client"
# What develops the project ships with nobody, and `all` is its parts.
LEFT_OUT = ("all", "dev", "dev-gpu")

Report = Mapping[str, Any]
"""What pip, or pip-audit, says as JSON."""


@dataclasses.dataclass(frozen=True, order=True)
class Pin:
    """A package at a version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def extras_of(project: Mapping[str, Any]) -> list[str]:
    """Returns the extras of a pyproject.toml that are shipped, the default install first."""
    return [CLIENT, *(name for name in project["project"]["optional-dependencies"] if name not in LEFT_OUT)]


def pins_of(report: Report, own: str = "synthmill") -> set[Pin]:
    """Returns what an installation report of pip would install beside the project itself."""
    found = {(entry["metadata"]["name"], entry["metadata"]["version"]) for entry in report["install"]}
    # A build's own suffix, such as +cpu, is in no database. Names are spelt as pip-audit has them.
    pins = {Pin(re.sub(r"[-_.]+", "-", name).lower(), version.partition("+")[0]) for name, version in found}
    return {pin for pin in pins if pin.name != own}


def judge(
    report: Report, extras: Mapping[Pin, Iterable[str]], recorded: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Yields what is wrong, a line each.

    Args:
        report: of pip-audit.
        extras: those that bring each pin.
        recorded: package and reason, by id of a vulnerability.
    """
    used, seen = set(), set()
    for entry in report["dependencies"]:
        if "skip_reason" in entry:
            continue
        pin = Pin(entry["name"], entry["version"])
        seen.add(pin)
        for found in entry["vulns"]:
            known = {found["id"], *found["aliases"]} & recorded.keys()
            used |= known
            if not any(recorded[name]["package"] == pin.name for name in known):
                fixed = ", ".join(found["fix_versions"]) or "no version"
                yield f"{pin} ({', '.join(extras[pin])}): {found['id']}, fixed in {fixed}"
    for name in sorted(recorded.keys() - used):
        yield f"requirements/vulnerabilities.toml: nothing has {name} any more"
    for pin in sorted(extras.keys() - seen):
        yield f"{pin} ({', '.join(extras[pin])}): could not be looked up"


def main(chosen: list[str]) -> int:
    """Audits the chosen extras, all that are shipped by default, and returns the exit status."""
    extras: dict[Pin, list[str]] = {}
    for extra in chosen or extras_of(tomllib.loads((ROOT / "pyproject.toml").read_text())):
        print(f"resolving {extra}", file=sys.stderr)
        for pin in pins_of(_resolve(extra)):
            extras.setdefault(pin, []).append(extra)
    recorded = tomllib.loads((ROOT / "requirements/vulnerabilities.toml").read_text())
    findings = list(judge(_audit(extras), extras, recorded))
    for finding in findings:
        print(finding)
    print(f"audit: {len(extras)} packages, {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


def _resolve(extra: str) -> Report:
    wanted = "." if extra == CLIENT else f".[{extra}]"
    options = ["--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    return _told("pip", "install", *options, "--constraint", "requirements/constraints.txt", wanted)


def _audit(pins: Iterable[Pin]) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.txt"
        path.write_text("\n".join(map(str, sorted(pins))) + "\n")
        return _told("pip_audit", "--requirement", str(path), "--no-deps", "--disable-pip", "--format", "json")


def _told(module: str, *arguments: str) -> Report:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    # pip-audit ends with 1 if it has found anything.
    if not done.stdout:
        raise SystemExit(f"{module} ended with status {done.returncode} and told nothing")
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
