"""A tree of nodes to plain values, each scalar read as what its place in the schema admits.

So `iccid: 0012345` and `on` stay text where text is wanted, `2` is a number where a number is, and nothing becomes a
float. Where the schema admits none of it, a scalar is read by YAML 1.2's core schema, so that the mistake can say what
was found. Each value's place is kept by its path.
"""

import re
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from typing import Any, Final

from scenarios.loader.mistakes import Mark, Path
from scenarios.loader.tree import Fault, Mapping, Node, Scalar, Sequence

_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

Schema = AnyMapping[str, Any]


@dataclass(slots=True)
class Reading:
    """What was read: values, the place of each value and of each key by path, and what can't be read."""

    value: Any = None
    marks: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def read(node: Node, schema: Schema) -> Reading:
    """Read a whole tree; `schema` has its definitions under `$defs`."""
    reading = Reading()
    reading.value = _Reader(schema, reading).read(node, schema, ())
    return reading


class _Reader:
    def __init__(self, root: Schema, reading: Reading) -> None:
        self._defs: Schema = root.get("$defs", {})
        self._reading = reading

    def read(self, node: Node, schema: Schema, path: Path) -> Any:
        """Read a node; as deep as the tree, whose depth is bounded."""
        self._reading.marks[path] = node.mark
        branches = self._branches(schema)
        match node:
            case Scalar():
                return self._scalar(node, branches)
            case Sequence():
                items: Schema = next((b["items"] for b in branches if isinstance(b.get("items"), dict)), {})
                return [self.read(item, items, (*path, at)) for at, item in enumerate(node.items)]
            case Mapping():
                return {
                    key: self._entry(mark, value, branches, (*path, key))
                    for key, (mark, value) in node.items.items()
                }

    def _entry(self, mark: Mark, value: Node, branches: list[Schema], path: Path) -> Any:
        self._reading.keys[path] = mark
        schema: Schema = {}
        for branch in branches:
            if path[-1] in branch.get("properties", {}):
                schema = branch["properties"][path[-1]]
            elif isinstance(branch.get("additionalProperties"), dict):
                schema = branch["additionalProperties"]
        return self.read(value, schema, path)

    def _branches(self, schema: Schema) -> list[Schema]:
        """Resolve references and alternatives."""
        if "$ref" in schema:
            return self._branches(self._defs[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return [branch for part in schema["anyOf"] for branch in self._branches(part)]
        return [schema]

    def _scalar(self, scalar: Scalar, branches: list[Schema]) -> Any:
        if found := _CONTROL.search(scalar.text):
            self._reading.faults.append(
                (scalar.mark, f"a text has a control character ({found[0]!r}); keep it on one line")
            )
            return scalar.text[: found.start()]
        if not scalar.plain:
            return scalar.text
        admitted = {kind for branch in branches for kind in _kinds(branch)}
        for kind, reader in (("null", _null), ("boolean", _boolean), ("integer", _integer)):
            if kind in admitted:
                value = reader(scalar.text)
                if value is not scalar.text:
                    return value
        if "string" in admitted and scalar.text not in _NULLS:
            return scalar.text
        return _core(scalar.text)


def _kinds(schema: Schema) -> list[str]:
    if "type" in schema:
        return [schema["type"]]
    kinds = {bool: "boolean", int: "integer", str: "string", type(None): "null"}
    return [kinds[type(value)] for value in schema.get("enum", ())]


def _null(text: str) -> Any:
    return None if text in _NULLS else text


def _boolean(text: str) -> Any:
    return _BOOLEANS.get(text, text)


def _integer(text: str) -> Any:
    return int(text) if _INTEGER.fullmatch(text) else text


def _core(text: str) -> Any:
    for reader in (_null, _boolean, _integer):
        value = reader(text)
        if value is not text:
            return value
    return text
