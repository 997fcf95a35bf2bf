"""Filters: seeds of candidates, what passes and what is best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmill.runtime.filters import MAX_ATTEMPTS, Filter, candidate_seed


def opinions(*confidence: float, score: tuple[float, ...] = ()) -> dict[str, np.ndarray]:
    found = {"confidence": np.array(confidence, np.float32)}
    return found | ({"score": np.array(score, np.float32)} if score else {})


def test_candidates_after_the_first_have_the_seeds_of_splitmix64():
    # As published with the generator, and in other languages' libraries.
    assert [candidate_seed(1234567, attempt) for attempt in range(4)] == [
        1234567,
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@given(st.integers(0, 2**64 - 1))
def test_no_two_candidates_have_the_same_seed(seed):
    seeds = [candidate_seed(seed, attempt) for attempt in range(MAX_ATTEMPTS)]
    assert len(set(seeds)) == MAX_ATTEMPTS
    assert all(0 <= each < 2**64 for each in seeds)


def test_a_candidate_passes_by_all_bounds_that_are_set():
    given_opinions = opinions(0.2, 0.9, 0.9, 0.95, score=(5.0, -1.0, 0.0, 5.0))
    assert Filter().passes(given_opinions).tolist() == [True] * 4
    assert Filter(0.9).passes(given_opinions).tolist() == [False, True, True, True]
    assert Filter(None, 0.0).passes(given_opinions).tolist() == [True, False, True, True]
    assert Filter(0.9, 0.0).passes(given_opinions).tolist() == [False, False, True, True]


def test_a_bound_is_the_nearest_number_of_32_bits():
    assert float(np.float32(0.7)) < 0.7
    assert Filter(0.7).passes(opinions(0.7)).tolist() == [True]


@pytest.mark.parametrize(
    ("by", "best"),
    [(Filter(0.99), 1), (Filter(0.99, 9.0), 1), (Filter(None, 9.0), 2)],
    ids=["confidence", "both", "score"],
)
def test_the_best_has_the_highest_confidence_unless_only_the_score_is_bounded(by, best):
    given_opinions = opinions(0.3, 0.8, 0.1, float("nan"), score=(1.0, 2.0, 8.0, 3.0))
    assert by.ranks(given_opinions).argmax() == best


def test_what_is_no_number_neither_passes_nor_is_best():
    given_opinions = opinions(float("nan"), 0.0)
    assert Filter(0.0).passes(given_opinions).tolist() == [False, True]
    assert Filter(0.5).ranks(given_opinions).tolist() == [-np.inf, 0.0]
