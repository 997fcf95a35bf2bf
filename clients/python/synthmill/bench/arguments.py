"""Options of the command that say several things."""

from __future__ import annotations

from collections.abc import Sequence

from synthmill.runtime.errors import InvalidField

_NUMBERS = "numbers of at least 1, with commas"


def parse_words(text: str) -> tuple[str, ...]:
    """Reads words with commas between them."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def parse_numbers(field: str, text: str) -> tuple[int, ...]:
    """Reads whole numbers with commas between them.

    Raises:
        InvalidField: something else is among them.
    """
    try:
        return tuple(int(word) for word in parse_words(text))
    except ValueError:
        raise InvalidField(field, text, _NUMBERS) from None


def require_numbers(field: str, numbers: Sequence[int]) -> None:
    """Requires that there are numbers, all of at least 1.

    Raises:
        InvalidField: it is not so.
    """
    if not numbers or min(numbers) < 1:
        raise InvalidField(field, numbers, _NUMBERS)
