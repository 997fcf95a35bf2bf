"""Samples through the protocol: which, in which outputs, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from unit.graph.generators import LABELS, draw, run, sampler_graph
from unit.sampling.oip.calls import arrays, infer_request

from synthmill.oip.v1.tensor_pb2 import InferParameter
from synthmill.runtime.errors import (
    DataLoss,
    FailedPrecondition,
    InvalidField,
    NotFound,
    OutOfRange,
    ResourceExhausted,
)

INDEX = np.array([5, 0, 2**48 - 1, 5], np.int64)


async def infer(calls, *args, **kwargs) -> dict[str, np.ndarray]:
    return arrays(await calls.send("ModelInfer", infer_request(*args, **kwargs)))


def expected(seed: int, index, label, latent: int = 16) -> np.ndarray:
    return run(sampler_graph(LABELS, latent=latent), draw(seed, index, label))[0]


async def test_indices_give_what_the_graph_gives(calls):
    found = await infer(calls, inputs={"seed": np.array([7], np.uint64), "index": INDEX})
    assert found["label"].tolist() == (INDEX % 3).tolist()
    assert np.array_equal(found["image"], expected(7, INDEX, INDEX % 3))


async def test_range_is_the_same_samples_as_its_indices(calls):
    by_range = await infer(calls, start_index=40, count=30, seed=3)
    index = np.arange(40, 70, dtype=np.int64)
    by_index = await infer(calls, inputs={"index": index, "seed": np.array([3], np.uint64)})
    assert np.array_equal(by_range["image"], by_index["image"])


async def test_nothing_said_means_the_first_sample(calls):
    found = await infer(calls)
    assert np.array_equal(found["image"], expected(0, [0], [0]))


async def test_label_of_each_row_is_the_one_given_also_for_equal_indices(calls):
    index, label = np.full(3, 9, np.int64), np.array([2, 0, 1], np.int64)
    found = await infer(calls, inputs={"index": index, "label": label})
    assert found["label"].tolist() == [2, 0, 1]
    assert np.array_equal(found["image"], expected(0, index, label))


async def test_labels_without_indices_count_the_samples(calls):
    label = np.array([2, 2, 1, 0], np.int64)
    found = await infer(calls, inputs={"label": label}, start_index=6)
    assert np.array_equal(found["image"], expected(0, np.arange(6, 10), label))


@pytest.mark.parametrize(
    ("plan", "labels"),
    [({"label": "square"}, [1] * 6), ({"counts": {"counts": {"circle": 2, "triangle": 4}}}, None)],
    ids=["one", "counts"],
)
async def test_label_plan_as_json(calls, plan, labels):
    found = await infer(calls, count=6, label_plan=json.dumps(plan))
    assert labels is None or found["label"].tolist() == labels
    assert labels or np.bincount(found["label"], minlength=3).tolist() == [2, 0, 4]


async def test_truncation_takes_whole_numbers_too(calls):
    near, far = [await infer(calls, count=50, truncation=scale) for scale in (0.25, 1)]
    plain = await infer(calls, count=50)
    assert np.array_equal(far["image"], plain["image"])
    assert not np.array_equal(near["image"], plain["image"])


async def test_version_is_the_one_asked_for(calls):
    first = await calls.send("ModelInfer", infer_request(version="1", count=4, request_id="mine"))
    assert (first.model_name, first.model_version, first.id) == ("shapes", "1", "mine")
    assert np.array_equal(arrays(first)["image"], expected(0, range(4), [0, 1, 2, 0], latent=8))
    promoted = await calls.send("ModelInfer", infer_request(count=4))
    assert promoted.model_version == "2"
    assert promoted.parameters["model_digest"].string_param != first.parameters["model_digest"].string_param


async def test_outputs_wanted_come_in_the_order_wanted(calls):
    assert list(await infer(calls, outputs=["label"])) == ["label"]
    assert list(await infer(calls, outputs=["label", "image"])) == ["label", "image"]
    assert list(await infer(calls)) == ["image", "label"]


async def test_columns_of_other_types(calls):
    found = await infer(calls, "plain", seed=5, start_index=998, count=3)
    assert found["value"].tolist() == [[998, 5], [999, 5], [1000, 5]]
    assert found["half"].dtype == np.float16
    assert found["half"].tolist() == [998, 999, 1000]
    assert found["name"].tolist() == ["998", "999", "1000"]


async def test_typed_contents_are_taken_and_answered_raw(calls):
    request = infer_request(outputs=["label", "image"])
    request.inputs.add(name="seed", datatype="UINT64", shape=[1]).contents.uint64_contents.append(2**64 - 1)
    request.inputs.add(name="index", datatype="INT64", shape=[2]).contents.int64_contents.extend([8, 1])
    response = await calls.send("ModelInfer", request)
    assert not response.outputs[0].HasField("contents")
    assert np.array_equal(arrays(response)["image"], expected(2**64 - 1, [8, 1], [2, 1]))


def one(dtype, *values) -> np.ndarray:
    return np.array(values, dtype)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"inputs": {"index": one("i8", -1)}}, "inputs.index"),
        ({"inputs": {"index": one("i8", 2**48)}}, "inputs.index"),
        ({"inputs": {"index": one("i8")}}, "inputs.index.shape"),
        ({"inputs": {"index": one("i4", 1)}}, "inputs.index.datatype"),
        ({"inputs": {"index": one("i8", 1, 2).reshape(2, 1)}}, "inputs.index.shape"),
        ({"inputs": {"seed": one("u8", 1, 2)}}, "inputs.seed.shape"),
        ({"inputs": {"seed": one("i8", 1)}}, "inputs.seed.datatype"),
        ({"inputs": {"index": one("i8", 1, 2), "label": one("i8", 1)}}, "inputs.label.shape"),
        ({"inputs": {"index": one("i8", 1), "label": one("i8", 3)}}, "label"),
        ({"inputs": {"index": one("i8", 1), "label": one("i8", -1)}}, "label"),
        ({"inputs": {"label": one("i8", 1)}, "count": 2}, "inputs.label.shape"),
        ({"inputs": {"label": one("i8", 1)}, "label_plan": '{"label": "circle"}'}, "parameters.label_plan"),
        ({"inputs": {"noise": one("i8", 1)}}, "inputs"),
        ({"inputs": {"index": one("i8", 1)}, "count": 2}, "parameters.count"),
        ({"inputs": {"seed": one("u8", 1)}, "seed": 2}, "parameters.seed"),
        ({"model": "plain", "inputs": {"label": one("i8", 1)}}, "inputs"),
        ({"model": "plain", "label_plan": '{"label": "circle"}'}, "label_plan"),
        ({"outputs": ["picture"]}, "outputs"),
        ({"outputs": ["label", "label"]}, "outputs"),
        ({"seed": -1}, "parameters.seed"),
        ({"seed": "7"}, "parameters.seed"),
        ({"seed": InferParameter()}, "parameters.seed"),
        ({"count": 0}, "count"),
        ({"count": 2**48, "start_index": 1}, "count"),
        ({"start_index": -1}, "start_index"),
        ({"truncation": float("nan")}, "truncation"),
        ({"truncation": 0.0}, "truncation"),
        ({"truncation": "1"}, "parameters.truncation"),
        ({"model": "plain", "truncation": 0.5}, "truncation"),
        ({"label_plan": "circle"}, "parameters.label_plan"),
        ({"label_plan": '{"label": "hexagon"}'}, "label_plan.label"),
        ({"start_indx": 1}, "parameters.start_indx"),
        ({"sequence_id": 1}, "parameters.sequence_id"),
        ({"model": "models/shapes"}, "model_name"),
        ({"version": "latest"}, "model_version"),
        ({"version": "0"}, "model_version"),
    ],
)
async def test_bad_request_names_the_field_and_what_is_allowed(calls, given, field):
    with pytest.raises(InvalidField) as caught:
        await infer(calls, **given)
    assert caught.value.metadata["field"] == field
    assert caught.value.metadata["allowed"]


def give_twice(request) -> None:
    request.inputs.add().CopyFrom(request.inputs[0])
    request.raw_input_contents.append(request.raw_input_contents[0])


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda request: request.raw_input_contents.append(b"12345678"), "raw_input_contents"),
        (lambda request: request.raw_input_contents.__setitem__(0, b"1234567"), "inputs.index.raw_input_contents"),
        (lambda request: request.raw_input_contents.pop(), "inputs.index.contents.int64_contents"),
        (lambda request: request.inputs[0].contents.int64_contents.append(1), "inputs.index.contents"),
        (give_twice, "inputs"),
    ],
    ids=["too-many", "too-short", "missing", "twice", "same-name"],
)
async def test_contents_that_do_not_fit_the_inputs(calls, spoil, field):
    request = infer_request(inputs={"index": one("i8", 1)})
    spoil(request)
    with pytest.raises(InvalidField) as caught:
        await calls.send("ModelInfer", request)
    assert caught.value.metadata["field"] == field


async def test_reserved_parameters_of_clients_have_no_effect(calls):
    plain = await infer(calls, count=5)
    reserved = {"priority": InferParameter(uint64_param=1), "timeout": 1, "triton_enable_empty_final_response": True}
    assert np.array_equal((await infer(calls, count=5, **reserved))["image"], plain["image"])


async def test_more_than_fits_is_refused_with_advice(calls):
    with pytest.raises(ResourceExhausted, match="ModelStreamInfer") as caught:
        await infer(calls, count=200_000)
    fitting = int(caught.value.metadata["allowed"].removeprefix("up to "))
    assert len((await infer(calls, count=fitting))["image"]) == fitting


async def test_outputs_left_out_make_room_for_more_samples(calls):
    found = await infer(calls, count=200_000, outputs=["label"])
    assert np.array_equal(found["label"], np.arange(200_000) % 3)


async def test_plan_that_ends_before(calls):
    with pytest.raises(OutOfRange):
        await infer(calls, count=5, label_plan='{"counts": {"counts": {"circle": 4}}}')


async def test_unknown_model_and_damaged_model(calls):
    with pytest.raises(NotFound, match="nothing"):
        await infer(calls, "nothing")
    with pytest.raises(NotFound):
        await infer(calls, version="77")
    with pytest.raises(DataLoss):
        await infer(calls, "broken")


async def test_shared_memory_that_is_off_is_said(fresh):
    request = infer_request()
    request.outputs.add(name="image").parameters["shared_memory_region"].string_param = "mine"
    with pytest.raises(FailedPrecondition, match="--system-shared-memory"):
        await fresh.calls.send("ModelInfer", request)
