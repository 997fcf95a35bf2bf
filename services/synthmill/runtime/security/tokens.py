"""From a bearer token to who it stands for."""

from __future__ import annotations

import datetime
import hashlib
import re
import time
from typing import Any, Protocol

from synthmill.runtime.errors import InvalidField, Unauthenticated
from synthmill.runtime.security.files import read_yaml
from synthmill.runtime.security.principals import Principal
from synthmill.runtime.security.roles import with_included
from synthmill.runtime.watched import Watched

_DIGEST = re.compile("[0-9a-f]{64}")
_FIELDS = frozenset(["subject", "tenant", "roles", "sha256", "expires"])


class Tokens(Protocol):
    """Knows tokens of one sort."""

    def find(self, token: str) -> Principal:
        """Returns who a token stands for.

        Raises:
            Unauthenticated: it stands for nobody.
        """


class StaticTokens:
    """Tokens that a file lists, by their digests.

    The file is YAML: a list of mappings with `subject`, `sha256` (of the token, 64 hex digits), `roles`, and if need be
    `tenant` and `expires` (a date or time, UTC unless it says otherwise). It is read again when it changes.

    Args:
        path: the file.

    Raises:
        InvalidField: it cannot be read, or an entry is wrong.
    """

    def __init__(self, path: str) -> None:
        self._entries = Watched([path], lambda: _entries(path))

    def find(self, token: str) -> Principal:
        """As `Tokens.find`."""
        found = self._entries.get().get(digest_of(token))
        if found is None:
            raise Unauthenticated("the token is not known")
        principal, expires = found
        if expires is not None and expires < time.time():
            raise Unauthenticated("the token has expired")
        return principal


def digest_of(token: str) -> str:
    """Returns the digest that a list of tokens has in place of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _entries(path: str) -> dict[str, tuple[Principal, float | None]]:
    content = read_yaml("tokens", path) or []
    if not isinstance(content, list):
        raise InvalidField("tokens", path, "a list of tokens")
    return dict(_entry(f"{path}[{position}]", entry) for position, entry in enumerate(content))


def _entry(place: str, entry: Any) -> tuple[str, tuple[Principal, float | None]]:
    if not isinstance(entry, dict) or not {"subject", "roles", "sha256"} <= entry.keys() <= _FIELDS:
        raise InvalidField(place, entry, "a mapping of subject, roles, sha256, and perhaps tenant and expires")
    if not isinstance(entry["roles"], list):
        raise InvalidField(f"{place}.roles", entry["roles"], "a list of roles")
    if not _DIGEST.fullmatch(str(entry["sha256"])):
        raise InvalidField(f"{place}.sha256", entry["sha256"], "64 hex digits")
    principal = Principal(str(entry["subject"]), str(entry.get("tenant", "")), with_included(entry["roles"]))
    return entry["sha256"], (principal, _until(f"{place}.expires", entry.get("expires")))


def _until(place: str, given: Any) -> float | None:
    if given is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(str(given))
    except ValueError:
        raise InvalidField(place, given, "a date or time such as 2027-01-31") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
