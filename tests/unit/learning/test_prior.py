"""The prior that a VAE's samples are drawn from."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from unit.learning.tasks import MACHINE, digits_task

from synthmill.learning.graph.metadata import read_metadata
from synthmill.learning.prior import MixturePrior
from synthmill.learning.run import train

SIZE = 3


def codes(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns means and log variances of codes that neither lie around zero nor vary alike in all directions."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(SIZE, SIZE, generator=generator)
    mean = torch.randn(count, SIZE, generator=generator) @ mixing + torch.randn(SIZE, generator=generator)
    return mean, torch.randn(count, SIZE, generator=generator) - 2


def covariance(prior: MixturePrior, label: int = 0) -> torch.Tensor:
    return prior.factor[label] @ prior.factor[label].T


def latents(count: int) -> torch.Tensor:
    return torch.randn(count, SIZE + 1, generator=torch.Generator().manual_seed(11))


def test_an_unfitted_prior_changes_nothing_but_drops_what_chooses_the_part():
    z = latents(5)
    assert torch.equal(MixturePrior(SIZE, 2, 3)(z, torch.tensor([0, 1, 0, 1, 1])), z[:, :-1])


def test_draws_have_the_moments_of_the_codes_of_their_class():
    prior = MixturePrior(SIZE, 2, 1)
    parts = [codes(20_000, seed) for seed in (1, 2)]
    label = torch.arange(2).repeat_interleave(20_000)
    prior.fit(torch.cat([mean for mean, _ in parts]), torch.cat([spread for _, spread in parts]), label, 0)
    for name, (mean, log_variance) in enumerate(parts):
        drawn = prior(latents(200_000), torch.full((200_000,), name))
        wanted = torch.cov(mean.T) + torch.diag(log_variance.exp().mean(dim=0))
        assert torch.allclose(drawn.mean(dim=0), mean.mean(dim=0), atol=0.05)
        assert torch.allclose(torch.cov(drawn.T), wanted, rtol=0.05, atol=0.05)


def test_a_class_in_two_heaps_is_drawn_as_two_heaps():
    prior = MixturePrior(SIZE, 2, 2)
    generator = torch.Generator().manual_seed(1)
    is_right = torch.rand(4000, generator=generator) < 0.25
    mean = torch.randn(4000, SIZE, generator=generator) + torch.where(is_right, 20.0, -20.0)[:, None]
    label = torch.arange(4000) % 2
    prior.fit(mean, torch.full((4000, SIZE), -4.0), label, 0)
    again = MixturePrior(SIZE, 2, 2)
    again.fit(mean, torch.full((4000, SIZE), -4.0), label, 0)
    drawn = prior(latents(20_000), torch.arange(20_000) % 2)
    assert (drawn.abs() > 10).all()
    assert abs(float((drawn[:, 0] > 0).float().mean()) - 0.25) < 0.03
    assert torch.equal(again(latents(9), label[:9]), prior(latents(9), label[:9]))


def test_truncated_noise_draws_from_the_middle_of_a_class():
    prior = MixturePrior(SIZE, 1, 3)
    generator = torch.Generator().manual_seed(1)
    heap = torch.randint(3, (6000,), generator=generator) * 20.0
    mean = torch.randn(6000, SIZE, generator=generator) + heap[:, None]
    prior.fit(mean, torch.full((6000, SIZE), -4.0), torch.zeros(6000, dtype=torch.int64), 0)
    drawn = prior(0.1 * latents(1000), torch.zeros(1000, dtype=torch.int64))
    assert ((drawn - 20).abs() < 2).all()


def test_without_classes_all_codes_have_one_distribution():
    prior = MixturePrior(SIZE, 0, 1)
    mean, log_variance = codes(1000, 3)
    prior.fit(mean, log_variance, None, 0)
    drawn = prior(latents(200_000))
    assert torch.allclose(drawn.mean(dim=0), mean.mean(dim=0), atol=0.05)


def test_a_class_of_few_records_borrows_its_covariance_from_the_others():
    prior = MixturePrior(SIZE, 2, 1)
    mean, log_variance = codes(1001, 4)
    prior.fit(mean, log_variance, torch.tensor([0] * 1000 + [1]), 0)
    assert torch.allclose(prior.mean[1], mean[-1])
    assert torch.linalg.eigvalsh(covariance(prior, 1)).min() > 0
    assert torch.allclose(covariance(prior, 1), covariance(prior, 0) * SIZE / (SIZE + 1), rtol=0.5, atol=0.1)


def test_a_class_without_records_keeps_the_standard_normal():
    prior = MixturePrior(SIZE, 2, 1)
    prior.fit(*codes(100, 5), torch.zeros(100, dtype=torch.int64), 0)
    assert torch.equal(prior.factor[1], torch.eye(SIZE))
    assert not torch.equal(prior.factor[0], torch.eye(SIZE))


def test_codes_that_are_all_the_same_are_no_reason_to_fail():
    prior = MixturePrior(SIZE, 1, 1)
    prior.fit(torch.ones(10, SIZE), torch.full((10, SIZE), -100.0), torch.zeros(10, dtype=torch.int64), 0)
    assert torch.allclose(prior(latents(5), torch.zeros(5, dtype=torch.int64)), torch.ones(5, SIZE), atol=0.01)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_sampler_graph_draws_from_it_and_a_sample_alone_is_the_same(tmp_path, labelled):
    """That the graph does what the network does, the export itself makes sure of."""
    task = digits_task(tmp_path, "vae", labelled=labelled)
    graph = train(task, tmp_path / "scratch", machine=MACHINE).artifacts["sampler.onnx"].read_bytes()
    assert read_metadata(onnx.load_from_string(graph)).smallest_batch == 1
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def draw(rows: np.ndarray) -> np.ndarray:
        label = {"label": rows % 10} if labelled else {}
        return session.run(["image"], {"seed": np.array([7], np.uint64), "index": rows, **label})[0]

    rows = np.arange(64)
    together = draw(rows)
    assert (np.concatenate([draw(rows[n : n + 1]) for n in rows]) == together).all()
    standard = digits_task(tmp_path, "vae", labelled=labelled, prior="standard")
    other = train(standard, tmp_path / "scratch", machine=MACHINE).artifacts["sampler.onnx"].read_bytes()
    assert other != graph
