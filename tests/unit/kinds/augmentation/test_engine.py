"""The same bytes however records are batched, pixels resampled once, errors in the places of their records."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from unit.kinds.augmentation.pictures import apply, augmenter, equal, example, noise, smooth

from synthmill.kinds.image.augmentation.engine import Augmenter
from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.augmentation.operations import OPERATIONS
from synthmill.kinds.image.augmentation.policy import image_policy
from synthmill.runtime.errors import FailedPrecondition, InvalidField

EVERYTHING = [
    {"op": "random_resized_crop", "height": 24, "width": 32},
    {"op": "horizontal_flip", "probability": 0.5},
    {"one_of": [{"op": "colour_jitter"}, {"op": "gamma"}, {"op": "equalise"}], "weights": [2, 1, 1]},
    {"some_of": [{"op": "gaussian_noise"}, {"op": "jpeg"}, {"op": "erase"}, {"op": "elastic"}], "count": [0, 3]},
    {"repeat": [{"op": "rotate", "probability": 0.7}], "times": 2},
    {"one_of": [{"op": "mixup"}, {"op": "cutmix"}, {"op": "mosaic"}, {"op": "copy_paste"}], "probability": 0.6},
    {"op": "perspective", "probability": 0.5},
]
POOL = [example(noise(20 + seed, 30, seed=seed), seed=seed) for seed in range(5)]
RECORDS = [example(smooth(20 + row % 7, 25 + row % 5), seed=row) for row in range(64)]
INDEX = [row * 1_000_003 + 5 for row in range(64)]


@pytest.fixture(scope="module")
def alone() -> list[Example]:
    augmenting = augmenter(*EVERYTHING, pool=POOL)
    return [augmenting.augment([record], [index], 9)[0] for record, index in zip(RECORDS, INDEX, strict=True)]


@pytest.mark.parametrize("size", [3, 64])
def test_batches_do_not_matter(alone, size):
    augmenting = augmenter(*EVERYTHING, pool=POOL)
    starts = range(0, 64, size)
    found = [
        result
        for start in starts
        for result in augmenting.augment(RECORDS[start : start + size], INDEX[start : start + size], 9)
    ]
    assert all(map(equal, found, alone))


def test_order_does_not_matter(alone):
    found = augmenter(*EVERYTHING, pool=POOL).augment(RECORDS[::-1], INDEX[::-1], 9)
    assert all(map(equal, found, alone[::-1]))


def test_threads_do_not_matter(alone):
    policy = image_policy({"steps": EVERYTHING})
    with ThreadPoolExecutor(8) as executor:
        found = Augmenter(policy, pool=POOL, executor=executor).augment(RECORDS, INDEX, 9)
        assert all(map(equal, found, alone))
        single = augmenter(*EVERYTHING, pool=POOL)
        calls = executor.map(lambda row: single.augment([RECORDS[row]], [INDEX[row]], 9)[0], range(64))
        assert all(map(equal, calls, alone))


def test_seed_and_index_matter(alone):
    augmenting = augmenter(*EVERYTHING, pool=POOL)
    other_seed = augmenting.augment(RECORDS, INDEX, 10)
    other_index = augmenting.augment(RECORDS, [index + 1 for index in INDEX], 9)
    for others in (other_seed, other_index):
        assert sum(map(equal, others, alone)) < 5


def test_no_records_give_no_results():
    assert augmenter(*EVERYTHING, pool=POOL).augment([], [], 0) == []


def test_no_steps_change_nothing():
    assert equal(apply(RECORDS[0]), RECORDS[0])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_the_same_alone_and_in_a_batch(name):
    augmenting = augmenter({"op": name}, pool=POOL)
    batch = augmenting.augment(RECORDS[:8], INDEX[:8], 2)
    assert all(
        equal(augmenting.augment([RECORDS[row]], [INDEX[row]], 2)[0], result) for row, result in enumerate(batch)
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_there_and_back_is_the_image_itself(dtype):
    record = example(noise(31, 44, dtype=dtype))
    there, back = {"op": "rotate", "degrees": 10}, {"op": "rotate", "degrees": -10}
    assert equal(apply(record, there, back, min_visible=1.0), record)
    assert equal(apply(record, there, {"op": "scale", "factor": 4}, {"op": "scale", "factor": 0.25}, back), record)


def test_colours_do_not_end_a_map():
    image = noise(31, 44)
    there, back = {"op": "rotate", "degrees": 10}, {"op": "rotate", "degrees": -10}
    turned = apply(image, there, {"op": "invert"}, back).image
    assert np.array_equal(turned, 255 - image)


def test_maps_that_are_composed_err_less_than_three_resamplings():
    image = noise(96, 128, 1)
    image = cv2.GaussianBlur(image, (0, 0), 1.5)[..., None]
    steps = (
        {"op": "rotate", "degrees": 17},
        {"op": "scale", "factor": 1.3},
        {"op": "translate", "x": 0.03, "y": -0.041},
        {"op": "centre_crop", "height": 40, "width": 50},
    )
    found = apply(image, *steps).image[..., 0].astype(float)

    angle, (x, y) = np.radians(17), (64, 48)
    turn = about(np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]), x, y)
    scale = about(np.diag([1.3, 1.3]), x, y)
    shift = moved(0.03 * 128, -0.041 * 96)
    exact = bilinear(image[..., 0], moved(-39, -28) @ shift @ scale @ turn, (40, 50))

    thrice = image[..., 0]
    for matrix in (turn, scale, shift):
        # From edges of pixels to their middles.
        own = moved(-0.5, -0.5) @ matrix @ moved(0.5, 0.5)
        thrice = cv2.warpAffine(thrice, own[:2], (128, 96), flags=cv2.INTER_LINEAR)
    thrice = thrice[28:68, 39:89].astype(float)

    assert np.abs(found - exact).mean() < 0.5
    assert np.abs(found - exact).mean() < np.abs(thrice - exact).mean() / 3


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_trace_is_json_and_names_the_step(name):
    augmenting = augmenter({"op": name, "probability": 0.5}, pool=POOL)
    traces = augmenting.trace(RECORDS[:20], INDEX[:20], 3)
    happened = [trace for traced in traces for trace in traced]
    assert 0 < len(happened) < 20
    assert {(trace.path, trace.operation) for trace in happened} == {("policy.steps[0]", name)}
    json.dumps([trace.values for trace in happened], allow_nan=False)


def test_a_trace_says_what_happens():
    record = Example(np.full((30, 40, 1), 9, np.uint8))
    augmenting = augmenter({"op": "erase", "fill": "zero"})
    ((traced,),) = augmenting.trace([record], [4], 1)
    top, left, height, width = (traced.values[name] for name in ("top", "left", "height", "width"))
    expected = np.zeros((30, 40), bool)
    expected[top : top + height, left : left + width] = True
    assert np.array_equal(augmenting.augment([record], [4], 1)[0].image[..., 0] == 0, expected)


def test_frequencies_are_those_of_the_policy():
    black = [Example(np.zeros((1, 1, 1), np.uint8))] * 4000
    steps = [{"op": "invert", "probability": 0.3}]
    white = [result.image[0, 0, 0] == 255 for result in augmenter(*steps).augment(black, range(4000), 1)]
    assert np.mean(white) == pytest.approx(0.3, abs=0.025)


def test_ranges_are_used_from_end_to_end():
    grey = [Example(np.full((1, 1, 1), 100, np.uint8))] * 2000
    step = {"op": "brightness", "factor": [0.5, 1.5]}
    levels = [int(result.image[0, 0, 0]) for result in augmenter(step).augment(grey, range(2000), 1)]
    assert min(levels) == 50
    assert max(levels) == 150
    assert np.mean(levels) == pytest.approx(100, abs=2)
    turns = {
        int(result.image[0, 0, 0])
        for result in augmenter({"op": "quarter_turn"}).augment(
            [Example(np.arange(4, dtype=np.uint8).reshape(2, 2, 1))] * 100, range(100), 1
        )
    }
    assert turns == {0, 1, 2, 3}


def test_bad_records_have_errors_in_their_places():
    good = RECORDS[0]
    bad = Example(good.image, boxes=np.float32([[0, 0, 1000, 1]]))
    first, error, last = augmenter({"op": "rotate"}).attempt([good, bad, good], [0, 1, 2], 0)
    assert isinstance(error, InvalidField)
    assert error.metadata["field"] == "boxes[0]"
    assert equal(first, apply(good, {"op": "rotate"}, index=0))
    assert equal(last, apply(good, {"op": "rotate"}, index=2))
    with pytest.raises(InvalidField, match="boxes"):
        augmenter({"op": "rotate"}).augment([good, bad, good], [0, 1, 2], 0)


def test_labels_of_another_number_of_classes_are_refused():
    augmenting = Augmenter(image_policy({"steps": []}), class_count=3)
    (error,) = augmenting.attempt([RECORDS[0]], [0], 0)
    assert error.metadata["field"] == "label"


@pytest.mark.parametrize(
    "step",
    [
        {"op": "pad", "left": 16_384},
        {"repeat": [{"op": "pad", "left": 9000, "top": 9000}], "times": 1},
        {"repeat": [{"op": "scale", "factor": 0.01}], "times": 200},
        {"repeat": [{"op": "scale", "factor": 100}], "times": 200},
    ],
)
def test_steps_that_go_too_far_are_named(step):
    small = Example(noise(3, 4, 1))
    errors = augmenter({"op": "invert"}, step).attempt([small, small], [0, 1], 0)
    path = "policy.steps[1].repeat[0]" if "repeat" in step else "policy.steps[1]"
    assert [error.metadata["field"] for error in errors] == [path, path]


def test_partners_that_become_too_large_are_errors():
    small, large = Example(noise(3, 4, 1)), Example(noise(1, 16_000, 1))
    steps = ({"op": "pad", "left": 1000}, {"op": "mixup"})
    (error,) = augmenter(*steps, pool=[large]).attempt([small], [0], 0)
    assert isinstance(error, InvalidField)
    assert error.metadata["field"] == "policy.steps[0]"


@pytest.mark.parametrize("pool", [None, []])
def test_mixing_needs_a_pool(pool):
    with pytest.raises(FailedPrecondition, match=r"steps\[0\]\.one_of\[1\]") as refusal:
        augmenter({"one_of": [{"op": "invert"}, {"op": "mixup"}]}, pool=pool)
    assert refusal.value.metadata["field"] == "policy.steps[0].one_of[1]"


def test_partners_have_gone_through_what_comes_before():
    own, partner = Example(np.full((4, 4, 1), 10, np.uint8)), Example(np.full((4, 4, 1), 20, np.uint8))
    steps = ({"op": "invert"}, {"op": "mosaic", "x": 0, "y": 0}, {"op": "brightness", "factor": 0.5})
    (mixed,) = augmenter(*steps, pool=[partner]).augment([own], [0], 0)
    assert (mixed.image == round((255 - 20) / 2)).all()


def test_every_record_of_the_pool_is_a_partner():
    pool = [Example(np.full((1, 1, 1), level, np.uint8)) for level in range(5)]
    own = [Example(np.full((1, 1, 1), 99, np.uint8))] * 200
    mixed = augmenter({"op": "mosaic", "x": 0, "y": 0}, pool=pool).augment(own, range(200), 0)
    assert {int(result.image[0, 0, 0]) for result in mixed} == set(range(5))


def moved(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def about(linear: np.ndarray, x: float, y: float) -> np.ndarray:
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    return moved(x, y) @ matrix @ moved(-x, -y)


def bilinear(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns an image through a map between edges of pixels, float64, for places inside it."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]] + 0.5
    back = np.linalg.inv(matrix)
    x = back[0, 0] * columns + back[0, 1] * rows + back[0, 2] - 0.5
    y = back[1, 0] * columns + back[1, 1] * rows + back[1, 2] - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = x - left, y - top
    upper = image[top, left] * (1 - right) + image[top, left + 1] * right
    lower = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
    return upper * (1 - down) + lower * down
