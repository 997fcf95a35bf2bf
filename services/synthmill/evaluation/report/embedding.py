"""What lies within the page itself: pictures as data URIs, and the settings as rows."""

from __future__ import annotations

import base64
import dataclasses
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from synthmill.learning.evaluate.findings import Picture
from synthmill.runtime.errors import BadData, NotFound

_PNG_START = b"\x89PNG\r\n\x1a\n"
# Width and height follow the length and name of the first chunk.
_SIZE_AT = 16
_SIZE = struct.Struct(">II")

_SHOWN_WIDTH = 640
_MOST_MAGNIFIED = 4
MEMORISATION_PICTURES = "nearest"
"""Pictures whose names begin so show samples beside their nearest records."""


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A picture within the page.

    Attributes:
        name: of its PNG file.
        title: for people.
        caption: what there is to see.
        uri: the file itself.
        width: in CSS pixels, a whole multiple of the file's own width.
        height: likewise.
    """

    name: str
    title: str
    caption: str
    uri: str
    width: int
    height: int


def embed_pictures(pictures: Sequence[Picture], files: Mapping[str, bytes]) -> list[Embedded]:
    """Puts PNG files into data URIs.

    Args:
        pictures: in order.
        files: by the pictures' names.

    Raises:
        NotFound: a picture has no file.
        BadData: a file is no PNG file.
    """
    return [_embed(picture, files) for picture in pictures]


def flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields nested settings as names with dots, and values."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _embed(picture: Picture, files: Mapping[str, bytes]) -> Embedded:
    if picture.name not in files:
        raise NotFound(f"pictures: no file for {picture.name!r}, there are {sorted(files)}", name=picture.name)
    file = files[picture.name]
    if not file.startswith(_PNG_START) or len(file) < _SIZE_AT + _SIZE.size:
        raise BadData(f"pictures: {picture.name!r} is no PNG file", field="pictures", name=picture.name)
    width, height = _SIZE.unpack_from(file, _SIZE_AT)
    factor = min(_MOST_MAGNIFIED, max(1, _SHOWN_WIDTH // max(1, width)))
    uri = f"data:image/png;base64,{base64.b64encode(file).decode()}"
    return Embedded(picture.name, picture.title, picture.caption, uri, factor * width, factor * height)
