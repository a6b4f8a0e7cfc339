"""Bytes to a tree of YAML nodes that know their place. Nothing is given a type here.

Built from the parser's events without recursion, so no depth and no bytes can make it fail otherwise than with
mistakes. Anchors, aliases, tags and several documents are refused: a scenario is to be read as it stands.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from scenarios.loader.mistakes import Mark

SIZE_MAX_BYTES: Final = 1_048_576
DEPTH_MAX: Final = 20

Fault = tuple[Mark, str]
"""A place and what is wrong there."""


@dataclass(slots=True)
class Scalar:
    """A text; `plain` when it was written without quotes."""

    text: str
    plain: bool
    mark: Mark


@dataclass(slots=True)
class Sequence:
    """A list."""

    mark: Mark
    items: "list[Node]" = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """A mapping, each key once and in the order written."""

    mark: Mark
    items: "dict[str, tuple[Mark, Node]]" = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


def compose(data: bytes) -> tuple[Node | None, list[Fault]]:
    """Make the tree of a file's one document; there is none when the bytes are no YAML at all."""
    if len(data) > SIZE_MAX_BYTES:
        return None, [
            (Mark(1, 1), f"the file is larger than {SIZE_MAX_BYTES:,} bytes; no scenario needs that")
        ]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        return None, [(_place(data[: exc.start]), "the file is not UTF-8 text here; is it a scenario?")]
    builder = _Builder()
    try:
        _feed(builder, text)
    except _Stop:
        return None, builder.faults
    except yaml.YAMLError as exc:
        builder.faults.append(_yaml_fault(exc, text))
        return None, builder.faults
    if builder.root is None and not builder.faults:
        builder.faults.append((Mark(1, 1), "the file is empty; a scenario starts with version: 1"))
    return builder.root, builder.faults


def _feed(builder: "_Builder", text: str) -> None:
    """Feed events of the fast parser; when it objects, those of the one in Python, whose words are better."""
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is not None:
        try:
            for event in yaml.parse(text, Loader=fast):
                builder.take(event)
        except yaml.YAMLError as exc:
            for _ in yaml.parse(text, Loader=yaml.SafeLoader):  # raises in its own words, if it minds at all
                pass
            raise exc from None
        return
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        builder.take(event)


_DROPPED: Final = Scalar("", plain=False, mark=Mark(1, 1))
"""Stands for a key that was refused; its value is not kept."""


class _Stop(Exception):
    """No use to read on."""


class _Builder:
    """Takes events, one after the other, and keeps a stack of open collections."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.faults: list[Fault] = []
        self._stack: list[Sequence | Mapping] = []
        self._keys: list[Scalar | None] = []
        self._skipping = 0  # depth inside a key that is a collection
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._stop(event, "a second document starts here; a file holds one scenario")
            case yaml.AliasEvent():
                self._fault(event, f"*{event.anchor}: aliases are not used here; write it out")
                self._put(Scalar("", plain=True, mark=_mark(event)))
            case yaml.ScalarEvent():
                self._check(event)
                self._put(_scalar(event))
            case yaml.SequenceStartEvent():
                self._check(event)
                self._open(event, Sequence(_mark(event)))
            case yaml.MappingStartEvent():
                self._check(event)
                self._open(event, Mapping(_mark(event)))
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close()

    def _check(self, event: Any) -> None:
        if event.anchor is not None:
            self._fault(event, f"&{event.anchor}: anchors are not used here; write it out")
        if event.tag is not None:
            self._fault(event, f"{event.tag}: tags are not used here; leave it out")

    def _open(self, event: Any, node: Sequence | Mapping) -> None:
        if self._skipping or self._wants_key():
            if not self._skipping:
                self._fault(event, "a key is a list or a mapping; a key is a word")
            self._skipping += 1
            return
        if len(self._stack) >= DEPTH_MAX:
            self._stop(event, f"this is nested more than {DEPTH_MAX} deep; no scenario needs that")
        self._put(node)
        self._stack.append(node)
        self._keys.append(None)

    def _close(self) -> None:
        if self._skipping:
            self._skipping -= 1
            if not self._skipping:
                self._keys[-1] = _DROPPED
            return
        self._stack.pop()
        self._keys.pop()

    def _wants_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1], Mapping) and self._keys[-1] is None

    def _put(self, node: Node) -> None:
        if self._skipping:
            return
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if isinstance(top, Sequence):
            top.items.append(node)
            return
        key = self._keys[-1]
        if key is None:
            assert isinstance(node, Scalar), "collections as keys are skipped"
            self._keys[-1] = node
            return
        self._keys[-1] = None
        if key is not _DROPPED and key.text in top.items:
            first = top.items[key.text][0]
            self.faults.append(
                (key.mark, f"{key.text!r} is written twice; the first is on line {first.line}")
            )
        elif key is not _DROPPED:
            top.items[key.text] = (key.mark, node)

    def _fault(self, event: yaml.Event, text: str) -> None:
        self.faults.append((_mark(event), text))

    def _stop(self, event: yaml.Event, text: str) -> None:
        self._fault(event, text)
        raise _Stop


def _mark(event: yaml.Event) -> Mark:
    start = event.start_mark
    assert start is not None, "every event of a parser has a place"
    return Mark(start.line + 1, start.column + 1)


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    text = event.value
    if event.style in {"|", ">"}:
        text = text.removesuffix("\n")
    return Scalar(text, plain=not event.style, mark=_mark(event))


def _place(before: bytes | str) -> Mark:
    """Give the place after some text."""
    text = before.decode("utf-8", "replace") if isinstance(before, bytes) else before
    return Mark(text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1)


def _yaml_fault(exc: yaml.YAMLError, text: str) -> Fault:
    """Word the parser's objection."""
    if isinstance(exc, yaml.reader.ReaderError):
        at = exc.position if isinstance(exc.position, int) else 0
        character = chr(exc.character) if isinstance(exc.character, int) else str(exc.character)
        return _place(text[:at]), f"the character {character!r} has no place in a scenario"
    if isinstance(exc, yaml.MarkedYAMLError):
        mark = exc.problem_mark or exc.context_mark
        place = Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark(1, 1)
        said = [part for part in (exc.context, exc.problem) if part]
        return place, f"not YAML: {', '.join(said) or 'it can not be read'}{_hint(text, place)}"
    return Mark(1, 1), f"not YAML: {exc}"[:200]


def _hint(text: str, place: Mark) -> str:
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if "\t" in line[: place.column]:
        return "; indent with spaces, not with tabs"
    if "${" in line and line[: place.column].endswith("{"):
        return '; inside { } a variable stands in quotes, as in "${name}"'
    if re.search(r": *>=? *[0-9]", line):
        return '; a bound stands in quotes, as in ">= 3"'
    if "{" in line and "[" in line:
        return "; inside { } a selection with [ ] stands in quotes"
    return ""
