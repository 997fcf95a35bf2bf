"""Help texts as people see them: whole, and nothing in them that is meant for a machine."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
import typer

from synthmill.augmentation.config import AugmentationConfig
from synthmill.catalog.config import CatalogConfig
from synthmill.cli.main import app
from synthmill.evaluation.config import EvaluationConfig
from synthmill.pipeline.config import PipelineConfig
from synthmill.runtime.config import load_config
from synthmill.sampling.config import SamplingConfig
from synthmill.training.config import TrainingConfig

# The narrowest terminal that is usual, and a wider one.
WIDTHS = (80, 100)


def commands(command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yields every group and verb with the words that name it."""
    yield path, command
    for name, member in getattr(command, "commands", {}).items():
        yield from commands(member, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


def bare(text: str) -> str:
    """Removes all white space: where lines break does not matter."""
    return "".join(text.split())


def declared(command) -> list[str]:
    """Returns what a command's help must say."""
    texts = [inspect.cleandoc(command.help)]
    for parameter in command.params:
        texts += [parameter.metavar or "", getattr(parameter, "help", None) or ""]
    # Of each verb of a group, what it is in short.
    texts += [member.help.partition("\n\n")[0] for member in getattr(command, "commands", {}).values()]
    return [text for text in texts if text]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_of_every_verb_says_all_that_was_written_and_nothing_else(run, monkeypatch, path, width):
    monkeypatch.setenv("COLUMNS", str(width))
    result = run(*path, "--help")
    assert result.code == 0
    assert "\\" not in result.out
    assert max(map(len, result.out.splitlines())) <= width
    texts = declared(COMMANDS[path])
    assert [text for text in texts if bare(text) not in bare(result.out)] == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "config",
    [CatalogConfig, AugmentationConfig, TrainingConfig, SamplingConfig, EvaluationConfig, PipelineConfig],
    ids=lambda config: config.service,
)
def test_help_of_every_service_says_all_that_was_written(monkeypatch, capsys, config, width):
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit):
        load_config(config, ["--help"], {})
    out = capsys.readouterr().out
    assert "\\" not in out
    assert "%" not in out
    texts = [field.metadata["help"] for field in config.__dataclass_fields__.values() if "help" in field.metadata]
    assert len(texts) > 10
    assert [text for text in texts if bare(text) not in bare(out)] == []
