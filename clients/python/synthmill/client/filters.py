"""Filters: which of several candidates each sample is, by what the model holds of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthmill.client.messages import make
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.filters import DEFAULT_ATTEMPTS
from synthmill.v1.sampling_service_pb2 import SampleFilter

Filter = SampleFilter | bool | None
"""A filter; True is the model's own, None or False is none: every sample is its first candidate."""


def sample_filter(
    min_confidence: float | None = None, min_score: float | None = None, attempts: int = DEFAULT_ATTEMPTS
) -> SampleFilter:
    """The first of several candidates that passes, else the best of them; without bounds the model's own filter.

    Args:
        min_confidence: least probability, 0 to 1, that a classifier gives to the sample's own label.
        min_score: least score by the critic of the training.
        attempts: most candidates for a sample, up to 64.

    Raises:
        InvalidField: a value is no number.
    """
    return make(SampleFilter, min_confidence=min_confidence, min_score=min_score, attempts=attempts)


def to_filter(given: Filter) -> SampleFilter | None:
    """Returns the filter that a user means.

    Raises:
        InvalidField: it is none.
    """
    if isinstance(given, SampleFilter):
        return given
    if given is None or isinstance(given, bool):
        return sample_filter() if given else None
    raise InvalidField("filter", given, "True for the model's own, or what sample_filter returns")


def to_recipe(given: SampleFilter | None) -> dict[str, Any] | None:
    """Returns a filter as JSON: the arguments of `sample_filter`; None for none."""
    if given is None:
        return None
    bounds = {
        name: _shortest(getattr(given, name)) if given.HasField(name) else None
        for name in ("min_confidence", "min_score")
    }
    return {**bounds, "attempts": given.attempts or DEFAULT_ATTEMPTS}


def from_recipe(recipe: dict[str, Any] | None) -> SampleFilter | None:
    """Inverse of `to_recipe`."""
    return None if recipe is None else sample_filter(**recipe)


def _shortest(value: float) -> float:
    """Returns the number with the fewest digits that is the same in 32 bits, as a user has written it."""
    return float(str(np.float32(value)))
