"""One graph: the same bytes however samples are grouped, in memory that is used again but never too soon."""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.graph.generators import LABELS, session
from unit.sampling.serving import engine_of, floats_graph, metric, words_graph

from synthmill.runtime.errors import Cancelled
from synthmill.sampling.engine import Draw, Engine

# So wide that batches have 16 samples at most: requests of some dozen samples take several.
WIDE = floats_graph(width=10_000)
SEEDS = st.one_of(st.integers(0, 3), st.sampled_from([2**63, 2**64 - 1]))
INDICES = st.lists(st.one_of(st.integers(0, 40), st.integers(2**48 - 5, 2**48 - 1)), min_size=1, max_size=45)


@pytest.fixture(scope="module")
def narrow() -> Engine:
    return engine_of(floats_graph())


@pytest.fixture(scope="module")
def wide() -> Engine:
    return engine_of(WIDE)


@pytest.fixture(scope="module")
def labelled() -> Engine:
    return engine_of(floats_graph(width=10_000, labels=LABELS), LABELS)


@pytest.fixture(scope="module")
def words() -> Engine:
    return engine_of(words_graph())


def draw_of(seed: int, index, label=None, truncation: float | None = None) -> Draw:
    return Draw(seed, np.array(index, np.int64), None if label is None else np.array(label, np.int64), truncation)


def ones_of(engine: Engine, draw: Draw) -> dict[str, bytes | list]:
    """Computes the samples of a draw one at a time."""
    found = []
    for position in range(len(draw.index)):
        one = slice(position, position + 1)
        label = None if draw.label is None else draw.label[one]
        found.append(engine.sample(Draw(draw.seed, draw.index[one], label, draw.truncation)))
    return {name: comparable(np.concatenate([each[name] for each in found])) for name in found[0]}


def comparable(column: np.ndarray) -> bytes | list:
    return column.tolist() if column.dtype == object else column.tobytes()


def at_least(batch: int, graph: onnx.ModelProto) -> onnx.ModelProto:
    """Has a graph say that smaller batches may round in another way."""
    for entry in graph.metadata_props:
        if entry.key == "synthmill.smallest_batch":
            entry.value = str(batch)
    return graph


def together(engine: Engine, draws: list[Draw]) -> list[dict[str, bytes | list]]:
    """Computes draws in one go and cuts the answer."""
    drawn = engine.compute(draws)
    found, start = [], 0
    for draw in draws:
        stop = start + len(draw.index)
        names = engine.signature.outputs
        found.append({name: comparable(np.concatenate(drawn.pieces(name, start, stop))) for name in names})
        start = stop
    engine.release(drawn)
    return found


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(SEEDS, INDICES), min_size=1, max_size=4))
def test_samples_are_the_same_alone_and_with_others_of_other_seeds(wide, wanted):
    draws = [draw_of(seed, index) for seed, index in wanted]
    assert together(wide, draws) == [ones_of(wide, draw) for draw in draws]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(SEEDS, INDICES, st.sampled_from([0.5, 0.7, 1.0])), min_size=1, max_size=4))
def test_truncations_may_differ_within_a_batch(narrow, wanted):
    draws = [draw_of(seed, index, truncation=truncation) for seed, index, truncation in wanted]
    assert together(narrow, draws) == [ones_of(narrow, draw) for draw in draws]


def test_truncations_may_differ_between_draws_of_one_seed(narrow):
    draws = [draw_of(1, [4, 5], truncation=truncation) for truncation in (0.5, 1.0, 0.5, 2.0)]
    found = together(narrow, draws)
    assert found == [ones_of(narrow, draw) for draw in draws]
    assert len({each["z"] for each in found}) == 3


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(SEEDS, st.lists(st.tuples(st.integers(0, 99), st.integers(0, 2)), min_size=1)), min_size=1))
def test_labels_go_with_their_samples(labelled, wanted):
    draws = [draw_of(seed, *zip(*rows, strict=True)) for seed, rows in wanted]
    assert together(labelled, draws) == [ones_of(labelled, draw) for draw in draws]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(SEEDS, INDICES), min_size=1, max_size=3))
