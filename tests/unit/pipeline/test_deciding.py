"""What follows from what was measured: lift that grows, stalls, or is negative, and what is shipped then."""

from __future__ import annotations

import dataclasses

import pytest
from unit.pipeline.makes import make_findings

from synthmill.learning.evaluate.findings import Better, Figure, Findings, Group, Interval
from synthmill.pipeline import deciding
from synthmill.pipeline.deciding import Candidate
from synthmill.pipeline.judging import Arm, Judged
from synthmill.pipeline.plan import Decide
from synthmill.pipeline.record import Round, Stage, State, Trial, WeakClass
from synthmill.pipeline.weaknesses import collection_list, find_weak

PLAN = Decide()
COUNTS = {"cat": 4000, "dog": 3000, "fox": 40}


def round_of(number: int, validation: float, lift: float = 0.02, reach: float = 0.005, **given: object) -> Round:
    return Round(
        number=number,
        model=f"models/m/versions/{number}",
        evaluation=f"evaluations/{number}",
        passed=True,
        best_arm="everything",
        best_baseline="augmented",
        validation_lift=validation,
        lift=lift,
        lift_low=lift - reach,
        lift_high=lift + reach,
        **given,
    )


def trial(number: int, stage: Stage, score: float | None, **values: object) -> Trial:
    state = State.COMPLETE if score is not None else State.FAILED
    return Trial(number, 1, stage, values, state, score, model=f"models/m/versions/{number}")


def test_candidates_are_trials_with_samples_and_the_best_has_the_highest_score():
    trials = [
        trial(1, Stage.POLICIES, 0.99, policy="light"),
        trial(2, Stage.GENERATORS, 0.80, family="vae"),
        trial(3, Stage.GENERATORS, None, family="gan"),
        trial(4, Stage.MIXES, 0.82, share=0.4, filter=True, compression="none", emphasis=2.0),
    ]
    found = deciding.candidates(trials)
    assert found == [
        Candidate(2, 0.80, "models/m/versions/2"),
        Candidate(4, 0.82, "models/m/versions/4", 0.4, True, False, 2.0),
    ]
    assert deciding.choose(found, 0.0).trial == 4
    assert deciding.best_policy(trials) == "light"
    assert deciding.best_trial(trials, Stage.GENERATORS).number == 2
    assert deciding.choose([], 0.1) is None
    assert deciding.best_policy([]) == ""


@pytest.mark.parametrize(("tolerance", "chosen"), [(0.003, 2), (0.001, 1)])
def test_smaller_model_is_chosen_if_it_loses_little(tolerance, chosen):
    found = [Candidate(1, 0.850, "a"), Candidate(2, 0.848, "b", is_smaller=True), Candidate(3, 0.80, "c")]
    assert deciding.choose(found, tolerance).trial == chosen


def test_samples_are_balanced_and_weak_classes_have_more():
    assert deciding.count_samples(COUNTS, 0, (), 1.0) == {"cat": 4000, "dog": 4000, "fox": 4000}
    assert deciding.count_samples(COUNTS, 100, ("fox",), 2.5) == {"cat": 34, "dog": 34, "fox": 85}


def test_lift_that_grows_goes_on_and_one_that_stalls_ends():
    assert deciding.why_end([round_of(1, 0.010)], PLAN, 5) == ""
    assert deciding.why_end([round_of(1, 0.010), round_of(2, 0.020)], PLAN, 5) == ""
    stalled = deciding.why_end([round_of(1, 0.010), round_of(2, 0.011)], PLAN, 5)
    assert stalled.startswith(
        "The lift on validation records has grown by +0.1 points, and a further round asks for +0.2"
    )
    shrunk = deciding.why_end([round_of(1, 0.03), round_of(2, 0.02), round_of(3, 0.025)], PLAN, 5)
    assert "has grown by -0.5 points" in shrunk


def test_negative_lift_ends_at_once():
    assert "Samples hurt" in deciding.why_end([round_of(1, -0.03, lift=-0.03)], PLAN, 5)


def test_rounds_have_an_end_and_nothing_new_is_one():
    assert deciding.why_end([round_of(1, 0.01), round_of(2, 0.05)], PLAN, 2) == "This was the last of 2 rounds."
    assert deciding.why_end([round_of(1, 0.01)], PLAN, 1) == "There was to be one round."
    assert "nothing that is better" in deciding.why_end([round_of(1, 0.01), Round(2)], PLAN, 5)
    assert "No generator" in deciding.why_end([Round(1)], PLAN, 5)


def test_best_round_is_chosen_on_validation_records():
    rounds = [round_of(1, 0.02, lift=0.01), round_of(2, 0.01, lift=0.09), Round(3)]
    assert deciding.best_round(rounds).number == 1
    assert deciding.best_round([Round(1)]) is None


