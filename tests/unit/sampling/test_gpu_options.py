"""What ONNX Runtime is told for a GPU."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from synthmill.runtime.errors import InvalidField
from synthmill.sampling.config import SamplingConfig
from synthmill.sampling.gpu_options import cuda_options, engine_folder, session_options, tensorrt_options
from synthmill.sampling.hardware import CPU, PRECISIONS, TENSORRT, GpuSettings

SETTINGS = GpuSettings(cache=Path("cache"))


def test_options_are_texts_and_carry_the_settings():
    settings = GpuSettings(index=2, memory_bytes=1 << 30, precision="tf32")
    options = cuda_options(settings, stream=77, captures=True)
    assert all(isinstance(value, str) for value in options.values())
    wanted = {"device_id": "2", "gpu_mem_limit": str(1 << 30), "user_compute_stream": "77", "enable_cuda_graph": "1"}
    assert wanted.items() <= options.items()


def test_memory_has_no_limit_unless_one_is_set():
    assert "gpu_mem_limit" not in cuda_options(SETTINGS, 1, captures=False)


@pytest.mark.parametrize(
    ("precision", "tf32", "fp16"), [("float32", "0", "0"), ("tf32", "1", "0"), ("float16", "1", "1")]
)
def test_precision_is_no_less_than_asked_for(precision, tf32, fp16):
    settings = dataclasses.replace(SETTINGS, precision=precision)
    assert cuda_options(settings, 1, captures=True)["use_tf32"] == tf32
    assert tensorrt_options(settings, 1, Path("engines"))["trt_fp16_enable"] == fp16


def test_noise_is_kept_from_tensorrt():
    excluded = tensorrt_options(SETTINGS, 1, Path("engines"))["trt_op_types_to_exclude"].split(",")
    assert {"Log", "Sin", "Cos"} <= set(excluded)


def test_sessions_are_deterministic_and_have_no_threads_to_spin():
    options = session_options()
    assert (options.intra_op_num_threads, options.use_deterministic_compute) == (1, True)


def test_engine_is_found_again_and_never_that_of_another_graph_or_machine():
    folder = engine_folder(SETTINGS, b"graph", "gpu, driver 1")
    assert engine_folder(SETTINGS, b"graph", "gpu, driver 1") == folder
    others = [
        engine_folder(SETTINGS, b"graph of the same form", "gpu, driver 1"),
        engine_folder(SETTINGS, b"graph", "gpu, driver 2"),
        engine_folder(dataclasses.replace(SETTINGS, precision="float16"), b"graph", "gpu, driver 1"),
    ]
    assert len({folder, *others}) == 4
    assert {each.parent for each in (folder, *others)} == {SETTINGS.cache}


def test_settings_of_the_service_are_those_of_the_gpu(tmp_path):
    config = SamplingConfig(
        store=str(tmp_path),
        gpu=1,
        gpu_memory_mb=2,
        gpu_precision="float16",
        cuda_graphs=False,
        providers=f"{TENSORRT}, {CPU}",
    )
    assert config.gpu_settings == GpuSettings(1, 2 << 20, "float16", False, tmp_path / "tensorrt")


@pytest.mark.parametrize(
    ("field", "value"), [("gpu", -1), ("gpu_memory_mb", -1), ("gpu_precision", "int4"), ("gpu_precision", "float16")]
)
def test_settings_that_make_no_sense_are_refused(field, value):
    with pytest.raises(InvalidField) as refused:
        SamplingConfig(**{field: value})
    assert refused.value.metadata["field"] == field
    assert "float32" in PRECISIONS
