"""A card says the same to programs and to people, whatever users have named things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synthmill.learning.card import build_card, to_json, to_markdown
from synthmill.learning.task import TrainingTask


def card(**changes):
    task = TrainingTask(
        **{
            "model": "models/shapes",
            "kind": "image",
            "schema": {"height": 8},
            "labels": ("circle", "square"),
            "columns": {"image": Path("image.npy")},
            "family": "gan",
            "parameters": {"steps": 10, "learning_rate": 0.001},
            "seed": 2**64 - 1,
            "lineage": {"dataset": "datasets/shapes/versions/3", "digests": ["ab", "cd"]},
            "license": "MIT",
        }
        | changes
    )
    return build_card(task, training={"records": 5}, metrics={"export_max_difference": 0.0})


def test_json_is_the_card():
    assert json.loads(to_json(card())) == card()
    assert card()["seed"] == 2**64 - 1
    assert {"synthmill", "torch", "onnx", "python"} <= set(card()["versions"])


@pytest.mark.parametrize(
    "fact",
    [
        "# models/shapes",
        "synthetic",
        "| Classes | 2: circle, square |",
        "| Licence | MIT |",
        "| dataset | datasets/shapes/versions/3 |",
        '| digests | ["ab", "cd"] |',
        "| export_max_difference | 0 |",
        "| learning_rate | 0.001 |",
        "| records | 5 |",
    ],
)
def test_markdown_has_every_fact(fact):
    assert fact in to_markdown(card())


def test_markdown_says_what_is_missing():
    text = to_markdown(card(labels=(), license="", lineage={}))
    assert "| Classes | none |" in text
    assert "| Licence | not stated |" in text
    assert "## Lineage\n\nNothing." in text


def test_names_cannot_break_the_table():
    text = to_markdown(card(labels=("a|b", "<script>", "c\nd")))
    assert "| Classes | 3: a\\|b, &lt;script>, c d |" in text
