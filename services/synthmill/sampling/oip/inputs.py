"""Reads the input tensors of a request: from raw contents, typed contents or shared memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.runtime.errors import InvalidField
from synthmill.sampling.oip.parameters import to_placement
from synthmill.sampling.oip.shared_memory import Placement, Regions
from synthmill.sampling.oip.specs import TensorSpec

Tensor = pb.ModelInferRequest.InferInputTensor

# The typed list that holds the elements, by datatype of the inputs that there are.
_TYPED = {"UINT64": "uint64_contents", "INT64": "int64_contents"}


def read_inputs(
    request: pb.ModelInferRequest, specs: Sequence[TensorSpec], regions: Regions
) -> Mapping[str, np.ndarray]:
    """Returns the inputs of a request by name, each with one axis.

    Args:
        request: the request.
        specs: the inputs that the model has.
        regions: the shared memory that is registered.

    Raises:
        InvalidField: an input is unknown, comes twice, or its type, shape and contents do not fit together.
        NotFound: a region of shared memory is not registered.
        FailedPrecondition: an input is in shared memory, and that is off.
    """
    by_name = {spec.name: spec for spec in specs}
    raw = list(request.raw_input_contents)
    placements = [to_placement(given.parameters, f"inputs.{given.name}", regions) for given in request.inputs]
    with_contents = sum(placement is None for placement in placements)
    if raw and len(raw) != with_contents:
        raise InvalidField("raw_input_contents", f"{len(raw)} entries", f"{with_contents}, one per input, or none")
    found: dict[str, np.ndarray] = {}
    for given, placement in zip(request.inputs, placements, strict=True):
        spec = by_name.get(given.name)
        if spec is None or given.name in found:
            raise InvalidField("inputs", given.name, "each once: " + ", ".join(by_name))
        count = _count(given, spec)
        data = raw.pop(0) if raw and placement is None else None
        found[given.name] = _elements(given, spec, count, data, placement)
    return found


def _count(given: Tensor, spec: TensorSpec) -> int:
    """Returns the number of elements that an input announces."""
    field = f"inputs.{spec.name}"
    if given.datatype != spec.datatype.name:
        raise InvalidField(f"{field}.datatype", given.datatype, spec.datatype.name)
    wanted = ["N" if extent < 0 else str(extent) for extent in spec.shape]
    fits = len(given.shape) == len(spec.shape) and all(
        extent in (-1, found) for extent, found in zip(spec.shape, given.shape, strict=True)
    )
    if not fits or given.shape[0] < 1:
        raise InvalidField(f"{field}.shape", list(given.shape), f"[{', '.join(wanted)}], N at least 1")
    return given.shape[0]


def _elements(
    given: Tensor, spec: TensorSpec, count: int, raw: bytes | None, placement: Placement | None
) -> np.ndarray:
    field, dtype = f"inputs.{spec.name}", spec.datatype.dtype
    size = count * dtype.itemsize
    if raw is None and placement is None:
        typed = _TYPED[spec.datatype.name]
        elements = getattr(given.contents, typed)
        if len(elements) != count:
            raise InvalidField(f"{field}.contents.{typed}", f"{len(elements)} elements", f"{count}, as its shape says")
        return np.array(elements, dtype)
    if given.HasField("contents"):
        raise InvalidField(f"{field}.contents", "set", "unset, as the elements are given in another place")
    found = len(raw) if placement is None else placement.byte_size
    if found != size:
        where = "raw_input_contents" if placement is None else "shared_memory_byte_size"
        raise InvalidField(f"{field}.{where}", f"{found} bytes", f"{size}, as its shape says")
    return np.frombuffer(raw if placement is None else placement.read(), dtype)
