"""An evaluation's figures are read arm by arm."""

from __future__ import annotations

import pytest

from synthmill.pipeline.judging import BASELINES, WITH_SAMPLES, Judged, read_evaluation
from synthmill.runtime.structs import to_struct
from synthmill.v1 import evaluation_pb2

FIGURES = {
    "coverage": 0.7,
    "lift": 0.02,
    "arms.real.macro_f1": 0.80,
    "arms.real.validation_macro_f1": 0.82,
    "arms.real.recall.T-shirt/top": 0.9,
    "arms.augmented.macro_f1": 0.85,
    "arms.everything.macro_f1": 0.87,
    "arms.everything.validation_macro_f1": 0.86,
    "arms.everything.recall.v1.0": 0.5,
    "arms.everything.validation_recall.v1.0": 0.6,
}


@pytest.fixture
def judged() -> Judged:
    conditions = [
        evaluation_pb2.GateCondition(figure="lift", passed=True, sentence="lift 0.02 is above 0.00"),
        evaluation_pb2.GateCondition(figure="coverage", passed=False, sentence="coverage 0.70 is below 0.80"),
    ]
    return read_evaluation(
        evaluation_pb2.Evaluation(name="evaluations/3", figures=to_struct(FIGURES), conditions=conditions)
    )


def test_arms_have_their_figures(judged):
    assert set(judged.arms) == {"real", "augmented", "everything"}
    assert (judged.arms["real"].macro_f1, judged.arms["real"].validation) == (0.80, 0.82)
    assert judged.arms["real"].recall == {"T-shirt/top": 0.9}
    assert judged.arms["augmented"].validation == 0.85, "without validation records, test records are all there is"
    assert judged.arms["everything"].recall == {"v1.0": 0.6}


def test_best_arm_is_the_best_on_validation_records(judged):
    assert judged.best(BASELINES) == "augmented"
    assert judged.best(WITH_SAMPLES) == "everything"
    assert judged.best(["smote"]) == ""


def test_conditions_that_do_not_hold_are_told(judged):
    assert (judged.passed, judged.missed, judged.lift) == (False, ("coverage 0.70 is below 0.80",), 0.02)


def test_json_gives_the_same_back(judged):
    assert Judged.from_json(judged.to_json()) == judged
