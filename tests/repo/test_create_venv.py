"""Creating an environment: which Python is taken, and what is said when none will do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "create_venv.sh"

# Stand-ins for interpreters: they answer the script's three questions and then create a folder, or fail half-way.
OLD = '#!/bin/sh\ncase "$2" in *version_info*) exit 1 ;; esac\n'
WITHOUT_ENSUREPIP = (
    '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; *"sys.exit"*) exit 0 ;; *version_info*) echo 3.11 ;; esac\n'
)
COMPLETE = '#!/bin/sh\nif [ "$1" = -m ]; then mkdir -p "$4/bin" && echo "$0" >"$4/made-by"; fi\n'
BROKEN = '#!/bin/sh\nif [ "$1" = -m ]; then mkdir -p "$4/bin" && exit 3; fi\n'


@pytest.fixture
def path(tmp_path) -> Path:
    """A folder that is the whole PATH: the few tools that the script needs, and the Pythons that a test puts there."""
    folder = tmp_path / "path"
    folder.mkdir()
    for tool in ("dirname", "rm", "mkdir", "sh"):
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


def test_takes_the_first_python_that_can(path, tmp_path):
    add(path, "python3.11", WITHOUT_ENSUREPIP)
    add(path, "python3.12", OLD)
    add(path, "python3.13", COMPLETE)
    assert create(path, tmp_path / "venv").returncode == 0
    assert (tmp_path / "venv" / "made-by").read_text() == f"{path / 'python3.13'}\n"


def test_takes_the_python_that_is_named(path, tmp_path):
    add(path, "python3.11", COMPLETE)
    named = add(tmp_path, "my-python", COMPLETE)
    assert create(path, tmp_path / "venv", PYTHON=str(named)).returncode == 0
    assert (tmp_path / "venv" / "made-by").read_text() == f"{named}\n"


def test_says_which_package_debian_lacks(path, tmp_path):
    add(path, "python3.11", WITHOUT_ENSUREPIP)
    result = create(path, tmp_path / "venv")
    assert result.returncode == 1
    assert "python3.11 cannot create a virtual environment: it lacks venv or ensurepip" in result.stderr
    assert "apt install python3.11-venv" in result.stderr


@pytest.mark.parametrize("pythons", [{}, {"python3": OLD}], ids=["none", "old"])
def test_says_that_no_python_is_new_enough(path, tmp_path, pythons):
    for name, script in pythons.items():
        add(path, name, script)
    result = create(path, tmp_path / "venv")
    assert result.returncode == 1
    assert "Python 3.11 or newer was not found" in result.stderr


def test_leaves_nothing_half_made(path, tmp_path):
    add(path, "python3.11", BROKEN)
    assert create(path, tmp_path / "venv").returncode == 3
    assert not (tmp_path / "venv").exists()


def add(folder: Path, name: str, script: str) -> Path:
    python = folder / name
    python.write_text(script)
    python.chmod(0o755)
    return python


def create(path: Path, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, folder], env={"PATH": str(path), **env}, capture_output=True, text=True, check=False)
