"""Tensors through POSIX shared memory: only what was registered, only inside its bounds, whatever the client does."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from multiprocessing import shared_memory
from pathlib import Path

import numpy as np
import pytest
from unit.sampling.oip.calls import Calls, arrays, infer_request, set_parameters
from unit.sampling.oip.conftest import running

from synthmill.runtime.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidField,
    NotFound,
    PermissionDenied,
    SynthmillError,
)
from synthmill.runtime.processes.siblings import Siblings

SIZE = 1 << 16
COUNT = 100


@pytest.fixture(scope="module", params=["alone", "among-siblings"])
async def calls(request, tmp_path_factory) -> AsyncIterator[Calls]:
    """Calls to a service that keeps regions in memory, and to one that keeps them where siblings find them."""
    folder = tmp_path_factory.mktemp("oip")
    siblings = Siblings(folder, 0, 1) if request.param == "among-siblings" else None
    async with running(folder, siblings, system_shared_memory=True) as service:
        yield service.calls


@pytest.fixture
def memory() -> Iterator[shared_memory.SharedMemory]:
    """A shared memory object of the client."""
    memory = shared_memory.SharedMemory(f"oip-{uuid.uuid4().hex}", create=True, size=SIZE)
    yield memory
    memory.close()
    memory.unlink()


@pytest.fixture
async def region(calls, memory):
    """The name of a region: all of the object but its first page."""
    name = f"region-{uuid.uuid4().hex}"
    await register(calls, name, memory.name, 4096, SIZE - 4096)
    yield name
    await calls.unary("SystemSharedMemoryUnregister", name=name)


async def register(calls, name: str, key: str, offset: int = 0, byte_size: int = SIZE) -> None:
    await calls.unary("SystemSharedMemoryRegister", name=name, key=key, offset=offset, byte_size=byte_size)


def placed(region: str, size: int, offset: int = 0, output: str = "image", **given):
    request = infer_request(**given)
    set_parameters(request.outputs.add(name=output).parameters, place(region, size, offset))
    return request


def place(region: str, size: int, offset: int = 0) -> dict[str, object]:
    return {"shared_memory_region": region, "shared_memory_byte_size": size, "shared_memory_offset": offset}


async def test_output_goes_to_its_place_and_nowhere_else(calls, memory, region):
    memory.buf[:] = b"\xaa" * SIZE
    response = await calls.send("ModelInfer", placed(region, COUNT * 16, 64, count=COUNT, seed=3))
    assert list(response.raw_output_contents) == [b""]
    parameters = response.outputs[0].parameters
    assert parameters["shared_memory_region"].string_param == region
    assert parameters["shared_memory_byte_size"].int64_param == COUNT * 16
    assert parameters["shared_memory_offset"].int64_param == 64
    plain = arrays(await calls.send("ModelInfer", infer_request(count=COUNT, seed=3)))
    start = 4096 + 64
    assert bytes(memory.buf[start : start + COUNT * 16]) == plain["image"].tobytes()
    assert set(memory.buf[:start]) | set(memory.buf[start + COUNT * 16 :]) == {0xAA}


async def test_input_comes_from_there(calls, memory, region):
    index = np.array([9, 2**40, 0], np.int64)
    memory.buf[4096 : 4096 + index.nbytes] = index.tobytes()
    request = infer_request()
    tensor = request.inputs.add(name="index", datatype="INT64", shape=[3])
    set_parameters(tensor.parameters, place(region, index.nbytes))
    request.inputs.add(name="seed", datatype="UINT64", shape=[1])
    request.raw_input_contents.append(np.array([5], np.uint64).tobytes())
    seed = {"seed": np.array([5], np.uint64)}
    plain = await calls.send("ModelInfer", infer_request(inputs={"index": index, **seed}))
    assert np.array_equal(arrays(await calls.send("ModelInfer", request))["image"], arrays(plain)["image"])


async def test_some_outputs_there_and_others_in_the_response(calls, memory, region):
    request = placed(region, COUNT * 16, count=COUNT)
    request.outputs.add(name="label")
    response = await calls.send("ModelInfer", request)
    assert len(response.raw_output_contents[0]) == 0
    assert np.frombuffer(response.raw_output_contents[1], np.int64).tolist() == (np.arange(COUNT) % 3).tolist()


async def test_strings_go_there_with_their_lengths(calls, memory, region):
    response = await calls.send("ModelInfer", placed(region, 100, model="plain", output="name", count=3, start_index=9))
    size = response.outputs[0].parameters["shared_memory_byte_size"].int64_param
    assert bytes(memory.buf[4096 : 4096 + size]) == b"\x01\0\0\x009\x02\0\0\x0010\x02\0\0\x0011"
    with pytest.raises(InvalidField, match="shared_memory_byte_size"):
        await calls.send("ModelInfer", placed(region, 14, model="plain", output="name", count=3))


@pytest.mark.parametrize("streamed", [False, True])
async def test_more_than_fits_a_message_goes_there_at_once(calls, streamed):
    count, seed = 400_000, 5
    with client_memory(count * 16) as memory:
        await register(calls, memory.name, memory.name, 0, count * 16)
        request = placed(memory.name, count * 16, count=count, seed=seed)
        if streamed:
            (response,) = [each.infer_response for each in await calls.stream([request])]
        else:
            response = await calls.send("ModelInfer", request)
        assert list(response.outputs[0].shape) == [count, 4, 4, 1]
        for start in (0, 123_456, count - 64):
            plain = await calls.send("ModelInfer", infer_request(count=64, start_index=start, seed=seed))
            assert bytes(memory.buf[start * 16 : (start + 64) * 16]) == arrays(plain)["image"].tobytes()
        await calls.unary("SystemSharedMemoryUnregister", name=memory.name)


async def test_many_indices_go_there_in_their_order(calls):
    index = np.arange(300_000, dtype=np.int64)[::-1].copy()
    with client_memory(index.nbytes) as given, client_memory(len(index) * 16) as made:
        for memory in (given, made):
            await register(calls, memory.name, memory.name, 0, memory.size)
        given.buf[: index.nbytes] = index.tobytes()
        request = placed(made.name, len(index) * 16)
        tensor = request.inputs.add(name="index", datatype="INT64", shape=[len(index)])
        set_parameters(tensor.parameters, place(given.name, index.nbytes))
        await calls.send("ModelInfer", request)
        plain = await calls.send("ModelInfer", infer_request(inputs={"index": index[-64:]}))
        assert bytes(made.buf[len(index) * 16 - 1024 : len(index) * 16]) == arrays(plain)["image"].tobytes()
        for memory in (given, made):
            await calls.unary("SystemSharedMemoryUnregister", name=memory.name)


@pytest.mark.parametrize(
    ("size", "offset", "error"),
    [
        (COUNT * 16 - 1, 0, InvalidField),
        (SIZE, 0, InvalidField),
        (COUNT * 16, SIZE - 4096, InvalidField),
        (COUNT * 16, SIZE - 4096 - 1, InvalidField),
        (COUNT * 16, -1, InvalidField),
        (-1, 0, InvalidField),
        (0, 0, InvalidField),
        (2**63 - 1, 1, InvalidField),
    ],
)
async def test_place_outside_of_the_region_or_too_small(calls, memory, region, size, offset, error):
    memory.buf[:] = b"\xaa" * SIZE
    with pytest.raises(error, match="shared_memory"):
        await calls.send("ModelInfer", placed(region, size, offset, count=COUNT))
    assert set(memory.buf) == {0xAA}


async def test_region_that_is_not_registered_and_parameters_that_make_no_sense(calls, region):
    with pytest.raises(NotFound, match="elsewhere"):
        await calls.send("ModelInfer", placed("elsewhere", 16))
    request = infer_request()
    request.outputs.add(name="image").parameters["shared_memory_offset"].int64_param = 1
    with pytest.raises(InvalidField, match="nothing without"):
        await calls.send("ModelInfer", request)
    request = infer_request()
    request.outputs.add(name="image").parameters["classification"].int64_param = 1
    with pytest.raises(InvalidField, match="classification"):
        await calls.send("ModelInfer", request)


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("no-such-object", NotFound),
        ("", InvalidField),
        ("/", InvalidField),
        ("..", InvalidField),
        ("../../etc/passwd", InvalidField),
        ("a/b", InvalidField),
        ("//a", InvalidField),
        ("sem.mine", InvalidField),
        ("synthmill-engine", InvalidField),
        ("a\0b", InvalidField),
        ("a" * 300, InvalidField),
    ],
)
async def test_key_that_is_no_object_of_the_client(calls, key, error):
    with pytest.raises(error) as caught:
        await register(calls, "mine", key)
    assert caught.value.metadata.get("field", "key") == "key"


async def test_key_that_leads_elsewhere(calls, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * SIZE)
    link, pipe = (Path("/dev/shm") / f"oip-{uuid.uuid4().hex}" for _ in range(2))
    link.symlink_to(secret)
    os.mkfifo(pipe)
    try:
        with pytest.raises(PermissionDenied, match="link"):
            await register(calls, "mine", link.name)
        with pytest.raises(InvalidField, match="a shared memory object"):
            await register(calls, "mine", pipe.name)
    finally:
        link.unlink()
        pipe.unlink()


@pytest.mark.parametrize(("offset", "size"), [(0, SIZE + 4096), (SIZE, 4096), (0, 0), (2**63, 1), (0, 2**64 - 1)])
async def test_region_larger_than_its_object(calls, memory, offset, size):
    with pytest.raises(InvalidField):
        await register(calls, "mine", memory.name, offset, size)
    with pytest.raises(NotFound):
        await calls.unary("SystemSharedMemoryStatus", name="mine")


async def test_name_is_taken_until_it_is_free_again(calls, memory, region):
    with pytest.raises(AlreadyExists, match=region):
        await register(calls, region, memory.name)
    status = (await calls.unary("SystemSharedMemoryStatus", name=region)).regions[region]
    assert (status.key, status.offset, status.byte_size) == (memory.name, 4096, SIZE - 4096)
    await calls.unary("SystemSharedMemoryUnregister", name=region)
    await calls.unary("SystemSharedMemoryUnregister", name=region)
    assert region not in (await calls.unary("SystemSharedMemoryStatus")).regions
    await register(calls, region, memory.name)


async def test_object_that_shrinks_fails_the_request_and_nothing_else(calls, memory, region):
    os.truncate(f"/dev/shm/{memory.name}", 4096)
    with pytest.raises(FailedPrecondition, match="smaller than"):
        await calls.send("ModelInfer", placed(region, COUNT * 16, count=COUNT))
    assert os.stat(f"/dev/shm/{memory.name}").st_size == 4096
    request = infer_request()
    tensor = request.inputs.add(name="index", datatype="INT64", shape=[3])
    set_parameters(tensor.parameters, place(region, 24))
    with pytest.raises(FailedPrecondition, match="smaller than"):
        await calls.send("ModelInfer", request)
    os.truncate(f"/dev/shm/{memory.name}", SIZE)
    await calls.send("ModelInfer", placed(region, COUNT * 16, count=COUNT))


async def test_files_of_regions_are_closed(calls, memory):
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        await register(calls, f"many-{number}", memory.name)
        with contextlib.suppress(SynthmillError):
            await register(calls, f"bad-{number}", memory.name, 0, SIZE * 2)
        await calls.send("ModelInfer", placed(f"many-{number}", COUNT * 16, count=COUNT))
    await calls.unary("SystemSharedMemoryUnregister")
    assert len(os.listdir("/proc/self/fd")) <= before + 2


@pytest.mark.parametrize("method", ["Register", "Unregister", "Status"])
async def test_everything_about_it_is_refused_when_it_is_off(fresh, method):
    with pytest.raises(FailedPrecondition, match="--system-shared-memory true"):
        await fresh.calls.unary(f"SystemSharedMemory{method}", name="mine")
    assert "system_shared_memory" not in (await fresh.calls.unary("ServerMetadata")).extensions


@contextlib.contextmanager
def client_memory(size: int) -> Iterator[shared_memory.SharedMemory]:
    memory = shared_memory.SharedMemory(f"oip-{uuid.uuid4().hex}", create=True, size=size)
    try:
        yield memory
    finally:
        memory.close()
        memory.unlink()
