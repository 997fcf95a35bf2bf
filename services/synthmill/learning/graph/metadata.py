"""What a sampler graph says about itself, in the `metadata_props` of its file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import onnx
from onnx import helper

from synthmill.runtime.errors import BadGraph

PREFIX = "synthmill."

# A graph without opinions has neither.
_OPTIONAL = ("opinions", "filter")


@dataclasses.dataclass(frozen=True)
class GraphMetadata:
    """What a sampler graph says about itself.

    Attributes:
        kind: kind of its samples: "image", ...
        schema: the kind's schema of them, as JSON.
        labels: class names by position; empty if the graph takes no label.
        family: way the generator was made: "gan", "vae", "imported".
        lineage: where the generator comes from, as JSON: dataset, digests, job, parameters.
        license: licence of the generator, as an SPDX identifier where there is one.
        noise: scheme of the noise and its version; `compose` fills it in.
        latent_size: dimensions of the latent vector; `compose` fills it in.
        smallest_batch: least batch size in which a sample has the same bits as in any other; `compose` fills it in.
        opinions: outputs that are no columns but say what the graph holds of each sample; `add_opinion` fills it in.
        filter: bounds of the graph's own filter by the names that `Filter` has them under; empty lets all pass.
    """

    kind: str
    schema: Mapping[str, Any]
    labels: tuple[str, ...] = ()
    family: str = ""
    lineage: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    license: str = ""
    noise: str = ""
    latent_size: int = 0
    smallest_batch: int = 1
    opinions: tuple[str, ...] = ()
    filter: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def to_properties(self) -> dict[str, str]:
        """Returns the metadata as text by key: strings as they are, all else as JSON with sorted keys."""
        names = [field.name for field in dataclasses.fields(self) if self.opinions or field.name not in _OPTIONAL]
        return {PREFIX + name: _encode(getattr(self, name)) for name in names}

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> GraphMetadata:
        """Reads what `to_properties` wrote; other keys are ignored.

        Raises:
            BadGraph: a key is missing, or its value has the wrong form.
        """
        fields = dataclasses.fields(cls)
        there = [field for field in fields if field.name not in _OPTIONAL or PREFIX + field.name in properties]
        return cls(**{field.name: _decode(properties, field) for field in there})


def read_metadata(sampler: onnx.ModelProto) -> GraphMetadata:
    """Returns what a sampler graph says about itself."""
    return GraphMetadata.from_properties({entry.key: entry.value for entry in sampler.metadata_props})


def with_metadata(sampler: onnx.ModelProto, **changes: Any) -> onnx.ModelProto:
    """Returns a sampler graph that says something else about itself in some fields."""
    result = onnx.ModelProto()
    result.CopyFrom(sampler)
    del result.metadata_props[:]
    helper.set_model_props(result, dataclasses.replace(read_metadata(sampler), **changes).to_properties())
    return result


def _encode(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _decode(properties: Mapping[str, str], field: dataclasses.Field) -> Any:
    key = PREFIX + field.name
    if key not in properties:
        raise BadGraph(f"the metadata lack {key}", field=key)
    text = properties[key]
    if field.type == "str":
        return text
    try:
        return _READERS[field.type](json.loads(text))
    except (ValueError, RecursionError) as error:
        raise BadGraph(f"{key} in the metadata: {error}", field=key, value=text) from None


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    return value


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("expected a JSON list of strings")
    return tuple(value)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("expected an integer")
    return value


def _numbers(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or not all(type(number) in (int, float) for number in value.values()):
        raise ValueError("expected a JSON object of numbers")
    return value


_READERS = {
    "Mapping[str, Any]": _mapping,
    "Mapping[str, float]": _numbers,
    "tuple[str, ...]": _strings,
    "int": _integer,
}
