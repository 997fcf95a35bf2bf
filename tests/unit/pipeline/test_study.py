"""What is tried next: the defaults first, everything once, and the same again after a restart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from synthmill.pipeline.parsing import parse_plan
from synthmill.pipeline.plan import Plan
from synthmill.pipeline.spaces import Space, combinations, first_of, generator_space, mix_space, policy_space
from synthmill.pipeline.study import Study, open_storage
from synthmill.runtime.database import POSTGRESQL, SQLITE

FAMILIES = {
    "vae": {
        "parameters": {
            "width": {"choices": [1, 1.5], "relative": True},
            "learning_rate": {"low": 0.5, "high": 2, "log": True, "relative": True},
        }
    },
    "gan": {"parameters": {"width": {"choices": [8, 16]}}},
}
DEFAULTS = {"vae": {"width": 24, "learning_rate": 0.002}, "gan": {"width": 32}}


def plan_of(**sections: object) -> Plan:
    return parse_plan({"dataset": "datasets/pets", "augment": {"policies": ["a", "b", "c"]}, **sections})


PLAN = plan_of(train={"families": FAMILIES})
GENERATORS = generator_space(PLAN, "vae", DEFAULTS)


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def urls(request, tmp_path) -> list[str]:
    """Two databases of a sort."""
    if request.param == SQLITE:
        return [f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "other")]
    postgres = request.getfixturevalue("postgres")
    return [postgres.create_database(), postgres.create_database()]


@pytest.fixture
def url(urls) -> str:
    return urls[0]


@pytest.fixture
def study(url) -> Iterator[Study]:
    with open_storage(url) as storage:
        yield Study(storage, "loops/a", "generators", 1)


def search(study: Study, space: Space, count: int) -> list[dict]:
    """Returns what is suggested one after the other; what is best is a learning rate of 0.003."""
    found = []
    for _ in range(count):
        suggested = study.suggest(space)
        study.tell(suggested.number, score_of(suggested.values))
        found.append(dict(suggested.values))
    return found


def score_of(values: dict) -> float:
    return -abs(values.get("vae.learning_rate", 0.1) - 0.003)


def test_defaults_come_first_and_only_what_matters_is_chosen(study):
    first = study.suggest(GENERATORS)
    assert first.values == {"family": "vae", "vae.width": 24, "vae.learning_rate": 0.002} == first_of(GENERATORS)
    study.tell(first.number, 0.5)
    for _ in range(8):
        suggested = study.suggest(GENERATORS)
        prefixes = {name.partition(".")[0] for name in suggested.values} - {"family"}
        assert prefixes == {suggested.values["family"]}
        assert 0.001 <= suggested.values.get("vae.learning_rate", 0.001) <= 0.004
        study.tell(suggested.number, 0.5)


def test_what_there_is_an_end_to_is_tried_once(study):
    space = policy_space(PLAN)
    tried = []
    while (suggested := study.suggest(space)) is not None:
        tried.append(suggested.values["policy"])
        study.tell(suggested.number, 0.1)
    assert tried[0] == "a"
    assert sorted(tried) == ["a", "b", "c"]
    assert len(combinations(generator_space(PLAN, "gan", {"gan": {"width": 32}}))) == 2


def test_trial_that_was_not_ended_is_suggested_again(study):
    assert study.suggest(GENERATORS) == study.suggest(GENERATORS)


def test_resumed_study_suggests_the_same(urls, study):
    undisturbed = search(study, GENERATORS, 7)
    found = []
    for _ in range(7):
        # Begun by one process, gone on with by another, told by a third.
        for _process in range(2):
            with open_storage(urls[1]) as storage:
                suggested = Study(storage, "loops/a", "generators", 1).suggest(GENERATORS)
        with open_storage(urls[1]) as storage:
            Study(storage, "loops/a", "generators", 1).tell(suggested.number, score_of(suggested.values))
        found.append(dict(suggested.values))
    assert found == undisturbed


def test_two_loops_with_other_seeds_try_other_things(url):
    def tried(seed: int) -> list:
        with open_storage(url) as storage:
            study = Study(storage, f"loops/{seed}", "generators", seed)
            found = []
            for _ in range(4):
                found.append(study.suggest(GENERATORS))
                study.tell(found[-1].number, 0.1)
        return found

    assert tried(1) != tried(2)


def test_training_below_the_median_is_ended_but_not_at_once(study):
    for utilities in ([0.3, 0.5, 0.7, 0.8], [0.3, 0.5, 0.6, 0.8]):
        number = study.suggest(GENERATORS).number
        assert not any(study.report(number, step, value) for step, value in enumerate(utilities, 1))
        study.tell(number, 0.8)
    poor = study.suggest(GENERATORS).number
    assert [study.report(poor, step, 0.2) for step in (1, 2, 3)] == [False, False, True]
    assert study.report(poor, 3, 0.9), "what was reported before stays as it is"
    study.tell(poor, None, stopped=True)
    good = study.suggest(GENERATORS).number
    assert not study.report(good, 3, 0.9)


def test_ended_trial_is_not_ended_again(study):
    number = study.suggest(GENERATORS).number
    study.tell(number, 0.5)
    study.tell(number, 0.9)
    study.tell(number, None)
    assert study.suggest(GENERATORS).number == number + 1


def test_first_use_of_a_generator_has_a_filter_and_weak_classes_come_later():
    space = mix_space(PLAN, weak=False)
    assert first_of(space) == {"share": 0.5, "filter": True, "compression": "none"}
    assert first_of(mix_space(PLAN, weak=True))["emphasis"] == 1.0
    fixed = mix_space(plan_of(mint={"share": {"choices": [0.3]}}, refine={"filter": [False]}), weak=False)
    assert first_of(fixed) == {"share": 0.3, "filter": False, "compression": "none"}
