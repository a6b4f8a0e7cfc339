"""What a device of each HTTP generation asks for, spelled, and what it reads in the answers.

Paths, fields and envelopes stand here alone. What a code means is in `answers`; when something is asked, in
`http_device`. Source: onenet-protocol, section 4.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from device_sim.core import answers
from device_sim.core.answers import Answer
from device_sim.core.download import Telling
from device_sim.core.effects import Call
from device_sim.core.profile import Flow
from device_sim.core.state import NO_TERMS, Job, State, Terms
from platform_stub.protocol.codes import STEP_DOWNLOAD_DONE, Chip, JobState, UpdateKind
from platform_stub.protocol.messages import Tid, Version

T = TypeVar("T")

NO_VERSION: Final = "0"
"""What a device says that has no version of a kind, where one must be said."""
NO_CHIP: Final = Chip("", "")
"""Of a device that does not say whose it is."""

_AUTHENTICATION: Final = frozenset({401, 403})
_UNAVAILABLE: Final = frozenset({408, 429})
_BAD_REQUEST, _SERVER_ERROR = 400, 500


class Reply(NamedTuple):
    """An answer read: what it means, its code (the HTTP status where there is none), and its data as JSON."""

    meaning: Answer
    code: int
    text: str
    data: Raw = Raw()


class Offer(NamedTuple):
    """The job that a check found."""

    tid: int  # 0 where a job has a token
    token: str  # empty where a job has a number
    target: str
    size_bytes: int
    md5: str
    is_upgrading: bool = False  # the platform has had its 101: no per cent is taken any more
    terms: Terms = NO_TERMS


class OfferFault(Exception):
    """The data of a check is no job."""


class _CodeEnvelope(Struct, frozen=True, gc=False):
    """What is around C's answers."""

    code: int
    msg: str = ""
    data: Raw = Raw(b"null")


class _ErrnoEnvelope(Struct, frozen=True, gc=False, rename={"code": "errno", "msg": "error"}):
    """The same in A and B, under other names."""

    code: int
    msg: str = ""
    data: Raw = Raw(b"null")


_Count = Annotated[int, Meta(ge=0)]


class _Package(Struct, frozen=True, kw_only=True):
    target: Version
    size: Annotated[int, Meta(ge=0)]
    md5: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{32}$")]


class _NumberedOffer(_Package, frozen=True, kw_only=True):
    tid: Tid
    status: int = JobState.PENDING


class _TokenOffer(_Package, frozen=True, kw_only=True):
    token: Annotated[str, Meta(pattern="^[A-Za-z0-9_]{1,64}$")]
    signal: _Count = 0
    power: _Count = 0
    retry: _Count = 0
    interval: _Count = 0  # seconds


_code_envelope: Final = msgspec.json.Decoder(_CodeEnvelope)
_errno_envelope: Final = msgspec.json.Decoder(_ErrnoEnvelope)
_numbered_offer: Final = msgspec.json.Decoder(_NumberedOffer)
_token_offer: Final = msgspec.json.Decoder(_TokenOffer)


class Dialect(ABC):
    """A generation's spelling. `base` is what all calls of one device share, out of `base_of`."""

    flow: Flow
    envelope: msgspec.json.Decoder[_CodeEnvelope] | msgspec.json.Decoder[_ErrnoEnvelope]
    telling: Telling  # where a failed download says so
    meanings: Mapping[int, Answer]
    quiet: frozenset[int]  # a check that finds no job, as a matter of course
    shrugged: frozenset[int]  # "out of place", which a per cent and a token check can live with
    checks_token: bool = False

    @abstractmethod
    def base_of(self, product_id: str, name: str, device_id: int) -> str:
        """Spell what a device's calls begin with, or carry."""

    @abstractmethod
    def version(self, base: str, state: State) -> Call:
        """Report what runs."""

    @abstractmethod
    def check(self, base: str, kind: UpdateKind, version: str, chip: Chip = NO_CHIP) -> Call:
        """Ask for a job; `chip` is said where there is a field for it."""

    @abstractmethod
    def step(self, base: str, job: Job) -> Call:
        """Report `job.step`."""

    @abstractmethod
    def download(self, base: str, tid: int, token: str) -> str:
        """Give the path of a job's package."""

    def token_check(self, base: str, job: Job) -> Call:
        """Ask whether a job's token is good."""
        raise NotImplementedError(f"{self.flow} has no job tokens ({base}, job {job.tid})")

    @abstractmethod
    def read_offer(self, data: Raw) -> Offer:
        """Read the job out of a check's data; OfferFault says what is wrong with it."""

    def read(self, status: int, body: bytes) -> Reply:
        """Say what an answer means. 5xx is "try again" whatever it says: nothing is known to have happened."""
        if status >= _SERVER_ERROR or status in _UNAVAILABLE:
            return Reply(Answer.TRY_AGAIN, status, "HTTP")
        try:
            said = self.envelope.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            return Reply(_bare_meaning(status), status, f"HTTP, and no answer of {self.flow}: {fault}")
        return Reply(self.meanings.get(said.code, Answer.REFUSED), said.code, said.msg, said.data)


