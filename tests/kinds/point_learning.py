"""The learning side of the toy kind: dense networks over coordinates."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from synthmill.kinds.base import HyperParameters, Learning, Schema

_HIDDEN = 32


class _Dense(nn.Module):
    """Dense layers over a vector, with the class appended as a one-hot vector."""

    def __init__(self, size_in: int, size_out: int, label_count: int) -> None:
        super().__init__()
        self._label_count = label_count
        self.network = nn.Sequential(nn.Linear(size_in + label_count, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, size_out))

    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        if self._label_count:
            x = torch.cat([x, nn.functional.one_hot(label, self._label_count).to(x.dtype)], dim=1)
        return self.network(x)


class _Discriminator(_Dense):
    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(x, label)[:, 0]


class _Encoder(_Dense):
    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_variance = super().forward(x, label).chunk(2, dim=1)
        return mean, log_variance


class _Probe(_Dense):
    def layers(self, x: torch.Tensor) -> list[torch.Tensor]:
        hidden = self.network[:2](x)
        return [hidden, self.network[2](hidden)]


class PointLearning(Learning):
    """Points as vectors (B, D), scaled to about one."""

    augment_draws = 1

    def to_input(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return batch["position"].float() / 30

    def generator(self, schema: Schema, label_count: int, parameters: HyperParameters) -> nn.Module:
        return _Dense(parameters.latent_size, int(schema["axes"]), label_count)

    def discriminator(self, schema: Schema, label_count: int, parameters: HyperParameters) -> nn.Module:
        return _Discriminator(int(schema["axes"]), 1, label_count)

    def encoder(self, schema: Schema, label_count: int, parameters: HyperParameters) -> nn.Module:
        return _Encoder(int(schema["axes"]), 2 * parameters.latent_size, label_count)

    def reconstruction(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return 0.5 * ((output - target) ** 2).sum(dim=1)

    def augment(self, x: torch.Tensor, policy: str, draws: torch.Tensor) -> torch.Tensor:
        return x if policy == "none" else x + 0.01 * (draws - 0.5)

    def decode(self, output: torch.Tensor) -> dict[str, torch.Tensor]:
        position = output * 30
        return {"position": position, "weight": position.norm(dim=1)}

    def probe(self, schema: Schema, label_count: int) -> nn.Module:
        return _Probe(int(schema["axes"]), label_count, 0)


LEARNING = PointLearning()
