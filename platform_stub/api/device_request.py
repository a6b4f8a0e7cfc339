"""A device's request as its call reads it: parameters checked for being there and well-formed, each by its name.

What is missing or ill-formed ends the call with `Unfit`, which the dispatcher turns into the generation's number and
text. What a version, type or step means is the service's. Source: onenet-protocol, section 4.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from platform_stub.api.target import read_query
from platform_stub.protocol.calls import CallRefusal
from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules.jobs import signal_of
from platform_stub.service.device_calls import Caller, Refused

PRODUCT_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)
DEVICE_NAME: Final = re.compile(r"[A-Za-z0-9_\-]{1,64}", re.ASCII)
_VERSION: Final = re.compile(r"[A-Za-z0-9_.\-]{1,20}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)  # fits 64 bits

_KINDS: Final[Mapping[str, UpdateKind]] = {str(int(kind)): kind for kind in UpdateKind}
_TEXT_MAX: Final = 128
_STEP_MAX: Final = 9_999  # no step is near it; what is above is one number to the service
_NO_STEP: Final = -1


class Unfit(Exception):
    """The request can't be a call; `refused` says why."""

    def __init__(self, why: CallRefusal, text: str | None = None) -> None:
        super().__init__(why.name, text)
        self.refused = Refused(why, text)


class _Fields(msgspec.Struct, gc=False):
    """What a body may hold; anything else in it is passed over."""

    f_version: Any = msgspec.UNSET
    s_version: Any = msgspec.UNSET
    step: Any = msgspec.UNSET
    result: Any = msgspec.UNSET
    pid: Any = msgspec.UNSET
    authInfo: Any = msgspec.UNSET  # noqa: N815 - the wire's spelling


_DECODER: Final = msgspec.json.Decoder(_Fields)


class DeviceRequest:
    """One request. `tail` is what follows the generation's base path; `local` is the address it came in by.

    `spoils_md5`: a wrong digest is to be given, and has not been yet.
    """

    __slots__ = (
        "_query",
        "authorization",
        "body",
        "caller",
        "local",
        "method",
        "query_text",
        "range",
        "spoils_md5",
        "tail",
        "tid",
    )

    def __init__(
        self,
        method: str,
        tail: tuple[str, ...],
        query_text: str = "",
        *,
        authorization: str = "",
        range: str | None = None,  # noqa: A002 - the header's name
        body: bytes = b"",
        local: str = "",
    ) -> None:
        self.method, self.tail, self.query_text = method, tail, query_text
        self.authorization, self.range, self.body, self.local = authorization, range, body, local
        self._query: Mapping[str, str] | None = None
        self.caller: Caller
        self.tid = 0
        self.spoils_md5 = False

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters."""
        if self._query is None:
            self._query = read_query(self.query_text)
        return self._query

    def given(self, name: str) -> str | None:
        """Read a parameter that may be left out; an empty one counts as left out."""
        text = self.query.get(name)
        if not text:
            return None
        if len(text) > _TEXT_MAX or not text.isprintable():
            raise Unfit(CallRefusal.BAD_PARAMETER, f"invalid parameter: {name}")
        return text

    def wanted(self, name: str) -> str:
        """Read a parameter that must be there."""
        text = self.given(name)
        if text is None:
            raise Unfit(CallRefusal.PARAMETER_REQUIRED, f"parameter required: {name}")
        return text

    def device_id(self) -> int:
        """Read `dev_id`."""
        text = self.wanted("dev_id")
        if not _NUMBER.fullmatch(text):
            raise Unfit(CallRefusal.BAD_PARAMETER, "invalid parameter: dev_id")
        return int(text)

    def kind(self) -> UpdateKind:
        """Read `type`: 1 FOTA, 2 SOTA."""
        text = self.query.get("type")
        if not text:
            raise Unfit(CallRefusal.PARAMETER_REQUIRED, "parameter required: type")
        kind = _KINDS.get(text)
        if kind is None:
            raise Unfit(CallRefusal.BAD_TYPE)
        return kind

    def version(self) -> str:
        """Read `version`: what the device runs."""
        text = self.query.get("version")
        if not text:
            raise Unfit(CallRefusal.PARAMETER_REQUIRED, "parameter required: version")
        if not _VERSION.fullmatch(text):
            raise Unfit(CallRefusal.BAD_VERSION)
        return text

    def reported_versions(self, *, both: bool) -> tuple[str | None, str | None]:
        """Read (firmware, software) versions from the body: at least one, or both."""
        fields = self.fields()
        f_version, s_version = _version(fields.f_version), _version(fields.s_version)
        if f_version is None and (both or s_version is None):
            raise Unfit(CallRefusal.PARAMETER_REQUIRED, "parameter required: f_version")
        if both and s_version is None:
            raise Unfit(CallRefusal.PARAMETER_REQUIRED, "parameter required: s_version")
        return f_version, s_version

    def step(self) -> int:
        """Read `step` from the body; whether it is one, and in place, the service says."""
        step = self.fields().step
        if step is msgspec.UNSET:
            raise Unfit(CallRefusal.PARAMETER_REQUIRED, "parameter required: step")
        if type(step) is not int:
            raise Unfit(CallRefusal.BAD_PARAMETER, "invalid parameter: step")
        return step if 0 <= step <= _STEP_MAX else _NO_STEP

    def result(self) -> int:
        """Read `result` from the body: a step by generation A's other name."""
        result = self.fields().result
        if result is msgspec.UNSET:
            raise Unfit(CallRefusal.PARAMETER_REQUIRED, "parameter required: result")
        if type(result) is not int or signal_of(result) is None:
            raise Unfit(CallRefusal.BAD_RESULT)
        return result

    def fields(self) -> _Fields:
        """Read the body; line ends that a device counted in are white space."""
        if not self.body.strip():
            return _Fields()
        try:
            return _DECODER.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unfit(CallRefusal.BAD_PARAMETER, "invalid parameter: the body is no JSON object") from None


def _version(value: Any) -> str | None:
    if value is msgspec.UNSET:
        return None
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise Unfit(CallRefusal.BAD_VERSION)
    return value


def read_tid(text: str) -> int | None:
    """Read a job's number from a path; None when no job can have it."""
    return int(text) if _NUMBER.fullmatch(text) else None
