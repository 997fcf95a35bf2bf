"""The family "vae": a generator and the encoder that learns to invert it."""

from __future__ import annotations

import torch
from torch import nn

from synthmill.kinds.base import Schema
from synthmill.kinds.families import VariationalParameters
from synthmill.learning.families.base import GENERATOR, Family, Losses, StepInput
from synthmill.learning.objectives import divergence_from_prior, negative_elbo

ENCODER = "encoder"
_BOTH = "both"


class Variational(Family):
    """Both networks maximise the evidence lower bound (arXiv 1312.6114)."""

    parameters: VariationalParameters

    def build_modules(self, schema: Schema, label_count: int) -> dict[str, nn.Module]:
        return {
            GENERATOR: self.learning.generator(schema, label_count, self.parameters),
            ENCODER: self.learning.encoder(schema, label_count, self.parameters),
        }

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
