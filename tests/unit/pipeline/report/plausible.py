"""A loop as one might go: two rounds over a long-tailed dataset, with trials of every sort."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from synthmill.pipeline.parsing import parse_plan
from synthmill.pipeline.record import Decision, Outcome, Record, Round, Stage, State, Step, Trial, WeakClass
from synthmill.pipeline.report import Facts

MADE = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
LOOP = "loops/01m8hfgpbqp2q2na9p"
DATASET = "datasets/fashion/versions/3"


def plausible_facts(*, ships_model: bool = True) -> Facts:
    """Returns what the pages of such a loop are drawn from."""
    plan = parse_plan({"dataset": DATASET}).to_json()
    record = Record(
        dataset=DATASET,
        steps=[
            Step("collect", result=DATASET),
            Step("round 1/trial 1/evaluate", "jobs/evaluation-01m8hfgpbqp2q2na9p", "evaluations/1", 61.0),
            Step("mint models/fashion-loop/versions/4 filtered", "", "datasets/fashion-synthetic/versions/1", 22.0),
        ],
        trials=_trials(),
        rounds=[_round(1, 0.021, 0.014, 0.002), _round(2, 0.026, 0.019, 0.007)],
        skipped=[
            "2 of 4 trials of mixes in round 2 were not made: the time that is left is kept for a whole evaluation."
        ],
        decision=_decision(ships_model),
        spent_s=3400.0,
    )
    return Facts(LOOP, plan, record, MADE)


def unfinished_facts() -> Facts:
    """Returns what the page of a loop is drawn from that has only begun."""
    facts = plausible_facts()
    begun = Record(dataset=DATASET, trials=_trials()[:2], spent_s=100.0)
    return dataclasses.replace(facts, record=begun)


def _trials() -> list[Trial]:
    def trial(number: int, round_number: int, stage: Stage, score: float | None, **given) -> Trial:
        state = given.pop("state", State.COMPLETE)
        note = given.pop("note", "")
        model = "" if stage is Stage.POLICIES else f"models/fashion-loop/versions/{number}"
        evaluation = f"evaluations/{number}" if score else ""
        values = {name.replace("__", "."): value for name, value in given.items()}
        return Trial(
            number, round_number, stage, values, state, score, model, "", evaluation, note, seconds=61.0 + number
        )

    slow = "after 4 tenths of the training its utility was 0.612, below the others' median"
    lossy = "not published: a loss of 1.20 points; allowed: 0.5"
    return [
        trial(1, 1, Stage.POLICIES, 0.842, policy="light"),
        trial(2, 1, Stage.POLICIES, 0.816, policy="standard"),
        trial(3, 1, Stage.POLICIES, 0.854, policy="rand_augment"),
        trial(4, 1, Stage.POLICIES, 0.858, policy="trivial_augment_wide"),
        trial(5, 1, Stage.GENERATORS, 0.861, family="vae", vae__width=36, vae__learning_rate=0.002),
        trial(6, 1, Stage.GENERATORS, None, state=State.STOPPED, note=slow, family="gan", gan__width=24),
        trial(7, 1, Stage.GENERATORS, 0.867, family="vae", vae__width=54, vae__learning_rate=0.00134),
        trial(8, 1, Stage.MIXES, 0.874, share=0.5, filter=True, compression="none"),
        trial(9, 1, Stage.MIXES, None, state=State.FAILED, note=lossy, share=0.38, filter=True, compression="int8"),
        trial(10, 2, Stage.GENERATORS, 0.871, family="vae", vae__width=54, vae__learning_rate=0.0031),
        trial(11, 2, Stage.MIXES, 0.879, share=0.61, filter=True, compression="none", emphasis=2.0),
    ]


def _round(number: int, validation: float, lift: float, low: float) -> Round:
    weak = (
        WeakClass("Shirt", 240, 0.61, 0.22, 1760, "Shirt is recognised in 61% of the cases: collect about 1760 more."),
        WeakClass("Coat", 1500, 0.74, 0.41, 0, "41% of the real records of Coat have no sample near them: draw more."),
    )
    return Round(
        number=number,
        model=f"models/fashion-loop/versions/{7 + number}",
        synthetic_dataset=f"datasets/fashion-synthetic/versions/{number}",
        sample_count=40_000,
        evaluation=f"evaluations/{10 * number}",
        passed=True,
        policy="trivial_augment_wide",
        synthetic_share=0.5 + 0.11 * (number - 1),
        filtered=True,
        best_arm="everything",
        best_baseline="augmented",
        validation_lift=validation,
        lift=lift,
        lift_low=low,
        lift_high=2 * lift - low,
        macro_f1=0.861 + lift,
        baseline_macro_f1=0.861,
        weak_classes=weak,
        sentences=(f"The best way to train with samples, everything, has a lift of {100 * lift:+.1f} points.",),
    )


def _decision(ships_model: bool) -> Decision:
    if ships_model:
        return Decision(
            Outcome.MODEL,
            "models/fashion-loop/versions/9",
            True,
            "datasets/fashion-synthetic/versions/2",
            "evaluations/20",
            "everything",
            "trivial_augment_wide",
            ("This was the last of 2 rounds.", "Samples help.", "models/fashion-loop/versions/9 is promoted."),
        )
    return Decision(
        Outcome.BASELINE,
        dataset="datasets/fashion-augmented/versions/1",
        evaluation="evaluations/20",
        arm="augmented",
        policy="trivial_augment_wide",
        sentences=("Samples do not help here: what is shipped is the best way to do without, augmented.",),
    )
