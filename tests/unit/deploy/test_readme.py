"""The guides of `deploy` name what is there, and their commands are ones that the command line takes."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from synthmill.cli.main import app

ROOT = Path(__file__).parents[3]
GUIDES = ("compose", "kubernetes")
# Options of others' commands whose value is a file or folder of this repository.
PATHS = ("-k", "-f", "--file", "--values")


def lines(guide: str) -> list[str]:
    """Returns the commands of a guide, one at a time."""
    text = (ROOT / "deploy" / guide / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [part.strip() for block in blocks for part in re.split(r"[\n;|]", block) if part.strip() not in ("", "done")]


@pytest.mark.parametrize("guide", GUIDES)
def test_our_commands_are_taken(guide):
    """Each is parsed as it would be when run, so that an option that is not there fails."""
    commands = [line.split(" -- ")[-1] for line in lines(guide)]
    ours = [shlex.split(command)[1:] for command in commands if command.startswith("synthmill ")]
    assert len(ours) >= 3
    for arguments in ours:
        command = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        command.make_context(command.name, arguments)


@pytest.mark.parametrize("guide", GUIDES)
def test_scripts_and_files_are_there(guide):
    seen = 0
    for line in lines(guide):
        words = shlex.split(line.removeprefix("do "))
        if words[0].startswith("deploy/"):
            assert os.access(ROOT / words[0], os.X_OK), line
            seen += 1
        for option, value in itertools.pairwise(words):
            if option in PATHS and value.startswith("deploy/"):
                assert (ROOT / value).exists(), line
                assert option != "-k" or (ROOT / value / "kustomization.yaml").exists()
                seen += 1
    assert seen > 3


@pytest.mark.parametrize("guide", GUIDES)
def test_every_image_that_is_needed_is_built(guide, deploy):
    built = re.search(
        r"for part in ([a-z ]+); do deploy/images/build.sh", (ROOT / f"deploy/{guide}/README.md").read_text()
    )
    if guide == "compose":
        images = {wanted["image"] for wanted in deploy.compose["services"].values()}
    else:
        images = {str(resource) for built in deploy.kustomizations.values() for resource in built}
    needed = {part for image in images for part in re.findall(r"synthmill/([a-z]+):", image)}
    assert set(built[1].split()) == needed


def test_the_table_lists_everything(deploy):
    text = (deploy.path / "README.md").read_text()
    listed = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    for path in deploy.path.rglob("*"):
        name = str(path.relative_to(deploy.path))
        if path.is_file() and path.name != "README.md" and path.suffix != ".pyc" and "secrets/" not in name:
            covered = [entry for entry in listed if name == entry or (entry.endswith("/") and name.startswith(entry))]
            assert covered or name in ("images/Dockerfile.dockerignore", "postgres/kustomization.yaml"), name
    for entry in listed:
        assert (deploy.path / entry).exists(), entry
