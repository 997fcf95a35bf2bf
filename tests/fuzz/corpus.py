"""Requests that have found a fault, kept as text: they are sent again whenever the tests run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from fuzz.methods import Method
from fuzz.strategies import Request
from google.protobuf import text_format
from google.protobuf.message import DecodeError

FOLDER = Path(__file__).parent / "seeds"
_SHOWN_CHARACTERS = 2000


def keep(request: Request, fault: str, folder: Path = FOLDER) -> Path:
    """Writes a request that has found a fault, and returns the file."""
    content = {
        "service": request.method.service,
        "method": request.method.path,
        "fault": fault,
        "shown": [_shown(request.method, data) for data in request.messages],
        "messages": [base64.b64encode(data).decode() for data in request.messages],
    }
    digest = hashlib.sha256("".join([request.method.path, *content["messages"]]).encode()).hexdigest()[:12]
    path = folder / f"{request.method.name}-{digest}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def kept(methods: Sequence[Method], folder: Path = FOLDER) -> dict[str, Request]:
    """Returns the requests that are kept, by the name of their file."""
    known = {(method.service, method.path): method for method in methods}
    found = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        method = known[content["service"], content["method"]]
        found[path.stem] = Request(method, tuple(map(base64.b64decode, content["messages"])))
    return found


def _shown(method: Method, data: bytes) -> str:
    try:
        shown = text_format.MessageToString(method.request.FromString(data), as_one_line=True)
    except DecodeError as error:
        shown = f"no message: {error}"
    return shown[:_SHOWN_CHARACTERS]
