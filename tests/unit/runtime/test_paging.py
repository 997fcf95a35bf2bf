"""Pages of lists."""

from __future__ import annotations

import base64
import json

import pytest

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, parse_page


@pytest.mark.parametrize(("asked", "given"), [(0, DEFAULT_PAGE_SIZE), (7, 7), (1000, 1000), (2**31 - 1, MAX_PAGE_SIZE)])
def test_size_is_filled_in_and_capped(asked, given):
    assert parse_page(asked, "", "models").size == given


def test_negative_size_is_refused():
    with pytest.raises(InvalidField, match="page_size: got -1"):
        parse_page(-1, "", "models")


def test_token_leads_to_the_next_page_of_the_same_list():
    token = parse_page(10, "", "issues:x", key_length=2).token_after((3, 44))
    assert parse_page(10, token, "issues:x", key_length=2).after == (3, 44)


def forged(content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        parse_page(10, "", "datasets").token_after((3,)),
        "nonsense",
        "ÄÖ",
        forged(["0" * 16, 3]),
        forged({"a": 1}),
        forged(3),
        forged([]),
        base64.urlsafe_b64encode(b"[" * 50_000).decode(),
        parse_page(10, "", "models").token_after((True,)),
        parse_page(10, "", "models").token_after((1, 2)),
    ],
    ids=["other-list", "text", "unicode", "digest", "object", "number", "empty", "nested", "boolean", "longer-key"],
)
def test_any_other_token_is_refused(token):
    with pytest.raises(InvalidField, match="page_token"):
        parse_page(10, token, "models")
