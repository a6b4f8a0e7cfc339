"""What a request line asks for: path segments and query, as devices spell them, and whose path it is.

Doubled slashes and a slash at the end name the same thing, a target may be absolute (`https://…` too, whatever the
port), and each segment is decoded once, after the split: an encoded slash stays inside its segment. `.` and `..`
are names like any other here; nothing is resolved. Source: onenet-protocol, sections 1, 4 and 6.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import unquote

from platform_stub.protocol.calls import Generation
from platform_stub.protocol.ids import RESERVED_PRODUCT_IDS

_FUSE_BASE: Final = "fuse-ota"
_OTA_BASE: Final = "ota"
_SOUTH_BASE: Final = "south"
_KEPT_MAX: Final = 256  # no call's path is longer; longer ones are not remembered
_UNREADABLE: Final = "\0"  # stands for a segment that is not UTF-8; no name and no word of a path is that


class Target(NamedTuple):
    """A request's target. `generation` is None for what is not a device's; its base path is left off `segments`."""

    generation: Generation | None
    segments: tuple[str, ...]
    query: str


def read_target(text: str) -> Target:
    """Read the target of a request line."""
    path, query = split_target(text)
    found = _read_path(path) if len(path) <= _KEPT_MAX else _take_apart(path)
    return Target(*found, query)


def split_target(text: str) -> tuple[str, str]:
    """Part a target into path and query, leaving off scheme, authority and fragment."""
    if not text.startswith("/"):
        _, found, rest = text.partition("://")
        if found:
            authority, slash, path = rest.partition("/")
            text = slash + path if "?" not in authority else ""
    if "#" in text:
        text = text.partition("#")[0]
    path, _, query = text.partition("?")
    return path, query


def _take_apart(path: str) -> tuple[Generation | None, tuple[str, ...]]:
    segments = tuple(_decoded(part) for part in path.split("/") if part)
    if not segments:
        return None, segments
    base, rest = segments[0], segments[1:]
    if base == _FUSE_BASE:
        return Generation.FUSE, rest
    if base != _OTA_BASE:
        return None, segments
    if rest and rest[0] not in RESERVED_PRODUCT_IDS:
        return Generation.STUDIO, rest
    # A's calls exist with and without `/south` (section 1).
    return Generation.SOUTH, rest[1:] if rest[:1] == (_SOUTH_BASE,) else rest


_read_path: Final = lru_cache(maxsize=4_096)(_take_apart)


def _decoded(segment: str) -> str:
    if "%" not in segment:
        return segment
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        return _UNREADABLE


def read_query(text: str) -> Mapping[str, str]:
    """Read a query's parameters; of one that is there twice the first counts."""
    if not text:
        return _NOTHING
    parameters: dict[str, str] = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if "%" in value or "+" in value:
            value = unquote(value.replace("+", " "), errors="replace")
        parameters.setdefault(name, value)
    return parameters


_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
