"""Filtered samples: the first candidate that passes, else the best, the same bytes however they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from onnx import TensorProto, helper
from unit.graph.generators import LABELS, draw, judging_graph, model_of, session
from unit.sampling.serving import (
    SHAPES,
    Service,
    computed,
    dense,
    engine_of,
    metric,
    refusal,
    serving,
    slow_graph,
    until,
)

from synthmill.client import sample_filter
from synthmill.client.batches import join
from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.metadata import with_metadata
from synthmill.learning.graph.opinions import add_opinion
from synthmill.runtime import errors
from synthmill.runtime.filters import Filter, candidate_seed
from synthmill.runtime.tensors import from_batch
from synthmill.sampling.engine import Draw
from synthmill.sampling.filtering import compute_filtered
from synthmill.sampling.work import Work
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.label_plan_pb2 import LabelPlan, LabelWeights

JUDGED, PLAIN, LAZY = "models/judged", SHAPES, "models/lazy"
SEED, COUNT = 2**63 + 5, 1500
Columns = dict[str, np.ndarray]

FILTERS = {
    "confidence": Filter(0.9),
    "few": Filter(0.9, attempts=2),
    "one": Filter(0.9, attempts=1),
    "score": Filter(None, 2600.0),
    "both": Filter(0.5, 2600.0, 5),
    "nothing": Filter(),
    "hopeless": Filter(1.0, 1e9, 3),
}
RUNNER = session(judging_graph())


def candidates(attempts: int, seed: int, index: np.ndarray, label: np.ndarray) -> list[Columns]:
    """Returns all candidates, each from a run of its own without any of ours."""
    names = ["image", "confidence", "score"]
    runs = [RUNNER.run(names, draw(candidate_seed(seed, attempt), index, label)) for attempt in range(attempts)]
    return [dict(zip(names, found, strict=True)) for found in runs]


def expected(by: Filter, seed: int, index: Sequence[int] | np.ndarray, label: np.ndarray | None = None) -> Columns:
    """Returns filtered samples by the letter of what is promised."""
    index = np.asarray(index, np.int64)
    label = index % len(LABELS) if label is None else label
    made = candidates(by.attempts, seed, index, label)
    rows = []
    for row in range(len(index)):
        told = [(float(each["confidence"][row]), float(each["score"][row])) for each in made]
        passes = [
            (by.min_confidence is None or confidence >= np.float32(by.min_confidence))
            and (by.min_score is None or score >= np.float32(by.min_score))
            for confidence, score in told
        ]
        first = passes.index(True) if any(passes) else None
        ranks = [score if by.min_confidence is None else confidence for confidence, score in told]
        attempt = ranks.index(max(ranks)) if first is None else first
        rows.append((attempt, first is not None))
    chosen = {name: np.stack([made[a][name][row] for row, (a, _) in enumerate(rows)]) for name in made[0]}
    return {
        **chosen,
        "attempt": np.array([attempt for attempt, _ in rows], np.int32),
        "passed": np.array([passed for _, passed in rows], np.bool_),
        "label": label,
    }


def assert_same(found: Columns, wanted: Columns, names: Sequence[str]) -> None:
    for name in names:
        assert found[name].dtype == wanted[name].dtype, name
        assert found[name].tobytes() == wanted[name].tobytes(), name


def filter_of(by: Filter) -> pb.SampleFilter:
    return sample_filter(by.min_confidence, by.min_score, by.attempts)


def gathered(engine, drawn, start: int = 0, stop: int | None = None) -> Columns:
    return {name: np.concatenate(drawn.pieces(name, start, stop)).copy() for name in drawn.names}


@pytest.fixture(scope="module")
def engine():
    return engine_of(judging_graph(), LABELS, "models/alone/versions/1")


@pytest.fixture(scope="module")
async def service(tmp_path_factory) -> AsyncIterator[Service]:
    """A service with a model that has opinions, one that has none, and one whose samples take long and never pass."""
    async with serving(tmp_path_factory.mktemp("filtering"), max_wait_s=1000.0, workers=2) as service:
        publish(service)
        yield service


def publish(service: Service) -> None:
    service.publish(judging_graph(min_confidence=0.75), "judged/versions/1", LABELS)
    service.publish(dense(), "shapes/versions/1", LABELS)
    builder = GraphBuilder("never")
    flat = builder.add("Reshape", "x", builder.constant([0, -1], np.int64))
    bounds = [builder.constant(bound, np.int64) for bound in ([0], [1], [1])]
    first = builder.add("Reshape", builder.add("Slice", flat, *bounds), builder.constant([-1], np.int64))
    builder.add("Mul", first, builder.constant(0, np.float32), output="y")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 32, 4, 4])]
    network = model_of(builder, inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch"])])
    service.publish(add_opinion(slow_graph(1), "confidence", network), "lazy/versions/1")


@pytest.mark.parametrize("by", FILTERS.values(), ids=FILTERS)
def test_first_candidate_that_passes_else_the_best(engine, by):
    index = np.arange(40, 40 + 333)
    wanted = expected(by, SEED, index)
    drawn = compute_filtered(engine, [Draw(SEED, index, index % 3, None, by)])
    found = gathered(engine, drawn)
    engine.release(drawn)
    assert_same(found, wanted, ["image", "confidence", "score", "attempt", "passed"])
    if by == FILTERS["confidence"]:
        assert 0 < (found["attempt"] > 0).sum() < len(index)
        assert not found["passed"].all()


def test_draws_of_different_seeds_and_filters_are_computed_together_as_they_are_alone(engine):
    draws = [
        Draw(seed, np.arange(seed, seed + 9 + seed), np.arange(9 + seed) % 3, None, by)
        for seed, by in enumerate(FILTERS.values())
    ]
    drawn = compute_filtered(engine, draws)
    stops = np.cumsum([len(each.index) for each in draws])
    for each, stop in zip(draws, stops, strict=True):
        found = gathered(engine, drawn, stop - len(each.index), stop)
        wanted = expected(each.filter, each.seed, each.index, each.label)
        assert_same(found, wanted, ["image", "confidence", "score", "attempt", "passed"])
    engine.release(drawn)


def test_only_what_has_not_passed_is_computed_again(engine):
    by, index = Filter(0.9), np.arange(COUNT)
    before = {name: metric("sampling_filtered_total", model=engine.model, passed=name) for name in ("first", "none")}
    computed_before = metric("sampling_samples_total", model=engine.model)
    drawn = compute_filtered(engine, [Draw(3, index, index % 3, None, by)])
    found = gathered(engine, drawn)
    engine.release(drawn)
    # One that passes took its candidate and those before; one that does not took all.
    taken = np.where(found["passed"], found["attempt"] + 1, by.attempts).sum()
    assert metric("sampling_samples_total", model=engine.model) - computed_before == taken
    first = (found["passed"] & (found["attempt"] == 0)).sum()
    assert metric("sampling_filtered_total", model=engine.model, passed="first") - before["first"] == first
    assert (
        metric("sampling_filtered_total", model=engine.model, passed="none") - before["none"]
        == (~found["passed"]).sum()
    )
    assert engine.candidates.expected(by) == pytest.approx(taken / COUNT, rel=0.2)
    assert engine.candidates.expected(Filter(0.123)) == 1


def test_others_are_looked_after_between_rounds_and_nobody_is_waited_for_in_vain(engine):
    by, index, turns = Filter(1.0, 1e9, 6), np.arange(5), []
    given = Draw(0, index, index % 3, None, by)
    engine.release(compute_filtered(engine, [given], lambda: turns.append(1)))
    assert len(turns) >= by.attempts - 1
    with pytest.raises(errors.Cancelled):
        compute_filtered(engine, [given], lambda: turns.append(1), lambda: len(turns) > by.attempts + 1)
    drawn = compute_filtered(engine, [given])
    assert_same(gathered(engine, drawn), expected(by, 0, index), ["image", "attempt"])
    engine.release(drawn)


def test_work_is_as_urgent_as_the_most_candidates_it_may_take(engine):
    most = engine.planner.urgent

    def work(count: int, by: Filter | None) -> Work:
        return Work(engine, lambda: Draw(0, np.arange(count)), lambda *drawn: None, count, filter=by)

    assert work(most, None).urgent
    assert not work(most, Filter(0.9)).urgent
    assert work(most // 8, Filter(0.9)).urgent
    assert not work(most // 8, Filter(0.9, attempts=64)).urgent
    assert work(1, Filter(0.9)).kin != work(1, None).kin


@pytest.mark.parametrize("by", FILTERS.values(), ids=FILTERS)
async def test_filtered_answer_has_what_the_filter_goes_by(service, by):
    found = from_batch((await service.sample(JUDGED, 60, seed=SEED, start_index=9, filter=filter_of(by))).batch)
    meant = by if by.bounds else Filter(0.75)
    wanted = expected(meant, SEED, range(9, 69))
    opinions = ["confidence", "score"] if by.min_score is not None else ["confidence"]
    assert list(found) == ["image", *opinions, "attempt", "passed", "label"]
    assert_same(found, wanted, list(found))


async def test_without_a_filter_nothing_is_added_and_samples_are_those_of_the_source(service):
    found = await service.sample(JUDGED, 60, seed=SEED)
    source = await service.sample(PLAIN, 60, seed=SEED)
    assert found.batch == source.batch
    assert [column.name for column in found.batch.columns] == ["image", "label"]


async def test_candidate_zero_is_the_sample_without_a_filter(service):
    plain = from_batch((await service.sample(PLAIN, COUNT, seed=4)).batch)
    found = from_batch((await service.sample(JUDGED, COUNT, seed=4, filter=filter_of(Filter(0.9)))).batch)
    first = found["attempt"] == 0
    assert 0 < first.sum() < COUNT
    assert found["image"][first].tobytes() == plain["image"][first].tobytes()
    assert found["label"].tobytes() == plain["label"].tobytes()
    assert not (found["image"][~first] == plain["image"][~first]).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize("chunk_bytes", [1, 5000, 1 << 20])
async def test_stream_is_the_same_bytes_in_chunks_of_any_size(service, chunk_bytes):
    by = FILTERS["both"]
    stream = service.stream(JUDGED, COUNT, seed=SEED, start_index=77, filter=filter_of(by), chunk_bytes=chunk_bytes)
    chunks = [chunk async for chunk in stream]
    assert sum(chunk.count for chunk in chunks) == COUNT
    parts = [from_batch(chunk.batch) for chunk in chunks]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    assert_same(whole, expected(by, SEED, range(77, 77 + COUNT)), list(whole))


async def test_samples_alone_scattered_and_many_at_once_are_the_same(service):
    by = FILTERS["confidence"]
    wanted = expected(by, SEED, range(COUNT))
    sampling, how = service.client.sampling, {"seed": SEED, "filter": filter_of(by)}
    indices = [1400, 3, 3, 700, 12]
    scattered = await sampling.sample(JUDGED, indices=indices, **how)
    for place, index in enumerate(indices):
        alone = await sampling.sample(JUDGED, 1, start_index=index, **how)
        for name in ("image", "confidence", "attempt", "passed"):
            assert alone[name][0].tobytes() == wanted[name][index].tobytes() == scattered[name][place].tobytes()
    many = await asyncio.gather(
        *(sampling.sample(JUDGED, 100, start_index=start, **how) for start in range(0, COUNT, 100))
    )
    assert_same(join(many).columns, wanted, ["image", "confidence", "attempt", "passed", "label"])


async def test_labels_are_those_of_the_plan_and_the_seed_asked_for(service):
    plan = LabelPlan(weights=LabelWeights(weights={"circle": 1, "square": 2}))
    plain = from_batch((await service.sample(JUDGED, 300, seed=6, label_plan=plan)).batch)
    by = Filter(0.9)
    found = from_batch((await service.sample(JUDGED, 300, seed=6, label_plan=plan, filter=filter_of(by))).batch)
    assert found["label"].tobytes() == plain["label"].tobytes()
    assert_same(found, expected(by, 6, range(300), plain["label"]), ["image", "attempt"])


async def test_large_answer_is_computed_by_all_workers_to_the_same_bytes(service):
    by = Filter(0.5, attempts=2)
    found = await service.sample(LAZY, 200, seed=1, filter=filter_of(by))
    plain = await service.sample(LAZY, 200, seed=1)
    columns = from_batch(found.batch)
    # No candidate is better than the first.
    assert columns["x"].tobytes() == from_batch(plain.batch)["x"].tobytes()
    assert not columns["passed"].any()
    assert columns["attempt"].tolist() == [0] * 200


async def test_replica_with_other_settings_and_a_restart_make_no_difference(service, tmp_path):
    how = {"seed": SEED, "filter": filter_of(FILTERS["both"])}
    wanted = join([batch async for batch in service.client.sampling.iter_batches(JUDGED, COUNT, **how)])
    for settings in ({"workers": 1, "batch_requests": False}, {"workers": 3}):
        async with serving(tmp_path, **settings) as replica:
            publish(replica)
            batches = [
                batch async for batch in replica.client.sampling.iter_batches(JUDGED, COUNT, batch_size=97, **how)
            ]
            assert_same(join(batches).columns, wanted.columns, list(wanted.columns))


async def test_stream_that_a_service_cuts_is_taken_up_where_it_ended(tmp_path):
    by = FILTERS["confidence"]
    async with serving(tmp_path) as first:
        publish(first)
        taken: list[Columns] = []

        async def read() -> None:
            async for chunk in first.stream(JUDGED, 10**7, seed=SEED, filter=filter_of(by), chunk_bytes=2000):
                taken.append(from_batch(chunk.batch))
                if len(taken) == 3:
                    first.drain.begin()

        told = await refusal(read())
        next_index = sum(len(part["image"]) for part in taken)
        assert type(told) is errors.Unavailable
        assert int(told.metadata["next_index"]) == next_index
    async with serving(tmp_path, first.catalog) as second:
        call = second.stream(JUDGED, COUNT, seed=SEED, start_index=next_index, filter=filter_of(by))
        taken += [from_batch(chunk.batch) async for chunk in call]
    whole = {name: np.concatenate([part[name] for part in taken]) for name in taken[0]}
    assert_same(whole, expected(by, SEED, range(next_index + COUNT)), list(whole))


async def test_client_that_leaves_a_stream_of_which_nothing_passes_frees_the_workers(service):
    call = service.stream(LAZY, 10**6, filter=pb.SampleFilter(min_confidence=1, attempts=64))
    before = metric("sampling_cancelled_total", stage="stream")
    begun = computed(LAZY)
    await until(lambda: computed(LAZY) > begun)
    call.cancel()
    await until(lambda: metric("sampling_cancelled_total", stage="stream") > before)
    # What is under way ends within a batch.
    await asyncio.sleep(0.2)
    after = computed(LAZY)
    await asyncio.sleep(0.2)
    assert computed(LAZY) == after


async def test_urgent_requests_overtake_filtered_streams(service):
    call = service.stream(LAZY, 10**6, filter=pb.SampleFilter(min_confidence=1, attempts=64))
    begun = computed(LAZY)
    await until(lambda: computed(LAZY) > begun)
    async with asyncio.timeout(20):
        for start in range(20):
            assert (await service.sample(PLAIN, 1, start_index=start)).count == 1
    call.cancel()


@pytest.mark.parametrize(
    ("model", "fields", "error", "field"),
    [
        (PLAIN, {}, errors.FailedPrecondition, "filter"),
        (PLAIN, {"min_score": 0}, errors.FailedPrecondition, "filter"),
        (LAZY, {"min_score": 0}, errors.FailedPrecondition, "filter.min_score"),
        (JUDGED, {"min_confidence": 1.5}, errors.InvalidField, "filter.min_confidence"),
        (JUDGED, {"min_confidence": -0.1}, errors.InvalidField, "filter.min_confidence"),
        (JUDGED, {"min_confidence": float("nan")}, errors.InvalidField, "filter.min_confidence"),
        (JUDGED, {"min_score": float("inf")}, errors.InvalidField, "filter.min_score"),
        (JUDGED, {"attempts": 65}, errors.InvalidField, "filter.attempts"),
        (JUDGED, {"attempts": -1}, errors.InvalidField, "filter.attempts"),
    ],
)
async def test_filters_that_cannot_be_are_refused_by_field(service, model, fields, error, field):
    asked = pb.SampleFilter(**fields)
    for told in (
        await refusal(service.sample(model, 1, filter=asked)),
        await refusal(anext(aiter(service.stream(model, 1, filter=asked)))),
    ):
        assert type(told) is error
        assert told.metadata["field"] == field
        assert told.metadata["allowed"]


async def test_a_model_s_own_filter_may_let_everything_pass(tmp_path):
    async with serving(tmp_path) as service:
        service.publish(with_metadata(judging_graph(), filter={}), "judged/versions/1", LABELS)
        found = from_batch((await service.sample(JUDGED, 50, filter=pb.SampleFilter())).batch)
        assert found["passed"].all()
        assert not found["attempt"].any()
        assert list(found) == ["image", "confidence", "attempt", "passed", "label"]
