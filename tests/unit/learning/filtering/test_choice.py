"""Which candidate a sample is, and which bound is worth it."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.learning.filtering.choice import CONFIDENCES, Trial, choose_bound, choose_candidates
from synthmill.runtime.filters import Filter

# Candidates of four samples, a row for each attempt.
CANDIDATES = np.array([[0.95, 0.2, 0.5, 0.4], [0.99, 0.8, 0.4, 0.4], [0.1, 0.9, 0.3, 0.4]], np.float32)


@pytest.mark.parametrize(
    ("bound", "candidates", "passed"),
    [
        (None, [0, 0, 0, 0], [True, True, True, True]),
        (0.7, [0, 1, 0, 0], [True, True, False, False]),
        (0.9, [0, 2, 0, 0], [True, True, False, False]),
        (0.99, [1, 2, 0, 0], [True, False, False, False]),
    ],
)
def test_the_first_that_passes_else_the_best_and_of_equals_the_first(bound, candidates, passed):
    found = choose_candidates(CANDIDATES, Filter(bound))
    assert [each.tolist() for each in found] == [candidates, passed]


def trial(bound: float | None, *accuracies: float) -> Trial:
    return Trial(bound, accuracies, 0.5, 0.9)


def test_bounds_are_tried_from_the_loosest_on():
    assert CONFIDENCES == (None, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


def test_no_filter_is_chosen_where_none_helps():
    trials = [trial(None, 0.80, 0.82, 0.81), trial(0.5, 0.79, 0.83, 0.82), trial(0.9, 0.70, 0.71, 0.72)]
    assert choose_bound(trials).min_confidence is None


def test_the_loosest_bound_is_chosen_of_those_that_are_about_as_good_as_the_best():
    trials = [trial(None, 0.60, 0.62, 0.61), trial(0.5, 0.80, 0.83, 0.79), trial(0.9, 0.80, 0.82, 0.84)]
    assert choose_bound(trials).min_confidence == 0.5


def test_probes_are_compared_one_by_one_so_that_what_they_have_in_common_does_not_hide_a_difference():
    trials = [trial(None, 0.50, 0.70, 0.90), trial(0.8, 0.55, 0.76, 0.95)]
    assert trials[1].standard_error > 0.1
    assert choose_bound(trials).min_confidence == 0.8


def test_one_probe_knows_no_error_and_the_best_bound_is_chosen():
    trials = [trial(None, 0.5), trial(0.5, 0.51), trial(0.7, 0.50)]
    assert trials[0].standard_error == 0
    assert choose_bound(trials).min_confidence == 0.5
