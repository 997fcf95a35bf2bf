"""The repository's own checks: this repository passes them, and each can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "verify_repo.py"
MACHINE_PATH = "/home/" + "alice"

SOUND = {
    "pyproject.toml": '[project]\nname = "synthmill"\nversion = "1.2.0"\ndependencies = ["numpy>=2"]\n',
    "CHANGELOG.md": "# Changelog\n\n## 1.2.0\n\n- First.\n",
    "requirements/README.md": "# Requirements\n",
    "requirements/constraints.txt": "# Pins.\nnumpy==2.4.6\n",
    "services/README.md": "# Services\n",
    "services/synthmill/runtime/errors.py": "import grpc\n",
    "services/synthmill/kinds/__init__.py": "",
    "services/synthmill/kinds/registry.py": "from synthmill.runtime import errors\n",
    "services/synthmill/kinds/image/__init__.py": "from synthmill.kinds.image.codec import decode\n",
    "services/synthmill/kinds/image/codec.py": "def decode():\n    import torch\n",
    "services/synthmill/learning/run.py": "import torch\n",
    "services/synthmill/training/__main__.py": (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from synthmill.learning.run import train\n"
    ),
}

FAULTS = {
    "machine-path": ("services/README.md", f"See {MACHINE_PATH}/notes.\n", "path of a machine"),
    "unfinished": ("services/synthmill/runtime/errors.py", "# TO" + "DO: retry\n", "unfinished"),
    "folder-without-readme": ("deploy/compose.yaml", "services: {}\n", "folder without a README.md"),
    "version-not-in-changelog": ("CHANGELOG.md", "# Changelog\n\n## 1.1.0\n", "no section for version 1.2.0"),
    "refused-requirement": ("requirements/extra.txt", "torchvision==0.20\n", "refused dependency: torchvision"),
    "refused-import": ("services/synthmill/runtime/errors.py", "import ctgan\n", "refused dependency: ctgan"),
    "heavy-default": (
        "pyproject.toml",
        SOUND["pyproject.toml"].replace("numpy>=2", "torch"),
        "the default install would pull torch",
    ),
    "unpinned": ("requirements/constraints.txt", "# Pins.\n", "numpy is not pinned"),
    "registry-in-requirements": (
        "requirements/constraints.txt",
        "numpy @ https://files.example.org/numpy.whl\n",
        "names a registry",
    ),
    "index-option": ("requirements/extra.txt", "--extra-index-url https://example.org\n", "names a registry"),
    "registry-in-lock": (
        "requirements/package-lock.json",
        '{"resolved": "https://registry.example.org/long.tgz"}\n',
        "names a registry's host",
    ),
    "import-upwards": (
        "services/synthmill/runtime/errors.py",
        "def f():\n    from synthmill.kinds import registry\n",
        "synthmill.runtime must not import synthmill.kinds",
    ),
    "import-sideways": (
        "services/synthmill/training/servicer.py",
        "import synthmill.catalog.tables\n",
        "synthmill.training must not import synthmill.catalog",
    ),
    "sampling-imports-kinds": (
        "services/synthmill/sampling/__main__.py",
        "from synthmill import kinds\n",
        "synthmill.sampling must not import synthmill.kinds",
    ),
    "relative-import": ("services/synthmill/learning/data.py", "from . import run\n", "relative import"),
    "unknown-part": ("services/synthmill/helpers/text.py", "", "synthmill.helpers has no place among the layers"),
    "kind-from-outside": (
        "services/synthmill/learning/data.py",
        "from synthmill.kinds import image\n",
        "synthmill.kinds.image belongs to one kind",
    ),
    "heavy-start": (
        "services/synthmill/training/__main__.py",
        "from synthmill.learning import run\n",
        "synthmill.training.__main__ would load torch",
    ),
    "heavy-kind": (
        "services/synthmill/kinds/image/codec.py",
        "try:\n    import torch\nexcept ImportError:\n    torch = None\n",
        "synthmill.kinds.image would load torch",
    ),
    "entry-point-gone": ("services/synthmill/catalog/main.py", "", "no such module: synthmill.catalog.__main__"),
    "long-module": ("services/synthmill/runtime/errors.py", "x = 1\n" * 401, "401 lines, at most 400"),
    "long-function": (
        "services/synthmill/runtime/errors.py",
        "def f():\n" + "    x = 1\n" * 60,
        "errors.py:1: f has 61 lines, at most 60",
    ),
}


def test_this_repository_passes():
    result = verify(ROOT)
    assert result.returncode == 0, result.stdout


def test_sound_repository_passes(tmp_path):
    result = verify(write(tmp_path, SOUND))
    assert result.returncode == 0, result.stdout
    assert f"{len(SOUND)} files, 0 findings" in result.stderr


@pytest.mark.parametrize(("path", "content", "message"), FAULTS.values(), ids=FAULTS)
def test_fault_is_found_and_named(tmp_path, path, content, message):
    result = verify(write(tmp_path, {**SOUND, path: content}))
    assert result.returncode == 1
    assert message in result.stdout


def test_ignored_files_are_not_checked(tmp_path):
    ignored = {".gitignore": "scratch/\n", "scratch/note.txt": MACHINE_PATH}
    result = verify(write(tmp_path, {**SOUND, **ignored}))
    assert result.returncode == 0, result.stdout


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def verify(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True, check=False)
