"""buf finds nothing to say about the protos, and catches a change that would break a client of the last release."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_lint_is_clean(buf):
    assert_silent([buf, "lint", ROOT / "protos"])


def test_format_is_clean(buf):
    assert_silent([buf, "format", "--diff", "--exit-code", ROOT / "protos"])


def test_lint_finds_a_field_without_comment(buf, tmp_path):
    protos = shutil.copytree(ROOT / "protos", tmp_path / "protos")
    edit(protos, "artifact.proto", '  // Required. File name within its owner, for example "sampler.onnx".\n', "")
    result = run([buf, "lint", protos])
    assert result.returncode != 0
    assert 'Field "name" should have a non-empty comment' in result.stdout


@pytest.fixture
def released(tmp_path) -> Path:
    """A repository with the protos of today, released as v1.0.0."""
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "protos")
    git(tmp_path, "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "--quiet", "--message=Release")
    git(tmp_path, "tag", "v1.0.0")
    return tmp_path


def test_unchanged_protos_are_compatible(buf, released):
    result = check_breaking(buf, released)
    assert result.returncode == 0
    assert "compatible with v1.0.0" in result.stdout


def test_added_field_is_compatible(buf, released):
    last = "  string media_type = 5;\n"
    edit(released / "protos", "artifact.proto", last, last + "  // Optional. Language.\n  string language = 6;\n")
    assert check_breaking(buf, released).returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('  // Required. Where the bytes are: "store://sha256/<64 hex digits>".\n  string uri = 2;\n', "", '"2"'),
        ("int64 size_bytes = 4;", "int32 size_bytes = 4;", "int32"),
        ("string sha256 = 3;", "string sha256 = 13;", '"3"'),
        ("string sha256 = 3;", "string digest = 3;", "digest"),
    ],
    ids=["removed", "retyped", "renumbered", "renamed"],
)
def test_breaking_change_is_caught(buf, released, old, new, rule):
    edit(released / "protos", "artifact.proto", old, new)
    result = check_breaking(buf, released)
    assert result.returncode != 0
    assert rule in result.stdout
    assert "would break clients of v1.0.0" in result.stderr


def test_before_the_first_release_there_is_nothing_to_break(buf, released):
    git(released, "tag", "--delete", "v1.0.0")
    edit(released / "protos", "artifact.proto", "int64 size_bytes = 4;", "int32 size_bytes = 4;")
    result = check_breaking(buf, released)
    assert result.returncode == 0
    assert "no release tag yet" in result.stdout


def check_breaking(buf: Path, root: Path) -> subprocess.CompletedProcess[str]:
    return run([root / "protos" / "check_breaking.sh", buf])


def edit(protos: Path, name: str, old: str, new: str) -> None:
    path = protos / "synthmill" / "v1" / name
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def run(command: list) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def assert_silent(command: list) -> None:
    result = run(command)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == ""
