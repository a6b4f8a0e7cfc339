"""What a field of a body admits, in words: one home for the description and for what a mistake is answered with.

A type says what it wants by `text(...)`, and the OpenAPI document shows it; `word_mistake` puts msgspec's objections,
which know patterns and type names only, in those words.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import msgspec
from msgspec import Meta, inspect

WANTED: Final = "x-wanted"

_PLACE: Final = re.compile(r"(?P<said>.*) - at `(?P<path>\$[^`]*)`", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<field>\w+)|\[[^\]]*\]")
_BOUND: Final = re.compile(
    r"Expected `(?P<type>\w+)`(?P<length> of length)? (?P<sign>>=|<=|>|<) (?P<limit>[0-9.-]+)"
)
_NAMES: Final = re.compile(r"`(\w+(?: \| \w+)*)`")
_TYPES: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_SIGNS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_COUNTED: Final = {"str": "characters", "array": "entries"}


def text(most: int, pattern: str, wanted: str, *, least: int = 1) -> Meta:
    """Describe a text of `least` to `most` characters that matches a pattern; `wanted` says so to a person."""
    return Meta(
        min_length=least,
        max_length=most,
        pattern=pattern,
        description=wanted,
        extra_json_schema={WANTED: wanted},
    )


def word_mistake(mistake: msgspec.DecodeError, kind: type) -> str:
    """Say what is wrong with a body that was read as `kind`: the path, what is wanted there, what was found."""
    said, path = str(mistake), "$"
    if place := _PLACE.fullmatch(said):
        said, path = place["said"], place["path"]
    if not isinstance(mistake, msgspec.ValidationError):
        return said
    where = "" if path == "$" else f"{path}: "
    return where + _word(said, tuple(_find(_types_of(kind), path)))


@cache
def _types_of(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def _find(root: inspect.Type, path: str) -> Iterator[inspect.Type]:
    """Find the types that are admitted at a path."""
    found: tuple[inspect.Type, ...] = (root,)
    for step in _STEP.finditer(path):
        found = tuple(inner for outer in found for inner in _enter(outer, step["field"]))
    return iter(found)


def _enter(node: inspect.Type, field: str | None) -> Iterator[inspect.Type]:
    match node:
        case inspect.Metadata(type=inner):
            yield from _enter(inner, field)
        case inspect.UnionType(types=types):
            for each in types:
                yield from _enter(each, field)
        case inspect.StructType(fields=fields):
            yield from (known.type for known in fields if known.encode_name == field)
        case inspect.ListType(item_type=item):
            yield item
        case inspect.DictType(value_type=value):
            yield value


def _word(said: str, admitted: tuple[inspect.Type, ...]) -> str:
    if said.startswith("Invalid enum value "):
        return f"expected one of {', '.join(_choices(admitted))}, found {said.removeprefix('Invalid enum value ')}"
    if said.startswith("Object contains unknown field "):
        name = said.removeprefix("Object contains unknown field ").strip("`")
        return f"no field is named {name[:40]!r}; there are {', '.join(_fields(admitted))}"
    if said.startswith("Object missing required field "):
        return f"{said.removeprefix('Object missing required field ').strip('`')} is missing"
    if said.startswith("Expected `str`") and ", got " not in said and (wanted := _wanted(admitted)):
        return f"expected {wanted}"
    if bound := _BOUND.fullmatch(said):
        of = f"of {_SIGNS[bound['sign']]} {bound['limit']}"
        counted = f" {_COUNTED.get(bound['type'], 'entries')}" if bound["length"] else ""
        return f"expected {_TYPES.get(bound['type'], bound['type'])} {of}{counted}"
    worded = _NAMES.sub(lambda names: _types(names[1]), said[:1].lower() + said[1:])
    return worded.replace(", got ", ", found ")


def _types(names: str) -> str:
    return " or ".join(_TYPES.get(name, name) for name in names.split(" | "))


def _wanted(admitted: tuple[inspect.Type, ...]) -> str:
    for node in _leaves(admitted):
        if isinstance(node, inspect.Metadata) and WANTED in (node.extra_json_schema or {}):
            return str((node.extra_json_schema or {})[WANTED])
    return ""


def _choices(admitted: tuple[inspect.Type, ...]) -> list[str]:
    return [
        str(choice)
        for node in _leaves(admitted)
        if isinstance(node, inspect.LiteralType)
        for choice in node.values
    ]


def _fields(admitted: tuple[inspect.Type, ...]) -> list[str]:
    return [
        field.encode_name
        for node in _leaves(admitted)
        if isinstance(node, inspect.StructType)
        for field in node.fields
    ]


def _leaves(nodes: tuple[inspect.Type, ...]) -> Iterator[inspect.Type]:
    """Give types with what they are made of, alternatives one by one."""
    for node in nodes:
        yield node
        match node:
            case inspect.Metadata(type=inner):
                yield from _leaves((inner,))
            case inspect.UnionType(types=types):
                yield from _leaves(types)
