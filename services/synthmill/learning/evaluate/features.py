"""The network whose features likeness is measured in: the kind's probe, trained on the real training records."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import nn

from synthmill.kinds.base import Columns, load_weights
from synthmill.learning.checkpoint import write_atomically
from synthmill.learning.data import count_records, load
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.evaluate.comparison import Comparison, Draw
from synthmill.learning.evaluate.findings import Extractor
from synthmill.learning.evaluate.inputs import all_vectors, network_inputs, vectors
from synthmill.learning.probing import Probing, train_probe
from synthmill.learning.task import LABEL, CheckCallback
from synthmill.runtime.errors import BadData

_CLUSTERS = 10
# Records that clusters are looked for among; all are then given to the nearest one.
_CLUSTERED = 10_000
_NAME_DIGITS = 8


@dataclasses.dataclass(frozen=True)
class Seen:
    """What the network makes of records.

    Attributes:
        features: float32 (N, D), on the device.
        found: class that it gives each record, int64 (N,).
    """

    features: torch.Tensor
    found: np.ndarray


class FeatureExtractor:
    """A trained probe, whose last hidden layer is what records are compared by.

    Args:
        comparison: kind, schema and device.
        probe: trained on real records.
        classes: how many it tells apart.
        scale: what features are divided by.
        described: what it is.
    """

    def __init__(
        self, comparison: Comparison, probe: nn.Module, classes: int, scale: float, described: Extractor
    ) -> None:
        self._comparison, self._probe, self._classes, self._scale = comparison, probe.eval(), classes, scale
        self.described = described

    @classmethod
    def fit(cls, comparison: Comparison, train: Columns, test: Columns, steps: int, check: CheckCallback) -> Self:
        """Trains one; the same on the same machine for the same arguments.

        Args:
            comparison: kind, schema, labels, seed and device.
            train: real records to learn from; without classes it learns to tell clusters of them apart.
            test: real held-out records, whose share of correct classifications is told.
            steps: batches that it learns from.
            check: called between steps; raises to stop.
        """
        if not comparison.labels:
            train = {**train, LABEL: _cluster(comparison, train, check)}
        classes = len(comparison.labels) or int(train[LABEL].max()) + 1
        plan = Probing(comparison.kind.learning(), comparison.schema, classes, steps, comparison.device)
        probe = train_probe(plan, train, derive_seed(comparison.seed, Stream.JUDGING), check)
        told_apart = (
            "their classes" if comparison.labels else f"{classes} k-means clusters of their inputs, having no classes,"
        )
        meaning = (
            f"Last hidden layer of the small classifier of the kind {comparison.kind.name!r}, which learned to tell "
            f"{told_apart} apart in {steps} steps, from {count_records(train)} real training records; divided by its "
            f"root mean square over these."
        )
        digest = _digest(probe)
        bare = cls(comparison, probe, classes, 1.0, Extractor(f"probe-{digest[:_NAME_DIGITS]}", digest, meaning, 0.0))
        some = np.sort(comparison.generator(Draw.SCALE).permutation(count_records(train))[: comparison.most])
        scale = bare.look(load(train, some), check).features.square().mean().sqrt().item() or 1.0
        accuracy = float((bare.look(test, check).found == test[LABEL]).mean()) if comparison.labels else 0.0
        return cls(comparison, probe, classes, scale, dataclasses.replace(bare.described, accuracy=accuracy))

    @classmethod
    def load(cls, comparison: Comparison, path: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            BadData: the file is damaged, or of other records.
        """
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads(file.metadata()["about"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise BadData(f"{path.name} holds no feature extractor: {error}") from error
        probe = comparison.kind.learning().probe(comparison.schema, about["classes"])
        load_weights(probe, weights)
        described = Extractor(**about["described"])
        if _digest(probe) != described.sha256:
            raise BadData(f"the weights in {path.name} are not those with the digest {described.sha256}")
        return cls(comparison, probe.to(comparison.device), about["classes"], about["scale"], described)

    def save(self, path: Path) -> None:
        """Writes it to a safetensors file, whole or not at all."""
        weights = _weights(self._probe)
        about = {"classes": self._classes, "scale": self._scale, "described": dataclasses.asdict(self.described)}
        write_atomically(path, save(weights, metadata={"about": json.dumps(about)}))

    @torch.no_grad()
    def look(self, columns: Columns, check: CheckCallback) -> Seen:
        """Returns the features and classes of records.

        Args:
            columns: the records.
            check: called between blocks; raises to stop.
        """
        features, found = [], []
        for x in network_inputs(self._comparison, columns, check):
            *_, hidden, logits = self._probe.layers(x)
            features.append(hidden.flatten(1).float() / self._scale)
            found.append(logits.argmax(dim=1).cpu().numpy())
        return Seen(torch.cat(features), np.concatenate(found))


def _cluster(comparison: Comparison, train: Columns, check: CheckCallback) -> np.ndarray:
    """Returns the k-means cluster of each record, int64 (N,)."""
    rows = comparison.generator(Draw.CLUSTERS).permutation(count_records(train))[:_CLUSTERED]
    some = all_vectors(comparison, load(train, np.sort(rows)), check).cpu().numpy()
    distinct = len(np.unique(some, axis=0))
    # The sums of several threads are not the same twice.
    with threadpool_limits(1):
        means = KMeans(min(_CLUSTERS, distinct), n_init=3, random_state=0).fit(some)
        found = [means.predict(block.cpu().numpy()) for block in vectors(comparison, train, check)]
    return np.concatenate(found).astype(np.int64)


def _weights(probe: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in probe.state_dict().items()}


def _digest(probe: nn.Module) -> str:
    return hashlib.sha256(save(_weights(probe))).hexdigest()
