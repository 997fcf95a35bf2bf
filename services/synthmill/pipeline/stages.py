"""The stages of a round: the best policy without samples, the best generator, the best use of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from synthmill.pipeline import budgeting
from synthmill.pipeline.baselines import best_baseline
from synthmill.pipeline.budgeting import Limits
from synthmill.pipeline.courses import Course
from synthmill.pipeline.deciding import best_policy, best_trial, count_samples
from synthmill.pipeline.judging import AUGMENTED, EVERYTHING, REAL_SYNTHETIC
from synthmill.pipeline.record import Stage, WeakClass
from synthmill.pipeline.run import Run
from synthmill.pipeline.searching import REFUSALS, Made, Make, try_next
from synthmill.pipeline.spaces import (
    AUGMENTED_FIRST,
    COMPRESSION,
    DEFAULT_SHARE,
    EMPHASIS,
    FAMILY,
    FILTER,
    POLICY,
    SHARE,
    Space,
    generator_space,
    mix_space,
    policy_space,
)
from synthmill.pipeline.splits import class_counts
from synthmill.pipeline.steps.augment import augment
from synthmill.pipeline.steps.evaluate import EVALUATE, Measuring, evaluate
from synthmill.pipeline.steps.mint import mint
from synthmill.pipeline.steps.refine import refine
from synthmill.pipeline.steps.train import AUTO, Chosen, Training, choose, train
from synthmill.pipeline.study import RDBStorage, Study, Suggestion
from synthmill.v1 import dataset_pb2

_PLAIN_BASELINES = ("real", "oversampled", "class_weighted")


class Stages:
    """The stages of all rounds of a loop.

    Args:
        run: the attempt.
        dataset: version with the real records.
        storage: where studies are kept.
    """

    def __init__(self, run: Run, dataset: dataset_pb2.Dataset, storage: RDBStorage) -> None:
        self._run, self._dataset, self._storage = run, dataset, storage

    def try_policies(self, number: int) -> None:
        """Measures what can be had without samples, policy by policy."""
        run, policies = self._run, self._run.plan.augment.tried
        study = self._study(Stage.POLICIES)

        def make(key: str, suggestion: Suggestion) -> Made:
            policy = suggestion.values[POLICY]
            first = suggestion.number == 0
            arms = [*(_PLAIN_BASELINES if first else ()), *((AUGMENTED,) if policy else ())]
            # The real records stand in the place of samples, which no arm uses.
            judged = evaluate(run, f"{key}/{EVALUATE}", self._measuring(self._dataset.name, policy, arms))
            best = AUGMENTED if policy else judged.best(_PLAIN_BASELINES)
            return Made(judged.arms[best].validation, evaluation=judged.name)

        # One trial at least is a generator's.
        for tried in range(max(1, min(len(policies), run.plan.budget.trials - 1))):
            if tried and not self._decided(self._policy_fits):
                break
            try_next(run, study, policy_space(run.plan), Stage.POLICIES, number, make)
        left = len(policies) - len(run.record.trials)
        if left > 0:
            run.skip(
                f"{left} of {len(policies)} policies were not tried: most of the time and trials is for generators."
            )

    def try_generators(self, number: int, count: int, training_s: float) -> None:
        """Trains generators and measures their samples.

        Args:
            number: of the round.
            count: of the trials.
            training_s: time for each training.
        """
        run, study = self._run, self._study(Stage.GENERATORS)
        space, courses = self._generator_space(training_s), Course(study)
        if space is None:
            return

        def make(key: str, suggestion: Suggestion) -> Made:
            values = suggestion.values
            dataset, policy = self._dataset.name, best_policy(run.record.trials)
            if values.get(AUGMENTED_FIRST) and policy:
                dataset = augment(run, self._dataset, policy)
            asked = Training(dataset, values[FAMILY], parameters_of(values), training_s)
            watch = courses.watch(suggestion.number) if run.plan.train.stop_early else lambda _event: None
            model = train(run, f"{key}/train", asked, watch)
            return self._measure(key, model, DEFAULT_SHARE)

        self._try(study, space, Stage.GENERATORS, number, count, make, lambda _made: training_s)

    def try_mixes(self, number: int, count: int, weak: Sequence[WeakClass]) -> None:
        """Tries what can be done with the best generator.

        What is measured is the dataset of its samples that would be shipped.

        Args:
            number: of the round.
            count: of the trials.
            weak: classes that the round before has left weak.
        """
        run, study = self._run, self._study(Stage.MIXES)
        best = best_trial(run.record.trials, Stage.GENERATORS)
        if best is None:
            return

        def make(key: str, suggestion: Suggestion) -> Made:
            values = suggestion.values
            share, filtered, emphasis = values[SHARE], values[FILTER], values.get(EMPHASIS, 1.0)
            model = refine(run, best.model, compression=values[COMPRESSION], filtered=filtered)
            minted = self.mint(model, filtered=filtered, weak=weak, emphasis=emphasis)
            return dataclasses.replace(self._measure(key, minted, share), model=model, dataset=minted)

        def needed_s(made: int) -> float:
            # What is found out about the generator once, the first of these trials finds out.
            return 0.0 if made else self._limits.refining_s(run.measured)

        self._try(study, mix_space(run.plan, weak=bool(weak)), Stage.MIXES, number, count, make, needed_s)

    def mint(self, model: str, *, filtered: bool, weak: Sequence[WeakClass] = (), emphasis: float = 1.0) -> str:
        """Returns the dataset version of a model's samples, the same again whenever it is asked for.

        Args:
            model: version.
            filtered: whether they go through the model's own filter.
            weak: classes to have more samples of.
            emphasis: how many times as many.
        """
        run = self._run
        names = [each.label for each in weak] if emphasis > 1 else []
        counts = count_samples(class_counts(self._dataset), run.plan.mint.samples, names, emphasis)
        how = " filtered" if filtered else ""
        how += f" x{emphasis:g} of {', '.join(names)}" if names else ""
        return mint(run, f"mint {model}{how}", self._dataset, model, counts, filtered=filtered)

    def _try(
        self,
        study: Study,
        space: Space,
        stage: Stage,
        number: int,
        count: int,
        make: Make,
        needed_s: Callable[[int], float],
    ) -> None:
        """Makes trials as long as there is time for another; the first of generators is made in any case.

        Args:
            count: of the trials.
            needed_s: returns how long a trial takes beside being measured, by the number of those before it.
        """
        run = self._run

        def fits(made: int) -> bool:
            return budgeting.trial_fits(self._limits, run.clock.spent_s, run.measured, needed_s(made))

        for made in range(count):
            must = stage is Stage.GENERATORS and number == 1 and made == 0
            if not (must or self._decided(lambda made=made: fits(made))):
                run.skip(
                    f"{count - made} of {count} trials of {stage} in round {number} were not made: what is left of the "
                    "time is kept for a whole evaluation."
                )
                return
            if try_next(run, study, space, stage, number, make) is None:
                return

    def _measure(self, key: str, subject: str, share: float) -> Made:
        """Measures samples as cheaply as tells them apart: one probe, one arm."""
        policy = best_policy(self._run.record.trials)
        # Where augmentation does no good without samples, it is left out with them.
        arm = EVERYTHING if best_baseline(self._run).arm == AUGMENTED else REAL_SYNTHETIC
        asked = self._measuring(subject, policy, [arm], share=share)
        judged = evaluate(self._run, f"{key}/{EVALUATE}", asked)
        return Made(judged.arms[arm].validation, model=subject, evaluation=judged.name)

    def _measuring(self, subject: str, policy: str, arms: Sequence[str], **given: Any) -> Measuring:
        steps = self._run.plan.evaluate.trial_probe_steps
        return Measuring(subject, policy, arms, probe_steps=steps, **given)

    def _generator_space(self, training_s: float) -> Space | None:
        """Returns what can be tried of the families that can be trained at all; None if none can, which is told."""
        run, dataset = self._run, self._dataset.name

        def chosen(family: str) -> Chosen:
            # With the time of the first round, whatever the later ones have: a study's choices stay what they are.
            return choose(run, f"defaults of {family}", Training(dataset, family, {}, training_s))

        defaults: dict[str, Mapping[str, Any]] = {}
        for family in run.plan.train.families:
            try:
                defaults[family] = chosen(family).parameters
            except REFUSALS as error:
                run.skip(f"No {family} was trained: {error.message}")
        return generator_space(run.plan, chosen(AUTO).family, defaults) if defaults else None

    def _policy_fits(self) -> bool:
        return budgeting.policies_fit(self._limits, self._run.clock.spent_s, self._run.measured)

    def _decided(self, decide: Callable[[], bool]) -> bool:
        """Decides something by the time that is left, once: a resumed loop keeps to it."""
        number = len(self._run.record.trials) + 1
        return self._run.journal.once(f"time for trial {number}", decide)

    def _study(self, stage: Stage) -> Study:
        return Study(self._storage, self._run.name, stage, self._run.plan.seed)

    @property
    def _limits(self) -> Limits:
        return self._run.limits


def parameters_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the hyper-parameters among the values of a trial: "vae.width" is "width" of the family "vae"."""
    prefix = f"{values[FAMILY]}."
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
