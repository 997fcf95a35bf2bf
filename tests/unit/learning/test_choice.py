"""The family that "auto" means follows from the data and the time, and the reason is told."""

from __future__ import annotations

import pytest
from kinds.point import KIND as POINT

from synthmill.kinds.registry import get_kind
from synthmill.learning.choice import choose_family

IMAGE = get_kind("image")


@pytest.mark.parametrize(
    ("side", "channels", "records", "classes", "budget_s", "family", "reason"),
    [
        (28, 1, 60_000, 10, 0, "vae", "takes about 3136 s to overtake it, longer than the default number of steps"),
        (28, 1, 60_000, 10, 7200, "gan", "6000 records in a class and 7200 s are enough"),
        (28, 1, 60_000, 10, 120, "vae", "takes about 3136 s to overtake it, longer than 120 s"),
        (8, 1, 1_437, 10, 20, "vae", "64 numbers takes about 256 s"),
        (8, 1, 1_437, 10, 0, "gan", "144 records in a class and the default number of steps are enough"),
        (64, 3, 100_000, 10, 7200, "vae", "12288 numbers takes about 49152 s"),
        (64, 3, 100_000, 10, 86_400, "gan", "enough"),
        (28, 1, 1_000, 10, 3600, "gan", "100 records in a class"),
        (28, 1, 400, 10, 0, "vae", "40 records in a class are too few"),
        (28, 1, 4_000, 100, 0, "vae", "40 records in a class are too few"),
        (28, 1, 49, 0, 0, "vae", "49 records in all are too few"),
        (28, 1, 5_000, 0, 3600, "gan", "5000 records in all"),
    ],
)
def test_cases(side, channels, records, classes, budget_s, family, reason):
    schema = {"height": side, "width": side, "channels": channels}
    chosen, why = choose_family(IMAGE, schema, records, classes, budget_s)
    assert chosen == family
    assert why.startswith(f"{family}: ")
    assert reason in why


def test_any_kind_will_do():
    assert choose_family(POINT, {"axes": 2}, 1000, 2, 20.0)[0] == "gan"
