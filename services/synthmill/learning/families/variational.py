"""The family "vae": a generator and the encoder that learns to invert it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from synthmill.kinds.base import Schema
from synthmill.kinds.families import FITTED, MOST_PARTS, VariationalParameters
from synthmill.learning.families.base import GENERATOR, Batch, Family, Losses, StepInput
from synthmill.learning.objectives import divergence_from_prior, feature_distance, negative_elbo
from synthmill.learning.prior import MixturePrior, PriorGenerator

ENCODER = "encoder"
PRIOR = "prior"
CLASSIFIER = "classifier"
_BOTH = "both"

# Share of a run in which the classifier learns. Over a whole run it comes to know its records by heart.
_CLASSIFIER_LEARNS = 0.25
_TINY = 1e-12


class Variational(Family):
    """Both networks maximise the evidence lower bound (arXiv 1312.6114); samples come from the codes of records.

    Pixel by pixel, what makes a shirt of a coat hardly counts. So a classifier learns beside them, and a reconstruction
    is also to be like its record in what the classifier sees (arXiv 1610.00291).
    """

    parameters: VariationalParameters

    @property
    def latent_size(self) -> int:
        return self.parameters.latent_size + (1 if PRIOR in self.modules else 0)

    def build_modules(self, schema: Schema, label_count: int) -> dict[str, nn.Module]:
        modules = {
            GENERATOR: self.learning.generator(schema, label_count, self.parameters),
            ENCODER: self.learning.encoder(schema, label_count, self.parameters),
        }
        if self.parameters.prior == FITTED:
            parts = self.parameters.prior_parts // max(1, label_count)
            modules[PRIOR] = MixturePrior(self.parameters.latent_size, label_count, max(1, min(parts, MOST_PARTS)))
        if self.parameters.feature_weight and label_count > 1:
            modules[CLASSIFIER] = self.learning.probe(schema, label_count)
        return modules

    def build_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        groups = {_BOTH: (GENERATOR, ENCODER), CLASSIFIER: (CLASSIFIER,)}
        return {
            name: torch.optim.Adam(
                [parameter for module in modules for parameter in self.modules[module].parameters()],
                lr=self.parameters.learning_rate,
                fused=True,
            )
            for name, modules in groups.items()
            if all(module in self.modules for module in modules)
        }

    def train_step(self, parts: Sequence[StepInput]) -> Losses:
        step, progress = parts[0].step, parts[0].progress
        self.follow_schedule(progress)
        learned: Losses = {}
        if CLASSIFIER in self.modules and progress < _CLASSIFIER_LEARNS:
            learned = self.update(step, parts, self._classify, CLASSIFIER)
        weights = {"reconstruction": 0.0, "divergence": 0.0, "features": self._feature_weight(parts[0])}
        return self.update(step, parts, self._reconstruct, _BOTH, weights=weights) | learned

    def _reconstruct(self, given: StepInput) -> Losses:
        (batch,) = given.batches
        noise = given.draws.normal(self.parameters.latent_size)
        with self.fabric.autocast():
            mean, log_variance = (moment.float() for moment in self.modules[ENCODER](batch.x, batch.label))
            output = self.modules[GENERATOR](mean + noise * torch.exp(0.5 * log_variance), batch.label).float()
        reconstruction = self.learning.reconstruction(output, batch.x)
        divergence = divergence_from_prior(mean, log_variance)
        loss = negative_elbo(reconstruction, divergence, self.parameters.beta, self.parameters.free_bits)
        losses = {
            "elbo": loss,
            "reconstruction": reconstruction.mean(),
            "divergence": divergence.sum(dim=1).mean(),
        }
        if CLASSIFIER in self.modules:
            losses["features"] = self._feature_distance(output, batch.x)
        return losses

    @torch.no_grad()
    def settle(self, batches: Iterable[Batch], seed: int) -> None:
        if PRIOR not in self.modules:
            return
        codes = [(*self.modules[ENCODER](batch.x, batch.label), batch.label) for batch in batches]
        means, log_variances, labels = zip(*codes, strict=True)
        label = None if labels[0] is None else torch.cat(labels)
        self.modules[PRIOR].fit(torch.cat(means), torch.cat(log_variances), label, seed)

    def sampler(self, generator: nn.Module) -> nn.Module:
        return PriorGenerator(self.modules[PRIOR], generator) if PRIOR in self.modules else generator

    def _classify(self, given: StepInput) -> Losses:
        (batch,) = given.batches
        return {CLASSIFIER: F.cross_entropy(self.modules[CLASSIFIER](batch.x), batch.label)}

    def _feature_weight(self, given: StepInput) -> float:
        """Returns the weight of a record: that of one of its numbers, as many times as it has any."""
        return self.parameters.feature_weight * given.batches[0].x[0].numel()

    def _feature_distance(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        classifier = self.modules[CLASSIFIER]
        with torch.no_grad():
            *theirs, _ = classifier.layers(target)
            strength = [self.fabric.all_reduce(layer.square().mean()).clamp(min=_TINY) for layer in theirs]
        # Without this the classifier's own gradients would be computed, and thrown away.
        classifier.requires_grad_(False)
        *ours, _ = classifier.layers(output)
        classifier.requires_grad_(True)
        return feature_distance(ours, theirs, strength)
