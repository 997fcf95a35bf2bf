"""What a sampler graph says about itself, in the `metadata_props` of its file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from synthmill.runtime.errors import BadGraph

PREFIX = "synthmill."


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

    def to_properties(self) -> dict[str, str]:
        """Returns the metadata as text by key: strings as they are, all else as JSON with sorted keys."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {PREFIX + name: _encode(value) for name, value in values.items()}

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> GraphMetadata:
        """Reads what `to_properties` wrote; other keys are ignored.

        Raises:
            BadGraph: a key is missing, or its value has the wrong form.
        """
        return cls(**{field.name: _decode(properties, field) for field in dataclasses.fields(cls)})


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


_READERS = {"Mapping[str, Any]": _mapping, "tuple[str, ...]": _strings, "int": _integer}
