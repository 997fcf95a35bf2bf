"""The audit log: what a service writes, and what verifying finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.callers import calling, holding
from synthmill.runtime.errors import FailedPrecondition, PermissionDenied
from synthmill.runtime.security.audit import AuditLog, verify
from synthmill.v1 import catalog_service_pb2 as pb

DELETE = pb.DeleteDatasetRequest(name="datasets/a/versions/1")


def entries(folder: Path) -> list[dict]:
    """Returns what a toy wrote."""
    (path,) = folder.glob("*.jsonl")
    assert not verify(path.read_bytes()).fault
    return [json.loads(line) for line in path.read_text().splitlines()]


async def written(path: Path, count: int) -> list[bytes]:
    """Writes entries and returns their lines."""
    log = AuditLog(path)
    for number in range(count):
        await log.add({"event": "began", "number": number})
    log.close()
    return path.read_bytes().splitlines(keepends=True)


def test_calls_that_change_something_are_written_down(start, issuer, tmp_path):
    audit = tmp_path / "audit"
    toy = start(*issuer.flags(), "--audit", str(audit))
    with calling(toy.address, holding(tmp_path, issuer.token("admin"))) as stub:
        stub.GetDataset(pb.GetDatasetRequest(name="any"))
        stub.DeleteDataset(DELETE)
        with pytest.raises(FailedPrecondition):
            stub.DeleteDataset(pb.DeleteDatasetRequest(name="datasets/kept/versions/1"))
    with calling(toy.address, holding(tmp_path, issuer.token("reader"))) as stub, pytest.raises(PermissionDenied):
        stub.DeleteDataset(DELETE)
    found = entries(audit)
    told = [(entry["event"], entry.get("code"), entry["subject"]) for entry in found]
    assert told == [
        ("began", None, "tester"),
        ("ended", "OK", "tester"),
        ("began", None, "tester"),
        ("ended", "FAILED_PRECONDITION", "tester"),
        ("refused", "PERMISSION_DENIED", ""),
    ]
    assert found[0]["resources"] == ["datasets/a/versions/1"]
    assert found[0]["request_id"] == found[1]["request_id"] != ""


def test_log_goes_on_after_a_restart(start, tmp_path):
    """Without tokens, too, it is written down what was asked."""
    audit = tmp_path / "audit"
    for expected in (2, 4):
        toy = start("--audit", str(audit))
        with calling(toy.address, holding(tmp_path, "none")) as stub:
            stub.DeleteDataset(DELETE)
        assert toy.end() == 0
        assert len(entries(audit)) == expected


def test_two_services_do_not_share_a_file(start, tmp_path):
    start("--audit", str(tmp_path / "audit"))
    second = start("--audit", str(tmp_path / "audit"))
    assert second.ready == {}
    assert second.process.wait(20) == 2
    assert "another process writes" in second.log.read_text()


async def test_every_change_of_a_line_shows(tmp_path):
    lines = await written(tmp_path / "log.jsonl", 4)
    assert verify(b"".join(lines)).entries == 4
    changed = lines[1].replace(b'"number": 1', b'"number": 7')
    for damaged, holds in (
        ([lines[0], changed, *lines[2:]], 1),
        ([lines[0], *lines[2:]], 1),
        ([lines[0], lines[2], lines[1], lines[3]], 1),
        ([*lines[:2], lines[1], *lines[2:]], 2),
        ([*lines[:3], lines[3][:-9]], 3),
        ([b"nonsense\n", *lines], 0),
    ):
        found = verify(b"".join(damaged))
        assert found.fault
        assert found.entries == holds


async def test_line_that_a_crash_has_torn_stays_and_is_accounted_for(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = await written(path, 2)
    path.write_bytes(lines[0] + lines[1][:20])
    after = await written(path, 1)
    assert after[1] == lines[1][:20] + b"\n"
    assert json.loads(after[2])["event"] == "torn"
    assert verify(b"".join(after)).entries == 3
    assert not verify(b"".join(after)).fault
    # Taking out what accounts for it shows.
    assert verify(b"".join([*after[:2], after[3]])).fault


async def test_file_that_is_no_log_is_left_alone(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("a diary\n")
    with pytest.raises(FailedPrecondition, match="no audit log"):
        AuditLog(path)
    assert path.read_text() == "a diary\n"
