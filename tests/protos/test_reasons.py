"""The reasons of the protos, the classes of the error tree and the table in the manual are one list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from synthmill.runtime.errors import BY_REASON, SynthmillError, rebuild
from synthmill.v1 import error_pb2

ROOT = Path(__file__).parents[2]


def test_reasons_and_classes_are_one_list():
    names = [name.removeprefix("ERROR_REASON_") for name in error_pb2.ErrorReason.keys()]  # noqa: SIM118
    assert names[0] == "UNSPECIFIED"
    assert sorted(names[1:]) == sorted(BY_REASON)


@pytest.mark.parametrize("reason", sorted(BY_REASON))
def test_class_is_rebuilt_from_its_reason(reason):
    error = rebuild(reason, "what happened", {"field": "count"})
    assert type(error) is BY_REASON[reason]
    assert (error.message, error.metadata) == ("what happened", {"field": "count"})


def test_unknown_reason_gives_the_plain_error():
    assert type(rebuild("FROM_A_NEWER_SERVICE", "what happened", {})) is SynthmillError


def test_manual_has_all_reasons_with_their_codes():
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \|", (ROOT / "protos" / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == len(BY_REASON)
    assert dict(rows) == {reason: error.code.name for reason, error in BY_REASON.items()}
