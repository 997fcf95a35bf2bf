"""A whole loop on scarce data: a folder of images goes in, and every sort of step is killed once.

A long tail and fifty records a class, with all that a loop tries by itself; and fifty without classic augmentation, as
for data whose records must not be changed.

SYNTHMILL_FASHION_MNIST names the folder of the data, SYNTHMILL_BENCH_LOOP_MINUTES the loop's time, SYNTHMILL_BENCH_SEED
what is drawn of the records. Half of the test split is what the loop chooses by, the other half what it reports on.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from bench.fashion import DATA, LABELS, read_split
from bench.test_evaluation import TAIL, thin
from bench.test_training import LONG_TAIL

from support.cluster import Cluster, children_of
from support.studio import client_of, running_services
from synthmill.cli.output import table
from synthmill.client import Client
from synthmill.runtime.structs import from_struct
from synthmill.v1 import job_pb2, loop_pb2

SERVICES = ("catalog", "augmentation", "training", "sampling", "evaluation", "pipeline")
MINUTES = float(os.environ.get("SYNTHMILL_BENCH_LOOP_MINUTES", "55"))
FIFTY = dict.fromkeys(range(10), 50)
# By which two runs of the same way to train differ.
NOISE = 0.01
# A step that has begun is finished, and a busy machine takes longer for it than was foreseen.
WITHIN_S = 1.15 * 60 * MINUTES + 120
# "round 1/trial 5/train: training", "filter models/fashion-loop/versions/1: training the probe"
_STEP = re.compile(r"(?:round \d+/)?(?:trial \d+/)?(\w*)")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(8 * 3600),
    pytest.mark.skipif(DATA not in os.environ, reason=f"{DATA}: no folder with Fashion-MNIST"),
]


@pytest.mark.parametrize(
    ("counts", "plan", "gain"),
    [(LONG_TAIL, {}, 0.05), (FIFTY, {}, 0.0), (FIFTY, {"augment": {"policies": ["none"]}}, 0.0)],
    ids=["tail", "fifty", "untouched"],
)
def test_loop_from_a_folder_to_what_is_shipped_although_every_step_is_killed(tmp_path, capsys, counts, plan, gain):
    source = write_folder(tmp_path / "fashion", counts)
    collect = {"name": "fashion", "provenance": {"license": "MIT"}}
    whole = {"source": str(source), "kind": "image", "collect": collect, "budget": {"minutes": MINUTES}, **plan}
    with running_services(tmp_path, *SERVICES) as services, client_of(services) as client:
        began = time.monotonic()
        job = client.pipeline.create_loop_job(whole)
        killed = kill_each_step_once(client, services, job.name, capsys)
        elapsed = time.monotonic() - began
        done = client.jobs.get(job.name)
        assert done.state == job_pb2.JOB_STATE_SUCCEEDED, done.error
        loop = client.pipeline.get_loop(done.result)
        figures = from_struct(client.catalog.get_evaluation(loop.decision.evaluation).figures)
        for artifact in loop.artifacts:
            client.pipeline.download_loop_report(loop.name, artifact, tmp_path / artifact.name)
        with capsys.disabled():
            tell(loop, figures)
            print(f"  {elapsed / 60:.1f} minutes, {done.attempts} attempts, killed in: {', '.join(killed)}; {tmp_path}")
        promoted = [model.name for model in client.catalog.list_models() if model.promoted]
    assert elapsed <= WITHIN_S
    assert {"collect", "train", "evaluate"} <= set(killed)
    assert promoted == [loop.decision.model] * loop.decision.promoted
    arms = {name: figures[f"arms.{name}.macro_f1"] for name in arms_of(figures)}
    assert arms[loop.decision.arm] >= max(arms.values()) - NOISE
    assert arms[loop.decision.arm] >= arms["real"] + gain


def kill_each_step_once(client: Client, services: Cluster, job: str, capsys) -> dict[str, float]:
    """Follows a job to its end; kills its service and worker when a sort of step shows for the first time."""
    killed: dict[str, float] = {}
    began = time.monotonic()
    for event in client.jobs.watch(job):
        step = _STEP.match(event.progress.phase).group(1)
        if not step or step in killed:
            continue
        killed[step] = time.monotonic() - began
        with capsys.disabled():
            print(f"\n  {killed[step] / 60:5.1f} min  {event.progress.phase}", end="", flush=True)
        pipeline = services.services["pipeline"]
        workers = children_of(pipeline.pid)
        pipeline.kill()
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        pipeline.restart()
    return killed


def write_folder(folder: Path, counts: dict[int, int]) -> Path:
    """Writes a folder for each split, with one for each class, of images as PNG files."""
    held_out = read_split("test")
    half = len(held_out["label"]) // 2
    splits = {
        "train": thin(read_split("train"), counts),
        "validation": {name: array[:half] for name, array in held_out.items()},
        "test": {name: array[half:] for name, array in held_out.items()},
    }
    for split, columns in splits.items():
        for name in LABELS:
            (folder / split / name).mkdir(parents=True)
        for row, (image, label) in enumerate(zip(columns["image"], columns["label"], strict=True)):
            cv2.imwrite(str(folder / split / LABELS[label] / f"{row}.png"), image)
    return folder


def arms_of(figures: dict[str, float]) -> list[str]:
    """Returns the names of the ways to train that were measured."""
    return [name.split(".")[1] for name in figures if name.startswith("arms.") and name.endswith(".macro_f1")]


def tell(loop: loop_pb2.Loop, figures: dict[str, float]) -> None:
    """Prints what was tried, what each way to train is worth, and what follows."""
    trials = [
        [
            each.stage,
            str(from_struct(each.values)),
            f"{each.score:.4f}" if each.HasField("score") else "",
            f"{each.seconds:.0f} s",
            each.note,
        ]
        for each in loop.trials
    ]
    print(f"\n\n{table(['STAGE', 'TRIED', 'VALIDATION', 'TIME', 'NOTE'], trials)}\n")
    rows = [
        [
            arm,
            f"{figures[f'arms.{arm}.macro_f1']:.4f}",
            f"{np.mean([figures[f'arms.{arm}.recall.{label}'] for label in TAIL]):.4f}",
            f"{figures[f'arms.{arm}.validation_macro_f1']:.4f}",
        ]
        for arm in arms_of(figures)
    ]
    print(table(["ARM", "MACRO-F1", "TAIL RECALL", "VALIDATION"], rows))
    for sentence in [*loop.decision.sentences, *loop.skipped]:
        print(f"  {sentence}")