def _decode_offer(decoder: msgspec.json.Decoder[T], data: Raw) -> T:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as fault:
        raise OfferFault(str(fault)) from fault


def _bare_meaning(status: int) -> Answer:
    if status in _AUTHENTICATION:
        return Answer.SIGN_ANEW
    return Answer.REFUSED if status >= _BAD_REQUEST else Answer.TRY_AGAIN


class _South(Dialect):
    """Generation A: the device in the query, a job's token in the path."""

    flow = "south"
    envelope = _errno_envelope
    telling = Telling.BODY
    meanings = answers.SOUTH
    quiet = frozenset({11, 12, 19, 20, 22})
    shrugged = frozenset({17, 21})
    checks_token = True

    def base_of(self, _: str, __: str, device_id: int) -> str:
        return f"dev_id={device_id}"

    def version(self, base: str, state: State) -> Call:
        return Call("POST", f"/ota/device/version?{base}", _versions(state.f_version, state.s_version))

    def check(self, base: str, kind: UpdateKind, version: str, chip: Chip = NO_CHIP) -> Call:
        maker = f"&manuf={chip.manufacturer}" if chip.manufacturer else ""
        model = f"&model={chip.model}" if chip.model else ""
        path = f"/ota/south/check?{base}{maker}{model}&type={kind:d}&version={version}&cdn=false"
        return Call("GET", path, b"")

    def token_check(self, base: str, job: Job) -> Call:
        return Call("GET", f"/ota/south/download/{job.token}/check?{base}", b"")

    def step(self, base: str, job: Job) -> Call:
        if job.step < STEP_DOWNLOAD_DONE:
            path = f"/ota/south/device/download/{job.token}/progress?{base}"
            return Call("POST", path, b'{"step":%d}' % job.step)
        return Call("POST", f"/ota/south/report?{base}&token={job.token}", b'{"result":%d}' % job.step)

    def download(self, _: str, __: int, token: str) -> str:
        return f"/ota/south/download/{token}"

    def read_offer(self, data: Raw) -> Offer:
        found = _decode_offer(_token_offer, data)
        return Offer(
            0,
            found.token,
            found.target,
            found.size,
            found.md5,
            terms=Terms(found.power, found.signal, found.retry, found.interval * 1_000),
        )


class _Numbered(Dialect):
    """Generations B and C: the device in the path, a job's number in it."""

    prefix: str

    def base_of(self, product_id: str, name: str, _: int) -> str:
        return f"{self.prefix}/{product_id}/{name}"

    def check(self, base: str, kind: UpdateKind, version: str, _: Chip = NO_CHIP) -> Call:
        return Call("GET", f"{base}/check?type={kind:d}&version={version}", b"")

    def step(self, base: str, job: Job) -> Call:
        return Call("POST", f"{base}/{job.tid}/status", b'{"step":%d}' % job.step)

    def download(self, base: str, tid: int, _: str) -> str:
        return f"{base}/{tid}/download"

    def read_offer(self, data: Raw) -> Offer:
        found = _decode_offer(_numbered_offer, data)
        upgrading = found.status == JobState.UPGRADING
        return Offer(found.tid, "", found.target, found.size, found.md5, upgrading)


class _Studio(_Numbered):
    """Generation B: A's envelope."""

    flow = "studio"
    envelope = _errno_envelope
    prefix = "/ota"
    telling = Telling.BOTH
    meanings = answers.STUDIO
    quiet = frozenset({10, 11, 12, 20, 22})
    shrugged = frozenset({17, 21})

    def version(self, base: str, state: State) -> Call:
        return Call("POST", f"{base}/version", _versions(state.f_version, state.s_version))


class _Fuse(_Numbered):
    """Generation C: an envelope of its own, and both versions in a report."""

    flow = "fuse"
    envelope = _code_envelope
    prefix = "/fuse-ota"
    telling = Telling.HEADER
    meanings = answers.FUSE
    quiet = frozenset({20, 12012, 12013, 12014})
    shrugged = frozenset({12016})

    def version(self, base: str, state: State) -> Call:
        body = _versions(state.f_version or NO_VERSION, state.s_version or NO_VERSION)
        return Call("POST", f"{base}/version", body)


def _versions(f_version: str | None, s_version: str | None) -> bytes:
    said = {"s_version": s_version, "f_version": f_version}
    return msgspec.json.encode({name: value for name, value in said.items() if value is not None})


DIALECTS: Final[Mapping[Flow, Dialect]] = MappingProxyType(
    {"fuse": _Fuse(), "studio": _Studio(), "south": _South()}
)
