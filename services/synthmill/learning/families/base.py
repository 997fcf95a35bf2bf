"""What the training loop needs of a family of generators."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import torch
from lightning_fabric import Fabric
from torch import nn

from synthmill.kinds.base import HyperParameters, Learning, Schema
from synthmill.learning.draws import Draws
from synthmill.learning.guard import require_finite
from synthmill.learning.schedules import rate_factor

GENERATOR = "generator"

Losses = dict[str, torch.Tensor]
"""Scalars by name."""

Part = TypeVar("Part")

_EQUAL: Mapping[str, float] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Batch:
    """Records that this process works on at a time.

    Attributes:
        x: network inputs, (B, ...).
        label: int64 (B,), or None.
    """

    x: torch.Tensor
    label: torch.Tensor | None


@dataclasses.dataclass(frozen=True)
class StepInput:
    """What a step is given, or a part of it.

    Attributes:
        step: its number, from 0.
        progress: share of the run that is done, in [0, 1); schedules are functions of it.
        batches: records, as many batches as `Family.batches_per_step`.
        draws: its random numbers.
    """

    step: int
    progress: float
    batches: list[Batch]
    draws: Draws


class Family(ABC):
    """A way to train a generator: its networks, their optimisers, and one step.

    Args:
        fabric: device, precision and the other processes.
        learning: the kind's learning side.
        schema: the kind's schema.
        label_count: number of classes; 0 is unconditional.
        parameters: resolved hyper-parameters.

    Attributes:
        modules: the networks by name, "generator" among them.
        optimizers: optimisers by name.
    """

    def __init__(
        self, fabric: Fabric, learning: Learning, schema: Schema, label_count: int, parameters: HyperParameters
    ) -> None:
        self.fabric, self.learning, self.parameters = fabric, learning, parameters
        self.modules = {
            name: fabric.to_device(module).to(memory_format=torch.channels_last).train()
            for name, module in self.build_modules(schema, label_count).items()
        }
        self.optimizers = self.build_optimizers()

    @property
    def latent_size(self) -> int:
        """Dimensions of the latent vectors that `sampler` takes."""
        return self.parameters.latent_size

    @property
    def batches_per_step(self) -> int:
        """Batches of records that a step takes."""
        return 1

    @abstractmethod
    def build_modules(self, schema: Schema, label_count: int) -> dict[str, nn.Module]:
        """Makes the networks."""

    @abstractmethod
    def build_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Makes the optimisers of `modules`."""

    @abstractmethod
    def train_step(self, parts: Sequence[StepInput]) -> Losses:
        """Updates the networks once and returns the losses before the update.

        Args:
            parts: of what the step is given, of the same size; what they say together is the same for any number of
                parts, but for what a network makes of its batch as a whole.

        Raises:
            Diverged: a loss or a gradient is not finite; nothing was updated with it.
        """

    def settle(self, batches: Iterable[Batch], seed: int) -> None:  # noqa: B027 - a family may have nothing to settle
        """Fits to records what is not learned step by step; the weights stay."""

    def sampler(self, generator: nn.Module) -> nn.Module:
        """Returns what makes samples of standard normal latent vectors: the generator, with what belongs before it."""
        return generator

    def follow_schedule(self, progress: float) -> None:
        """Gives every optimiser the learning rate that belongs to a share of the run."""
        factor = rate_factor(progress, self.parameters.decay_start)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = factor * group.setdefault("initial_lr", group["lr"])

    def update(
        self,
        step: int,
        parts: Sequence[Part],
        losses_of: Callable[[Part], Losses],
        *optimizers: str,
        weights: Mapping[str, float] = _EQUAL,
    ) -> Losses:
        """Minimises the weighted sum of losses over the parameters of some optimisers, on all devices alike.

        Args:
            step: its number.
            parts: of a batch; their gradients are added up, so that the memory of one serves all.
            losses_of: returns the losses of a part, means over its records.
            optimizers: names of those that take a step.
            weights: of losses by name, 1 where there is none; a loss of weight 0 is only told of.

        Returns:
            The losses, means over the parts.

        Raises:
            Diverged: a loss or a gradient is not finite.
        """
        for name in optimizers:
            self.optimizers[name].zero_grad(set_to_none=True)
        found = []
        for part in parts:
            losses = losses_of(part)
            require_finite(step, {f"loss of {name}": loss for name, loss in losses.items()})
            weighted = [(weights.get(name, 1.0), loss) for name, loss in losses.items()]
            (sum(weight * loss for weight, loss in weighted if weight) / len(parts)).backward()
            found.append({name: loss.detach() for name, loss in losses.items()})
        gradients = {f"gradient of {name}": p.grad for name, p in self._parameters(optimizers) if p.grad is not None}
        if self.fabric.world_size > 1:
            for gradient in gradients.values():
                gradient.copy_(self.fabric.all_reduce(gradient, reduce_op="mean"))
        require_finite(step, gradients)
        for name in optimizers:
            self.optimizers[name].step()
        return {name: torch.stack([losses[name] for losses in found]).mean() for name in found[0]}

    def _parameters(self, optimizers: Iterable[str]) -> Iterator[tuple[str, nn.Parameter]]:
        groups = [group for name in optimizers for group in self.optimizers[name].param_groups]
        own = {id(parameter) for group in groups for parameter in group["params"]}
        for module_name, module in self.modules.items():
            for name, parameter in module.named_parameters():
                if id(parameter) in own:
                    yield f"{module_name}.{name}", parameter
