"""The family "vae": a generator and the encoder that learns to invert it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from synthmill.kinds.base import Schema
from synthmill.kinds.families import FITTED, MOST_PARTS, VariationalParameters
from synthmill.learning.families.base import GENERATOR, Batch, Family, Losses, StepInput
from synthmill.learning.objectives import divergence_from_prior, negative_elbo
from synthmill.learning.prior import MixturePrior, PriorGenerator

ENCODER = "encoder"
PRIOR = "prior"
_BOTH = "both"


class Variational(Family):
    """Both networks maximise the evidence lower bound (arXiv 1312.6114); samples come from the codes of records."""

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
        return modules

    def build_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        parameters = [parameter for module in self.modules.values() for parameter in module.parameters()]
        return {_BOTH: torch.optim.Adam(parameters, lr=self.parameters.learning_rate, fused=True)}

    def train_step(self, given: StepInput) -> Losses:
        self.follow_schedule(given.progress)
        (batch,) = given.batches
        noise = given.draws.normal(self.parameters.latent_size)
        with self.fabric.autocast():
            mean, log_variance = (moment.float() for moment in self.modules[ENCODER](batch.x, batch.label))
            output = self.modules[GENERATOR](mean + noise * torch.exp(0.5 * log_variance), batch.label).float()
        reconstruction = self.learning.reconstruction(output, batch.x)
        divergence = divergence_from_prior(mean, log_variance)
        loss = negative_elbo(reconstruction, divergence, self.parameters.beta, self.parameters.free_bits)
        self.update(given.step, {"elbo": loss}, _BOTH)
        return {"elbo": loss, "reconstruction": reconstruction.mean(), "divergence": divergence.sum(dim=1).mean()}

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
