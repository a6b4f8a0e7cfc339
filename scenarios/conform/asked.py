"""What a device asks over HTTP, read out of a request's method, target and body: generations A, B and C. Pure.

Judged is nothing here: what can't be read is a call of kind "other". Source: onenet-protocol, sections 1 and 4.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Struct

_ABSOLUTE: Final = re.compile(r"https?://[^/?]*", re.IGNORECASE)
_SLASHES: Final = re.compile("/{2,}")
_SOUTH_CALLS: Final = re.compile(
    r"/ota/(?:(?P<version>device/version)"
    r"|(?:south/)?(?:(?P<check>check)|(?P<tasking>tasking)|(?P<report>report)"
    r"|download/(?P<token>[^/]+)(?P<token_check>/check)?"
    r"|device/download/(?P<progress>[^/]+)/progress))"
)
_NAMED_CALLS: Final = re.compile(
    r"/(?:fuse-)?ota/[^/]+/[^/]+/"
    r"(?:(?P<version>version)|(?P<check>check)|(?P<tid>[0-9]+)/(?P<what>check|download|status))/?"
)


class Asked(Struct, frozen=True, kw_only=True):
    """One call: `call` is version, query, check, token, state, download, step or other; `handle` names the job.

    A job's handle is its number, or generation A's token, as text. `kind` is 1 FOTA, 2 SOTA, 0 unsaid.
    """

    call: str
    handle: str = ""
    kind: int = 0
    step: int | None = None
    f_version: str | None = None
    s_version: str | None = None
    version: str | None = None  # of a check


def read_asked(method: str, target: str, body: bytes) -> Asked:
    """Read a request."""
    path, _, query = _ABSOLUTE.sub("", target, count=1).partition("?")
    path = _SLASHES.sub("/", path)
    fields = dict(parse_qsl(query, keep_blank_values=True))
    for pattern, read in _READERS.items():
        found = pattern.fullmatch(path)
        if found is not None:
            return read(method, found, fields, _object_in(body))
    return Asked(call="other")


def _south(method: str, found: re.Match[str], fields: Mapping[str, str], said: Mapping[str, Any]) -> Asked:
    if found["version"]:
        return _version(method, said)
    if found["check"] or found["tasking"]:
        return _check(fields)
    if found["token"]:
        handle = unquote(found["token"])
        return Asked(call="token" if found["token_check"] else "download", handle=handle)
    if found["progress"]:
        return Asked(call="step", handle=unquote(found["progress"]), step=_number(said.get("step")))
    return Asked(call="step", handle=fields.get("token", ""), step=_number(said.get("result")))


def _named(method: str, found: re.Match[str], fields: Mapping[str, str], said: Mapping[str, Any]) -> Asked:
    if found["version"]:
        return _version(method, said)
    if found["check"]:
        return _check(fields)
    call = {"check": "state", "download": "download", "status": "step"}[found["what"]]
    step = _number(said.get("step")) if call == "step" else None
    return Asked(call=call, handle=found["tid"], step=step)


_Reader = Callable[[str, re.Match[str], Mapping[str, str], Mapping[str, Any]], Asked]
_READERS: Final[Mapping[re.Pattern[str], _Reader]] = MappingProxyType(
    {_SOUTH_CALLS: _south, _NAMED_CALLS: _named}
)


def _version(method: str, said: Mapping[str, Any]) -> Asked:
    if method != "POST":
        return Asked(call="query")
    return Asked(
        call="version", f_version=_text(said.get("f_version")), s_version=_text(said.get("s_version"))
    )


def _check(fields: Mapping[str, str]) -> Asked:
    kind = fields.get("type", "")
    return Asked(call="check", kind=int(kind) if kind in {"1", "2"} else 0, version=fields.get("version"))


def _object_in(body: bytes) -> Mapping[str, Any]:
    """Read a body as a JSON object; an empty one where it is none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
