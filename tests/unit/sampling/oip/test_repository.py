"""What the protocol tells about server and models, and loading and unloading."""

from __future__ import annotations

import importlib.metadata
import json

import pytest
from unit.graph.generators import LABELS
from unit.sampling.oip.calls import infer_request

from synthmill.oip.v1 import model_config_pb2
from synthmill.runtime.errors import DataLoss, InvalidField, NotFound

INDEX = [
    ("broken", "1", "UNAVAILABLE"),
    ("plain", "1", "UNAVAILABLE"),
    ("shapes", "1", "UNAVAILABLE"),
    ("shapes", "2", "UNAVAILABLE"),
]


async def index(calls, ready: bool = False) -> list[tuple[str, str, str]]:
    answer = await calls.unary("RepositoryIndex", ready=ready)
    return [(model.name, model.version, model.state) for model in answer.models]


async def test_server_tells_what_it_is(calls):
    assert (await calls.unary("ServerLive")).live
    assert (await calls.unary("ServerReady")).ready
    metadata = await calls.unary("ServerMetadata")
    assert (metadata.name, metadata.version) == ("synthmill", importlib.metadata.version("synthmill"))
    assert {"statistics", "model_repository", "binary_tensor_data", "system_shared_memory"} <= set(metadata.extensions)


async def test_metadata_name_types_and_shapes(calls):
    metadata = await calls.unary("ModelMetadata", name="shapes")
    assert (metadata.name, list(metadata.versions), metadata.platform) == ("shapes", ["1", "2"], "onnxruntime_onnx")
    assert [(each.name, each.datatype, list(each.shape)) for each in metadata.inputs] == [
        ("seed", "UINT64", [1]),
        ("index", "INT64", [-1]),
        ("label", "INT64", [-1]),
    ]
    assert [(each.name, each.datatype, list(each.shape)) for each in metadata.outputs] == [
        ("image", "UINT8", [-1, 4, 4, 1]),
        ("label", "INT64", [-1]),
    ]


async def test_model_without_labels_has_no_label(calls):
    metadata = await calls.unary("ModelMetadata", name="plain")
    assert [each.name for each in metadata.inputs] == ["seed", "index"]
    assert [(each.name, each.datatype) for each in metadata.outputs] == [
        ("value", "FP32"),
        ("half", "FP16"),
        ("name", "BYTES"),
    ]


async def test_configuration_says_the_same_and_names_the_labels(calls):
    config = (await calls.unary("ModelConfig", name="shapes", version="1")).config
    assert (config.name, config.backend, config.max_batch_size) == ("shapes", "onnxruntime", 0)
    assert [(each.name, each.data_type, list(each.dims), each.optional) for each in config.input] == [
        ("seed", model_config_pb2.DATA_TYPE_UINT64, [1], True),
        ("index", model_config_pb2.DATA_TYPE_INT64, [-1], True),
        ("label", model_config_pb2.DATA_TYPE_INT64, [-1], True),
    ]
    assert [(each.name, each.data_type, list(each.dims)) for each in config.output] == [
        ("image", model_config_pb2.DATA_TYPE_UINT8, [-1, 4, 4, 1]),
        ("label", model_config_pb2.DATA_TYPE_INT64, [-1]),
    ]
    assert json.loads(config.parameters["labels"].string_value) == list(LABELS)
    assert config.parameters["version"].string_value == "1"
    plain = (await calls.unary("ModelConfig", name="plain")).config
    assert plain.output[2].data_type == model_config_pb2.DATA_TYPE_STRING


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig", "ModelStatistics"])
async def test_unknown_model_and_malformed_name(calls, method):
    with pytest.raises(NotFound):
        await calls.unary(method, name="nothing")
    with pytest.raises(NotFound):
        await calls.unary(method, name="shapes", version="3")
    with pytest.raises(InvalidField):
        await calls.unary(method, name="no/name")


async def test_loading_and_unloading_as_the_index_shows_it(fresh):
    calls = fresh.calls
    assert await index(calls) == INDEX
    assert not (await calls.unary("ModelReady", name="shapes")).ready
    await calls.unary("RepositoryModelLoad", model_name="shapes")
    assert (await calls.unary("ModelReady", name="shapes")).ready
    assert (await calls.unary("ModelReady", name="shapes", version="2")).ready
    assert not (await calls.unary("ModelReady", name="shapes", version="1")).ready
    assert await index(calls, ready=True) == [("shapes", "2", "READY")]
    await calls.send("ModelInfer", infer_request(version="1"))
    assert await index(calls, ready=True) == [("shapes", "1", "READY"), ("shapes", "2", "READY")]
    await calls.unary("RepositoryModelUnload", model_name="shapes", parameters={"unload_dependents": {}})
    assert await index(calls) == INDEX
    assert not (await calls.unary("ModelReady", name="shapes")).ready
    await calls.send("ModelInfer", infer_request())
    assert (await calls.unary("ModelReady", name="shapes")).ready


async def test_what_cannot_be_loaded_or_unloaded(calls):
    with pytest.raises(NotFound, match="failed to load 'nothing'"):
        await calls.unary("RepositoryModelLoad", model_name="nothing")
    with pytest.raises(DataLoss, match="failed to load 'broken'"):
        await calls.unary("RepositoryModelLoad", model_name="broken")
    with pytest.raises(NotFound, match="failed to unload 'nothing'"):
        await calls.unary("RepositoryModelUnload", model_name="nothing")
    with pytest.raises(InvalidField, match="config"):
        await calls.unary("RepositoryModelLoad", model_name="shapes", parameters={"config": {"string_param": "{}"}})
    with pytest.raises(InvalidField, match="catalog"):
        await calls.unary("RepositoryIndex", repository_name="mine")
    assert not (await calls.unary("ModelReady", name="nothing")).ready


async def test_gpu_memory_is_answered_with_nothing(calls):
    assert not (await calls.unary("CudaSharedMemoryStatus")).regions
    await calls.unary("CudaSharedMemoryUnregister")
