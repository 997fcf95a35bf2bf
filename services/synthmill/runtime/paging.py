"""Page sizes and page tokens of lists."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json

from synthmill.runtime.errors import InvalidField

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000

Key = tuple[int, ...]
"""Sort key of the last row of a page."""


@dataclasses.dataclass(frozen=True)
class Page:
    """A place in a list.

    Attributes:
        size: rows on the page.
        after: sort key of the row before it, or None on the first page.
        scope: what is listed; a token of another scope is refused.
    """

    size: int
    after: Key | None
    scope: str

    def token_after(self, key: Key) -> str:
        """Returns the token of the page that begins after a row."""
        text = json.dumps([_digest(self.scope), *key], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode()


def parse_page(page_size: int, page_token: str, scope: str, key_length: int = 1) -> Page:
    """Validates the paging fields of a request.

    Args:
        page_size: zero means the default; more than the maximum means the maximum.
        page_token: from the page before, or empty.
        scope: what is listed, filter included.
        key_length: integers in a sort key.

    Raises:
        InvalidField: a negative size, or a token that was not given for this list.
    """
    if page_size < 0:
        raise InvalidField("page_size", page_size, f"0 to {MAX_PAGE_SIZE}")
    size = min(page_size, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE
    return Page(size, _parse_token(page_token, scope, key_length) if page_token else None, scope)


def _parse_token(token: str, scope: str, key_length: int) -> Key:
    try:
        digest, *key = json.loads(base64.urlsafe_b64decode(token.encode()))
        is_valid = digest == _digest(scope) and len(key) == key_length and all(type(part) is int for part in key)
    except (ValueError, TypeError, RecursionError):
        is_valid = False
    if not is_valid:
        raise InvalidField("page_token", token, "empty, or the next_page_token of the same list")
    return tuple(key)


def _digest(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:16]
