"""The whole state of a run, into a checkpoint and back, such that what follows is the same to the last bit."""

from __future__ import annotations

import dataclasses

import torch

from synthmill.learning.checkpoint import Checkpoint
from synthmill.learning.ema import Ema
from synthmill.learning.families import Family
from synthmill.learning.history import History


@dataclasses.dataclass
class RunState:
    """What changes while a run goes on.

    Attributes:
        family: networks and optimisers.
        ema: averaged weights of the generator.
        history: losses so far.
        step: steps done.
        elapsed_s: time spent on them, over all attempts.
    """

    family: Family
    ema: Ema
    history: History
    step: int = 0
    elapsed_s: float = 0.0

    def to_checkpoint(self) -> Checkpoint:
        """Returns the state; its tensors are the live ones."""
        tensors = {}
        for name, module in self._modules().items():
            tensors |= {f"{name}/{key}": tensor for key, tensor in module.state_dict().items()}
        for name, optimizer in self.family.optimizers.items():
            for position, slots in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{name}/{position}/{slot}": value for slot, value in slots.items()}
        # Batches and noise are functions of the step; layers such as dropout draw from torch's own generators.
        tensors["random/cpu"] = torch.get_rng_state()
        if self.family.fabric.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state()
        return Checkpoint(self.step, tensors, {"history": self.history.state(), "elapsed_s": self.elapsed_s})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Inverse of `to_checkpoint`."""
        for name, module in self._modules().items():
            module.load_state_dict(_below(checkpoint.tensors, name))
        for name, optimizer in self.family.optimizers.items():
            _restore_optimizer(optimizer, _below(checkpoint.tensors, f"optimizer.{name}"))
        torch.set_rng_state(checkpoint.tensors["random/cpu"])
        if "random/cuda" in checkpoint.tensors and self.family.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(checkpoint.tensors["random/cuda"])
        self.history.restore(checkpoint.state["history"])
        self.step, self.elapsed_s = checkpoint.step, checkpoint.state["elapsed_s"]

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {**{f"module.{name}": module for name, module in self.family.modules.items()}, "ema": self.ema.module}


def _below(tensors, prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix + "/"): value for key, value in tensors.items() if key.startswith(prefix + "/")}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        position, slot = key.split("/")
        slots.setdefault(int(position), {})[slot] = value
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    # Files know no strides; fused kernels walk parameter and moments in memory order, so the layouts must agree again.
    for parameter, state in optimizer.state.items():
        for slot, value in state.items():
            if value.shape == parameter.shape:
                state[slot] = torch.empty_like(parameter).copy_(value)
