"""A round: trials stage by stage, then a whole evaluation of the best generator so far."""

from __future__ import annotations

import dataclasses
from typing import Any

from synthmill.pipeline import budgeting, deciding
from synthmill.pipeline.budgeting import Allotment
from synthmill.pipeline.deciding import Candidate
from synthmill.pipeline.judging import Judged
from synthmill.pipeline.record import Round, round_from_json
from synthmill.pipeline.run import Run
from synthmill.pipeline.splits import class_counts, count_records
from synthmill.pipeline.stages import Stages
from synthmill.pipeline.steps.evaluate import EVALUATE, evaluate, read_findings, whole
from synthmill.pipeline.weaknesses import find_weak
from synthmill.v1 import catalog_service_pb2, dataset_pb2


def play_round(run: Run, stages: Stages, dataset: dataset_pb2.Dataset) -> None:
    """Makes the trials of the next round, and finds out what the best generator so far is worth."""
    rounds = run.record.rounds
    number, weak = len(rounds) + 1, rounds[-1].weak_classes if rounds else ()
    if number == 1:
        stages.try_policies(number)
    allotted = _allot(run, number)
    stages.try_generators(number, allotted.generators, allotted.training_s)
    stages.try_mixes(number, allotted.mixes, weak)
    best = deciding.choose(deciding.candidates(run.record.trials), run.plan.decide.tolerance)
    ended = _evaluate(run, stages, dataset, best) if best else Round(number, sentences=(deciding.NO_GENERATOR,))
    rounds.append(ended)
    run.keep()
    run.say(f"round {number}: {' '.join(ended.sentences)}")


def _allot(run: Run, number: int) -> Allotment:
    """Divides what is left between the trials of a round, once: a resumed loop keeps to it."""

    def divide() -> dict[str, float]:
        budget = run.plan.budget
        trials, rounds_left = max(1, budget.trials - len(run.record.trials)), budget.rounds - number + 1
        return dataclasses.asdict(budgeting.allot(run.limits, run.clock.spent_s, run.measured, trials, rounds_left))

    allotted = Allotment(**run.journal.once(f"round {number}/allotment", divide))
    if allotted.left_out:
        run.skip(
            f"Round {number} has fewer trials than planned, by {allotted.left_out}: the time is too short for them."
        )
    return allotted


def _evaluate(run: Run, stages: Stages, dataset: dataset_pb2.Dataset, best: Candidate) -> Round:
    """Mints samples of the best candidate and evaluates them, unless an earlier round has."""
    number = len(run.record.rounds) + 1
    minted = best.dataset or stages.mint(best.model, filtered=best.filtered)
    if any((each.synthetic_dataset, each.synthetic_share) == (minted, best.share) for each in run.record.rounds):
        return Round(number, sentences=(f"Nothing is better than {best.model}, which was evaluated before.",))
    policy = deciding.best_policy(run.record.trials)
    # Where there are more samples of some classes, the dataset has them, and the model knows nothing of it.
    subject, filtered = (minted, False) if best.emphasis > 1 else (best.model, best.filtered)
    asked = whole(run, subject, policy, share=best.share, filtered=filtered)
    judged = evaluate(run, f"round {number}/{EVALUATE}", asked, required=True)

    def make() -> dict[str, Any]:
        ended = Round(
            number=number,
            model=best.model,
            synthetic_dataset=minted,
            sample_count=count_records(_get(run, minted)),
            evaluation=judged.name,
            passed=judged.passed,
            policy=policy,
            synthetic_share=best.share,
            filtered=best.filtered,
            **_weigh(run, dataset, judged),
        )
        return dataclasses.asdict(ended)

    return round_from_json(run.journal.once(f"round {number}", make))


def _weigh(run: Run, dataset: dataset_pb2.Dataset, judged: Judged) -> dict[str, Any]:
    """Returns what a whole evaluation says of a round, by the names of its attributes."""
    findings = read_findings(run, judged.name)
    merit = deciding.weigh(judged, findings)
    weak = find_weak(judged.arms[merit.best_arm], findings, class_counts(dataset))
    return {
        **vars(merit),
        "lift": merit.lift.value,
        "lift_low": merit.lift.low,
        "lift_high": merit.lift.high,
        "weak_classes": weak,
        "sentences": (*deciding.describe_merit(merit, judged), *(each.advice for each in weak)),
    }


def _get(run: Run, dataset: str) -> dataset_pb2.Dataset:
    return run.partners.catalog.ask("GetDataset", catalog_service_pb2.GetDatasetRequest(name=dataset))
