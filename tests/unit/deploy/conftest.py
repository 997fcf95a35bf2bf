"""What the tests of `deploy` share: its folder, and the checks of `scripts/`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

from deploy_checks.folder import Folder  # noqa: E402


@pytest.fixture(scope="session")
def deploy() -> Folder:
    """The folder of this repository."""
    return Folder(ROOT / "deploy")


@pytest.fixture(scope="session")
def made(deploy, tmp_path_factory) -> Path:
    """A folder with all that the scripts make."""
    folder = tmp_path_factory.mktemp("made") / "secrets"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for script in ("make_secrets.sh", "make_certificates.sh", "make_tokens.sh"):
        subprocess.run([deploy.path / script, folder], env=environment, check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture
def copied(tmp_path) -> Path:
    """A copy of the folder, to be spoilt."""
    return Path(shutil.copytree(ROOT / "deploy", tmp_path / "deploy"))
