"""Makes calls with a stock tritonclient, and prints what came of them as JSON: `triton_calls.py ADDRESS <calls.json`.

Runs with a Python that has tritonclient and nothing of ours. Standard input is a list of calls, each an object with the
name of a function below in "call" and its arguments; an error is told as its status and message.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import queue
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException, shared_memory, triton_to_np_dtype

TIMEOUT_S = 60
FINAL = "triton_final_response"

Given = dict[str, Any]


class Calls:
    """The calls that a test can make, by name."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = triton.InferenceServerClient(address)

    def method(self, name: str, arguments: list[Any] = (), **named: Any) -> Any:
        """Calls a method of the client that returns a message or a plain value."""
        return getattr(self._client, name)(*arguments, **named, client_timeout=TIMEOUT_S)

    def infer(self, **given: Any) -> Given:
        return told(self._client.infer(**request(given), client_timeout=TIMEOUT_S))

    def infer_async(self, **given: Any) -> Given:
        answers: queue.Queue = queue.Queue()
        self._client.async_infer(callback=lambda result, error: answers.put((result, error)), **request(given))
        return told_or_raised(*answers.get(timeout=TIMEOUT_S))

    def stream(self, requests: list[Given], headers: dict[str, str] | None = None) -> list[Given]:
        """Sends requests on one stream and returns all responses."""
        answers: list[Given] = []
        self._client.start_stream(
            lambda result, error: answers.append(told_or_error(result, error)),
            stream_timeout=TIMEOUT_S,
            headers=headers,
        )
        for given in requests:
            empty_final = given.pop("empty_final", False)
            self._client.async_stream_infer(**request(given), enable_empty_final_response=empty_final)
        self._client.stop_stream()
        return answers

    def stream_cancelled(self, after: int, **given: Any) -> int:
        """Cancels a stream after some responses, and returns how many came."""
        answers: queue.Queue = queue.Queue()
        self._client.start_stream(lambda result, error: answers.put((result, error)))
        self._client.async_stream_infer(**request(given))
        for _ in range(after):
            told_or_raised(*answers.get(timeout=TIMEOUT_S))
        self._client.stop_stream(cancel_requests=True)
        return after

    def aio(self, unary: Given, requests: list[Given]) -> Given:
        return asyncio.run(self._aio(unary, requests))

    async def _aio(self, unary: Given, requests: list[Given]) -> Given:
        async def given():
            for each in requests:
                yield request(each)

        async with triton_aio.InferenceServerClient(self._address) as client:
            answers = {"live": await client.is_server_live(), "infer": told(await client.infer(**request(unary)))}
            stream = client.stream_infer(given(), stream_timeout=TIMEOUT_S)
            answers["stream"] = [told_or_error(*answer) async for answer in stream]
        return answers

    def shared_memory(self, input_data: list[int], outputs: dict[str, list], parameters: Given, model: str) -> Given:
        """Passes "index" and outputs through shared memory.

        Args:
            input_data: the indices; empty leaves the input out.
            outputs: datatype, shape and bytes of room by name.
            parameters: of the request.
        """
        index = np.array(input_data, np.int64)
        room = sum(size for _, _, size in outputs.values())
        given = shared_memory.create_shared_memory_region("given", "/oip-test-given", max(index.nbytes, 8))
        made = shared_memory.create_shared_memory_region("made", "/oip-test-made", room + 64)
        try:
            self._client.unregister_system_shared_memory()
            self._client.register_system_shared_memory("given", "/oip-test-given", max(index.nbytes, 8))
            self._client.register_system_shared_memory("made", "/oip-test-made", room, offset=64)
            status = self._client.get_system_shared_memory_status(as_json=True)
            inputs = []
            if input_data:
                shared_memory.set_shared_memory_region(given, [index])
                inputs = [triton.InferInput("index", index.shape, "INT64")]
                inputs[0].set_shared_memory("given", index.nbytes)
            wanted, offset = [], 0
            for name, (_, _, size) in outputs.items():
                wanted.append(triton.InferRequestedOutput(name))
                wanted[-1].set_shared_memory("made", size, offset)
                offset += size
            result = self._client.infer(model, inputs, outputs=wanted, parameters=parameters)
            found, offset = {}, 64
            for name, (datatype, shape, size) in outputs.items():
                array = shared_memory.get_contents_as_numpy(made, triton_to_np_dtype(datatype), shape, offset)
                found[name] = summary(array)
                offset += size
            raw = [len(each) for each in result.get_response().raw_output_contents]
            self._client.unregister_system_shared_memory("made")
            left = list(self._client.get_system_shared_memory_status().regions)
            return {"outputs": found, "raw": raw, "status": status, "left": left, **head(result)}
        finally:
            self._client.unregister_system_shared_memory()
            shared_memory.destroy_shared_memory_region(given)
            shared_memory.destroy_shared_memory_region(made)


def request(given: Given) -> Given:
    """Makes the arguments of a request: inputs are datatype and values by name, outputs are names."""
    inputs = []
    for name, (datatype, values) in given.pop("inputs", {}).items():
        array = np.array(values, triton_to_np_dtype(datatype))
        inputs.append(triton.InferInput(name, array.shape, datatype).set_data_from_numpy(array))
    outputs = given.pop("outputs", None)
    if outputs is not None:
        given["outputs"] = [triton.InferRequestedOutput(name) for name in outputs]
    return {"model_name": given.pop("model"), "inputs": inputs, **given}


def summary(array: np.ndarray) -> Given:
    """Returns what tells an array from others: its bytes if they are few, else their digest."""
    data = array.tobytes()
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "sha256": hashlib.sha256(data).hexdigest(),
        "hex": data.hex() if len(data) <= 1 << 16 else "",
    }


def head(result: triton.InferResult) -> Given:
    """Returns what a response says beside its tensors."""
    response = result.get_response()
    parameters = {}
    for name, value in response.parameters.items():
        parameters[name] = getattr(value, value.WhichOneof("parameter_choice"))
    return {
        "model": response.model_name,
        "version": response.model_version,
        "id": response.id,
        "parameters": parameters,
    }


def told(result: triton.InferResult) -> Given:
    outputs = {each.name: summary(result.as_numpy(each.name)) for each in result.get_response().outputs}
    return {"outputs": outputs, **head(result)}


def told_or_raised(result: triton.InferResult | None, error: InferenceServerException | None) -> Given:
    if error is not None:
        raise error
    return told(result)


def told_or_error(result: triton.InferResult | None, error: InferenceServerException | None) -> Given:
    return told(result) if error is None else told_error(error)


def told_error(error: InferenceServerException) -> Given:
    return {"error": error.message(), "status": error.status() or ""}


def main(address: str) -> None:
    """Makes the calls of standard input and prints the list of their answers."""
    calls, answers = Calls(address), []
    for given in json.load(sys.stdin):
        try:
            answers.append(getattr(calls, given.pop("call"))(**given))
        except InferenceServerException as error:
            answers.append(told_error(error))
    print(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1])
