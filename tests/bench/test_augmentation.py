"""Our augmentation beside Albumentations, Kornia and plain PyTorch: one policy, one thread each, in turns.

The libraries live in an environment of their own, which `SYNTHMILL_AUGMENTING_PYTHON` names:

    python -m venv augmenting && augmenting/bin/pip install albumentations==2.0.8 opencv-python-headless kornia torch
    SYNTHMILL_AUGMENTING_PYTHON=augmenting/bin/python pytest -m slow -s tests/bench/test_augmentation.py
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from bench.echo_service import METHOD, UNLIMITED
from bench.peers.augmenting import pictures, policy

from support.studio import running_services
from synthmill.bench.machine import core_count
from synthmill.cli.output import table
from synthmill.client import Client, Settings
from synthmill.kinds.image.augmentation.engine import Augmenter
from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.augmentation.policy import image_policy

VARIABLE = "SYNTHMILL_AUGMENTING_PYTHON"
PYTHON = os.environ.get(VARIABLE, "")
SECONDS = float(os.environ.get("SYNTHMILL_BENCH_SECONDS", "2"))
ROUNDS = int(os.environ.get("SYNTHMILL_BENCH_ROUNDS", "5"))
SCRIPT = Path(__file__).parent / "peers" / "augmenting.py"
OURS = "synthmill"
PEERS = ("albumentations", "kornia", "torch")
SIDE, SHOWN, WAVES = 224, 8, 12
OPERATIONS = (
    *("horizontal_flip", "transpose", "rotate", "perspective", "colour_jitter", "gamma", "posterise", "solarise"),
    *("equalise", "autocontrast", "clahe", "gaussian_blur", "motion_blur", "defocus_blur", "sharpen"),
    *("gaussian_noise", "shot_noise", "salt_and_pepper", "jpeg", "downscale", "elastic", "grid_distortion", "optical"),
    "erase",
)
# As the client sends them, and as many as keep both sides busy.
MESSAGE_BYTES, MESSAGES_UNDER_WAY = 4 << 20, 4
# What lies outside the picture is nobody's to know.
EDGE = 24

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.skipif(not PYTHON, reason=f"{VARIABLE} names no python that has albumentations, kornia and torch")
@pytest.mark.parametrize(("side", "least"), [(32, 10.0), (128, 1.8), (224, 1.8)])
def test_faster_than_albumentations(capsys, side, least):
    rates = {name: [] for name in (OURS, *PEERS)}
    for _ in range(ROUNDS):
        for name, found in rates.items():
            found.append(images_per_second(name, side))
    ratios = {
        name: statistics.median(ours / theirs for ours, theirs in zip(rates[OURS], found, strict=True))
        for name, found in rates.items()
    }
    rows = [[name, f"{statistics.median(found):,.0f}", f"{ratios[name]:.2f}"] for name, found in rates.items()]
    with capsys.disabled():
        print(f"\n{table([f'{side} PIXELS', 'IMAGES/S', 'OURS BY THEIRS'], rows)}")
    assert ratios["albumentations"] >= least


def test_a_stream_keeps_most_of_the_engines_own_speed(tmp_path, capsys):
    images = pictures(SIDE)
    alone, streamed, sent, both, echoed = [], [], [], [], []
    with contextlib.ExitStack() as stack:
        services = stack.enter_context(running_services(tmp_path, "catalog", "augmentation"))
        address = services.address("augmentation")
        client = stack.enter_context(Client(augmentation_address=address))
        elsewhere = stack.enter_context(Client(augmentation_address=address, settings=Settings(shared_memory=False)))
        stream_for(client, images, 1.0)
        for _ in range(ROUNDS):
            alone.append(images_per_second(OURS, SIDE))
            both.append(on_every_core(SIDE))
            streamed.append(stream_for(client, images, SECONDS))
            sent.append(stream_for(elsewhere, images, SECONDS))
            echoed.append(echo_for(images[0].nbytes, SECONDS))
    ratio, remote = (
        statistics.median(there / here for there, here in zip(found, alone, strict=True)) for found in (streamed, sent)
    )
    measured = {
        "engine, one thread": alone,
        "engine, a process per core": both,
        "stream to a client here": streamed,
        "stream to a client here, as to one elsewhere": sent,
        "the same bytes there and back, unread": echoed,
    }
    rows = [[name, f"{statistics.median(found):,.0f}"] for name, found in measured.items()]
    with capsys.disabled():
        print(f"\n{table([f'{SIDE} PIXELS', 'IMAGES/S'], rows)}\n  the stream by one thread: {ratio:.2f}, {remote:.2f}")
    assert ratio >= 0.8


def stream_for(client: Client, images: list[np.ndarray], seconds: float) -> float:
    """Returns how many images a second come back from a stream."""
    given = policy(SIDE)
    records = ({"image": image} for image in itertools.cycle(images))
    with contextlib.closing(client.augmentation.iter_augmented(records, given)) as results:
        next(results)
        started, count = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - started) < seconds:
            next(results)
            count += 1
    return count / elapsed


def echo_for(image_bytes: int, seconds: float) -> float:
    """Returns how many images a second come back of a service that does nothing: what the wire alone allows."""
    script = Path(__file__).with_name("echo_service.py")
    message, window = bytes(MESSAGE_BYTES), threading.Semaphore(MESSAGES_UNDER_WAY)
    finished = threading.Event()

    def messages() -> Iterator[bytes]:
        while not finished.is_set():
            window.acquire()
            yield message

    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}", options=UNLIMITED) as channel:
            call = channel.stream_stream(METHOD)(messages())
            started, count = time.perf_counter(), 0
            while (elapsed := time.perf_counter() - started) < seconds:
                next(call)
                count += 1
                window.release()
            finished.set()
            window.release()
            call.cancel()
        process.terminate()
    return count * MESSAGE_BYTES / image_bytes / elapsed


def on_every_core(side: int) -> float:
    """Returns how many images a second the engine makes, as many processes as there are cores."""
    with ThreadPoolExecutor() as threads:
        return sum(threads.map(lambda _: images_per_second(OURS, side), range(core_count())))


@pytest.mark.skipif(not PYTHON, reason=f"{VARIABLE} names no python that has albumentations")
def test_single_operations(capsys):
    rows = []
    for operation in OPERATIONS:
        rates = {name: images_per_second(name, SIDE, operation) for name in (OURS, "albumentations")}
        ratio = rates[OURS] / rates["albumentations"]
        rows.append([operation, *(f"{rate:,.0f}" for rate in rates.values()), f"{ratio:.2f}"])
    with capsys.disabled():
        print(f"\n{table([f'{SIDE} PIXELS', OURS, 'albumentations', 'RATIO'], rows)}")
    assert statistics.median(float(row[-1]) for row in rows) >= 0.9


def images_per_second(name: str, side: int, *operation: str) -> float:
    """Runs a library in its own environment, with one thread."""
    python = sys.executable if name == OURS else PYTHON
    command = [python, str(SCRIPT), name, str(side), str(SECONDS), *operation]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return float(done.stdout.split()[-1])


@pytest.mark.skipif(not PYTHON, reason=f"{VARIABLE} names no python that has albumentations")
def test_one_resampling_is_nearer_to_the_truth_than_one_for_each_step(tmp_path, capsys):
    found = {OURS: [], "albumentations": []}
    for seed in range(SHOWN):
        rng = np.random.default_rng(seed)
        waves = rng.normal(0, 0.2, (WAVES, 2)), rng.uniform(0, 2 * np.pi, (WAVES, 3))
        image = look(waves, *np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5))
        degrees, factor = rng.uniform(-15, 15), rng.uniform(0.9, 1.1)
        crop = {"op": "random_resized_crop", "area": 0.5, "aspect": 1}
        steps = [{"op": "rotate", "degrees": degrees}, {"op": "scale", "factor": factor}, crop]
        augmenter, example = Augmenter(image_policy({"steps": steps, "border": "reflect"})), Example(image)
        window = augmenter.trace([example], [0], seed)[0][2].values
        results = {
            OURS: augmenter.augment([example], [0], seed)[0].image,
            "albumentations": albumentations(tmp_path, image, degrees, factor, window),
        }
        truth = look(waves, *source_of_each_pixel(degrees, factor, window))
        for name, result in results.items():
            found[name].append(psnr(result[EDGE:-EDGE, EDGE:-EDGE], truth[EDGE:-EDGE, EDGE:-EDGE]))
    rows = [[name, f"{np.mean(values):.1f} dB", f"{np.min(values):.1f} dB"] for name, values in found.items()]
    with capsys.disabled():
        print(f"\n{table(['ROTATE, SCALE, CROP', 'PSNR', 'LOWEST'], rows)}")
    assert np.mean(found[OURS]) > np.mean(found["albumentations"]) + 1


def look(waves: tuple[np.ndarray, np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns a picture that is known everywhere, a sum of waves, at some places, uint8 (height, width, 3)."""
    frequencies, phases = waves
    angles = frequencies[:, 0, None, None] * x + frequencies[:, 1, None, None] * y
    levels = np.sin(angles[..., None] + phases[:, None, None]).mean(axis=0)
    return np.rint((levels * 1.5).clip(-1, 1) * 127.5 + 127.5).astype(np.uint8)


def source_of_each_pixel(degrees: float, factor: float, window: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Returns x and y in the first picture of what the last one shows, in float64."""
    x, y = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
    x, y = x / SIDE * window["width"] + window["left"], y / SIDE * window["height"] + window["top"]
    x, y = (x - SIDE / 2) / factor, (y - SIDE / 2) / factor
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return cosine * x - sine * y + SIDE / 2, sine * x + cosine * y + SIDE / 2


def albumentations(folder: Path, image: np.ndarray, degrees: float, factor: float, window: dict) -> np.ndarray:
    """Returns what Albumentations makes of an image."""
    np.save(folder / "image.npy", image)
    box = [window["left"], window["top"], window["left"] + window["width"], window["top"] + window["height"]]
    arguments = map(str, (folder / "image.npy", folder / "result.npy", degrees, factor, *map(int, box)))
    subprocess.run([PYTHON, str(SCRIPT.with_name("resampling.py")), *arguments], check=True, timeout=300)
    return np.load(folder / "result.npy")


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return 20 * np.log10(255 / np.sqrt(((image.astype(float) - truth) ** 2).mean()))
