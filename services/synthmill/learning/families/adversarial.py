"""The family "gan": a generator against a discriminator."""

from __future__ import annotations

import torch
from torch import nn

from synthmill.kinds.base import Schema
from synthmill.kinds.families import AdversarialParameters
from synthmill.learning.families.augment_strength import AugmentStrength
from synthmill.learning.families.base import GENERATOR, Batch, Family, Losses, StepInput
from synthmill.learning.objectives import ADVERSARIAL, AdversarialLoss, divergence_from_prior, gradient_penalty

DISCRIMINATOR = "discriminator"
ENCODER = "encoder"
STRENGTH = "augment_strength"


class Adversarial(Family):
    """Alternating updates (arXiv 1406.2661, algorithm 1); real and fake are augmented alike (arXiv 2006.10738).

    The generator may be the decoder of a variational autoencoder as well: at first (BAGAN, arXiv 1803.09655), so that
    it knows every class before the game begins, and beside the game (VAE/GAN, arXiv 1512.09300), so that it forgets
    none.
    """

    parameters: AdversarialParameters

    @property
    def batches_per_step(self) -> int:
        return self.parameters.discriminator_steps

    @property
    def loss(self) -> AdversarialLoss:
        """The pair of losses that was asked for."""
        return ADVERSARIAL[self.parameters.objective]

    def build_modules(self, schema: Schema, label_count: int) -> dict[str, nn.Module]:
        given = self.parameters
        modules = {
            GENERATOR: self.learning.generator(schema, label_count, given),
            DISCRIMINATOR: self.learning.discriminator(schema, label_count, given),
        }
        if given.warm_start or given.elbo_weight:
            modules[ENCODER] = self.learning.encoder(schema, label_count, given)
        if given.diff_augment != "none" and given.augment_target:
            modules[STRENGTH] = AugmentStrength(given.augment_target)
        return modules

    def build_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        given = self.parameters
        rates = {
            GENERATOR: given.learning_rate,
            DISCRIMINATOR: given.learning_rate * given.discriminator_rate_factor,
            ENCODER: given.learning_rate,
        }
        return {
            name: torch.optim.Adam(
                self.modules[name].parameters(), lr=rate, betas=(given.beta1, given.beta2), fused=True
            )
            for name, rate in rates.items()
            if name in self.modules
        }

    def train_step(self, given: StepInput) -> Losses:
        self.follow_schedule(given.progress)
        if given.progress < self.parameters.warm_start:
            losses = self._autoencode(given.batches[0], given)
            self.update(given.step, losses, GENERATOR, ENCODER)
            return losses
        losses = {}
        for batch in given.batches[:-1]:
            losses |= self._train_discriminator(batch, self._generate(batch, given).detach(), given)
        batch = given.batches[-1]
        if self.parameters.elbo_weight and given.step % self.parameters.elbo_interval == 0:
            fake, beside = self._generate_beside(batch, given)
        else:
            fake, beside = self._generate(batch, given), {}
        losses |= self._train_discriminator(batch, fake.detach(), given)
        # The last fakes serve twice: the generator meets the discriminator that has just learned from them.
        return losses | self._train_generator(batch, fake, beside, given)

    def _train_discriminator(self, batch: Batch, fake: torch.Tensor, given: StepInput) -> Losses:
        real, fake = self._augment(batch.x, given), self._augment(fake, given)
        both = None if batch.label is None else torch.cat([batch.label, batch.label])
        real_logits, fake_logits = self._judge(torch.cat([real, fake]), both).chunk(2)
        losses = {DISCRIMINATOR: self.loss.discriminator(real_logits, fake_logits)}
        if given.step % self.parameters.penalty_interval == 0:
            losses |= self._penalties(real, fake, batch.label)
        self.update(given.step, losses, DISCRIMINATOR)
        if STRENGTH in self.modules:
            sign = self.fabric.all_reduce(real_logits.detach().sign().mean())
            self.modules[STRENGTH].follow(sign, given.progress)
        return losses

    def _penalties(self, real: torch.Tensor, fake: torch.Tensor, label: torch.Tensor | None) -> Losses:
        """Gradient penalties, in full precision; the rarer, the more each counts (arXiv 1912.04958, section 3.1)."""
        losses = {}
        for name, weight, x in (("r1", self.parameters.r1_weight, real), ("r2", self.parameters.r2_weight, fake)):
            if weight:
                x = x.detach().requires_grad_()
                penalty = gradient_penalty(self.modules[DISCRIMINATOR](x, label), x)
                losses[name] = weight * self.parameters.penalty_interval * penalty
        return losses

    def _train_generator(self, batch: Batch, fake: torch.Tensor, beside: Losses, given: StepInput) -> Losses:
        # Without this the discriminator's own gradients would be computed, and thrown away.
        self.modules[DISCRIMINATOR].requires_grad_(False)
        fake_logits = self._judge(self._augment(fake, given), batch.label)
        real_logits = self._judge(self._augment(batch.x, given), batch.label) if self.loss.paired else None
        own = {GENERATOR: self.loss.generator(fake_logits, real_logits)}
        # The rarer, the more each counts, as with the penalties.
        weight = self.parameters.elbo_weight * self.parameters.elbo_interval
        weighted = {name: weight * loss for name, loss in beside.items()}
        self.update(given.step, own | weighted, GENERATOR, *([ENCODER] if beside else []))
        self.modules[DISCRIMINATOR].requires_grad_(True)
        return own | beside

    def _generate(self, batch: Batch, given: StepInput) -> torch.Tensor:
        with self.fabric.autocast():
            return self.modules[GENERATOR](given.draws.normal(self.parameters.latent_size), batch.label).float()

    def _encode(self, batch: Batch, given: StepInput) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns a latent vector of each record, with the mean and the log variance that it was drawn from."""
        with self.fabric.autocast():
            mean, log_variance = (moment.float() for moment in self.modules[ENCODER](batch.x, batch.label))
        noise = given.draws.normal(self.parameters.latent_size)
        return mean + noise * torch.exp(0.5 * log_variance), mean, log_variance

    def _autoencode(self, batch: Batch, given: StepInput) -> Losses:
        code, mean, log_variance = self._encode(batch, given)
        with self.fabric.autocast():
            output = self.modules[GENERATOR](code, batch.label).float()
        return self._negative_elbo(batch, output, mean, log_variance)

    def _negative_elbo(
        self, batch: Batch, output: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor
    ) -> Losses:
        return {
            "reconstruction": self.learning.reconstruction(output, batch.x).mean(),
            "divergence": divergence_from_prior(mean, log_variance).sum(dim=1).mean(),
        }

    def _generate_beside(self, batch: Batch, given: StepInput) -> tuple[torch.Tensor, Losses]:
        """Returns fakes, and the losses of the generator as a decoder, from one pass over both."""
        code, mean, log_variance = self._encode(batch, given)
        prior = given.draws.normal(self.parameters.latent_size)
        both = None if batch.label is None else torch.cat([batch.label, batch.label])
        with self.fabric.autocast():
            fake, output = self.modules[GENERATOR](torch.cat([prior, code]), both).float().chunk(2)
        return fake, self._negative_elbo(batch, output, mean, log_variance)

    def _judge(self, x: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        with self.fabric.autocast():
            return self.modules[DISCRIMINATOR](x, label).float()

    def _augment(self, x: torch.Tensor, given: StepInput) -> torch.Tensor:
        if self.parameters.diff_augment == "none":
            return x
        draws = given.draws.uniform(self.learning.augment_draws)
        augmented = self.learning.augment(x, self.parameters.diff_augment, draws)
        if STRENGTH not in self.modules:
            return augmented
        chosen = given.draws.uniform(1) < self.modules[STRENGTH].share
        return torch.where(chosen.view(-1, *[1] * (x.dim() - 1)), augmented, x)
