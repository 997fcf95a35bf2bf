"""A card says the same to programs and to people, whatever users have named things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synthmill.learning.card import Account, build_card, describe_copies, to_json, to_markdown
from synthmill.learning.provenance import code_digest
from synthmill.learning.task import TrainingTask

METRICS = {"nearest_ratio": 0.9, "copied_share": 0.04}


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
    training = {"records": 5, "records_by_class": {"circle": 4000, "square": 12}}
    rows = [{"step": step + 1, "loss": 10.0 - step} for step in range(10)]
    return build_card(task, Account(training, {"export_max_difference": 0.0} | METRICS, ["step 3: a | b"], rows))


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
        "| loss | `█▇▆▆▅▄▃▃▂▁` | 10 | 1 | 1 | 10 |",
        "- step 3: a \\| b",
        "- Fewer than 50 records in square (12): samples of these classes add little to the records.",
        "- Utility was measured on the records that were learned from",
        "is 0.90 times that of real records; 4% of the samples",
    ],
)
def test_markdown_has_every_fact(fact):
    assert fact in to_markdown(card())


def test_markdown_says_what_is_missing():
    text = to_markdown(card(labels=(), license="", lineage={}))
    assert "| Classes | none |" in text
    assert "| Licence | not stated |" in text
    assert "## Data\n\nNothing." in text
    assert "The licence of the data is not stated" in text


def test_copies_are_told():
    few = describe_copies({"nearest_ratio": 0.9, "copied_share": 0.04})
    many = describe_copies({"nearest_ratio": 0.2, "copied_share": 0.6})
    assert "copies" not in few
    assert "some of them are copies" in many
    assert "60% of the samples" in many
    assert describe_copies({}) == "Not measured: the run was too short."


def test_code_has_a_digest_of_its_own():
    found = card()["versions"]["code_sha256"]
    assert len(found) == 64
    assert found == code_digest()


def test_names_cannot_break_the_table():
    text = to_markdown(card(labels=("a|b", "<script>", "c\nd")))
    assert "| Classes | 3: a\\|b, &lt;script>, c d |" in text
