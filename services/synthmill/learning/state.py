"""The whole state of a run, into a checkpoint and back, such that what follows is the same to the last bit."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from synthmill.kinds.base import HyperParameters
from synthmill.learning.budget import Plan
from synthmill.learning.checkpoint import Checkpoint
from synthmill.learning.course import Course
from synthmill.learning.ema import Ema
from synthmill.learning.families import Family
from synthmill.learning.history import History

# Of the learning rate, when a run starts again from its best checkpoint.
_MILDER = 0.5


@dataclasses.dataclass(frozen=True)
class Changes:
    """What a run has changed of its own settings, to go on where it could not.

    Attributes:
        rate_factor: of the learning rate.
        batch_divisor: of the batch size.
        restarts: how often it has started again from its best checkpoint.
    """

    rate_factor: float = 1.0
    batch_divisor: int = 1
    restarts: int = 0

    def milder(self) -> Changes:
        """Returns the changes of a run that starts again."""
        return dataclasses.replace(self, rate_factor=self.rate_factor * _MILDER, restarts=self.restarts + 1)

    def smaller(self) -> Changes:
        """Returns the changes of a run that has run out of memory."""
        return dataclasses.replace(self, batch_divisor=2 * self.batch_divisor)

    def apply(self, parameters: HyperParameters) -> HyperParameters:
        """Returns the hyper-parameters that the run goes on with."""
        return dataclasses.replace(
            parameters,
            learning_rate=parameters.learning_rate * self.rate_factor,
            batch_size=parameters.batch_size // self.batch_divisor,
        )


@dataclasses.dataclass
class RunState:
    """What changes while a run goes on.

    Attributes:
        family: networks and optimisers.
        ema: averaged weights of the generator.
        history: figures so far.
        plan: how much of the run is done at each step.
        course: what validations have told.
        changes: of the run's own settings.
        step: steps done.
        elapsed_s: time spent on them, over all attempts.
        step_s: time that a step takes of late; 0 if not known.
        next_validation: steps done when the next validation is due; 0 for none.
        best: number of the checkpoint that is to be exported; 0 for none.
        trouble: what goes wrong and is still to be dealt with, as a `Verdict` has it.
        ended: why the run is over; empty while it goes on.
        said: what was worth reading.
    """

    family: Family
    ema: Ema
    history: History
    plan: Plan
    course: Course
    changes: Changes = dataclasses.field(default_factory=Changes)
    step: int = 0
    elapsed_s: float = 0.0
    step_s: float = 0.0
    next_validation: int = 0
    best: int = 0
    trouble: str = ""
    ended: str = ""
    said: list[str] = dataclasses.field(default_factory=list)

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
        return Checkpoint(self.step, tensors, self._rest(), self.changes.restarts)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Inverse of `to_checkpoint`, but for the changes, with which the run was built."""
        self.restore_weights(checkpoint)
        for name, optimizer in self.family.optimizers.items():
            _restore_optimizer(optimizer, _below(checkpoint.tensors, f"optimizer.{name}"))
        torch.set_rng_state(checkpoint.tensors["random/cpu"])
        if "random/cuda" in checkpoint.tensors and self.family.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(checkpoint.tensors["random/cuda"])
        self.history.restore(checkpoint.state["history"])
        self.plan.restore(checkpoint.state["plan"])
        self.course.restore(checkpoint.state["course"])
        self.step = checkpoint.step
        for name in _PLAIN:
            setattr(self, name, checkpoint.state[name])
        self.said = list(checkpoint.state["said"])

    def restore_weights(self, checkpoint: Checkpoint) -> None:
        """Takes the networks alone from a checkpoint."""
        for name, module in self._modules().items():
            module.load_state_dict(_below(checkpoint.tensors, name))

    def _rest(self) -> dict[str, Any]:
        return {
            "history": self.history.state(),
            "plan": self.plan.state(),
            "course": self.course.state(),
            "changes": dataclasses.asdict(self.changes),
            "said": list(self.said),
            **{name: getattr(self, name) for name in _PLAIN},
        }

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {**{f"module.{name}": module for name, module in self.family.modules.items()}, "ema": self.ema.module}


_PLAIN = ("elapsed_s", "step_s", "next_validation", "best", "trouble", "ended")


def changes_of(checkpoint: Checkpoint | None) -> Changes:
    """Returns what a run had changed of its settings by a checkpoint."""
    return Changes(**checkpoint.state["changes"]) if checkpoint else Changes()


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
