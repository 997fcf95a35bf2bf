"""The guide does what it says: its programs run, its tables are complete."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

import pytest
import yaml

from synthmill.cli.exit_codes import EXIT_CODES
from synthmill.cli.main import app
from synthmill.client.writers import FORMATS
from synthmill.kinds.registry import get_kind
from synthmill.runtime.security.audit import AuditLog

README = (Path(__file__).parents[3] / "clients/python/README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def verbs() -> set[str]:
    """Returns every verb of the command."""
    found = {command.name for command in app.registered_commands}
    for group in app.registered_groups:
        found |= {f"{group.name} {command.name}" for command in group.typer_instance.registered_commands}
    return found


@pytest.mark.parametrize(
    "program", blocks("python"), ids=["client", "asyncio", "torch", "augmentation", "evaluation", "loop"]
)
def test_programs_run(services, tmp_path, monkeypatch, capsys, program):
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "README.md", "exec"), {})
    assert not capsys.readouterr().err


def test_commands_run(run, services, tmp_path, monkeypatch):
    (tmp_path / "pets/cat").mkdir(parents=True)
    (tmp_path / "pets/cat/1.png").write_bytes(b"png")
    (tmp_path / "gan.onnx").write_bytes(b"onnx")
    [policy] = blocks("yaml")
    (tmp_path / "policy.yaml").write_text(policy)
    (tmp_path / "loop.yaml").write_text("dataset: pets")
    asyncio.run(AuditLog(tmp_path / "audit/catalog.jsonl").add({"event": "began"}))
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("synthmill ")]
    assert len(lines) > 8
    for line in lines:
        result = run(*shlex.split(line)[1:])
        assert (line, result.code, result.err[-300:] * bool(result.code)) == (line, 0, "")


def test_policy_is_one():
    [policy] = blocks("yaml")
    assert get_kind("image").augmentation().policy(yaml.safe_load(policy)).nodes


def test_table_of_exit_codes_is_complete():
    listed = dict(re.findall(r"^\| (\d+) \| (\w+)", README, re.MULTILINE))
    assert {int(code): name for code, name in listed.items() if code != "0"} == {
        code: cls.__name__ for cls, code in EXIT_CODES.items()
    }


def test_table_of_verbs_is_complete():
    table = README[README.index("| Verb |") : README.index("An import names")]
    listed = set()
    for first, rest in re.findall(r"^\| `synthmill ([^`]*)`([^|]*)\|", table, re.MULTILINE):
        words = [word for word in first.split() if re.fullmatch("[a-z]+", word)]
        group = words[0]
        listed |= {" ".join(words), *(f"{group} {verb}" for verb in re.findall(r"`([a-z]+)`", rest))}
    assert listed == verbs()


def test_table_of_formats_is_complete():
    table = README[README.index("| `--format` |") : README.index("All formats are")]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(FORMATS)
