"""Streams of the protocol: one response or several per request, in order, with errors in between."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import numpy as np
import pytest
from unit.sampling.oip.calls import arrays, infer_request

from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import InvalidField, Unavailable
from synthmill.sampling.oip.streams import AHEAD, answer_in_order

FINAL = "triton_final_response"
# More than fits one response: a sample of "shapes" is 24 bytes with its label.
MANY = 200_000


def finals(responses) -> list[bool]:
    return [response.infer_response.parameters[FINAL].bool_param for response in responses]


async def outcome(calls, name: str = "shapes"):
    """How many requests of the promoted version were answered, and how many not."""
    return (await calls.unary("ModelStatistics", name=name)).model_stats[-1].inference_stats


def joined(responses, name: str) -> np.ndarray:
    return np.concatenate([arrays(response.infer_response)[name] for response in responses])


async def test_small_request_has_one_response_which_is_final(calls):
    (response,) = await calls.stream([infer_request(count=100, request_id="a")])
    assert response.error_message == ""
    assert response.infer_response.id == "a"
    assert finals([response]) == [True]
    unary = await calls.send("ModelInfer", infer_request(count=100))
    assert np.array_equal(arrays(response.infer_response)["image"], arrays(unary)["image"])


async def test_large_request_has_several_responses_that_make_up_the_range(calls):
    responses = await calls.stream([infer_request(count=MANY, start_index=7, seed=3, request_id="a")])
    assert len(responses) > 3
    assert finals(responses) == [False] * (len(responses) - 1) + [True]
    firsts = [response.infer_response.parameters["first_index"].int64_param for response in responses]
    sizes = [response.infer_response.outputs[0].shape[0] for response in responses]
    assert firsts == (7 + np.cumsum([0, *sizes[:-1]])).tolist()
    assert joined(responses, "label").tolist() == (np.arange(7, 7 + MANY) % 3).tolist()
    for start in (0, MANY - 50):
        alone = await calls.send("ModelInfer", infer_request(count=50, start_index=7 + start, seed=3))
        assert np.array_equal(joined(responses, "image")[start : start + 50], arrays(alone)["image"])


async def test_many_indices_with_labels_have_several_responses_too(calls):
    index = np.arange(MANY, dtype=np.int64)[::-1] // 2
    label = np.arange(MANY, dtype=np.int64) % 2
    responses = await calls.stream([infer_request(inputs={"index": index, "label": label})])
    assert len(responses) > 1
    assert finals(responses)[-1]
    assert np.array_equal(joined(responses, "label"), label)
    last = await calls.send("ModelInfer", infer_request(inputs={"index": index[-9:], "label": label[-9:]}))
    assert np.array_equal(joined(responses, "image")[-9:], arrays(last)["image"])


@pytest.mark.parametrize("count", [10, MANY])
async def test_empty_final_response_comes_if_it_is_asked_for(calls, count):
    request = infer_request(count=count, request_id="a", triton_enable_empty_final_response=True)
    *responses, last = await calls.stream([request])
    assert finals([*responses, last]) == [False] * len(responses) + [True]
    assert len(joined(responses, "label")) == count
    assert len(last.infer_response.outputs) == 0
    assert (last.infer_response.id, last.infer_response.model_name) == ("a", "shapes")


async def test_responses_come_in_the_order_of_the_requests(calls):
    counts = [1, MANY, 3, 1, 50, MANY, 2] + [1] * 20
    requests = [infer_request(count=count, request_id=str(place)) for place, count in enumerate(counts)]
    for count in (30_000, 20_000, 5):
        index = {"index": np.arange(count, dtype=np.int64)}
        requests.append(infer_request(inputs=index, request_id=str(len(counts))))
        counts.append(count)
    responses = await calls.stream(requests)
    order = [int(response.infer_response.id) for response in responses]
    assert order == sorted(order)
    for place, count in enumerate(counts):
        own = [response for response in responses if response.infer_response.id == str(place)]
        assert len(joined(own, "label")) == count
        assert finals(own) == [False] * (len(own) - 1) + [True]


async def test_next_requests_are_begun_while_the_first_is_answered_but_not_all():
    begun: list[str] = []
    go_on = asyncio.Event()

    async def begin(request) -> list[bytes]:
        begun.append(request.id)
        if request.id == "0":
            await go_on.wait()
        return [request.id.encode()]

    async def requests():
        for number in range(100):
            yield infer_request(request_id=str(number))

    answers = answer_in_order(requests(), begin, Drain(), in_band=True)
    first = asyncio.create_task(anext(answers))
    for _ in range(50):
        await asyncio.sleep(0)
    assert AHEAD <= len(begun) <= AHEAD + 2
    assert not first.done()
    go_on.set()
    assert [await first, *[answer async for answer in answers]] == [str(number).encode() for number in range(100)]


async def test_large_request_is_not_begun_before_its_turn():
    begun: list[str] = []
    large = {"index": np.arange(50_000, dtype=np.int64)}

    async def begin(request) -> list[bytes]:
        begun.append(request.id)
        return [request.id.encode()]

    async def requests():
        for name, inputs in (("a", None), ("b", large), ("c", None)):
            yield infer_request(request_id=name, inputs=inputs)

    async with contextlib.aclosing(answer_in_order(requests(), begin, Drain(), in_band=True)) as answers:
        async for answer in answers:
            for _ in range(50):
                await asyncio.sleep(0)
            assert begun[-1] == answer.decode()
    assert begun == ["a", "b", "c"]


async def test_error_of_a_request_is_told_in_its_place_and_the_stream_goes_on(calls):
    requests = [
        infer_request(request_id="a"),
        infer_request(request_id="b", count=0),
        infer_request("nothing", request_id="c"),
        infer_request(request_id="d", count=MANY, label_plan='{"counts": {"counts": {"circle": 4}}}'),
        infer_request(request_id="e"),
    ]
    responses = await calls.stream(requests)
    assert [response.infer_response.id for response in responses] == list("abcde")
    errors = [response.error_message for response in responses]
    assert (errors[0], errors[4]) == ("", "")
    assert "count: got 0" in errors[1]
    assert "nothing" in errors[2]
    assert "label plan ends" in errors[3]
    assert finals(responses) == [True] * 5


async def test_error_ends_the_stream_if_the_client_wants_it_so(calls):
    with pytest.raises(InvalidField, match="count"):
        await calls.stream([infer_request(), infer_request(count=0)], [("triton_grpc_error", "true")])


async def test_slow_reader_holds_the_requests_back(calls):
    before = (await outcome(calls)).success.count
    call = calls.open(infer_request(count=MANY) for _ in range(100))
    assert (await anext(aiter(call))).error_message == ""
    await asyncio.sleep(0.5)
    held = (await outcome(calls)).success.count
    await asyncio.sleep(0.5)
    assert (await outcome(calls)).success.count == held
    # gRPC's own buffers take some megabytes; a hundred requests make 480 of them.
    assert held - before < 10
    call.cancel()


async def test_client_that_leaves_stops_the_work(calls):
    before = await outcome(calls, "plain")
    call = calls.open(iter([infer_request("plain", count=2**47)]))
    async for _ in call:
        break
    call.cancel()
    for _ in range(100):
        after = await outcome(calls, "plain")
        if after.fail.count > before.fail.count:
            break
        await asyncio.sleep(0.05)
    assert after.fail.count == before.fail.count + 1
    assert after.success.count == before.success.count


async def test_drain_answers_what_was_begun_and_ends_idle_streams(fresh):
    asked = asyncio.Event()

    async def requests():
        yield infer_request(count=5)
        asked.set()
        await asyncio.Event().wait()

    responses = []
    call = fresh.calls.open(requests())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for response in call:
            responses.append(response)
            fresh.drain.begin()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert len(responses) == 1
    with pytest.raises(Unavailable):
        await fresh.calls.unary("ServerReady")
