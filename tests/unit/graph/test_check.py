"""Whatever `check_graph` lets through is safe to load and to serve; all else is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from unit.graph.generators import LABELS, sampler_graph

from synthmill.learning.graph import untrusted
from synthmill.learning.graph.check import check_graph
from synthmill.runtime.errors import BadGraph


def test_a_sampler_graph_is_described():
    info = check_graph(sampler_graph(LABELS).SerializeToString())
    assert info.columns == {"image": (np.dtype("uint8"), (4, 4, 1))}
    assert info.metadata.labels == LABELS
    assert (info.conditional, info.truncatable, info.latent_size) == (True, True, 8)


def test_an_unconditional_graph_is_described():
    info = check_graph(sampler_graph().SerializeToString())
    assert (info.conditional, info.metadata.labels) == (False, ())


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00" * 64, b"not a model", b"PK\x03\x04" + b"\x00" * 200, bytes(range(256)) * 10],
    ids=["empty", "zeros", "text", "zip", "noise"],
)
def test_other_bytes_are_not_onnx(data):
    with pytest.raises(BadGraph, match="not an ONNX file"):
        check_graph(data)


def test_every_truncation_is_refused():
    data = sampler_graph(LABELS).SerializeToString()
    for size in range(0, len(data), 97):
        with pytest.raises(BadGraph):
            check_graph(data[:size])


def test_flipped_bytes_never_end_in_another_error():
    data = bytearray(sampler_graph(LABELS).SerializeToString())
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(data), 300):
        damaged = bytearray(data)
        damaged[position] ^= 1 << rng.integers(8)
        try:
            check_graph(bytes(damaged))
        except BadGraph:
            continue


def external_initializer(model: onnx.ModelProto) -> None:
    onnx.external_data_helper.set_external_data(model.graph.initializer[-1], "../../etc/passwd")


def external_list_alone(model: onnx.ModelProto) -> None:
    model.graph.initializer[-1].external_data.add(key="location", value="weights.bin")


def external_attribute(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["extra"], value=_external_tensor()))


def external_sparse_initializer(model: onnx.ModelProto) -> None:
    sparse = model.graph.sparse_initializer.add(dims=[4])
    sparse.values.CopyFrom(_external_tensor())
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "indices"))


def external_subgraph(model: onnx.ModelProto) -> None:
    _add_if(model, [helper.make_node("Constant", [], ["inner"], value=_external_tensor())])


def external_deep_subgraph(model: onnx.ModelProto) -> None:
    inner = onnx.ModelProto()
    inner.graph.CopyFrom(_branch([helper.make_node("Constant", [], ["inner"], value=_external_tensor())]))
    nodes = [helper.make_node("If", ["c"], ["inner"], then_branch=inner.graph, else_branch=inner.graph)]
    _add_if(model, nodes)


def external_under_another_type(model: onnx.ModelProto) -> None:
    """An attribute that calls itself an integer, with a graph all the same."""
    external_subgraph(model)
    for attribute in model.graph.node[-1].attribute:
        attribute.type = onnx.AttributeProto.INT


@pytest.mark.parametrize(
    "damage",
    [
        external_initializer,
        external_list_alone,
        external_attribute,
        external_sparse_initializer,
        external_subgraph,
        external_deep_subgraph,
        external_under_another_type,
    ],
    ids=lambda damage: damage.__name__,
)
def test_external_data_is_refused_wherever_it_hides(damage: Callable[[onnx.ModelProto], None]):
    model = sampler_graph(LABELS)
    damage(model)
    with pytest.raises(BadGraph, match="external data"):
        check_graph(model.SerializeToString())


def foreign_import(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def foreign_node(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Shell", ["seed"], ["extra"], domain="com.example"))


def foreign_node_in_subgraph(model: onnx.ModelProto) -> None:
    _add_if(model, [helper.make_node("Shell", ["seed"], ["inner"], domain="com.example")])


@pytest.mark.parametrize("damage", [foreign_import, foreign_node, foreign_node_in_subgraph], ids=lambda d: d.__name__)
def test_foreign_operators_are_refused_by_domain(damage: Callable[[onnx.ModelProto], None]):
    model = sampler_graph(LABELS)
    damage(model)
    with pytest.raises(BadGraph, match=r"com\.example"):
        check_graph(model.SerializeToString())


@pytest.mark.parametrize("operator", ["RandomNormal", "RandomUniform"])
def test_operators_with_random_numbers_of_their_own_are_refused(operator):
    model = sampler_graph()
    model.graph.node.append(helper.make_node(operator, [], ["extra"], shape=[3]))
    with pytest.raises(BadGraph, match=f"{operator} draws random numbers"):
        check_graph(model.SerializeToString())


def test_dropout_in_training_mode_is_refused():
    model = sampler_graph()
    model.graph.node.append(helper.make_node("Dropout", ["truncation", "", "flag"], ["extra"]))
    with pytest.raises(BadGraph, match="Dropout draws random numbers"):
        check_graph(model.SerializeToString())


def test_local_functions_and_training_information_are_refused():
    model = sampler_graph()
    model.functions.append(helper.make_function("local", "F", ["a"], ["b"], [], [helper.make_opsetid("", 17)]))
    with pytest.raises(BadGraph, match="local functions"):
        check_graph(model.SerializeToString())
    model = sampler_graph()
    model.training_info.add()
    with pytest.raises(BadGraph, match="training information"):
        check_graph(model.SerializeToString())


def test_deep_nesting_is_refused():
    branch = _branch([helper.make_node("Identity", ["seed"], ["inner"])])
    for _ in range(untrusted.MAX_SUBGRAPH_DEPTH + 2):
        branch = _branch([helper.make_node("If", ["c"], ["inner"], then_branch=branch, else_branch=branch)])
        if branch.ByteSize() > 1 << 20:
            break
    model = sampler_graph()
    model.graph.node.append(helper.make_node("If", ["c"], ["extra"], then_branch=branch, else_branch=branch))
    with pytest.raises(BadGraph, match="nested"):
        check_graph(model.SerializeToString())


def test_an_oversized_file_is_refused_unread(monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_GRAPH_BYTES", 1000)
    with pytest.raises(BadGraph, match="allowed: up to 1000"):
        check_graph(b"\xff" * 1001)


def test_a_value_that_would_fill_the_memory_is_refused():
    model = sampler_graph()
    shape = numpy_helper.from_array(np.array([1 << 20, 1 << 20], np.int64), "huge_shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["huge_shape"], ["extra"]))
    with pytest.raises(BadGraph, match=r"'extra' takes \d+ bytes"):
        check_graph(model.SerializeToString())


def test_a_sample_that_no_message_can_carry_is_refused():
    with pytest.raises(BadGraph, match="a sample takes 4194304 bytes"):
        check_graph(sampler_graph(latent=2, size=2048).SerializeToString())


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "noise"


def remove_input(model: onnx.ModelProto) -> None:
    del model.graph.input[1]


def retype_input(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.INT32


def fix_batch(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.shape.dim[0].dim_value = 4


def no_default(model: onnx.ModelProto) -> None:
    kept = [tensor for tensor in model.graph.initializer if tensor.name != "truncation"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def forget_labels(model: onnx.ModelProto) -> None:
    _set_property(model, "synthmill.labels", "[]")


def repeat_label(model: onnx.ModelProto) -> None:
    _set_property(model, "synthmill.labels", '["a", "b", "a"]')


def other_noise(model: onnx.ModelProto) -> None:
    _set_property(model, "synthmill.noise", "dice-v1")


def no_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def new_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 23


def new_ir(model: onnx.ModelProto) -> None:
    model.ir_version = 13


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Frobnicate", ["seed"], ["extra"]))


def lost_value(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Identity", ["nowhere"], ["extra"]))


def short_tensor(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "generator/dense/constant_0")
    tensor.raw_data = tensor.raw_data[:-4]


@pytest.mark.parametrize(
    "damage",
    [
        rename_input,
        remove_input,
        retype_input,
        fix_batch,
        no_default,
        forget_labels,
        repeat_label,
        other_noise,
        no_metadata,
        new_opset,
        new_ir,
        unknown_operator,
        lost_value,
        short_tensor,
    ],
    ids=lambda damage: damage.__name__,
)
def test_a_graph_that_breaks_the_contract_is_refused(damage: Callable[[onnx.ModelProto], None]):
    model = sampler_graph(LABELS)
    damage(model)
    with pytest.raises(BadGraph):
        check_graph(model.SerializeToString())


def _external_tensor() -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "outside")
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    return tensor


def _branch(nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
    return helper.make_graph(nodes, "branch", [], [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)])


def _add_if(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    branch = _branch(nodes)
    model.graph.node.append(helper.make_node("If", ["c"], ["extra"], then_branch=branch, else_branch=branch))


def _set_property(model: onnx.ModelProto, key: str, value: str) -> None:
    for entry in model.metadata_props:
        if entry.key == key:
            entry.value = value
