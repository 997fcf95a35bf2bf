"""The end of a loop: what is shipped, a model with its samples or the best that can be had without."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

from synthmill.pipeline import budgeting, deciding
from synthmill.pipeline.baselines import Baseline, best_baseline
from synthmill.pipeline.judging import AUGMENTED
from synthmill.pipeline.partners import JobFailed
from synthmill.pipeline.record import Decision, Outcome, Round, decision_from_json
from synthmill.pipeline.run import Run
from synthmill.pipeline.steps.augment import augment
from synthmill.pipeline.steps.evaluate import evaluate, whole
from synthmill.pipeline.steps.promote import promote
from synthmill.runtime.errors import FailedPrecondition, GateRefused
from synthmill.v1 import dataset_pb2

KEY = "ship"


def ship(run: Run, dataset: dataset_pb2.Dataset, why_end: str) -> None:
    """Decides what is shipped, and ships it.

    Args:
        dataset: with the real records.
        why_end: why there is no further round.
    """
    best = deciding.best_round(run.record.rounds)
    why_not = deciding.why_not_ship(best, run.plan.decide)

    def make() -> dict[str, Any]:
        made = _ship_baseline(run, dataset, best, why_not) if why_not else _ship_model(run, dataset, best)
        return dataclasses.asdict(dataclasses.replace(made, sentences=(why_end, *made.sentences)))

    run.record.decision = decision_from_json(run.journal.once(KEY, make))
    run.keep()
    run.say(" ".join(run.record.decision.sentences))


def _ship_model(run: Run, dataset: dataset_pb2.Dataset, best: Round) -> Decision:
    why_not_promoted = _promote(run, best) if run.plan.decide.promote else "The plan does not ask for a promotion."
    promoted = f"{best.model} is promoted: models/{run.plan.model} means it from now on."
    return Decision(
        outcome=Outcome.MODEL,
        model=best.model,
        promoted=not why_not_promoted,
        dataset=best.synthetic_dataset,
        evaluation=best.evaluation,
        arm=best.best_arm,
        policy=best.policy,
        sentences=(
            deciding.why_ship(best),
            why_not_promoted or promoted,
            deciding.how_to_mix(best, dataset.name),
        ),
    )


def _promote(run: Run, best: Round) -> str:
    """Promotes the model of a round; returns why that cannot be, or nothing.

    The catalog goes by the newest evaluation of exactly that version. Where that is not a whole one, because the round
    has evaluated a dataset of its samples or somebody has evaluated it since, it is evaluated again.
    """
    if not _is_refused(run, best):
        return ""
    if not run.journal.once(
        f"time to {KEY}", lambda: budgeting.whole_fits(run.limits, run.clock.spent_s, run.measured)
    ):
        return (
            f"{best.model} is not promoted: its newest evaluation is not a whole one, and the time is over. "
            f"synthmill evaluate {best.model} and synthmill models promote {best.model} do the rest."
        )
    asked = whole(run, best.model, best.policy, share=best.synthetic_share, filtered=best.filtered)
    evaluate(run, f"{KEY}/evaluate", asked, required=True)
    if _is_refused(run, best):
        return f"{best.model} is not promoted: by itself it does not pass the gate."
    return ""


def _is_refused(run: Run, best: Round) -> bool:
    try:
        promote(run, best.model)
    except GateRefused:
        return True
    return False


def _ship_baseline(run: Run, dataset: dataset_pb2.Dataset, best: Round | None, why_not: str) -> Decision:
    found = Baseline(best.best_baseline, best.policy, best.evaluation) if best else best_baseline(run)
    made = ""
    if found.arm == AUGMENTED:
        # A policy that mixes records makes no dataset: it can only be applied where training reads.
        with contextlib.suppress(JobFailed, FailedPrecondition):
            made = augment(run, dataset, found.policy)
    return Decision(
        outcome=Outcome.BASELINE,
        dataset=made or dataset.name,
        evaluation=found.evaluation,
        arm=found.arm,
        policy=found.policy if found.arm == AUGMENTED else "",
        sentences=(
            f"{why_not}: what is shipped is the best way to do without, {found.arm}.",
            deciding.how_to_train(found.arm, dataset.name, made, found.policy),
        ),
    )
