"""Whatever goes wrong, nothing half-written is visible; test_bulk.py has what a folder keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.client.fakes.faults import BREAK

from synthmill.client.bulk import WriteProgress
from synthmill.client.writers import FORMATS
from synthmill.runtime.errors import AlreadyExists, InvalidField, NotFound, Unavailable

SUFFIXES = {"npz": ".npz", "parquet": ".parquet", "webdataset": ".tar"}
TARGETS = [(name, "") for name in FORMATS] + list(SUFFIXES.items())


def visible_files(folder: Path) -> list[str]:
    """Returns the files that do not lie under a hidden name."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return [str(name) for name in names if not any(part.startswith(".") for part in name.parts)]


@pytest.mark.parametrize(("format_name", "suffix"), TARGETS)
def test_broken_stream_leaves_nothing(client, services, tmp_path, format_name, suffix):
    services.sampling.faults.plan = [(60, BREAK)] + [(0, BREAK)] * 9
    with pytest.raises(Unavailable):
        client.write_samples("pets", tmp_path / f"pets{suffix}", 5000, format=format_name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("format_name", "suffix"), TARGETS)
def test_interruption_leaves_nothing_and_nothing_is_seen_before_the_end(client, tmp_path, format_name, suffix):
    out = tmp_path / f"pets{suffix}"

    def interrupt(now: WriteProgress) -> None:
        assert not visible_files(tmp_path)
        if now.done > 2000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.write_samples("pets", out, 5000, format=format_name, on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["file", "folder", "earlier"])
def test_what_is_there_is_left_alone(client, services, tmp_path, there):
    out = tmp_path / "pets"
    if there == "file":
        out.write_text("precious")
    elif there == "folder":
        out.mkdir()
        (out / "precious").touch()
    else:
        client.write_samples("pets", out, 10)
    before = [path.name for path in tmp_path.rglob("*")]
    asked = len(services.sampling.requests)
    with pytest.raises(AlreadyExists, match=r"exists|samples 0 to 9"):
        client.write_samples("pets", out, 20)
    assert [path.name for path in tmp_path.rglob("*")] == before
    assert len(services.sampling.requests) == asked


def test_only_what_was_written_before_is_overwritten(client, tmp_path):
    client.write_samples("pets", tmp_path / "pets", 10)
    client.write_samples("pets", tmp_path / "pets", 20, format="png", overwrite=True)
    assert not list((tmp_path / "pets").glob("*.parquet"))
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other/precious").touch()
    with pytest.raises(AlreadyExists, match=r"manifest\.json"):
        client.write_samples("pets", tmp_path / "other", 10, overwrite=True)
    assert (tmp_path / "other/precious").exists()


def test_failed_overwriting_keeps_what_was_there(client, services, tmp_path):
    client.write_samples("pets", tmp_path / "pets.npz", 10)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    services.sampling.faults.plan = [(1, BREAK)] + [(0, BREAK)] * 9
    with pytest.raises(Unavailable):
        client.write_samples("pets", tmp_path / "pets.npz", 1000, overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_empty_folder_is_filled(client, tmp_path):
    (tmp_path / "pets").mkdir()
    client.write_samples("pets", tmp_path / "pets", 10)
    assert (tmp_path / "pets/manifest.json").exists()


def test_folders_above_are_made(client, tmp_path):
    client.write_samples("pets", tmp_path / "a/b/pets.npz", 10)
    assert (tmp_path / "a/b/pets.npz").exists()


@pytest.mark.parametrize(
    ("out", "arguments", "error"),
    [
        ("pets", {"format": "jpeg"}, InvalidField),
        ("pets.npz", {"format": "parquet"}, InvalidField),
        ("pets", {"count": 0}, InvalidField),
        ("pets", {"labels": "cow"}, InvalidField),
        ("pets", {"model": "dragons"}, NotFound),
    ],
)
def test_bad_requests_write_nothing(client, tmp_path, out, arguments, error):
    with pytest.raises(error):
        client.write_samples(**{"model": "pets", "out": tmp_path / out, "count": 10, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_an_executor_is_for_folders_and_is_known(client, tmp_path):
    with pytest.raises(InvalidField, match=r"executor: got 'ray', allowed: local: .*pets.npz is one file"):
        client.write_samples("pets", tmp_path / "pets.npz", 10, executor="ray")
    with pytest.raises(InvalidField, match="executor: got 'slurm', allowed: one of local, ray"):
        client.write_samples("pets", tmp_path / "pets", 10, executor="slurm")
    assert list(tmp_path.iterdir()) == []
