"""What the schema objects to, in words for an author: one mistake a place, with what was expected there.

jsonschema finds it; here its objections are worded, and alternatives ("a count, or one for each variant") are brought
down to the one that the author meant.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from scenarios.loader.mistakes import Path, listing, nearest, shown
from scenarios.selection import SELECTION_PATTERN, SelectionFault, parse_selection
from scenarios.units import SIZE_PATTERN, SPAN_PATTERN, YUAN_PATTERN

_TYPES: Final = {
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
_LARGEST_PLAIN: Final = 10_000
_SELECTION_CHARACTERS_MAX: Final = 200
_QUANTITIES: Final = (SPAN_PATTERN, YUAN_PATTERN, SIZE_PATTERN)
_MANY_DIGITS: Final = re.compile(r"[0-9]{10,}")


@dataclass(frozen=True, slots=True)
class Objection:
    """What is wrong at a path; `at_key` when it is the key, not its value."""

    path: Path
    text: str
    at_key: bool = False


@cache
def _validator(make_schema: Callable[[], dict[str, Any]]) -> Draft202012Validator:
    return Draft202012Validator(make_schema())


def objections(value: Any, make_schema: Callable[[], dict[str, Any]]) -> list[Objection]:
    """Check a value against a schema; at most one objection a place."""
    validator = _validator(make_schema)
    defs = make_schema().get("$defs", {})
    found: dict[tuple[Path, bool], Objection] = {}
    for error in validator.iter_errors(value):
        for objection in _word(error, defs):
            found.setdefault((objection.path, objection.at_key), objection)
    return list(found.values())


def _parts(error: ValidationError) -> tuple[Any, Any, Any]:
    """Give what was found, the keyword's value, and the schema it stands in; all are JSON."""
    return error.instance, error.validator_value, error.schema


def _word(error: ValidationError, defs: Mapping[str, Any]) -> Iterator[Objection]:
    path: Path = tuple(error.absolute_path)
    value, limit, schema = _parts(error)
    match error.validator:
        case _ if "propertyNames" in error.absolute_schema_path:
            hint = nearest(str(value), map(str, schema.get("enum", ())))
            yield Objection((*path, str(value)), f"expected {wanted(schema, defs)}{hint}", at_key=True)
        case "additionalProperties" if isinstance(value, dict):
            known = schema.get("properties", {})
            for name in value:
                if name not in known:
                    hint = nearest(name, known) or f"; there are {listing(known)}"
                    yield Objection((*path, name), f"no field is named {shown(name)} here{hint}", at_key=True)
        case "required" if isinstance(value, dict):
            missing = [name for name in limit if name not in value]
            yield Objection(path, f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
        case "anyOf":
            yield from _word_alternatives(error, defs)
        case "enum":
            names = [str(choice) for choice in limit]
            hint = "" if str(value) in names else nearest(str(value), names)
            yield Objection(path, f"expected {_one_of(limit)}, found {shown(value)}{hint}")
        case "minItems" | "maxItems":
            word = "at least" if error.validator == "minItems" else "at most"
            yield Objection(path, f"expected {word} {limit} in the list, found {len(value)}")
        case "minProperties":
            yield Objection(path, f"expected {wanted(schema, defs)}, found an empty one")
        case "minimum" | "maximum":
            word = "more" if error.validator == "minimum" else "less"
            yield Objection(path, f"expected {limit:,} or {word}, found {value}")
        case "pattern" if limit == SELECTION_PATTERN and len(value) <= _SELECTION_CHARACTERS_MAX:
            yield Objection(path, _word_selection(value, wanted(schema, defs)))
        case _:
            yield Objection(path, _mismatch(value, schema, defs))


def _mismatch(value: Any, schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Say what was wanted and what was found; a key is never shown."""
    if "x-secret" in schema:
        return f"expected {wanted(schema, defs)}"
    if isinstance(value, str) and _is_too_large(value, schema, defs):
        return f"{shown(value)} is too large"
    return f"expected {wanted(schema, defs)}, found {shown(value)}"


def _is_too_large(text: str, schema: Mapping[str, Any], defs: Mapping[str, Any]) -> bool:
    """Whether only its many digits keep a text from being the number, span, size or amount that is wanted."""
    shortened = _MANY_DIGITS.sub("1", text)
    if shortened == text:
        return False
    for branch in resolve(schema, defs).get("anyOf", (schema,)):
        meant = resolve(branch, defs)
        if meant.get("type") == "integer" and re.fullmatch("[-+]?1", shortened):
            return True
        pattern = meant.get("pattern", "")
        if any(quantity in pattern for quantity in _QUANTITIES) and re.search(pattern, shortened):
            return True
    return False


def _word_selection(text: str, otherwise: str) -> str:
    try:
        parse_selection(text)
    except SelectionFault as exc:
        return str(exc)
    return f"expected {otherwise}, found {shown(text)}"


def _word_alternatives(error: ValidationError, defs: Mapping[str, Any]) -> Iterator[Objection]:
    """Take the alternative whose type fits what was written; if none fits, name them all."""
    value, alternatives, schema = _parts(error)
    if isinstance(value, str) and _is_too_large(value, schema, defs):
        yield Objection(tuple(error.absolute_path), f"{shown(value)} is too large")
        return
    branches: dict[int, list[ValidationError]] = {}
    for part in error.context or ():
        branches.setdefault(int(part.schema_path[0]), []).append(part)
    for parts in branches.values():
        if not any(part.validator in {"type", "enum"} and not part.path for part in parts):
            for part in parts:
                yield from _word(part, defs)
            return
    path: Path = tuple(error.absolute_path)
    hint = ""
    if isinstance(value, str):
        choices = [str(c) for branch in alternatives for c in resolve(branch, defs).get("enum", ())]
        hint = nearest(value, choices)
    yield Objection(path, f"expected {wanted(schema, defs)}, found {shown(value)}{hint}")


def resolve(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference."""
    while "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    return schema


def wanted(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Say what a schema admits."""
    schema = resolve(schema, defs)
    if "x-wanted" in schema:
        return str(schema["x-wanted"])
    if "anyOf" in schema:
        return ", or ".join(dict.fromkeys(wanted(part, defs) for part in _told(schema["anyOf"], defs)))
    if "enum" in schema:
        return _one_of(schema["enum"])
    if "pattern" in schema:
        return f"a text that matches {schema['pattern']}"
    if schema.get("type") == "object" and "additionalProperties" in schema and "properties" not in schema:
        return "a mapping with one for each variant"
    if schema.get("type") == "object" and "title" in schema:
        return f"a mapping with {listing(schema.get('properties', ()))}"
    if schema.get("type") == "array":
        return f"a list, each entry {wanted(schema.get('items', {}), defs)}"
    return _TYPES.get(str(schema.get("type")), "another value") + _bounds(schema)


def _told(branches: list[Any], defs: Mapping[str, Any]) -> list[Any]:
    """Leave out the number where a text's own words tell of it too, as `a size such as 560 or 64 KiB` does."""
    meant = [resolve(branch, defs) for branch in branches]
    if any(one.get("type") == "string" and "x-wanted" in one for one in meant):
        return [one for one in meant if one.get("type") != "integer"]
    return branches


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None and high <= _LARGEST_PLAIN:
        return f" from {low} to {high}"
    return f" from {low} on" if low is not None and low >= 0 else ""


def _one_of(choices: list[Any]) -> str:
    names = ["true" if choice is True else str(choice) for choice in choices]
    return names[0] if len(names) == 1 else f"one of {', '.join(names)}"