@pytest.mark.parametrize(
    ("found", "plan", "why"),
    [
        (round_of(1, 0.02), PLAN, ""),
        (round_of(1, 0.02, lift=0.003), PLAN, ""),
        (round_of(1, 0.02, lift=0.003), dataclasses.replace(PLAN, beyond_spread=True), "Samples do not help beyond"),
        (round_of(1, 0.02, lift=0.0), PLAN, "Samples do not help here"),
        (round_of(1, 0.02, lift=-0.02), PLAN, "Samples hurt here"),
        (dataclasses.replace(round_of(1, 0.02), passed=False), PLAN, "Samples seem to help"),
        (None, PLAN, "No generator"),
    ],
    ids=["clear", "within the spread", "beyond the spread is asked for", "none", "negative", "gate", "no generator"],
)
def test_model_is_shipped_only_if_it_helps_and_passes(found, plan, why):
    told = deciding.why_not_ship(found, plan)
    assert told.startswith(why)
    assert bool(told) == bool(why)


def test_merit_compares_the_best_arms_by_validation_records():
    arms = {
        "real": Arm(0.80, 0.81, {}),
        "augmented": Arm(0.84, 0.83, {}),
        "smote": Arm(0.86, 0.80, {}),
        "everything": Arm(0.85, 0.87, {}),
        "real_synthetic": Arm(0.88, 0.86, {}),
        "synthetic": Arm(0.95, 0.95, {}),
    }
    judged = Judged("evaluations/1", False, ("coverage 0.3 is below 0.5 by 0.20",), arms, 0.01)
    lift = Figure("lift", Group.UTILITY, "", "", Better.HIGH, Interval(0.01, -0.01, 0.03))
    merit = deciding.weigh(judged, findings_of(lift))
    assert (merit.best_arm, merit.best_baseline) == ("everything", "augmented")
    assert merit.validation_lift == pytest.approx(0.04)
    assert merit.lift == Interval(0.01, -0.01, 0.03)
    told = deciding.describe_merit(merit, judged)
    assert "0.850" in told[0]
    assert "95 % interval -1.0 to +3.0" in told[0]
    assert told[1] == "The gate is not passed: coverage 0.3 is below 0.5 by 0.20."


@pytest.mark.parametrize("arm", ["real", "oversampled", "class_weighted", "smote", "augmented"])
def test_every_baseline_says_how_it_is_had(arm):
    told = deciding.how_to_train(arm, "datasets/a/versions/1", "datasets/a-augmented/versions/1", "light")
    assert "datasets/a/versions/1" in told
    assert ("datasets/a-augmented/versions/1" in told) == (arm == "augmented")


def findings_of(*figures: Figure) -> Findings:
    return dataclasses.replace(make_findings("models/m/versions/1", 0.0), figures=list(figures))


def weak_of(recall: dict[str, float], coverage: dict[str, float]) -> tuple[WeakClass, ...]:
    figure = Figure("coverage", Group.COVERAGE, "", "", Better.HIGH, Interval(0.8, 0.8, 0.8), None, coverage)
    return find_weak(Arm(0.8, 0.8, recall), findings_of(figure), COUNTS)


def test_rare_class_that_is_weak_wants_real_records():
    (weak,) = weak_of({"cat": 0.9, "dog": 0.92, "fox": 0.4}, {"fox": 0.9})
    assert (weak.label, weak.record_count, weak.collect_count) == ("fox", 40, 1960)
    assert weak.uncovered == pytest.approx(0.1)


def test_common_class_that_samples_do_not_reach_wants_more_of_them():
    (weak,) = weak_of({"cat": 0.9, "dog": 0.6, "fox": 0.92}, {"dog": 0.5})
    assert (weak.label, weak.collect_count) == ("dog", 0)
    assert "50% of its real records have no sample near them" in weak.advice


def test_common_class_with_samples_wants_the_hard_cases():
    (weak,) = weak_of({"cat": 0.9, "dog": 0.6, "fox": 0.92}, {})
    assert (weak.label, weak.collect_count, weak.uncovered) == ("dog", 750, None)


def test_classes_that_are_all_alike_or_all_good_are_not_weak():
    assert weak_of({"cat": 0.80, "dog": 0.81, "fox": 0.78}, {}) == ()
    assert weak_of({"cat": 1.0, "dog": 1.0, "fox": 0.98}, {}) == ()
    assert weak_of({"cat": 0.5}, {}) == ()


def test_list_of_what_to_collect_is_safe_in_a_spreadsheet():
    (weak,) = weak_of({"cat": 0.9, "dog": 0.92, "fox": 0.4}, {"fox": 0.9})
    hostile = dataclasses.replace(weak, label='=HYPERLINK("x")', advice="collect, or not")
    header, row = collection_list("loops/a", [hostile]).splitlines()
    assert header == "class,records,collect,recall,uncovered,advice,loop"
    assert row == '"\'=HYPERLINK(""x"")",40,1960,0.400,0.100,"collect, or not",loops/a'
