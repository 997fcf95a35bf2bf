"""Image hyper-parameters are validated, and leave choices to the image's size."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from synthmill.kinds.image.hyper_parameters import FAMILIES
from synthmill.kinds.parameters import parse
from synthmill.learning.configuration import resolve
from synthmill.runtime.errors import FailedPrecondition, InvalidField


def schema(height: float, width: float) -> dict[str, float]:
    return {"height": height, "width": width, "channels": 1.0}


@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_are_allowed_and_resolve_to_values_that_train(family):
    small, large = (resolve("image", family, {}, schema(side, side)) for side in (8, 64))
    assert all(resolved["steps"] > 0 and resolved["width"] > 0 for resolved in (small, large))
    assert small["steps"] < large["steps"]
    assert parse(FAMILIES[family], small).resolve(schema(8, 8)) == parse(FAMILIES[family], small)


@pytest.mark.parametrize(
    ("side", "records", "policy"),
    [(28, 0, "translation"), (28, 500, "translation"), (28, 60_000, "none"), (8, 500, "none")],
)
def test_little_data_are_augmented_unless_a_pixel_is_much(side, records, policy):
    assert resolve("image", "gan", {}, schema(side, side), records)["diff_augment"] == policy


def test_given_values_are_kept():
    given = {"steps": "7", "width": 9, "diff_augment": "translation+cutout", "class_weights": "natural"}
    resolved = resolve("image", "gan", given, schema(8, 8))
    assert {name: resolved[name] for name in given} == {
        "steps": 7,
        "width": 9,
        "diff_augment": "translation+cutout",
        "class_weights": "natural",
    }


@pytest.mark.parametrize(
    ("family", "name", "value", "allowed"),
    [
        ("gan", "learning_rate", math.nan, "a finite number above 0.0"),
        ("vae", "learning_rate", "nan", "a finite number above 0.0"),
        ("gan", "learning_rate", 0, "above 0.0"),
        ("gan", "r1_weight", math.inf, "a finite number"),
        ("gan", "objective", "wasserstein", "one of non_saturating, hinge, relativistic"),
        ("gan", "steps", 2.5, "an integer"),
        ("gan", "batch_size", 1, "at least 2"),
        ("gan", "diff_augment", "rotation", "one of auto, none"),
        ("gan", "beta", 1.0, "only "),
        ("vae", "objective", "hinge", "only "),
        ("vae", "free_bits", -1, "at least 0.0"),
    ],
)
def test_a_bad_value_is_refused_with_name_value_and_what_is_allowed(family, name, value, allowed):
    with pytest.raises(InvalidField) as refusal:
        resolve("image", family, {name: value}, schema(8, 8))
    details = refusal.value.metadata
    assert (details["field"], details["value"]) == (f"parameters.{name}", str(value))
    assert allowed in details["allowed"]


@pytest.mark.parametrize("size", [(7, 8), (8, 129), (1024, 1024)])
@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_beyond_the_networks_are_refused(family, size):
    with pytest.raises(FailedPrecondition, match=f"{size[0]} x {size[1]} pixels .* sides of 8 to 128 pixels"):
        resolve("image", family, {}, schema(*size))


def test_checking_them_needs_no_torch():
    script = (
        "import sys; from synthmill.learning import configuration, task; from synthmill.kinds.registry import get_kind;"
        "configuration.resolve('image', 'gan', {}, {'height': 8, 'width': 8, 'channels': 1});"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
