"""What samples are worth: measures of generators that benchmarks print."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime
import torch
from bench.fashion import LABELS, SCHEMA
from sklearn.neighbors import NearestNeighbors

from synthmill.kinds.registry import get_kind
from synthmill.learning.probing import Probing, probe_accuracy
from synthmill.learning.task import never_stop

PROBES, PROBE_STEPS = 3, 2000
_BATCH = 500
_COMPARED = 2000
_NEIGHBOURS = 5
_RARE = 0.01

Columns = dict[str, np.ndarray]


def draw(graph: bytes, count: int, labels: Sequence[int] = range(len(LABELS)), seed: int = 7) -> Columns:
    """Draws samples of a sampler graph; the labels take turns."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    index = np.arange(count)
    label = np.asarray(labels)[index % len(labels)]
    images = [
        session.run(["image"], {"seed": np.array([seed], np.uint64), "index": part, "label": label[part]})[0]
        for part in np.split(index, range(_BATCH, count, _BATCH))
    ]
    return {"image": np.concatenate(images), "label": label}


def tstr(train: Columns, test: Columns) -> np.ndarray:
    """Returns the accuracy of each of three probes, (3,)."""
    return np.array([probe_accuracy(_plan(), train, test, seed, never_stop) for seed in range(PROBES)])


def class_agreement(real: Columns, samples: Columns) -> float:
    """Returns the share of samples whose label a probe that learned from real records gives them."""
    return probe_accuracy(_plan(), real, samples, 0, never_stop)


def coverage(real: dict[str, Columns], samples: Columns) -> float:
    """Returns the share of real test records that a sample lies near to (Naeem et al., arXiv 2002.09797, equation 11).

    Near is within the distance of the record's own fifth-nearest real record.
    """
    ours, theirs = _vectors(real["test"]["image"][:_COMPARED]), _vectors(samples["image"][:_COMPARED])
    radius = NearestNeighbors(n_neighbors=_NEIGHBOURS + 1).fit(ours).kneighbors(ours)[0][:, -1]
    nearest = NearestNeighbors(n_neighbors=1).fit(theirs).kneighbors(ours)[0][:, 0]
    return float((nearest <= radius).mean())


def memorised_share(train: Columns, unseen: Columns, samples: Columns) -> float:
    """Returns the share of samples nearer to a training record than all but a hundredth of unseen records are."""
    known = NearestNeighbors(n_neighbors=1).fit(_vectors(train["image"]))
    usual = known.kneighbors(_vectors(unseen["image"][:_COMPARED]))[0][:, 0]
    found = known.kneighbors(_vectors(samples["image"][:_COMPARED]))[0][:, 0]
    return float((found < np.quantile(usual, _RARE)).mean())


def _vectors(images: np.ndarray) -> np.ndarray:
    """Returns averages over two by two pixels, float32 (N, D): a shift by part of a pixel is then no difference."""
    count, height, width, channels = images.shape
    blocks = images.reshape(count, height // 2, 2, width // 2, 2, channels).astype(np.float32)
    return blocks.mean(axis=(2, 4)).reshape(count, -1)


def _plan() -> Probing:
    return Probing(get_kind("image").learning(), SCHEMA, len(LABELS), PROBE_STEPS, torch.device("cpu"))
