"""Requests to plain validated values: which samples, which outputs, and where each output goes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

import numpy as np
from google.protobuf import json_format

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.squares import INDEX_LIMIT
from synthmill.sampling.convert import MAX_INDICES, to_plan, to_range, to_truncation
from synthmill.sampling.oip.inputs import read_inputs
from synthmill.sampling.oip.parameters import Parameters, to_flag, to_integer, to_number, to_placement, to_text
from synthmill.sampling.oip.shared_memory import Placement, Regions
from synthmill.sampling.oip.specs import ModelSpec, TensorSpec
from synthmill.sampling.plans import Given, PlanSpec
from synthmill.sampling.queries import IndexQuery, RangeQuery
from synthmill.sampling.sampler import MAX_ANSWER_BYTES
from synthmill.sampling.signature import INDEX, LABEL, SEED, TRUNCATION
from synthmill.v1 import label_plan_pb2

START_INDEX, COUNT, LABEL_PLAN = "start_index", "count", "label_plan"
EMPTY_FINAL_RESPONSE = "triton_enable_empty_final_response"

_OURS = (SEED, START_INDEX, COUNT, LABEL_PLAN, TRUNCATION)
# What clients of this protocol may always send along; it has no effect here.
_RESERVED = frozenset(("priority", "timeout", "headers", "binary_data_output"))
_RESERVED_PREFIX = "triton_"
_SEED_LIMIT = 1 << 64


@dataclasses.dataclass(frozen=True)
class Output:
    """An output that is wanted.

    Attributes:
        spec: the output.
        placement: where in shared memory it goes; None if it travels in the response.
    """

    spec: TensorSpec
    placement: Placement | None = None


@dataclasses.dataclass(frozen=True)
class Asked:
    """A validated request.

    Attributes:
        request_id: comes back in the response.
        spec: the model version.
        query: which samples.
        outputs: what is wanted of them, in the order wanted.
        empty_final: whether the last response of a stream is to be one without samples.
        arrived_ns: when it came, by `time.perf_counter_ns`.
        read_ns: time that reading it took.
    """

    request_id: str
    spec: ModelSpec
    query: RangeQuery | IndexQuery
    outputs: tuple[Output, ...]
    empty_final: bool
    arrived_ns: int
    read_ns: int

    @property
    def rows_per_answer(self) -> int:
        """Samples that can be computed for one answer at once."""
        return max(1, MAX_ANSWER_BYTES // self.spec.row_bytes)

    @property
    def fits_one_response(self) -> bool:
        """Whether everything asked for can go into one response."""
        if self.query.count <= self.rows_per_answer:
            return True
        # A string's size is known too late to know where in a region the next part would go.
        placed_text = any(output.placement and output.spec.datatype.dtype is None for output in self.outputs)
        return not placed_text and self.query.count * self.row_bytes <= MAX_ANSWER_BYTES

    @property
    def row_bytes(self) -> int:
        """What a sample takes in a response."""
        return sum(output.spec.row_bytes for output in self.outputs if output.placement is None)


def read_request(request: pb.ModelInferRequest, spec: ModelSpec, regions: Regions, arrived_ns: int) -> Asked:
    """Validates a request.

    Args:
        request: the request.
        spec: the model version that it asks.
        regions: the shared memory that is registered.
        arrived_ns: when it came, by `time.perf_counter_ns`.

    Raises:
        InvalidField: something in it is not allowed.
        NotFound: a region of shared memory is not registered.
        FailedPrecondition: it uses shared memory, and that is off.
    """
    began_ns = time.perf_counter_ns()
    _check_parameters(request.parameters)
    inputs = read_inputs(request, spec.inputs, regions)
    query = _to_query(request.parameters, inputs, spec)
    outputs = _to_outputs(request.outputs, spec, regions)
    for output in outputs:
        if output.placement and output.spec.datatype.dtype is not None:
            _check_room(output, query.count)
    return Asked(
        request_id=request.id,
        spec=spec,
        query=query,
        outputs=outputs,
        empty_final=to_flag(request.parameters, EMPTY_FINAL_RESPONSE),
        arrived_ns=arrived_ns,
        read_ns=time.perf_counter_ns() - began_ns,
    )


def _check_parameters(parameters: Parameters) -> None:
    for name in parameters:
        if name not in _OURS and name not in _RESERVED and not name.startswith(_RESERVED_PREFIX):
            value = getattr(parameters[name], parameters[name].WhichOneof("parameter_choice") or "", None)
            raise InvalidField(f"parameters.{name}", value, "only " + ", ".join(_OURS))


def _to_query(parameters: Parameters, inputs: Mapping[str, np.ndarray], spec: ModelSpec) -> RangeQuery | IndexQuery:
    truncation = to_number(parameters, TRUNCATION)
    common = {
        "model": spec.name,
        "seed": _to_seed(parameters, inputs),
        "truncation": None if truncation is None else to_truncation(truncation),
    }
    plan, labels = _to_plan(parameters), inputs.get(LABEL)
    if plan and labels is not None:
        raise InvalidField(f"parameters.{LABEL_PLAN}", "set", f"unset, as the input {LABEL} is given")
    if INDEX in inputs:
        return IndexQuery(**common, **_with_indices(_to_indices(parameters, inputs[INDEX]), labels, plan))
    least = 1 if labels is None else len(labels)
    start, count = to_range(to_integer(parameters, START_INDEX, 0), to_integer(parameters, COUNT, least), least=1)
    if labels is None:
        return RangeQuery(**common, plan=plan, start=start, count=count)
    if count != len(labels):
        raise InvalidField(f"inputs.{LABEL}.shape", [len(labels)], f"[{count}], one per sample")
    return IndexQuery(**common, **_with_indices(tuple(range(start, start + count)), labels, None))


def _with_indices(indices: tuple[int, ...], labels: np.ndarray | None, plan: PlanSpec | None) -> dict[str, object]:
    if labels is None:
        return {"indices": indices, "plan": plan}
    if len(labels) != len(indices):
        raise InvalidField(f"inputs.{LABEL}.shape", [len(labels)], f"[{len(indices)}], one per sample")
    return {"indices": indices, "plan": Given(indices, tuple(labels.tolist()))}


def _to_indices(parameters: Parameters, index: np.ndarray) -> tuple[int, ...]:
    for name in (START_INDEX, COUNT):
        if name in parameters:
            raise InvalidField(
                f"parameters.{name}", to_integer(parameters, name), f"unset, as the input {INDEX} is given"
            )
    if len(index) > MAX_INDICES:
        raise InvalidField(f"inputs.{INDEX}.shape", [len(index)], f"up to [{MAX_INDICES}]")
    for value in (int(index.min()), int(index.max())):
        if not 0 <= value < INDEX_LIMIT:
            raise InvalidField(f"inputs.{INDEX}", value, f"0 to {INDEX_LIMIT - 1}")
    return tuple(index.tolist())


def _to_seed(parameters: Parameters, inputs: Mapping[str, np.ndarray]) -> int:
    given = to_integer(parameters, SEED)
    if SEED not in inputs:
        if given is not None and not 0 <= given < _SEED_LIMIT:
            raise InvalidField(f"parameters.{SEED}", given, f"0 to {_SEED_LIMIT - 1}")
        return given or 0
    if given is not None:
        raise InvalidField(f"parameters.{SEED}", given, f"unset, as the input {SEED} is given")
    return int(inputs[SEED][0])


def _to_plan(parameters: Parameters) -> PlanSpec | None:
    text = to_text(parameters, LABEL_PLAN)
    if text is None:
        return None
    try:
        return to_plan(json_format.Parse(text, label_plan_pb2.LabelPlan()))
    except json_format.ParseError as error:
        example = '{"label": "cat"} or {"counts": {"counts": {"cat": 10, "dog": 5}}}'
        raise InvalidField(
            f"parameters.{LABEL_PLAN}", text, f"a LabelPlan as JSON, such as {example} ({error})"
        ) from None


def _to_outputs(
    wanted: Sequence[pb.ModelInferRequest.InferRequestedOutputTensor], spec: ModelSpec, regions: Regions
) -> tuple[Output, ...]:
    by_name = {output.name: output for output in spec.outputs}
    if not wanted:
        return tuple(map(Output, spec.outputs))
    found: dict[str, Output] = {}
    for each in wanted:
        if each.name not in by_name or each.name in found:
            raise InvalidField("outputs", each.name, "each once: " + ", ".join(by_name))
        placement = to_placement(each.parameters, f"outputs.{each.name}", regions)
        found[each.name] = Output(by_name[each.name], placement)
    return tuple(found.values())


def _check_room(output: Output, count: int) -> None:
    needed = count * output.spec.row_bytes
    if output.placement.byte_size < needed:
        field = f"outputs.{output.spec.name}.parameters.shared_memory_byte_size"
        raise InvalidField(field, output.placement.byte_size, f"at least {needed}")
