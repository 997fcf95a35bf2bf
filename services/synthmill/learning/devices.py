"""Chooses device and precision, and starts Lightning Fabric on them."""

from __future__ import annotations

import atexit
import logging
import math
import os
import time

import torch
from lightning_fabric import Fabric

from synthmill.learning.task import Machine
from synthmill.runtime.errors import InvalidField

log = logging.getLogger(__name__)

_PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}
# A convolution like those of a step, in a batch like its own: some ten milliseconds.
_TRIAL_CHANNELS, _TRIAL_SIDE, _TRIAL_BATCH, _TRIAL_TURNS = 64, 14, 64, 5
_ACCELERATORS = ("auto", "cpu", "cuda")


def open_fabric(machine: Machine) -> Fabric:
    """Starts Fabric; under torchrun, or what sets its variables, on one of its processes.

    Raises:
        InvalidField: no such accelerator or precision.
    """
    if machine.accelerator not in _ACCELERATORS:
        raise InvalidField("accelerator", machine.accelerator, "one of " + ", ".join(_ACCELERATORS))
    if machine.precision not in ("auto", *_PRECISIONS):
        raise InvalidField("precision", machine.precision, "one of auto, " + ", ".join(_PRECISIONS))
    if machine.accelerator == "cuda" and not torch.cuda.is_available():
        raise InvalidField("accelerator", "cuda", "cpu or auto: this machine has no CUDA device")
    if machine.threads:
        torch.set_num_threads(machine.threads)
    accelerator = machine.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    precision = _fastest_precision(accelerator) if machine.precision == "auto" else machine.precision
    # torchrun has started one process per device and says so in the environment.
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    nodes = int(os.environ.get("WORLD_SIZE", "1")) // local
    strategy = "ddp" if "TORCHELASTIC_RUN_ID" in os.environ else "auto"
    fabric = Fabric(
        accelerator=accelerator, devices=local, num_nodes=nodes, strategy=strategy, precision=_PRECISIONS[precision]
    )
    fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_leave_the_others)
    log.info("training on %s in %s, %d process(es)", fabric.device, precision, fabric.world_size)
    return fabric


def _leave_the_others() -> None:
    """Ends the threads that talk to other processes: one that wants the interpreter while it ends would abort it."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _fastest_precision(accelerator: str) -> str:
    if accelerator == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    abilities = torch.cpu.get_capabilities()
    if not (abilities.get("amx_bf16") or abilities.get("avx512_bf16")):
        return "float32"
    speedup = bfloat16_speedup()
    log.info("bfloat16 is %.2f times as fast as float32 in a trial", speedup)
    return "bfloat16" if speedup > 1 else "float32"


def bfloat16_speedup() -> float:
    """Tries both precisions on this CPU, in turns, and returns how many times as fast bfloat16 is.

    That the processor has the instructions does not mean that the libraries use them. Where they do, a step takes about
    half the time, far from 1; so a run that is resumed finds the same.
    """
    with torch.random.fork_rng():
        conv = torch.nn.Conv2d(_TRIAL_CHANNELS, _TRIAL_CHANNELS, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.zeros(_TRIAL_BATCH, _TRIAL_CHANNELS, _TRIAL_SIDE, _TRIAL_SIDE).to(memory_format=torch.channels_last)
    best = {True: math.inf, False: math.inf}
    for _ in range(_TRIAL_TURNS):
        for reduced in best:
            started = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
                loss = conv(x.requires_grad_()).float().sum()
            loss.backward()
            best[reduced] = min(best[reduced], time.perf_counter() - started)
    return best[False] / best[True]
