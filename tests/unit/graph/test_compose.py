"""A composed graph is its generator fed with the documented noise, in one clean and self-contained file."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from unit.graph.generators import LABELS, dense_generator, draw, metadata, model_of, run, sampler_graph, session

from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.check import check_graph
from synthmill.learning.graph.compose import compose
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.learning.graph.noise import SCHEME, standard_normal
from synthmill.runtime.errors import BadGraph

INDEX = np.array([0, 1, 2, 10**9, 2**48 - 1])


def test_result_is_the_generator_fed_with_noise():
    generator = dense_generator(8, 4)
    expected = run(generator, {"z": standard_normal(3, INDEX, 8)})[0]
    np.testing.assert_array_equal(run(compose(generator, metadata()), draw(3, INDEX))[0], expected)


def test_labels_reach_the_generator():
    generator = dense_generator(8, 4, labels=3)
    label = np.array([0, 1, 2, 1, 0])
    expected = run(generator, {"z": standard_normal(3, INDEX, 8), "y": label})[0]
    np.testing.assert_array_equal(run(sampler_graph(LABELS), draw(3, INDEX, label))[0], expected)


def test_truncation_scales_the_noise_and_is_optional():
    generator = dense_generator(8, 4)
    feeds = draw(3, INDEX) | {"truncation": np.array([0.5], np.float32)}
    expected = run(generator, {"z": standard_normal(3, INDEX, 8) * np.float32(0.5)})[0]
    np.testing.assert_array_equal(run(compose(generator, metadata()), feeds)[0], expected)


@pytest.mark.parametrize(
    ("latent_type", "latent_shape"),
    [(TensorProto.FLOAT16, ["n", 8]), (TensorProto.DOUBLE, ["n", 8]), (TensorProto.FLOAT, ["n", 8, 1, 1])],
    ids=["float16", "float64", "four-axes"],
)
def test_latent_vector_takes_the_form_that_the_generator_wants(latent_type, latent_shape):
    generator = dense_generator(8, 4, latent_type=latent_type, latent_shape=latent_shape)
    z = standard_normal(3, INDEX, 8).astype(helper.tensor_dtype_to_np_dtype(latent_type))
    expected = run(generator, {"z": z.reshape(-1, *latent_shape[1:])})[0]
    np.testing.assert_array_equal(run(compose(generator, metadata()), draw(3, INDEX))[0], expected)


def test_metadata_survive_the_file():
    given = metadata(LABELS)
    found = check_graph(sampler_graph(LABELS).SerializeToString()).metadata
    assert found == dataclasses.replace(given, noise=SCHEME, latent_size=8)
    assert session(sampler_graph(LABELS)).get_modelmeta().custom_metadata_map == found.to_properties()


def test_metadata_of_any_text_survive():
    given = GraphMetadata(
        kind="image", schema={"é": [1, 2.5, None]}, labels=("a,b", '"', "日本"), lineage={"n": {"m": 1}}
    )
    assert GraphMetadata.from_properties(given.to_properties()) == given


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("synthmill.labels", '{"a": 1}'),
        ("synthmill.labels", "[1]"),
        ("synthmill.schema", "[]"),
        ("synthmill.schema", "{"),
        ("synthmill.latent_size", '"8"'),
        ("synthmill.latent_size", "true"),
        ("synthmill.lineage", "[" * 100_000),
    ],
)
def test_malformed_metadata_are_refused_by_key(key, value):
    with pytest.raises(BadGraph, match=key):
        GraphMetadata.from_properties(metadata().to_properties() | {key: value})


def test_generator_is_not_changed():
    generator = dense_generator(8, 4)
    before = generator.SerializeToString(deterministic=True)
    compose(generator, metadata())
    assert generator.SerializeToString(deterministic=True) == before


def test_same_generator_gives_the_same_bytes():
    first, second = (sampler_graph(LABELS).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_exporter_notes_are_removed():
    generator = dense_generator(8, 4)
    for node in generator.graph.node:
        node.doc_string = "/home/someone/model.py"
        node.metadata_props.add(key="stack_trace", value="/home/someone/model.py")
    generator.graph.doc_string = generator.doc_string = "/home/someone"
    generator.graph.initializer[0].doc_string = "/home/someone"
    generator.metadata_props.add(key="path", value="/home/someone")
    assert b"/home/someone" not in compose(generator, metadata()).SerializeToString()


def test_names_of_the_generator_may_be_anything():
    """Names inside that clash with the sampler graph's own, or with each other's node names, do no harm."""
    builder = GraphBuilder("g")
    for inner, outer in (("z", "seed"), ("seed", "index"), ("index", "noise/Add_0")):
        builder.add("Identity", inner, output=outer)
    builder.add("Identity", "noise/Add_0", output="row")
    for node in builder.nodes:
        node.name = "same"
    shape = ["n", 8]
    generator = model_of(
        builder,
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, shape)],
    )
    model = compose(generator, metadata())
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    np.testing.assert_allclose(run(model, draw(3, INDEX))[0], standard_normal(3, INDEX, 8), atol=2e-6)


def test_values_of_an_outer_graph_are_found_from_a_subgraph():
    branches = [
        helper.make_graph(
            [helper.make_node(operator, ["z"], [f"{operator}_out"])],
            operator,
            [],
            [helper.make_tensor_value_info(f"{operator}_out", TensorProto.FLOAT, ["n", 8])],
        )
        for operator in ("Neg", "Identity")
    ]
    builder = GraphBuilder("g")
    condition = builder.constant(True, np.bool_)
    builder.add("If", condition, output="row", then_branch=branches[0], else_branch=branches[1])
    generator = model_of(
        builder,
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 8])],
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["n", 8])],
    )
    np.testing.assert_allclose(
        run(compose(generator, metadata()), draw(3, INDEX))[0], -standard_normal(3, INDEX, 8), atol=2e-6
    )


def test_local_functions_are_inlined():
    generator = dense_generator(8, 4)
    double = helper.make_function(
        "local",
        "Double",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    generator.functions.append(double)
    generator.opset_import.append(helper.make_opsetid("local", 1))
    generator.graph.node.insert(0, helper.make_node("Double", ["z"], ["z2"], domain="local"))
    for node in generator.graph.node[1:]:
        node.input[:] = ["z2" if name == "z" else name for name in node.input]
    model = compose(generator, metadata())
    check_graph(model.SerializeToString())
    expected = run(dense_generator(8, 4), {"z": standard_normal(3, INDEX, 8) * 2})[0]
    np.testing.assert_array_equal(run(model, draw(3, INDEX))[0], expected)


def test_old_opset_is_converted_and_new_one_refused():
    model = compose(dense_generator(8, 4, opset=13), metadata())
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    check_graph(model.SerializeToString())
    with pytest.raises(BadGraph, match="opset 23"):
        compose(dense_generator(8, 4, opset=23), metadata())


@pytest.mark.parametrize(
    ("generator", "labels", "message"),
    [
        (dense_generator(latent_shape=[1, 8]), (), "fixed batch of 1"),
        (dense_generator(latent_shape=["n", "d"]), (), "fixed D"),
        (dense_generator(latent_shape=["n"]), (), "fixed D"),
        (dense_generator(latent_type=TensorProto.INT64), (), "must be float"),
        (dense_generator(labels=3), (), "takes labels, and the metadata name none"),
        (dense_generator(), LABELS, "takes no label, and the metadata name 3"),
    ],
    ids=["fixed-batch", "free-size", "one-axis", "integers", "labels-unnamed", "labels-missing"],
)
def test_a_generator_that_does_not_fit_is_refused(generator, labels, message):
    with pytest.raises(BadGraph, match=message):
        compose(generator, metadata(labels), latent="z", label="y")


def test_an_unknown_input_is_named():
    with pytest.raises(BadGraph, match="no input 'noise'; it has z"):
        compose(dense_generator(), metadata(), latent="noise")
    with pytest.raises(BadGraph, match="neither latent vector nor label: y"):
        compose(dense_generator(labels=3), metadata(LABELS), label="class")


def test_an_output_must_not_be_named_like_an_input():
    generator = dense_generator()
    generator.graph.node[-1].output[0] = generator.graph.output[0].name = "label"
    with pytest.raises(BadGraph, match="name of an input: label"):
        compose(generator, metadata())


def test_result_passes_the_onnx_checker():
    onnx.checker.check_model(sampler_graph(LABELS), full_check=True)
