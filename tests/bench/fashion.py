"""Fashion-MNIST for benchmarks: SYNTHMILL_FASHION_MNIST names the folder with its four .gz files."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np

DATA = "SYNTHMILL_FASHION_MNIST"
OUT = Path(__file__).resolve().parents[2] / "bench-out" / "fashion-mnist"
SCHEMA = {"height": 28, "width": 28, "channels": 1}
LABELS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

_PREFIXES = {"train": "train", "test": "t10k"}


def read_split(split: str) -> dict[str, np.ndarray]:
    """Returns "image", uint8 (N, 28, 28, 1), and "label", int64 (N,), of "train" or "test"."""
    prefix = _PREFIXES[split]
    images = _read_idx(f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)
    return {"image": images, "label": _read_idx(f"{prefix}-labels-idx1-ubyte.gz", 8).astype(np.int64)}


def write_columns(folder: Path, columns: dict[str, np.ndarray], prefix: str) -> dict[str, Path]:
    """Writes columns as .npy files and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{prefix}.{name}.npy" for name in columns}
    for name, path in files.items():
        np.save(path, columns[name])
    return files


def take_per_class(columns: dict[str, np.ndarray], counts: dict[int, int]) -> dict[str, np.ndarray]:
    """Returns the first records of each class, as many as its count says, in the order they have."""
    label = columns["label"]
    rows = np.sort(np.concatenate([np.flatnonzero(label == name)[:count] for name, count in counts.items()]))
    return {name: array[rows] for name, array in columns.items()}


def _read_idx(name: str, header_bytes: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress((Path(os.environ[DATA]) / name).read_bytes())[header_bytes:], np.uint8)
