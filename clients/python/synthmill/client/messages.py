"""Makes messages out of what a user gives."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from synthmill.runtime.errors import InvalidField

M = TypeVar("M", bound=Message)

_ALLOWED = {
    FieldDescriptor.TYPE_INT32: "an integer of -2^31 to 2^31 - 1",
    FieldDescriptor.TYPE_INT64: "an integer of -2^63 to 2^63 - 1",
    FieldDescriptor.TYPE_UINT64: "an integer of 0 to 2^64 - 1",
    FieldDescriptor.TYPE_FLOAT: "a number",
    FieldDescriptor.TYPE_DOUBLE: "a number",
    FieldDescriptor.TYPE_STRING: "text",
}


def make(message_class: type[M], **fields: Any) -> M:
    """Makes a message of fields; None leaves one unset.

    Raises:
        InvalidField: a value does not fit its field, and so cannot even be sent.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return message_class(**given)
    except (TypeError, ValueError) as error:
        for name, value in given.items():
            _check(message_class, name, value)
        raise InvalidField("request", given, str(error)) from None


def full_name(collection: str, name: str) -> str:
    """Returns "models/x" for "x"; a name that has its collection already is left as it is.

    Args:
        collection: "datasets", "models", "policies", "loops" or "jobs".
    """
    return name if name.startswith(f"{collection}/") else f"{collection}/{name}"


def new_request_id() -> str:
    """Makes the UUID by which a service recognises a repeated request."""
    return str(uuid.uuid4())


def _check(message_class: type[Message], name: str, value: Any) -> None:
    try:
        message_class(**{name: value})
    except (TypeError, ValueError):
        kind = message_class.DESCRIPTOR.fields_by_name[name].type
        raise InvalidField(name, value, _ALLOWED.get(kind, "what the field holds")) from None
