"""Whether synthetic data does the job of real data: train on synthetic, test on real (TSTR)."""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Images uint8 (N, H, W, C) with labels int64 (N,)."""

    images: np.ndarray
    labels: np.ndarray

    def first(self, count: int) -> Labelled:
        """Returns the first few."""
        return Labelled(self.images[:count], self.labels[:count])


def accuracy(train: Labelled, test: Labelled) -> float:
    """Returns the share of test images that a support vector machine, trained on others, names correctly."""
    classifier = make_pipeline(StandardScaler(), SVC(C=10.0))
    classifier.fit(_features(train), train.labels)
    return float(classifier.score(_features(test), test.labels))


def _features(data: Labelled) -> np.ndarray:
    return data.images.reshape(len(data.images), -1).astype(np.float32)
