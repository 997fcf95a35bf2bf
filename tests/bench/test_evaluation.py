"""What samples add to training data that is scarce: Fashion-MNIST thinned to a long tail, or to fifty records a class.

SYNTHMILL_FASHION_MNIST names the folder of the data, SYNTHMILL_BENCH_TRAIN_MINUTES the length of the training,
SYNTHMILL_BENCH_POLICY classic augmentation, SYNTHMILL_BENCH_PROBE_STEPS the batches of each probe, SYNTHMILL_BENCH_SEED
what is drawn of the records. The test split is divided: arms are chosen on one half and reported on the other.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from bench.fashion import DATA, LABELS, OUT, SCHEMA, read_split, write_columns
from bench.test_training import LONG_TAIL, MACHINE, SEED, train_for_minutes
from bench.worth import draw

from synthmill.cli.output import table
from synthmill.kinds.registry import get_kind
from synthmill.learning.evaluate.findings import Arm
from synthmill.learning.evaluate.run import evaluate
from synthmill.learning.evaluate.task import ARMS, EvaluationTask
from synthmill.learning.task import never_stop

POLICY = os.environ.get("SYNTHMILL_BENCH_POLICY", "trivial_augment_wide")
PROBE_STEPS = int(os.environ.get("SYNTHMILL_BENCH_PROBE_STEPS", "2000"))
SEEDS = 3
SAMPLES = 40_000
TAIL = LABELS[6:]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(8 * 3600),
    pytest.mark.skipif(DATA not in os.environ, reason=f"{DATA}: no folder with Fashion-MNIST"),
]


@pytest.mark.parametrize("family", ["vae", "gan"])
@pytest.mark.parametrize(
    ("name", "counts"), [("tail", LONG_TAIL), ("fifty", dict.fromkeys(range(10), 50))], ids=["tail", "fifty"]
)
def test_the_best_way_beats_real_records_alone(capsys, family, name, counts):
    with capsys.disabled():
        findings = measure(family, f"evaluation-{name}-{family}-{SEED}", counts)
        rows = [[arm.name, *cells(arm)] for arm in findings.arms]
        print(f"\n{table(['ARM', 'MACRO-F1', 'ACCURACY', 'TAIL RECALL', 'VALIDATION'], rows)}")
        print("  " + "\n  ".join(findings.verdict))
    arms = {arm.name: arm for arm in findings.arms}
    best = max(arms.values(), key=lambda arm: arm.validation_macro_f1.value)
    baseline = max((arm for arm in arms.values() if not arm.synthetic), key=lambda arm: arm.macro_f1.value)
    assert best.macro_f1.value >= arms["real"].macro_f1.value + (0.05 if name == "tail" else 0.0)
    assert best.macro_f1.high >= baseline.macro_f1.low


def measure(family: str, name: str, counts: dict[int, int]):
    """Trains on thinned records, and tries all arms."""
    few, held_out = thin(read_split("train"), counts), read_split("test")
    half = len(held_out["label"]) // 2
    graph = train_for_minutes(few, name, family)
    splits = {
        "train": few,
        "validation": {column: array[:half] for column, array in held_out.items()},
        "test": {column: array[half:] for column, array in held_out.items()},
        "samples": draw(graph, SAMPLES),
    }
    task = EvaluationTask(
        subject=(f"models/{name}/versions/1", "0" * 64),
        reference=(f"datasets/{name}/versions/1", "0" * 64),
        kind="image",
        schema=SCHEMA,
        labels=LABELS,
        **{split: write_columns(OUT / name, columns, split) for split, columns in splits.items()},
        policy=get_kind("image").augmentation().ready_made[POLICY],
        policy_name=POLICY,
        seeds=SEEDS,
        probe_steps=PROBE_STEPS,
        seed=SEED,
        arms=ARMS,
    )
    findings, _ = evaluate(task, OUT / name, MACHINE, lambda *_: None, never_stop)
    return findings


def thin(columns: dict[str, np.ndarray], counts: dict[int, int]) -> dict[str, np.ndarray]:
    """Returns some records of each class, drawn by the seed, in the order they have."""
    draws = np.random.default_rng(SEED)
    label = columns["label"]
    rows = [draws.permutation(np.flatnonzero(label == position))[:count] for position, count in counts.items()]
    return {name: array[np.sort(np.concatenate(rows))] for name, array in columns.items()}


def cells(arm: Arm) -> list[str]:
    """Returns what an arm is worth as text: test records, recall of the rare classes, validation records."""
    tail = np.mean([arm.recall[label].value for label in TAIL])
    spread = (arm.macro_f1.high - arm.macro_f1.low) / 2
    measured = f"{arm.macro_f1.value:.4f} ±{spread:.4f}"
    return [measured, f"{arm.accuracy.value:.4f}", f"{tail:.4f}", f"{arm.validation_macro_f1.value:.4f}"]
