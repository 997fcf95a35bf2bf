"""Reading a version's graph: what is served is what the catalog names, and a graph of another form is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from unit.graph.generators import LABELS, dense_generator
from unit.sampling.serving import dense, floats_graph, stored, words_graph

from synthmill.runtime.errors import BadGraph, DataLoss
from synthmill.runtime.store import ObjectStore
from synthmill.sampling.attempts import plan_attempts
from synthmill.sampling.engine import Draw, Engine
from synthmill.sampling.hardware import CPU, PREFERENCE
from synthmill.sampling.loading import engine_opener
from synthmill.v1 import model_pb2

NAME = "m/versions/1"


@pytest.fixture
def store(tmp_path) -> ObjectStore:
    return ObjectStore(str(tmp_path))


def opened(store: ObjectStore, model: model_pb2.Model, threads: int = 1) -> Engine:
    return engine_opener(store, plan_attempts(threads=threads))(model)


def changed(graph: onnx.ModelProto, key: str, value: str | None) -> onnx.ModelProto:
    """Changes an entry of a graph's metadata, or removes it."""
    entries = {entry.key: entry.value for entry in graph.metadata_props} | {f"synthmill.{key}": value}
    onnx.helper.set_model_props(graph, {name: text for name, text in entries.items() if text is not None})
    return graph


def test_two_replicas_agree_to_the_bit_whatever_they_measured(store):
    model = stored(store, floats_graph(width=3000), NAME)
    index = np.arange(600, dtype=np.int64)
    found = [opened(store, model).sample(Draw(5, index)) for _ in range(3)]
    assert len({each["x"].tobytes() for each in found}) == len({each["z"].tobytes() for each in found}) == 1


def test_signature_is_read_from_the_graph(store):
    signature = opened(store, stored(store, dense(), NAME, LABELS)).signature
    assert (signature.outputs, signature.classes, signature.truncatable) == (("image",), 3, True)
    assert (signature.sample_bytes, signature.has_strings) == (16, False)
    words = opened(store, stored(store, words_graph(), NAME)).signature
    assert (words.outputs, words.classes, words.has_strings) == (("word", "z"), 0, True)


def test_provider_is_told_with_its_reason(store):
    provider = opened(store, stored(store, dense(), NAME, LABELS)).provider
    assert provider.name in PREFERENCE
    assert provider.name != CPU or PREFERENCE[0] in provider.reason


def test_file_must_be_the_one_that_the_digest_names(store):
    model = stored(store, dense(), NAME, LABELS)
    model.digest = "0" * 64
    with pytest.raises(DataLoss, match=f"models/{NAME}"):
        opened(store, model)


def test_version_without_a_graph_is_refused(store):
    with pytest.raises(DataLoss, match=r"sampler\.onnx"):
        opened(store, model_pb2.Model(name=f"models/{NAME}", digest="0" * 64))


@pytest.mark.parametrize(
    ("graph", "labels", "told"),
    [
        (dense_generator(8, 4), (), "inputs"),
        (dense(), (), "inputs"),
        (floats_graph(), LABELS, "inputs"),
        (dense(), LABELS[::-1], "labels"),
        (changed(dense(), "labels", None), LABELS, r"synthmill\.labels"),
        (changed(dense(), "smallest_batch", None), LABELS, r"synthmill\.smallest_batch"),
        (changed(dense(), "smallest_batch", "0"), LABELS, r"synthmill\.smallest_batch"),
        (changed(dense(), "smallest_batch", '"1"'), LABELS, r"synthmill\.smallest_batch"),
    ],
    ids=[
        "no sampler graph",
        "labels that the model lacks",
        "labels that the graph lacks",
        "labels in another order",
        "no labels in the metadata",
        "no smallest batch",
        "smallest batch of zero",
        "smallest batch that is a text",
    ],
)
def test_graph_that_does_not_fit_the_model_is_refused(store, graph, labels, told):
    with pytest.raises(BadGraph, match=told):
        opened(store, stored(store, graph, NAME, labels))
