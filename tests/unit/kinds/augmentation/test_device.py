"""First steps on a device: as OpenCV does them but for rounding, the same bytes in any batch, and only where they fit.

The graph runs on the CPU here, and on a GPU where there is one.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from unit.kinds.augmentation.pictures import equal, example, noise, smooth

from support.gpu import why_no_cuda
from synthmill.kinds.image.augmentation import matrices
from synthmill.kinds.image.augmentation.device import CPU, CUDA, Device, open_device
from synthmill.kinds.image.augmentation.engine import Augmenter
from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.augmentation.policy import image_policy
from synthmill.kinds.image.augmentation.resampling import Border, make_views, see
from synthmill.kinds.image.augmentation.work import Mix, Move, Step, Work
from synthmill.runtime.errors import FailedPrecondition, InvalidField

REFLECT = Border("reflect")
BORDERS = ("constant", "reflect", "replicate")
STEPS = [
    {"op": "random_resized_crop", "height": 24, "width": 32, "area": [0.6, 1.0], "probability": 0.7},
    {"op": "rotate", "degrees": [-30, 30], "probability": 0.8},
    {"op": "colour_jitter", "probability": 0.7},
    {"op": "erase", "probability": 0.5},
    {"op": "perspective", "probability": 0.3},
]
RECORDS = [example(noise(28 + row % 3, 36, (1, 3)[row % 2], seed=row), seed=row) for row in range(64)]
INDEX = [row * 1_000_003 + 5 for row in range(64)]
UNCHANGED = Mix(np.eye(3, 4, dtype=np.float32))
ROTATED = matrices.about_centre(matrices.linear(0.8, -0.6, 0.6, 0.8), np.array([[40, 50]]))[0]
TILTED = ROTATED + np.array([[0, 0, 0], [0, 0, 0], [0.002, -0.001, 0]])


@pytest.fixture(
    scope="module",
    params=[CPU, pytest.param(CUDA, marks=pytest.mark.skipif(bool(why_no_cuda()), reason=why_no_cuda()))],
)
def device(request) -> Device:
    return Device(request.param)


def move(matrix: np.ndarray, size: tuple[int, int]) -> Move:
    return Move(make_views(matrix[None], np.array([size]))[0], matrix)


def begin(device: Device, image: np.ndarray, *steps: Step, border: Border = REFLECT) -> np.ndarray | None:
    """Returns what a device makes of an image, nothing if it leaves all steps to the CPU."""
    (rest,) = device.begin([image], [steps], border)
    return None if rest == list(steps) else by_cpu(image, *rest, border=border)


def by_cpu(image: np.ndarray, *steps: Step, border: Border) -> np.ndarray:
    work = Work.begin(Example(image), border, 0.1, bends=False)
    for step in steps:
        step(work)
    return work.image


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one.astype(int) - other)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("matrix", [ROTATED, TILTED], ids=["affine", "projective"])
def test_images_are_moved_as_by_opencv(device, matrix, border, channels):
    image, lying = smooth(40, 50, channels), Border(border, fill=0.3)
    found = begin(device, image, move(matrix, (45, 30)), border=lying)
    expected = see(image, move(matrix, (45, 30)).view, lying)
    assert found.shape == expected.shape == (45, 30, channels)
    assert difference(found, expected).mean() < 0.01
    assert difference(found, expected).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("border", BORDERS)
def test_moving_and_mixing_in_one_rounds_once_less(device, border, channels):
    mix = Mix(np.float32([[0.9, 0.2, 0, 4], [0.1, 0.8, 0.2, -7], [0, 0.3, 0.9, 2]]))
    image, lying, steps = smooth(40, 50, channels), Border(border, fill=0.7), [move(ROTATED, (40, 50)), mix]
    found, expected = begin(device, image, *steps, border=lying), by_cpu(image, *steps, border=lying)
    assert difference(found, expected).mean() < 0.3
    assert difference(found, expected).max() <= 2


def test_mixing_alone(device):
    image, mix = noise(30, 40), Mix(np.float32([[0, 1, 0, 0], [0, 0, 1, 0], [-1, 0, 0, 255]]))
    red, green, blue = np.moveaxis(image, 2, 0)
    assert np.array_equal(begin(device, image, mix), np.stack([green, blue, 255 - red], axis=2))


def test_levels_end_at_black_and_white(device):
    image = noise(30, 40)
    found = begin(device, image, Mix(np.float32([[3, 0, 0, -200], [0, 3, 0, -200], [0, 0, 3, -200]])))
    assert np.array_equal(found, np.clip(image.astype(int) * 3 - 200, 0, 255))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(
    ("linear", "size"),
    [
        ((1, 0, 0, 1), (30, 40)),
        ((-1, 0, 0, 1), (30, 40)),
        ((1, 0, 0, -1), (30, 40)),
        ((-1, 0, 0, -1), (30, 40)),
        ((0, 1, -1, 0), (40, 30)),
    ],
    ids=["identity", "left to right", "upside down", "half turn", "quarter turn"],
)
def test_what_only_moves_pixels_is_exact(device, border, linear, size):
    centred = matrices.translation(-20, -15)[0]
    matrix = matrices.translation(size[1] / 2, size[0] / 2)[0] @ matrices.linear(*linear)[0] @ centred
    image, moved = noise(30, 40), move(matrix, size)
    assert moved.view.is_exact
    found = begin(device, image, moved, UNCHANGED, border=Border(border))
    assert np.array_equal(found, see(image, moved.view, Border(border)))


@pytest.mark.parametrize("border", [Border("constant", fill=0.6), Border("reflect"), Border("replicate")])
def test_what_lies_outside_is_exact(device, border):
    image, moved = noise(30, 40), move(matrices.translation(50, 35)[0], (100, 100))
    found = begin(device, image, moved, UNCHANGED, border=border)
    assert np.array_equal(found, see(image, moved.view, border))


def test_a_horizon_in_the_picture_does_no_harm(device):
    matrix = np.linalg.inv(np.array([[1, 0, 0], [0, 1, 0], [0, 2 / 40, -1.0]]))
    for border in BORDERS:
        assert begin(device, noise(40, 50), move(matrix, (40, 50)), border=Border(border)).shape == (40, 50, 3)


def test_a_result_may_be_one_pixel_wide(device):
    image, moved = smooth(8, 9), move(ROTATED, (20, 1))
    assert difference(begin(device, image, moved), see(image, moved.view, REFLECT)).max() <= 1


@pytest.mark.parametrize(
    ("image", "border", "scale"),
    [
        (noise(40, 50), "wrap", 1),
        (noise(40, 50, dtype=np.uint16), "reflect", 1),
        (noise(1, 50), "reflect", 1),
        (noise(40, 1), "constant", 1),
        (noise(40, 50), "reflect", 0.4),
        (noise(90, 90), "reflect", 1),
        (noise(3000, 1500), "reflect", 1),
    ],
    ids=["wrap", "uint16", "one row", "one column", "shrinks", "most is not seen", "huge"],
)
def test_what_does_not_fit_is_left_to_the_cpu(device, image, border, scale):
    size = (40, 50) if image.shape[0] < 100 else image.shape[:2]
    moved = move(matrices.linear(scale, 0, 0, scale)[0] @ ROTATED, size)
    assert begin(device, image, moved, UNCHANGED, border=Border(border)) is None


def test_copying_is_left_to_the_cpu(device):
    mirrored = matrices.about_centre(matrices.linear(-1, 0, 0, 1), np.array([[40, 50]]))[0]
    assert begin(device, noise(40, 50), move(mirrored, (40, 50))) is None


def test_other_steps_are_left_to_the_cpu(device):
    def other(work: Work) -> None:
        work.image = 255 - work.image

    moved = move(ROTATED, (40, 50))
    assert device.begin([noise(40, 50)], [[other, moved]], REFLECT) == [[other, moved]]
    (rest,) = device.begin([noise(40, 50)], [[moved, other, moved]], REFLECT)
    assert rest[1:] == [other, moved]


def augmenter(device: Device | None, executor: ThreadPoolExecutor | None = None) -> Augmenter:
    return Augmenter(image_policy({"steps": STEPS, "border": "reflect"}), executor=executor, device=device)


@pytest.fixture(scope="module")
def alone(device) -> list[Example]:
    augmenting = augmenter(device)
    return [augmenting.augment([record], [index], 9)[0] for record, index in zip(RECORDS, INDEX, strict=True)]


@pytest.mark.parametrize("size", [3, 64])
def test_batches_do_not_matter(device, alone, size):
    augmenting = augmenter(device)
    found = [
        result
        for start in range(0, 64, size)
        for result in augmenting.augment(RECORDS[start : start + size], INDEX[start : start + size], 9)
    ]
    assert all(map(equal, found, alone))


def test_threads_do_not_matter(device, alone):
    with ThreadPoolExecutor(4) as executor:
        assert all(map(equal, augmenter(device, executor).augment(RECORDS, INDEX, 9), alone))
        single = augmenter(device)
        calls = executor.map(lambda row: single.augment([RECORDS[row]], [INDEX[row]], 9)[0], range(64))
        assert all(map(equal, calls, alone))


def test_targets_are_those_of_the_cpu(alone):
    found = augmenter(None).augment(RECORDS, INDEX, 9)
    different = [not np.array_equal(one.image, other.image) for one, other in zip(found, alone, strict=True)]
    assert any(different)
    for one, other in zip(found, alone, strict=True):
        assert equal(
            dataclasses.replace(one, image=RECORDS[0].image), dataclasses.replace(other, image=RECORDS[0].image)
        )


def test_groups_that_are_too_large_are_divided(device):
    # Five of them are more than one run may have.
    images = [noise(1000, 1000, 1, seed=seed) for seed in range(5)]
    steps = [[move(matrices.translation(0.5 + row, 0.25)[0], (1000, 1000))] for row in range(5)]
    together = device.begin(images, steps, REFLECT)
    for image, own, (put_in,) in zip(images, steps, together, strict=True):
        assert np.array_equal(put_in.image, begin(device, image, *own))


def test_errors_stay_where_they_are(device):
    records = [RECORDS[1], Example(np.zeros((0, 5, 3), np.uint8)), RECORDS[3], Example(np.zeros((4, 5), np.uint8))]
    found = augmenter(device).attempt(records, [0, 1, 2, 3], 9)
    assert [type(result) for result in found] == [Example, InvalidField, Example, InvalidField]


def test_the_cpu_is_opencv_without_onnx_runtime(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert open_device("cpu") is None


def test_without_onnx_runtime_the_extra_is_named(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(FailedPrecondition, match=r"synthmill\[augmentation-gpu\]"):
        open_device("cuda")
    with caplog.at_level(logging.INFO):
        assert open_device("auto") is None
    assert "synthmill[augmentation-gpu]" in caplog.text


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="this ONNX Runtime has CUDA")
def test_without_cuda_the_extra_is_named(caplog):
    with pytest.raises(FailedPrecondition, match=r"not part of this ONNX Runtime; synthmill\[augmentation-gpu\]"):
        open_device("cuda")
    with caplog.at_level(logging.INFO):
        assert open_device("auto") is None
    assert "by OpenCV (CUDAExecutionProvider did not start: not part of this ONNX Runtime" in caplog.text


@pytest.mark.skipif(bool(why_no_cuda()), reason=why_no_cuda())
def test_a_gpu_differs_from_the_cpu_by_rounding():
    found, expected = (augmenter(Device(provider)).augment(RECORDS, INDEX, 9) for provider in (CUDA, CPU))
    differences = [difference(one.image, other.image) for one, other in zip(found, expected, strict=True)]
    assert max(part.max() for part in differences) <= 1
    assert np.mean([part.mean() for part in differences]) < 0.01
    assert open_device().provider == CUDA
