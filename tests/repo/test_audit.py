"""The audit of what is shipped: what it makes of a report, without asking anybody."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from audit import Pin, extras_of, judge, pins_of  # noqa: E402

PILLOW, TORCH = Pin("pillow", "12.3.0"), Pin("torch", "2.13.0")
EXTRAS = {PILLOW: ["client", "training"], TORCH: ["training"]}
VULNERABLE = {
    "dependencies": [
        {
            "name": "pillow",
            "version": "12.3.0",
            "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["12.4.0"]}],
        },
        {"name": "torch", "version": "2.13.0", "vulns": []},
    ]
}


def record(name: str = "CVE-1", package: str = "pillow") -> dict[str, dict[str, str]]:
    return {name: {"package": package, "reason": "it needs a file that we do not read"}}


def test_vulnerability_is_told_with_the_extras_that_have_it_and_the_version_that_has_not():
    assert list(judge(VULNERABLE, EXTRAS, {})) == ["pillow==12.3.0 (client, training): PYSEC-1, fixed in 12.4.0"]


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_vulnerability_with_a_recorded_reason_is_not_told(name):
    assert not list(judge(VULNERABLE, EXTRAS, record(name)))


def test_reason_for_another_package_does_not_count():
    assert list(judge(VULNERABLE, EXTRAS, record(package="torch")))


def test_reason_that_nothing_needs_is_told():
    told = list(judge(VULNERABLE, EXTRAS, {**record(), **record("CVE-2")}))
    assert told == ["requirements/vulnerabilities.toml: nothing has CVE-2 any more"]


def test_package_that_could_not_be_looked_up_is_told():
    skipped = {"dependencies": [{"name": "torch", "skip_reason": "not found"}, VULNERABLE["dependencies"][0]]}
    assert list(judge(skipped, EXTRAS, record())) == ["torch==2.13.0 (training): could not be looked up"]


def test_pins_are_those_of_pip_without_the_project_and_without_the_suffix_of_a_build_in_one_spelling():
    names = [("synthmill", "0.1.0"), ("torch", "2.13.0+cpu"), ("Typing_Extensions", "4.16.0")]
    report = {"install": [{"metadata": {"name": name, "version": version}} for name, version in names]}
    assert pins_of(report) == {TORCH, Pin("typing-extensions", "4.16.0")}


def test_every_extra_that_is_shipped_is_audited():
    extras = extras_of(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    assert extras[0] == "client"
    assert {"runtime", "catalog", "training", "sampling", "sampling-gpu", "pipeline", "s3"} <= set(extras)
    assert not {"all", "dev", "dev-gpu"} & set(extras)


def test_recorded_vulnerabilities_each_name_a_package_and_a_reason():
    recorded = tomllib.loads((ROOT / "requirements/vulnerabilities.toml").read_text())
    assert all(entry.keys() == {"package", "reason"} and entry["reason"] for entry in recorded.values())
