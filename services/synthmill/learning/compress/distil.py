"""Teaches a smaller generator to make the samples of a larger one: same latent vector and label, same sample."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional as F

from synthmill.learning.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.graph.noise import standard_normal
from synthmill.learning.guard import require_finite
from synthmill.learning.task import CheckCallback, Progress, ProgressCallback
from synthmill.runtime.errors import Cancelled

PHASE = "fine-tuning"

_REPORT_EVERY = 20


@dataclasses.dataclass(frozen=True)
class DistilPlan:
    """How long and how fast to learn.

    Attributes:
        latent_size: dimensions of the latent vector.
        label_count: number of classes; 0 if there are none.
        seed: of the latent vectors.
        batch_size: samples in a step.
        rate: Adam's learning rate at the start; it falls to zero.
        steps: steps in all.
        seconds: time after which it ends, whatever the steps; 0 means no bound.
        checkpoint_interval_s: least time between checkpoints.
    """

    latent_size: int
    label_count: int
    seed: int
    batch_size: int
    rate: float
    steps: int
    seconds: float
    checkpoint_interval_s: float


def distil(
    student: nn.Module,
    teacher: nn.Module,
    plan: DistilPlan,
    folder: Path,
    fabric: Fabric,
    *,
    progress: ProgressCallback,
    check: CheckCallback,
) -> dict[str, float]:
    """Trains a student in place; goes on from the newest checkpoint in `folder`.

    Batch statistics stay as they are: the student is trained in evaluation mode, which is how it will be used.

    Args:
        student: takes (z, label) as the teacher does.
        teacher: stays as it is.
        plan: how long and how fast.
        folder: of this run's checkpoints alone.
        fabric: device and precision.
        progress: told of the loss.
        check: called before every step; raises to stop.

    Returns:
        Steps, seconds and the last loss, by name.

    Raises:
        Diverged: the loss or a weight is not finite.
    """
    device = fabric.device
    student.to(device).eval().requires_grad_(True)
    teacher.to(device).eval().requires_grad_(False)
    run = _Run(student, torch.optim.Adam(student.parameters(), lr=plan.rate), plan)
    run.restore(read_checkpoint(folder))
    saved_at = mark = time.monotonic()
    try:
        while not run.is_over():
            check()
            run.train_step(teacher, fabric)
            now = time.monotonic()
            run.elapsed_s, mark = run.elapsed_s + now - mark, now
            if now - saved_at >= plan.checkpoint_interval_s:
                write_checkpoint(folder, run.to_checkpoint())
                saved_at = now
            if run.step % _REPORT_EVERY == 0 or run.is_over():
                rate = run.step / max(run.elapsed_s, 1e-9)
                progress(Progress(PHASE, run.step, plan.steps, rate, metrics={"loss": run.loss}))
    except Cancelled:
        write_checkpoint(folder, run.to_checkpoint())
        raise
    write_checkpoint(folder, run.to_checkpoint())
    require_finite(run.step - 1, student.state_dict())
    student.to("cpu").requires_grad_(False)
    return {"fine_tune_steps": run.step, "fine_tune_seconds": run.elapsed_s, "fine_tune_loss": run.loss}


@dataclasses.dataclass
class _Run:
    """What changes while a student learns."""

    student: nn.Module
    optimizer: torch.optim.Adam
    plan: DistilPlan
    step: int = 0
    elapsed_s: float = 0.0
    loss: float = 0.0

    def is_over(self) -> bool:
        return self._share_done() >= 1.0

    def train_step(self, teacher: nn.Module, fabric: Fabric) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate * (1.0 - self._share_done())
        z, label = self._inputs(fabric.device)
        with fabric.autocast():
            with torch.no_grad():
                target = teacher(z, label)
            output = self.student(z, label)
        loss = F.mse_loss(output.float(), target.float())
        require_finite(self.step, {"loss": loss})
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step, self.loss = self.step + 1, loss.item()

    def to_checkpoint(self) -> Checkpoint:
        tensors = {f"student/{name}": tensor for name, tensor in self.student.state_dict().items()}
        for position, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{position}/{slot}": value for slot, value in slots.items()}
        return Checkpoint(self.step, tensors, {"elapsed_s": self.elapsed_s, "loss": self.loss})

    def restore(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            return
        named: dict[str, dict[str, torch.Tensor]] = {"student": {}, "optimizer": {}}
        for name, tensor in checkpoint.tensors.items():
            part, _, key = name.partition("/")
            named[part][key] = tensor
        self.student.load_state_dict(named["student"])
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in named["optimizer"].items():
            position, _, slot = name.partition("/")
            slots.setdefault(int(position), {})[slot] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.step = checkpoint.step
        self.elapsed_s, self.loss = checkpoint.state["elapsed_s"], checkpoint.state["loss"]

    def _share_done(self) -> float:
        """Returns how much of the steps, or of the time, is used up."""
        share = self.step / self.plan.steps if self.plan.steps else 1.0
        return max(share, self.elapsed_s / self.plan.seconds) if self.plan.seconds else share

    def _inputs(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
        plan = self.plan
        index = np.arange(self.step * plan.batch_size, (self.step + 1) * plan.batch_size)
        z = standard_normal(derive_seed(plan.seed, Stream.DISTILLING), index, plan.latent_size)
        label = torch.from_numpy(index % plan.label_count).to(device) if plan.label_count else None
        return torch.from_numpy(z).to(device), label
