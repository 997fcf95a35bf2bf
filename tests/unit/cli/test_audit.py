"""synthmill audit verify."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from synthmill.runtime.security.audit import AuditLog


def write(path: Path, *, count: int) -> None:
    """Adds entries to a log."""
    log = AuditLog(path)
    for number in range(count):
        asyncio.run(log.add({"event": "began", "number": number}))
    log.close()


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path / "audit/catalog.jsonl", count=3)
    return tmp_path / "audit"


def test_whole_logs_hold(run, folder):
    write(folder / "training.jsonl", count=1)
    result = run("audit", "verify", folder, "--json")
    assert result.code == 0
    assert [(log["log"], log["entries"]) for log in result.json["logs"]] == [
        ("catalog.jsonl", 3),
        ("training.jsonl", 1),
    ]
    assert "holds" in run("audit", "verify", folder / "catalog.jsonl").out


def test_changed_log_is_told_by_name_and_line(run, folder):
    log = folder / "catalog.jsonl"
    log.write_text(log.read_text().replace('"number": 1', '"number": 9'))
    result = run("audit", "verify", folder)
    assert result.code == 9
    assert "catalog.jsonl: line 2 was changed" in result.err


def test_log_that_was_cut_off_shows_against_what_was_noted(run, folder, tmp_path):
    noted, log = tmp_path / "noted.json", folder / "catalog.jsonl"
    noted.write_text(run("audit", "verify", folder, "--json").out)
    write(log, count=2)
    assert run("audit", "verify", folder, "--noted", noted).code == 0
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:2]))
    assert run("audit", "verify", folder).code == 0
    cut = run("audit", "verify", folder, "--noted", noted)
    assert cut.code == 9
    assert "3 entries that were noted" in cut.err


def test_what_is_no_log_is_refused(run, tmp_path):
    for arguments in ([tmp_path / "nowhere"], [tmp_path], [tmp_path, "--noted", tmp_path / "nowhere.json"]):
        assert run("audit", "verify", *arguments).code == 2
