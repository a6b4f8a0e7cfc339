"""JSON messages over MQTT, as OneJSON spells them. Wire spelling (`f_version`, `tid`) exists only here.

Unknown fields are ignored; a missing, ill-typed or out-of-range one is a `MessageError` that names its path.
Times are unix milliseconds, sizes bytes. Source: onenet-protocol, section 3.
"""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from platform_stub.protocol.wording import text

ACCEPTED: Final = 200
"""`code` of a reply that says yes; an inform may also be accepted with 0."""

MessageId = Annotated[str, Meta(min_length=1, max_length=15)]
Version = Annotated[
    str, text(20, r"^[A-Za-z0-9_.\-]+$(?!\n)", "a version: 1 to 20 letters, digits, - _ and .")
]
Tid = Annotated[int, Meta(ge=0, le=2**63 - 1)]
CardNumber = Annotated[
    str, text(32, r"^[0-9A-Za-z]*$(?!\n)", "a card's number: letters and digits, at most 32", least=0)
]
Step = Annotated[int, Meta(ge=0, le=208)]


class MessageError(ValueError):
    """The peer's payload is not the message its topic asks for."""


class InformParams(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The job a device is told of; all unset (`{}`) for a device that asks over HTTP."""

    tid: int | UnsetType = UNSET
    type: int | UnsetType = UNSET
    target: str | UnsetType = UNSET
    size: int | UnsetType = UNSET
    md5: str | UnsetType = UNSET
    url: str | UnsetType = UNSET


class Inform(Struct, frozen=True, kw_only=True):
    """Platform to device: there is a job. `params` is always present, empty or filled."""

    id: MessageId
    version: str = "1.0"
    params: InformParams


class InformReply(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Device to platform: 200 or 0 accepts the inform, anything else refuses it."""

    id: MessageId
    code: int
    msg: str = ""


class VersionParams(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The versions a device runs; one that is left out is not reported."""

    f_version: Version | UnsetType = UNSET
    s_version: Version | UnsetType = UNSET


class VersionReport(Struct, frozen=True, kw_only=True):
    """Device to platform: what it runs now."""

    id: MessageId
    version: str = "1.0"
    params: VersionParams


class StatusParams(Struct, frozen=True, kw_only=True, gc=False):
    """One step of one job."""

    tid: Tid
    step: Step


class StatusReport(Struct, frozen=True, kw_only=True):
    """Device to platform: where its job stands."""

    id: MessageId
    version: str = "1.0"
    params: StatusParams


class CardValue(Struct, frozen=True, kw_only=True, gc=False):
    """The value of a card's property."""

    value: CardNumber


class CardParams(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The properties of the card in a device; other properties pass unread."""

    iccid: CardValue | UnsetType = UNSET
    imsi: CardValue | UnsetType = UNSET


class PropertyPost(Struct, frozen=True, kw_only=True):
    """Device to platform: properties, of which the card is the one that is kept."""

    id: MessageId
    version: str = "1.0"
    params: CardParams


class Reply(Struct, frozen=True, kw_only=True, gc=False):
    """Platform to device: answer to `/ota/version`, `/ota/status`, `/thing/property/post`."""

    id: MessageId
    code: int = ACCEPTED
    msg: str = "success"


class DataPoint(Struct, frozen=True, kw_only=True, gc=False):
    """Device to platform and back: a data point, of which only the id is read."""

    id: int


M = TypeVar("M", bound=Struct)
_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[type[Struct], msgspec.json.Decoder[Struct]] = {}


def encode(message: Struct) -> bytes:
    """Compact UTF-8 JSON."""
    return _ENCODER.encode(message)


def decode(payload: bytes | memoryview, kind: type[M]) -> M:
    """Read one message of the given kind; MessageError names the path of what is wrong."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(payload)  # type: ignore[return-value]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MessageError(str(exc)) from exc
