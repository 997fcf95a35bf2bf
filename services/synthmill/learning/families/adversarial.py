"""The family "gan": a generator against a discriminator."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

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
_DECODING = ("reconstruction", "divergence")


@dataclasses.dataclass
class _Turn:
    """A batch of a step, or a part of it, and the fakes that are played with it.

    Attributes:
        given: what the step, or its part, is given.
        batch: its records.
        prior: latent vectors of the fakes, normal (B, latent_size).
        noise: of the codes of the records, where the generator decodes them beside, else None.
        made: the fakes, and the losses of decoding; None if they are made anew whenever they are needed.
    """

    given: StepInput
    batch: Batch
    prior: torch.Tensor
    noise: torch.Tensor | None = None
    made: tuple[torch.Tensor, Losses] | None = None


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

    def train_step(self, parts: Sequence[StepInput]) -> Losses:
        step, progress = parts[0].step, parts[0].progress
        self.follow_schedule(progress)
        if progress < self.parameters.warm_start:
            return self.update(step, parts, self._autoencode, GENERATOR, ENCODER)
        losses = {}
        for number in range(self.batches_per_step - 1):
            turns = [self._turn(given, number) for given in parts]
            losses |= self._train_discriminator(step, progress, turns)
        decodes = bool(self.parameters.elbo_weight) and step % self.parameters.elbo_interval == 0
        turns = [self._turn(given, self.batches_per_step - 1, decodes=decodes) for given in parts]
        if len(turns) == 1:
            # The last fakes serve twice: the generator meets the discriminator that has just learned from them. Those
            # of several parts would take the memory that parts are to save.
            turns[0].made = self._make(turns[0])
        losses |= self._train_discriminator(step, progress, turns)
        return losses | self._train_generator(step, turns)

    def _turn(self, given: StepInput, number: int, *, decodes: bool = False) -> _Turn:
        noise = given.draws.normal(self.parameters.latent_size) if decodes else None
        return _Turn(given, given.batches[number], given.draws.normal(self.parameters.latent_size), noise)

    def _make(self, turn: _Turn) -> tuple[torch.Tensor, Losses]:
        """Returns the fakes of a turn and, from the same pass, the losses of decoding."""
        if turn.made:
            return turn.made
        batch = turn.batch
        if turn.noise is None:
            with self.fabric.autocast():
                return self.modules[GENERATOR](turn.prior, batch.label).float(), {}
        code, mean, log_variance = self._encode(batch, turn.noise)
        with self.fabric.autocast():
            both = self.modules[GENERATOR](torch.cat([turn.prior, code]), _twice(batch.label)).float()
        fake, output = both.chunk(2)
        return fake, self._negative_elbo(batch, output, mean, log_variance)

    def _train_discriminator(self, step: int, progress: float, turns: Sequence[_Turn]) -> Losses:
        signs = []

        def losses_of(turn: _Turn) -> Losses:
            with torch.no_grad():
                fake = self._make(turn)[0].detach()
            batch = turn.batch
            real, fake = self._augment(batch.x, turn.given), self._augment(fake, turn.given)
            real_logits, fake_logits = self._judge(torch.cat([real, fake]), _twice(batch.label)).chunk(2)
            signs.append(real_logits.detach().sign().mean())
            losses = {DISCRIMINATOR: self.loss.discriminator(real_logits, fake_logits)}
            if step % self.parameters.penalty_interval == 0:
                losses |= self._penalties(real, fake, batch.label)
            return losses

        losses = self.update(step, turns, losses_of, DISCRIMINATOR)
        if STRENGTH in self.modules:
            self.modules[STRENGTH].follow(self.fabric.all_reduce(torch.stack(signs).mean()), progress)
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

    def _train_generator(self, step: int, turns: Sequence[_Turn]) -> Losses:
        def losses_of(turn: _Turn) -> Losses:
            fake, decoding = self._make(turn)
            label = turn.batch.label
            fake_logits = self._judge(self._augment(fake, turn.given), label)
            real_logits = self._judge(self._augment(turn.batch.x, turn.given), label) if self.loss.paired else None
            return {GENERATOR: self.loss.generator(fake_logits, real_logits)} | decoding

        # The rarer decoding is, the more it counts, as with the penalties.
        weights = dict.fromkeys(_DECODING, self.parameters.elbo_weight * self.parameters.elbo_interval)
        decodes = turns[0].noise is not None
        # Without this the discriminator's own gradients would be computed, and thrown away.
        self.modules[DISCRIMINATOR].requires_grad_(False)
        losses = self.update(step, turns, losses_of, GENERATOR, *([ENCODER] if decodes else []), weights=weights)
        self.modules[DISCRIMINATOR].requires_grad_(True)
        return losses

    def _encode(self, batch: Batch, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns a latent vector of each record, with the mean and the log variance that it was drawn from."""
        with self.fabric.autocast():
            mean, log_variance = (moment.float() for moment in self.modules[ENCODER](batch.x, batch.label))
        return mean + noise * torch.exp(0.5 * log_variance), mean, log_variance

    def _autoencode(self, given: StepInput) -> Losses:
        batch = given.batches[0]
        code, mean, log_variance = self._encode(batch, given.draws.normal(self.parameters.latent_size))
        with self.fabric.autocast():
            output = self.modules[GENERATOR](code, batch.label).float()
        return self._negative_elbo(batch, output, mean, log_variance)

    def _negative_elbo(
        self, batch: Batch, output: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor
    ) -> Losses:
        losses = (
            self.learning.reconstruction(output, batch.x).mean(),
            divergence_from_prior(mean, log_variance).sum(dim=1).mean(),
        )
        return dict(zip(_DECODING, losses, strict=True))

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


def _twice(label: torch.Tensor | None) -> torch.Tensor | None:
    return None if label is None else torch.cat([label, label])
