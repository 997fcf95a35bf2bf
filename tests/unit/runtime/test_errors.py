"""An error that is raised in another process is the same here."""

from __future__ import annotations

import pickle

import pytest

from synthmill.runtime.errors import BY_REASON, Diverged, InvalidField, Overloaded, rebuild

ERRORS = [
    InvalidField("count", 0, "at least 1", index=3),
    Diverged("not finite", step=7, tensor="loss"),
    Overloaded("busy", retry_after_s=1.5),
    *(rebuild(reason, "as it was told", {"field": "model"}) for reason in BY_REASON),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_being_pickled(error):
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is type(error)
    assert (str(found), found.message, found.metadata) == (str(error), error.message, error.metadata)
