"""HTML by construction: what is not made here is text, and escaped."""

from html import escape
from typing import Final

_VOID: Final = frozenset({"meta", "br", "input", "hr", "col"})
_INVISIBLE: Final = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127], "\N{REPLACEMENT CHARACTER}")

Attribute = str | int | bool | None


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


class Right(str):
    """Text that stands to the right in a table's cell, as numbers do."""

    __slots__ = ()


def text(value: object) -> Html:
    """Make text fit to stand in a page; markup stays."""
    return value if isinstance(value, Html) else Html(escape(visible(str(value))))


def visible(words: str) -> str:
    """Replace what no page can hold."""
    return words.translate(_INVISIBLE)


def join(*parts: object) -> Html:
    """Put parts one after the other."""
    return Html("".join(text(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: Attribute) -> Html:
    """Make an element; `class_` is class, `aria_label` aria-label; None and False attributes are left out."""
    said = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{said}>")
    return Html(f"<{name}{said}>{join(*children)}</{name}>")


def table(
    caption: str, heads: "list[tuple[str, str]]", rows: "list[Html]", *, class_: str | None = None
) -> Html:
    """Make a table with a caption; a head is its text and its class, such as `number`."""
    head = tag("tr", *(tag("th", label, scope="col", class_=kind or None) for label, kind in heads))
    inner = (tag("caption", caption), tag("thead", head), tag("tbody", *rows))
    return tag("div", tag("table", *inner, class_=class_), class_="scroll")


def row(*cells: object, class_: str | None = None) -> Html:
    """Make a table's row; integers and `Right` stand to the right. The first cell is its head."""
    return tag("tr", *(_cell(value, is_head=at == 0) for at, value in enumerate(cells)), class_=class_)


def _cell(value: object, *, is_head: bool) -> Html:
    kind = "number" if isinstance(value, int | Right) else None
    shown = f"{value:,}" if isinstance(value, int) else value
    return tag("th", shown, scope="row", class_=kind) if is_head else tag("td", shown, class_=kind)
