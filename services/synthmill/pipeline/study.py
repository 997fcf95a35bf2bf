"""What to try next: Optuna, one study for each stage of a loop, kept in the pipeline's database.

A study for each stage, because the scores of one stage say nothing about the choices of another: policies are tried
without samples. What is suggested is a function of the seed, of the number of the trial and of the trials that have
ended: a loop that is resumed gets the same suggestions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import Trial, TrialState

from synthmill.pipeline.ranges import Value
from synthmill.pipeline.spaces import Dimension, Space, combinations, first_of
from synthmill.runtime.database import SQLITE, parse_url

_STARTUP_TRIALS = 4
# One other training is no median, and early in a run all are poor.
_STARTUP_COURSES = 2
_WARM_UP = 3

_BUSY_TIMEOUT_S = 30
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """What to try.

    Attributes:
        number: of the trial in its study, from 0.
        values: by name.
    """

    number: int
    values: Mapping[str, Value]


@contextlib.contextmanager
def open_storage(url: str) -> Iterator[RDBStorage]:
    """Opens the studies that are kept in a database for the length of a with block."""
    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    parsed = parse_url(url)
    waiting = {"connect_args": {"timeout": _BUSY_TIMEOUT_S}} if parsed.get_backend_name() == SQLITE else {}
    storage = RDBStorage(parsed.render_as_string(hide_password=False), engine_kwargs=waiting)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


class Study:
    """The trials of one stage.

    Args:
        storage: where they are kept.
        loop: that they belong to.
        stage: of it.
        seed: of everything drawn.
    """

    def __init__(self, storage: RDBStorage, loop: str, stage: str, seed: int) -> None:
        self._stage, self._seed = stage, seed
        self._study = optuna.create_study(
            storage=storage,
            study_name=f"{loop}/{stage}",
            direction="maximize",
            load_if_exists=True,
            sampler=TPESampler(seed=0),
            pruner=MedianPruner(n_startup_trials=_STARTUP_COURSES, n_warmup_steps=_WARM_UP),
        )

    def suggest(self, space: Space) -> Suggestion | None:
        """Returns what to try next, or what is being tried and was not ended; None if all there is was tried.

        What there is an end to is not tried twice.
        """
        everything = combinations(space)
        if not self._study.get_trials(deepcopy=False):
            self._study.enqueue_trial(first_of(space))
        while True:
            tried = [trial.params for trial in self._study.get_trials(deepcopy=False, states=_ENDED)]
            untried = None if everything is None else [values for values in everything if values not in tried]
            if untried == []:
                return None
            trial = self._unfinished() or self._study.ask()
            values = {}
            for dimension in space:
                if dimension.matters(values):
                    values[dimension.name] = self._choose(trial, dimension)
            if untried is None or values in untried:
                return Suggestion(trial.number, values)
            self._study.enqueue_trial(untried[0])
            self._study.tell(trial.number, state=TrialState.FAIL)

    def report(self, number: int, step: int, value: float) -> bool:
        """Takes a figure of a trial on its way, and tells whether others were better at that step.

        Args:
            number: of the trial.
            step: what share of its way it is at, in tenths; what was reported of it before stays as it is.
            value: the figure.
        """
        trial = self._trial(number)
        if step not in self._frozen(number).intermediate_values:
            trial.report(value, step)
        return trial.should_prune()

    def tell(self, number: int, score: float | None, *, stopped: bool = False) -> None:
        """Ends a trial, unless it has ended already.

        Args:
            number: of the trial.
            score: its score; None if it has none.
            stopped: whether it was ended because others were better.
        """
        if self._frozen(number).state in _ENDED:
            return
        if score is not None:
            self._study.tell(number, score)
        else:
            self._study.tell(number, state=TrialState.PRUNED if stopped else TrialState.FAIL)

    def _choose(self, trial: Trial, dimension: Dimension) -> Value:
        # A sampler of its own for each choice, so that what is drawn does not depend on what was drawn before it: an
        # earlier attempt may have made some of the choices of this trial.
        seed = _derive_seed(self._seed, self._stage, trial.number, dimension.name)
        self._study.sampler = TPESampler(
            seed=seed, n_startup_trials=_STARTUP_TRIALS, multivariate=False, constant_liar=False
        )
        distribution = _distribution(dimension)
        if isinstance(distribution, CategoricalDistribution):
            return trial.suggest_categorical(dimension.name, distribution.choices)
        if isinstance(distribution, IntDistribution):
            return trial.suggest_int(dimension.name, distribution.low, distribution.high, log=distribution.log)
        return trial.suggest_float(dimension.name, distribution.low, distribution.high, log=distribution.log)

    def _unfinished(self) -> Trial | None:
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return self._trial(running[0].number) if running else None

    def _trial(self, number: int) -> Trial:
        return Trial(self._study, self._frozen(number)._trial_id)

    def _frozen(self, number: int) -> Any:
        return self._study.get_trials(deepcopy=False)[number]


def _distribution(dimension: Dimension) -> BaseDistribution:
    tried = dimension.tried
    if tried.choices:
        return CategoricalDistribution(tried.choices)
    if dimension.integer:
        return IntDistribution(round(tried.low), round(tried.high), log=tried.log)
    return FloatDistribution(tried.low, tried.high, log=tried.log)


def _derive_seed(*parts: object) -> int:
    """Returns a seed of 32 bits that is a function of some values."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
