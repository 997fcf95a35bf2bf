"""Real records score as real; what is wrong with bad samples shows in the figure that is there for it."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from unit.learning.evaluate.records import COMPARISON, UNLABELLED, collapsed, parts, shuffled

from synthmill.kinds.base import Columns
from synthmill.learning.evaluate.features import FeatureExtractor
from synthmill.learning.evaluate.findings import Figure, Group
from synthmill.learning.evaluate.likeness import measure_likeness
from synthmill.learning.task import never_stop

FIDELITY = ["frechet_distance", "kid", "precision", "density", "class_agreement", "c2st_auc", "duplicate_share"]
COVERAGE = ["recall", "coverage"]
COLLAPSED = 3


@pytest.fixture(scope="module")
def measure(extractor: FeatureExtractor):
    @functools.cache
    def measured(name: str) -> dict[str, Figure]:
        _, held_out, fresh = parts()
        samples: Columns = {
            "fresh": fresh,
            "collapsed": collapsed(fresh, COLLAPSED),
            "shuffled": shuffled(fresh),
            "lacking": {column: array[fresh["label"] != COLLAPSED] for column, array in fresh.items()},
        }[name]
        return {
            figure.name: figure for figure in measure_likeness(COMPARISON, extractor, held_out, samples, never_stop)
        }

    return measured


def test_new_real_records_are_as_good_as_real(measure):
    figures = measure("fresh")
    assert list(figures) == FIDELITY + COVERAGE
    for figure in figures.values():
        assert figure.group is (Group.COVERAGE if figure.name in COVERAGE else Group.FIDELITY)
        for interval in (figure.measured, figure.real):
            assert interval.low <= interval.value <= interval.high
        assert figure.measured.low <= figure.real.high, figure.name
        assert figure.measured.high >= figure.real.low, figure.name
    assert figures["c2st_auc"].measured.value == pytest.approx(0.5, abs=0.1)
    assert figures["class_agreement"].measured.value > 0.9
    assert figures["duplicate_share"].measured.value < 0.02
    for name in ("precision", "recall", "coverage"):
        assert figures[name].measured.value > 0.9
    assert figures["density"].measured.value == pytest.approx(1, abs=0.2)


def test_a_class_that_has_collapsed_lacks_recall_and_coverage(measure):
    fresh, bad = measure("fresh"), measure("collapsed")
    for name in COVERAGE:
        rest = [value for label, value in bad[name].by_class.items() if label != str(COLLAPSED)]
        assert bad[name].by_class[str(COLLAPSED)] < 0.5 < min(rest)
        assert bad[name].measured.value < fresh[name].measured.value
    assert bad["duplicate_share"].measured.low > fresh["duplicate_share"].measured.high
    assert bad["precision"].measured.value > 0.8


def test_a_class_that_samples_lack_is_not_covered(measure):
    bad = measure("lacking")
    assert bad["recall"].by_class[str(COLLAPSED)] == bad["coverage"].by_class[str(COLLAPSED)] == 0
    assert str(COLLAPSED) not in bad["precision"].by_class
    assert bad["coverage"].measured.value < measure("fresh")["coverage"].measured.value


def test_labels_that_are_wrong_do_not_agree(measure):
    fresh, bad = measure("fresh"), measure("shuffled")
    agreement = bad["class_agreement"]
    assert agreement.measured.high < 0.3 < agreement.real.low
    assert max(agreement.by_class.values()) < 0.5
    # The records themselves are as good as before.
    assert bad["coverage"].measured.value == pytest.approx(fresh["coverage"].measured.value, abs=0.05)
    # But not those that are said to be of a class.
    assert np.mean(list(bad["precision"].by_class.values())) < 0.5


def test_without_classes_there_is_no_agreement_and_nothing_by_class(extractor):
    _, held_out, fresh = ({"image": part["image"]} for part in parts())
    figures = measure_likeness(UNLABELLED, extractor, held_out, fresh, never_stop)
    assert [figure.name for figure in figures] == [name for name in FIDELITY + COVERAGE if name != "class_agreement"]
    assert not any(figure.by_class for figure in figures)


def test_it_is_the_same_every_time(extractor):
    _, held_out, fresh = ({name: array[:60] for name, array in part.items()} for part in parts())
    first, second = (measure_likeness(COMPARISON, extractor, held_out, fresh, never_stop) for _ in range(2))
    assert first == second
