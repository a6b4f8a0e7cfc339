"""Python values to the tree that a file's bytes are made into, so that both are judged by the same rules.

A text is a text; numbers, booleans and None are read as if they were written plainly, a timedelta is a span, a
datetime with its zone a moment. There are no lines: a place is the order of its value, and mistakes name its path.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from pathlib import PurePath
from typing import Any, Final

from scenarios.loader import tree
from scenarios.loader.mistakes import Mark, Path

_NO_TEXT: Final = (bytes, bytearray, memoryview)


def tree_of(value: Any) -> tuple[tree.Node, list[tuple[Path, str]]]:
    """Make the tree of a value, and name what has no place in one."""
    maker = _Maker()
    return maker.node(value, ()), maker.faults


class _Maker:
    def __init__(self) -> None:
        self.faults: list[tuple[Path, str]] = []
        self._numbers = count(1)

    def node(self, value: Any, path: Path) -> tree.Node:
        """Make the node of a value."""
        mark = Mark(0, next(self._numbers))
        if len(path) > tree.DEPTH_MAX:
            self.faults.append((path, f"this is nested more than {tree.DEPTH_MAX} deep"))
            return _plain("", mark)
        if isinstance(value, Mapping):
            return tree.Mapping(mark, self._entries(value, path))
        if isinstance(value, Sequence) and not isinstance(value, (str, *_NO_TEXT)):
            return tree.Sequence(mark, [self.node(item, (*path, at)) for at, item in enumerate(value)])
        return self._scalar(value, mark, path)

    def _entries(self, value: Mapping[Any, Any], path: Path) -> dict[str, tuple[Mark, tree.Node]]:
        items: dict[str, tuple[Mark, tree.Node]] = {}
        for key, part in value.items():
            if not isinstance(key, str):
                self.faults.append((path, f"the key {key!r:.40} is no text"))
                continue
            items[key] = (Mark(0, next(self._numbers)), self.node(part, (*path, key)))
        return items

    def _scalar(self, value: Any, mark: Mark, path: Path) -> tree.Scalar:
        match value:
            case None:
                return _plain("null", mark)
            case bool():
                return _plain("true" if value else "false", mark)
            case str() | PurePath():
                return tree.Scalar(str(value), plain=False, mark=mark)
            case int() | float():
                return _plain(str(value), mark)
            case timedelta():
                return _plain(_span(value), mark)
            case datetime() if value.tzinfo is not None:
                return _plain(value.isoformat(timespec="milliseconds"), mark)
            case datetime():
                self.faults.append((path, f"the moment {value} has no zone; give it one (tzinfo)"))
            case _:
                self.faults.append(
                    (path, f"a value of type {type(value).__name__} has no place in a scenario")
                )
        return _plain("", mark)


def _plain(text: str, mark: Mark) -> tree.Scalar:
    return tree.Scalar(text, plain=True, mark=mark)


def _span(span: timedelta) -> str:
    """Spell a span with the language's units."""
    parts = ((span.days, "d"), (span.seconds, "s"), (span.microseconds // 1_000, "ms"))
    return " ".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
