"""Foreign generators become sampler graphs: inferred where the graph leaves no doubt, else refused by parameter."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from unit.graph.generators import LABELS, dense_generator, draw, model_of, run

from synthmill.learning.graph.builder import GraphBuilder
from synthmill.learning.graph.check import check_graph
from synthmill.learning.graph.noise import standard_normal
from synthmill.learning.graph.wrap import wrap_foreign
from synthmill.runtime.errors import BadGraph, InvalidField

INDEX = np.arange(50)


def levels(picture: np.ndarray, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """The finished picture that a float one of [N, C, H, W] must become."""
    return np.clip(np.round((picture - low) / (high - low) * 255), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def wrap(model: onnx.ModelProto, **options) -> onnx.ModelProto:
    return wrap_foreign(model.SerializeToString(), kind="image", **options)


def picture_generator(*outputs: tuple[str, int, list[int]], operator: str = "Tanh") -> onnx.ModelProto:
    """A generator of 48 latent dimensions that reshapes and bounds them into each output."""
    builder = GraphBuilder("g")
    for name, data_type, shape in outputs:
        bounded = builder.add(operator, "z")
        shaped = builder.add("Reshape", bounded, builder.constant([-1, *shape], np.int64))
        builder.add("Cast", shaped, output=name, to=data_type)
    infos = [helper.make_tensor_value_info(name, data_type, ["n", *shape]) for name, data_type, shape in outputs]
    return model_of(builder, [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 48])], infos)


def test_a_plain_picture_generator_needs_no_hints():
    generator = dense_generator(8, 4, finished=False)
    model = wrap(generator)
    info = check_graph(model.SerializeToString())
    assert info.columns == {"image": (np.dtype("uint8"), (4, 4, 1))}
    assert info.metadata.schema == {"height": 4, "width": 4, "channels": 1}
    assert (info.metadata.family, info.metadata.kind) == ("imported", "image")
    expected = run(generator, {"z": standard_normal(9, INDEX, 8)})[0]
    difference = run(model, draw(9, INDEX))[0].astype(int) - levels(expected)
    assert np.abs(difference).max() == 0


def test_lineage_and_licence_are_kept():
    model = wrap(dense_generator(finished=False), lineage={"file": "g.onnx"}, license="MIT")
    found = check_graph(model.SerializeToString()).metadata
    assert (found.lineage, found.license) == ({"file": "g.onnx"}, "MIT")


def test_integer_labels_are_found_and_counted():
    generator = dense_generator(8, 4, labels=3, finished=False)
    model = wrap(generator)
    assert check_graph(model.SerializeToString()).metadata.labels == ("0", "1", "2")
    label = INDEX % 3
    expected = run(generator, {"z": standard_normal(9, INDEX, 8), "y": label})[0]
    np.testing.assert_array_equal(run(model, draw(9, INDEX, label))[0], levels(expected))


def label_generator(data_type: int, shape: list[str | int]) -> onnx.ModelProto:
    """Puts out its latent vector of 3 times the label input, whatever form that has."""
    builder = GraphBuilder("g")
    flat = builder.add("Reshape", "y", builder.constant([-1, 3 if shape[-1] == 3 else 1], np.int64))
    builder.add("Mul", "z", builder.cast(flat, np.float32), output="row")
    inputs = [
        helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 3]),
        helper.make_tensor_value_info("y", data_type, shape),
    ]
    return model_of(builder, inputs, [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["n", 3])])


@pytest.mark.parametrize("data_type", [TensorProto.INT32, TensorProto.INT64])
@pytest.mark.parametrize("shape", [["n"], ["n", 1]])
def test_labels_as_numbers_take_the_form_that_the_generator_wants(data_type, shape):
    model = wrap(label_generator(data_type, shape), labels=LABELS, parameters={"latent": "z"})
    expected = standard_normal(9, INDEX, 3) * (INDEX % 3)[:, None].astype(np.float32)
    np.testing.assert_allclose(run(model, draw(9, INDEX, INDEX % 3))[0], expected, atol=2e-6)


@pytest.mark.parametrize("data_type", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE])
@pytest.mark.parametrize("shape", [["n", 3], ["n", 1, 3]])
def test_labels_as_one_hot_vectors_are_made_from_numbers(data_type, shape):
    generator = label_generator(data_type, shape)
    model = wrap(generator, labels=LABELS, parameters={"latent": "z", "label": "y"})
    expected = standard_normal(9, INDEX, 3) * np.eye(3, dtype=np.float32)[INDEX % 3]
    np.testing.assert_allclose(run(model, draw(9, INDEX, INDEX % 3))[0], expected, atol=2e-6)


def test_the_number_of_labels_must_fit():
    with pytest.raises(InvalidField, match="3 names"):
        wrap(dense_generator(labels=3, finished=False), labels=("a", "b"))
    with pytest.raises(InvalidField, match="takes none"):
        wrap(dense_generator(finished=False), labels=("a", "b"))
    with pytest.raises(InvalidField, match="distinct"):
        wrap(dense_generator(labels=3, finished=False), labels=("a", "b", "a"))
    with pytest.raises(InvalidField, match="does not say how many"):
        wrap(label_generator(TensorProto.INT64, ["n"]))


def test_vectors_stay_as_they_are():
    model = wrap_foreign(
        picture_generator(("row", TensorProto.FLOAT, [48])).SerializeToString(), kind="tabular", parameters={}
    )
    info = check_graph(model.SerializeToString())
    assert info.columns == {"tabular": (np.dtype("float32"), (48,))}
    np.testing.assert_array_equal(run(model, draw(9, INDEX))[0].shape, (50, 48))


def test_uint8_pictures_are_only_laid_out():
    builder = GraphBuilder("g")
    scaled = builder.add("Mul", builder.add("Sigmoid", "z"), builder.constant(255, np.float32))
    builder.add("Cast", builder.add("Reshape", scaled, builder.constant([-1, 3, 4, 4], np.int64)), output="x", to=2)
    generator = model_of(
        builder,
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 48])],
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 3, 4, 4])],
    )
    expected = run(generator, {"z": standard_normal(9, INDEX, 48)})[0].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(run(wrap(generator), draw(9, INDEX))[0], expected, atol=2e-6)
    with pytest.raises(InvalidField, match="uint8 already"):
        wrap(generator, parameters={"range": [0, 1]})


def test_pixels_in_a_row_are_given_a_shape():
    generator = picture_generator(("x", TensorProto.FLOAT, [48]))
    model = wrap(generator, parameters={"shape": [3.0, 4.0, 4.0], "layout": "NCHW"})
    expected = run(generator, {"z": standard_normal(9, INDEX, 48)})[0].reshape(-1, 3, 4, 4)
    np.testing.assert_array_equal(run(model, draw(9, INDEX))[0], levels(expected))
    with pytest.raises(InvalidField, match="48 elements"):
        wrap(generator, parameters={"shape": "3,4,5"})


@pytest.mark.parametrize(("operator", "low"), [("Tanh", -1.0), ("Sigmoid", 0.0)])
def test_range_is_read_from_the_last_operator(operator, low):
    generator = picture_generator(("x", TensorProto.FLOAT, [3, 4, 4]), operator=operator)
    expected = run(generator, {"z": standard_normal(9, INDEX, 48)})[0]
    np.testing.assert_array_equal(run(wrap(generator), draw(9, INDEX))[0], levels(expected, low))


def test_an_unbounded_picture_needs_a_range_and_is_clipped():
    generator = picture_generator(("x", TensorProto.FLOAT, [3, 4, 4]), operator="Identity")
    with pytest.raises(InvalidField, match=r"parameters\.range"):
        wrap(generator)
    expected = standard_normal(9, INDEX, 48).reshape(-1, 3, 4, 4)
    model = wrap(generator, parameters={"range": "-1, 1"})
    np.testing.assert_array_equal(run(model, draw(9, INDEX))[0], levels(expected))


@pytest.mark.parametrize("data_type", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_pictures_of_other_floats_are_finished_too(data_type):
    model = wrap(picture_generator(("x", data_type, [4, 4, 3])))
    assert check_graph(model.SerializeToString()).columns == {"image": (np.dtype("uint8"), (4, 4, 3))}


def test_channels_are_put_last():
    assert check_graph(
        wrap(picture_generator(("x", TensorProto.FLOAT, [4, 4, 3]))).SerializeToString()
    ).metadata.schema == {"height": 4, "width": 4, "channels": 3}
    with pytest.raises(InvalidField, match=r"parameters\.layout"):
        wrap(picture_generator(("x", TensorProto.FLOAT, [3, 16, 1])))
    with pytest.raises(InvalidField, match="1 or 3 channels"):
        wrap(picture_generator(("x", TensorProto.FLOAT, [3, 4, 4])), parameters={"layout": "NHWC"})


def test_one_of_several_outputs_is_named():
    generator = picture_generator(("a", TensorProto.FLOAT, [48]), ("b", TensorProto.FLOAT, [3, 4, 4]))
    with pytest.raises(InvalidField, match=r"parameters\.output.* a, b"):
        wrap(generator)
    info = check_graph(wrap(generator, parameters={"output": "b", "column": "picture"}).SerializeToString())
    assert list(info.columns) == ["picture"]


def test_inputs_in_doubt_must_be_named():
    generator = label_generator(TensorProto.FLOAT, ["n", 3])
    with pytest.raises(InvalidField, match=r"parameters\.latent.*z, y"):
        wrap(generator, labels=LABELS)
    with pytest.raises(InvalidField, match=r"parameters\.latent.*an input of the graph: z, y"):
        wrap(generator, parameters={"latent": "noise"})
    generator.graph.input.append(helper.make_tensor_value_info("more", TensorProto.INT64, ["n"]))
    with pytest.raises(InvalidField, match=r"parameters\.label"):
        wrap(generator, parameters={"latent": "z"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("colour", "red"),
        ("latent", 3),
        ("layout", "HWC"),
        ("range", [1, -1]),
        ("range", [0, float("nan")]),
        ("range", "dark"),
        ("shape", [0, 4]),
        ("shape", []),
        ("shape", 16),
    ],
)
def test_a_bad_parameter_is_refused_by_name(name, value):
    with pytest.raises(InvalidField, match=rf"parameters\.{name}"):
        wrap(dense_generator(finished=False), parameters={name: value})


def test_hostile_files_are_refused_here_too():
    generator = dense_generator(finished=False)
    onnx.external_data_helper.set_external_data(generator.graph.initializer[0], "/etc/passwd")
    with pytest.raises(BadGraph, match="external data"):
        wrap(generator)
    with pytest.raises(BadGraph, match="not an ONNX file"):
        wrap_foreign(b"GIF89a", kind="image")


def test_a_fixed_batch_is_refused_with_advice():
    with pytest.raises(BadGraph, match="fixed batch of 1; export it with a free one"):
        wrap(dense_generator(finished=False, latent_shape=[1, 8]))


def test_an_output_of_unknown_extents_is_refused():
    builder = GraphBuilder("g")
    builder.add("Compress", "z", "keep", output="x", axis=1)
    generator = model_of(
        builder,
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "m"])],
    )
    generator.graph.initializer.append(helper.make_tensor("keep", TensorProto.BOOL, [4], [1, 0, 1, 0]))
    with pytest.raises(BadGraph, match="not fixed"):
        wrap(generator)
