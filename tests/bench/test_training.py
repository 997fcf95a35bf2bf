"""What a generator for Fashion-MNIST is worth after some minutes of training, and how fast the trainer is.

SYNTHMILL_FASHION_MNIST names the folder of the data, SYNTHMILL_BENCH_TRAIN_MINUTES the length of each training. The
worth is TSTR: three probes learn from fresh samples alone, as many as there are real records, and classify the real
test split; probes that learned from the real records stand beside them.
"""

from __future__ import annotations

import os
import statistics
import time

import numpy as np
import pytest
import torch
from bench.fashion import DATA, LABELS, OUT, SCHEMA, read_split, take_per_class, write_columns
from bench.worth import class_agreement, coverage, draw, memorised_share, tstr
from torch.nn import functional as F

from synthmill.kinds.registry import get_kind
from synthmill.learning.configuration import hyper_parameters, resolve
from synthmill.learning.run import train
from synthmill.learning.task import Machine, TrainingTask

MINUTES = "SYNTHMILL_BENCH_TRAIN_MINUTES"
# One thread, as the service's default: with two, a step of these networks took 1.7 times as long on two cores.
MACHINE = Machine(threads=1, precision="auto", checkpoint_interval_s=60.0, picture_interval_s=1e9)
# The film of a run, 24 pictures whatever its length, is a fifth of the time of 60 steps.
SPEED_STEPS, SPEED_TURNS = 240, 3
SEED = int(os.environ.get("SYNTHMILL_BENCH_SEED", "1"))
# 4,000 down to 40 records: each class has 0.6 times as many as the one before.
LONG_TAIL = {label: round(4000 * 0.01 ** (label / 9)) for label in range(10)}
RAREST = 9

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(8 * 3600),
    pytest.mark.skipif(DATA not in os.environ, reason=f"{DATA}: no folder with Fashion-MNIST"),
]


@pytest.fixture(scope="module")
def real() -> dict[str, dict[str, np.ndarray]]:
    return {split: read_split(split) for split in ("train", "test")}


def make_task(columns: dict[str, np.ndarray], name: str, family: str, **given: object) -> TrainingTask:
    parameters = resolve("image", family, given, SCHEMA, len(columns["label"]))
    files = write_columns(OUT, columns, name)
    return TrainingTask(f"models/{name}", "image", SCHEMA, LABELS, files, family, parameters, seed=SEED)


def train_for_minutes(columns: dict[str, np.ndarray], name: str, family: str, **given: object) -> bytes:
    """Trains for as many steps as fit into the time, and returns the sampler graph."""
    minutes = float(os.environ.get(MINUTES, "10"))
    trial = train(make_task(columns, name, family, **given | {"steps": SPEED_STEPS}), OUT / "trial", machine=MACHINE)
    steps = max(1, int(trial.metrics["steps_per_second"] * minutes * 60))
    task = make_task(columns, name, family, **given | {"steps": steps})
    result = train(task, OUT / "runs", machine=MACHINE)
    print(f"\n  {name}: {steps:,} steps in {result.metrics['training_seconds'] / 60:.1f} minutes")
    return result.artifacts["sampler.onnx"].read_bytes()


@pytest.mark.parametrize(("family", "least"), [("gan", 0.76), ("vae", 0.84)])
def test_samples_are_worth_learning_from(real, capsys, family, least):
    with capsys.disabled():
        graph = train_for_minutes(real["train"], f"fashion-{family}", family)
        found = tstr(draw(graph, len(real["train"]["label"])), real["test"])
        beside = tstr(real["train"], real["test"])
        print(f"  TSTR {found.mean():.4f} {np.round(found, 4)}, real {beside.mean():.4f} {np.round(beside, 4)}")
    assert found.mean() >= least


def test_trainer_is_no_slower_than_a_plain_loop(real, capsys):
    task = make_task(real["train"], "fashion-speed", "gan", steps=SPEED_STEPS)
    rates: dict[str, list[float]] = {"trainer": [], "plain": []}
    for turn in range(SPEED_TURNS):
        result = train(task, OUT / f"speed-{time.time_ns()}-{turn}", machine=MACHINE)
        rates["trainer"].append(result.metrics["steps_per_second"])
        rates["plain"].append(plain_steps_per_second(task, real["train"]))
    ratio = statistics.median(rates["trainer"]) / statistics.median(rates["plain"])
    batch = task.parameters["batch_size"]
    with capsys.disabled():
        for name, found in rates.items():
            print(f"\n  {name}: {statistics.median(found) * batch:,.0f} images a second, turns {np.round(found, 2)}")
        print(f"  ratio {ratio:.2f}")
    abilities = torch.cpu.get_capabilities()
    assert ratio >= (1.7 if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else 1.0)


def plain_steps_per_second(task: TrainingTask, columns: dict[str, np.ndarray]) -> float:
    """Trains the same networks as a tutorial would: float32, one image layout, one loss after the other."""
    learning = get_kind("image").learning()
    given = hyper_parameters("image", task.family, task.parameters)
    torch.manual_seed(SEED)
    generator = learning.generator(SCHEMA, len(LABELS), given)
    discriminator = learning.discriminator(SCHEMA, len(LABELS), given)
    optimizers = [
        torch.optim.Adam(module.parameters(), lr=given.learning_rate, betas=(given.beta1, given.beta2))
        for module in (generator, discriminator)
    ]
    images = torch.from_numpy(columns["image"].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
    labels = torch.from_numpy(columns["label"])
    started = time.perf_counter()
    for _ in range(SPEED_STEPS):
        rows = torch.randint(len(labels), (given.batch_size,))
        x, label = images[rows], labels[rows]
        fake = generator(torch.randn(given.batch_size, given.latent_size), label)
        optimizers[1].zero_grad()
        loss = F.relu(1 - discriminator(x, label)).mean() + F.relu(1 + discriminator(fake.detach(), label)).mean()
        loss.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        (-discriminator(fake, label).mean()).backward()
        optimizers[0].step()
    return SPEED_STEPS / (time.perf_counter() - started)


@pytest.mark.parametrize("family", ["gan", "vae"])
def test_the_rarest_class_of_a_long_tail_looks_like_itself(real, capsys, family):
    few = take_per_class(real["train"], LONG_TAIL)
    with capsys.disabled():
        graph = train_for_minutes(few, f"fashion-tail-{family}", family)
        rare = draw(graph, 2000, labels=[RAREST])
        agreement = class_agreement(real["train"], rare)
        print(f"  {family}: class agreement of the rarest class ({LONG_TAIL[RAREST]} records) {agreement:.4f}")
    assert agreement >= 0.85


@pytest.mark.parametrize(
    ("family", "given"),
    [("gan", {"diff_augment": "none"}), ("gan", {"diff_augment": "translation"}), ("vae", {})],
    ids=["gan-none", "gan-translation", "vae"],
)
def test_a_hundred_records_per_class(real, capsys, family, given):
    few = take_per_class(real["train"], dict.fromkeys(range(10), 100))
    with capsys.disabled():
        graph = train_for_minutes(few, f"fashion-100-{family}", family, **given)
        samples = draw(graph, 10_000)
        print(f"  {family} {given}: TSTR {tstr(samples, real['test']).mean():.4f}")
        print(f"    the real records themselves: {tstr(few, real['test']).mean():.4f}")
        print(f"    coverage {coverage(real, samples):.3f}")
        share = memorised_share(few, real["test"], samples)
        print(f"    memorised: {share:.3f} of the samples; 0.01 of records never seen would count as such")
    assert share < 0.5
