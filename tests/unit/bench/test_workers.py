"""Processes that loads come from."""

from __future__ import annotations

import os

import pytest

from synthmill.bench.workers import Process, Worker, call_together
from synthmill.runtime.errors import BadGraph, Internal, Unavailable

TIMES = {"warm_s": 0.0, "seconds": 0.1}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_worker_works_again_after_a_failed_load_and_ends_with_its_block(tmp_path):
    with Worker() as worker:
        assert alive(worker.pid)
        worker.begin("receive", address="127.0.0.1:1", requests=[""], **TIMES)
        with pytest.raises(Unavailable):
            worker.finish(30)
        worker.begin("loop_rate", setting={"path": str(tmp_path / "no.onnx")}, seconds=0.1)
        with pytest.raises(Internal, match="TypeError"):
            worker.finish(30)
    assert not alive(worker.pid)


def test_error_of_a_load_keeps_its_class(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("z", TensorProto.DOUBLE, ["n", 2])
    made = helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["n", 2])
    graph = helper.make_graph([helper.make_node("Neg", ["z"], ["x"])], "g", [value], [made])
    path = tmp_path / "doubles.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    setting = {"path": str(path), "threads": 1, "sessions": 1, "batch": 2}
    with Worker() as worker, pytest.raises(BadGraph, match="'z' is tensor"):
        call_together([worker], "loop_rate", [{"setting": setting, "seconds": 0.1}], 30)


def test_process_that_ends_is_told_from_one_that_is_silent():
    with Process("synthmill.bench.sampling.pipe") as pipe:
        assert pipe.receive(30)["address"].startswith("127.0.0.1:")
        with pytest.raises(Internal, match="did not answer"):
            pipe.receive(0.1)
        os.kill(pipe.pid, 9)
        with pytest.raises(Internal, match="ended with status -9"):
            pipe.receive(30)
