"""The extractor is a classifier of real records, the same every time, and the same once it was stored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from unit.learning.evaluate.records import COMPARISON, UNLABELLED, parts

from synthmill.learning.evaluate.features import FeatureExtractor
from synthmill.learning.task import never_stop
from synthmill.runtime.errors import BadData, Cancelled


def test_it_is_described_by_what_it_learned_and_by_its_weights(extractor):
    described = extractor.described
    assert described.accuracy > 0.9
    assert described.name == f"probe-{described.sha256[:8]}"
    assert len(described.sha256) == 64
    assert "their classes apart in 300 steps, from 700 real training records" in described.meaning
    assert "fid" not in described.name.lower()


def test_it_is_the_same_every_time(extractor):
    train, held_out, _ = parts()
    torch.rand(3)
    again = FeatureExtractor.fit(COMPARISON, train, held_out, 300, never_stop)
    assert again.described == extractor.described


def test_features_are_those_of_the_last_hidden_layer(extractor):
    train, held_out, _ = parts()
    seen = extractor.look(held_out, never_stop)
    assert seen.features.shape == (600, 128)
    assert (seen.features >= 0).all()
    assert (seen.found == held_out["label"]).mean() == extractor.described.accuracy
    assert extractor.look(train, never_stop).features.square().mean().sqrt().item() == pytest.approx(1, abs=0.05)


def test_it_is_the_same_once_it_was_stored(extractor, tmp_path):
    held_out = parts()[1]
    extractor.save(tmp_path / "extractor.safetensors")
    restored = FeatureExtractor.load(COMPARISON, tmp_path / "extractor.safetensors")
    assert restored.described == extractor.described
    seen, again = (each.look(held_out, never_stop) for each in (extractor, restored))
    assert again.features.numpy() == pytest.approx(seen.features.numpy(), abs=1e-5)
    assert (again.found == seen.found).all()


def test_a_damaged_file_is_refused(extractor, tmp_path):
    path = tmp_path / "extractor.safetensors"
    extractor.save(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadData, match="not those with the digest"):
        FeatureExtractor.load(COMPARISON, path)
    path.write_bytes(content[:50])
    with pytest.raises(BadData, match="holds no feature extractor"):
        FeatureExtractor.load(COMPARISON, path)


def test_without_classes_it_tells_clusters_apart():
    train, held_out, _ = parts()
    bare = [{"image": each["image"]} for each in (train, held_out)]
    made, again = (FeatureExtractor.fit(UNLABELLED, *bare, 150, never_stop) for _ in range(2))
    assert made.described == again.described
    assert made.described.accuracy == 0
    assert "10 k-means clusters" in made.described.meaning
    # Clusters of digits are, more or less, digits: each holds few of them.
    found = made.look(bare[1], never_stop).found
    purity = sum(np.bincount(held_out["label"][found == name]).max() for name in np.unique(found)) / len(found)
    assert purity > 0.6


def test_records_that_are_all_the_same_are_one_cluster():
    same = {"image": np.full((30, 8, 8, 1), 7, np.uint8)}
    made = FeatureExtractor.fit(UNLABELLED, same, same, 2, never_stop)
    assert made.look(same, never_stop).features.isfinite().all()


def test_fitting_can_be_stopped():
    def stop() -> None:
        raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        FeatureExtractor.fit(COMPARISON, *parts()[:2], 10, stop)