def test_strings_are_the_same_however_they_are_grouped(words, wanted):
    draws = [draw_of(seed, index) for seed, index in wanted]
    assert together(words, draws) == [ones_of(words, draw) for draw in draws]


def test_answers_are_those_of_the_graph_itself(narrow, words):
    index = np.arange(300, dtype=np.int64)
    for engine, graph in ((narrow, floats_graph()), (words, words_graph())):
        feeds = {"seed": np.array([9], np.uint64), "index": index}
        expected = session(graph).run(list(engine.signature.outputs), feeds)
        found = engine.sample(Draw(9, index))
        for name, column in zip(engine.signature.outputs, expected, strict=True):
            assert comparable(found[name]) == comparable(column)
    assert len(set(found["word"])) == 4


def test_seed_truncation_and_label_matter(narrow, labelled):
    index = np.arange(20, dtype=np.int64)
    latents = {
        (seed, truncation): narrow.sample(Draw(seed, index, truncation=truncation))["z"]
        for seed in (1, 2)
        for truncation in (None, 0.5)
    }
    assert not np.array_equal(latents[1, None], latents[2, None])
    assert np.array_equal(latents[1, 0.5], latents[1, None] * np.float32(0.5))
    shifted = [labelled.sample(Draw(1, index, np.full(20, label)))["x"] for label in range(3)]
    assert np.array_equal(np.float32(2) + shifted[0], shifted[2])


@pytest.mark.parametrize("count", [1, 2, 5, 15, 16, 17, 33, 64, 65, 100])
def test_pieces_are_the_samples_in_order_wherever_they_are_cut(wide, count):
    whole = wide.sample(draw_of(3, range(count)))["z"]
    drawn = wide.compute([draw_of(3, range(count))])
    for start, stop in itertools.combinations({0, 1, 7, 16, 31, count} & set(range(count + 1)), 2):
        start, stop = sorted((start, stop))
        pieces = drawn.pieces("z", start, stop)
        assert all(len(piece) for piece in pieces)
        assert np.concatenate(pieces).tobytes() == whole[start:stop].tobytes()
    assert np.concatenate(drawn.pieces("z")).tobytes() == whole.tobytes()
    wide.release(drawn)


def addresses(engine: Engine, count: int) -> set[int]:
    """Returns where the batches of a request lie."""
    drawn = engine.compute([draw_of(1, range(count))])
    found = {piece.ctypes.data for piece in drawn.pieces("x")}
    engine.release(drawn)
    return found


def test_memory_is_used_again_once_it_was_given_back():
    engine = engine_of(WIDE)
    first = addresses(engine, 64)
    assert len(first) == len(engine.planner.plan(64)) > 1
    for _ in range(5):
        assert addresses(engine, 64) == first


def test_memory_is_left_alone_until_it_was_given_back(wide):
    held = [wide.compute([draw_of(seed, range(40))]) for seed in range(4)]
    expected = [wide.sample(draw_of(seed, range(40)))["x"].tobytes() for seed in range(4)]
    assert [np.concatenate(drawn.pieces("x")).tobytes() for drawn in held] == expected
    for drawn in held:
        wide.release(drawn)


def test_work_that_is_stopped_ends_before_the_next_batch_and_gives_its_memory_back():
    engine = engine_of(WIDE)
    first = addresses(engine, 64)
    for after in range(len(first)):
        asked = itertools.count()
        begun = []
        with pytest.raises(Cancelled):
            engine.compute(
                [draw_of(1, range(64))], lambda begun=begun: begun.append(1), lambda a=after, n=asked: next(n) == a
            )
        assert len(begun) == after
        assert addresses(engine, 64) == first


