"""Reads a page back: its elements as a tree, as far as tests ask for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from html.parser import HTMLParser

_VOID = {"meta", "link", "img", "br"}


@dataclasses.dataclass
class Element:
    """An element, with its text and elements in order."""

    tag: str
    attributes: dict[str, str | None]
    content: list[str | Element] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """All text within, with runs of white space as single spaces."""
        return " ".join("".join(self._texts()).split())

    @property
    def elements(self) -> Iterator[Element]:
        """All elements within, in the order in which they begin."""
        for each in self.content:
            if isinstance(each, Element):
                yield each
                yield from each.elements

    def find(self, tag: str, **attributes: str) -> list[Element]:
        """Returns the elements within that have this tag, these attributes, and `class_` among their classes."""
        wanted = attributes.pop("class_", None)
        return [
            each
            for each in self.elements
            if each.tag == tag
            and (wanted is None or wanted in (each.attributes.get("class") or "").split())
            and attributes.items() <= each.attributes.items()
        ]

    def _texts(self) -> Iterator[str]:
        for each in self.content:
            if isinstance(each, str):
                yield each
            else:
                yield from each._texts()
                yield " "


def read_page(page: bytes) -> Element:
    """Returns the root of a page.

    Raises:
        ValueError: an element is not closed, or closed elsewhere than in the one it began in.
    """
    reader = _Reader()
    reader.feed(page.decode())
    reader.close()
    if len(reader.open) != 1:
        raise ValueError(f"not closed: {[element.tag for element in reader.open[1:]]}")
    return reader.open[0]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].content.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].content.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.open.pop().tag != tag:
            raise ValueError(f"</{tag}> ends another element")

    def handle_data(self, data: str) -> None:
        self.open[-1].content.append(data)
