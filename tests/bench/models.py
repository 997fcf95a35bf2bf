"""Two plain generators that every server is measured with: `python -m bench.models FOLDER` writes them.

`conv28` is bound by compute: 128 latents to a 28x28 picture. `mlp32` is bound by what carries its samples away:
64 latents to 32 float32 columns. Neither has its noise in the graph; `models import` puts it there.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

LATENTS = {"conv28": 128, "mlp32": 64}
SAMPLE_BYTES = {"conv28": 28 * 28, "mlp32": 32 * 4}
_OPSET = 17
_TRACED_ROWS = 4


def write_models(folder: Path) -> dict[str, Path]:
    """Writes both generators as ONNX files and returns where they are; weights are drawn from a fixed seed."""
    import torch

    torch.manual_seed(28)
    written = {}
    for name, module in (("conv28", _conv28()), ("mlp32", _mlp32())):
        written[name] = folder / f"{name}.onnx"
        with warnings.catch_warnings():
            # This exporter is old, and the one that needs nothing but torch.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(),
                (torch.zeros(_TRACED_ROWS, LATENTS[name]),),
                str(written[name]),
                input_names=["z"],
                output_names=["x"],
                dynamic_axes={"z": {0: "n"}, "x": {0: "n"}},
                opset_version=_OPSET,
                dynamo=False,
            )
    return written


def _conv28():
    import torch
    from torch import nn

    class Picture(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return ((torch.tanh(x) + 1) * 127.5).to(torch.uint8)  # (N, 1, 28, 28)

    def doubled(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]

    return nn.Sequential(
        nn.Linear(LATENTS["conv28"], 128 * 7 * 7),
        nn.Unflatten(1, (128, 7, 7)),
        *doubled(128, 64),
        *doubled(64, 32),
        nn.Conv2d(32, 1, 3, padding=1),
        Picture(),
    )


def _mlp32():
    from torch import nn

    return nn.Sequential(
        nn.Linear(LATENTS["mlp32"], 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 32)
    )


if __name__ == "__main__":
    for path in write_models(Path(sys.argv[1])).values():
        print(path)