def test_error_between_batches_gives_the_memory_back():
    engine = engine_of(WIDE)
    first = addresses(engine, 64)

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.compute([draw_of(1, range(64))], fail)
    assert addresses(engine, 64) == first


def test_other_work_may_be_done_between_two_batches(wide):
    expected = wide.sample(draw_of(1, range(64)))["x"].tobytes()
    others = []
    drawn = wide.compute([draw_of(1, range(64))], lambda: others.append(wide.sample(draw_of(2, range(64)))["x"]))
    assert np.concatenate(drawn.pieces("x")).tobytes() == expected
    wide.release(drawn)
    assert len(others) == len(wide.planner.plan(64)) - 1
    assert {other.tobytes() for other in others} == {wide.sample(draw_of(2, range(64)))["x"].tobytes()}


@pytest.mark.parametrize("name", ["wide", "words"])
def test_threads_never_see_the_samples_of_one_another(name, request):
    engine = request.getfixturevalue(name)
    expected = {seed: engine.sample(draw_of(seed, range(100)))["z"] for seed in range(4)}
    barrier = threading.Barrier(4)

    def work(number: int) -> int:
        choose = random.Random(number)
        barrier.wait()
        right = 0
        for _ in range(40):
            parts = [(choose.randrange(4), *sorted(choose.sample(range(100), 2))) for _ in range(choose.randint(1, 3))]
            drawn = engine.compute([draw_of(seed, range(first, last)) for seed, first, last in parts])
            found = np.concatenate(drawn.pieces("z"))
            engine.release(drawn)
            wanted = np.concatenate([expected[seed][first:last] for seed, first, last in parts])
            right += found.tobytes() == wanted.tobytes()
        return right

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [40] * 4


def test_batches_of_samples_are_told_and_each_begins_with_one_of_one_request():
    engine = engine_of(at_least(16, floats_graph(width=10_000)))
    drawn = engine.compute([draw_of(1, range(20)), draw_of(2, range(20))])
    whole, first, second = drawn.batches(0, 40), drawn.batches(0, 20), drawn.batches(20, 40)
    engine.release(drawn)
    assert [(batch.size, batch.begins) for batch in whole] == [(16, True)] * 3
    assert all(batch.seconds > 0 for batch in whole)
    # The one in the middle has samples of both.
    assert first == whole[:2]
    assert [(batch.seconds, batch.begins) for batch in second] == [(whole[1].seconds, False), (whole[2].seconds, True)]


def test_samples_and_batches_are_counted():
    engine = engine_of(floats_graph(width=10_000), name="models/counted/versions/1")
    assert metric("sampling_samples_total", model="models/counted/versions/1") == 0

    def batches() -> float:
        sizes = set(engine.planner.plan(50))
        return sum(metric("sampling_batch_seconds_count", batch_size=str(size)) for size in sizes)

    before = batches()
    engine.sample(draw_of(1, range(50)))
    assert metric("sampling_samples_total", model="models/counted/versions/1") == 50
    assert batches() - before == len(engine.planner.plan(50))


def test_memory_is_estimated_from_the_graph_and_its_batches():
    small, large = floats_graph(width=16), floats_graph(width=16, latent=6_000)
    small_bytes, large_bytes = (engine_of(graph).memory_bytes for graph in (small, large))
    # 6,000 x 16 weights of 4 bytes, as they are and once more as the kernels want them.
    assert large_bytes - small_bytes > 2 * (6_000 - 6) * 16 * 4


def test_graph_that_names_a_smallest_batch_is_never_run_in_smaller_ones():
    engine = engine_of(at_least(16, floats_graph()))
    assert {size for count in range(1, 70) for size in engine.planner.plan(count)} <= {16, 64, 256, 1024}
    assert together(engine, [draw_of(4, [7])]) == [ones_of(engine_of(floats_graph()), draw_of(4, [7]))]
