"""The devices' HTTP calls: generations, why a call is refused, and what each generation says then.

A refusal is one value here, whatever the generation; its number and text on the wire come from the tables below.
Source: onenet-protocol, sections 1, 2, 4 and 5; what is inferred there is marked (I).
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, NamedTuple

from msgspec import Struct

from platform_stub.protocol.codes import FuseCode, OtaErrno


class Generation(Enum):
    """Which of the three HTTP interfaces a device speaks; the letters are those of the protocol facts."""

    SOUTH = "south"  # A
    STUDIO = "studio"  # B
    FUSE = "fuse"  # C


class CallRefusal(Enum):
    """Why a device's call is answered with no."""

    INVALID_AUTHORIZATION = auto()  # no token, a malformed one, or not by the key that its `res` asks for
    INVALID_RESOURCE = auto()  # `res` is of no kind that may do this, or of another product or device
    TOKEN_TOO_LONG = auto()  # `et` is more than ten years ahead; generation C only
    TOKEN_EXPIRED = auto()  # `et` is in the past
    NO_SUCH_DEVICE = auto()
    PARAMETER_REQUIRED = auto()
    BAD_PARAMETER = auto()  # ill-typed, out of range, no JSON
    BAD_VERSION = auto()
    BAD_TYPE = auto()  # the kind of update is neither 1 nor 2
    BAD_RESULT = auto()  # generation A's `result` is no step's number
    BAD_STEP = auto()  # no step, or out of place
    NO_TASK = auto()  # nothing to do, or held by arrears (P10)
    NOT_FOUND = auto()  # no such job, or another device's
    AT_TARGET = auto()  # a version report has made the job a success already
    FINISHED = auto()  # the job has succeeded or failed
    CANCELLED = auto()
    JOB_EXPIRED = auto()
    PAUSED = auto()
    MODEL_MISMATCH = auto()  # manufacturer or model; the job fails
    START_VERSION = auto()  # of a differential package; the job fails
    NO_DIFFERENTIAL = auto()
    LICENCES_INSUFFICIENT = auto()  # an auto-add (P15, B13)
    JOB_TOKEN_MISSING = auto()  # generation A's `ota_...`: none, or another device's
    JOB_TOKEN_EXPIRED = auto()  # older than 48 h
    WRONG_STATE = auto()  # for a token check
    UNAVAILABLE = auto()  # the store could not commit: nothing has changed


class Refused(Struct, frozen=True, gc=False, eq=False):
    """The answer to a call that is refused. `text`, when given, is said instead of the table's text.

    `note` tells people more than devices are told; it is no part of the answer, and of what compares.
    """

    why: CallRefusal
    text: str | None = None
    note: str | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refused) and (self.why, self.text) == (other.why, other.text)

    def __hash__(self) -> int:
        return hash((self.why, self.text))


class Said(NamedTuple):
    """What a generation says: its number, and its text."""

    code: int
    text: str


SOUTH: Final[Mapping[CallRefusal, Said]] = MappingProxyType(
    {
        CallRefusal.INVALID_AUTHORIZATION: Said(1, "invalid authorization"),
        CallRefusal.INVALID_RESOURCE: Said(1, "invalid resource"),
        CallRefusal.TOKEN_TOO_LONG: Said(1, "invalid authorization"),
        CallRefusal.TOKEN_EXPIRED: Said(1, "authorization expired"),
        CallRefusal.NO_SUCH_DEVICE: Said(1, "no such device"),
        CallRefusal.PARAMETER_REQUIRED: Said(2, "parameter required"),
        CallRefusal.BAD_PARAMETER: Said(2, "invalid parameter"),
        CallRefusal.BAD_VERSION: Said(27, "invalid version"),
        CallRefusal.BAD_TYPE: Said(2, "invalid type"),
        CallRefusal.BAD_RESULT: Said(24, "invalid result"),
        CallRefusal.BAD_STEP: Said(21, "invalid state"),
        CallRefusal.NO_TASK: Said(11, "not exists"),
        CallRefusal.NOT_FOUND: Said(4, "not found"),
        CallRefusal.AT_TARGET: Said(20, "finished"),
        CallRefusal.FINISHED: Said(20, "invalid state"),
        CallRefusal.CANCELLED: Said(22, "cancelled"),
        CallRefusal.JOB_EXPIRED: Said(12, "token expired"),
        CallRefusal.PAUSED: Said(19, "suspended"),
        CallRefusal.MODEL_MISMATCH: Said(8, "manufacturer or model mismatch"),
        CallRefusal.START_VERSION: Said(9, "start version mismatch"),
        CallRefusal.NO_DIFFERENTIAL: Said(32, "no differential package for this version"),
        CallRefusal.LICENCES_INSUFFICIENT: Said(5116, "remaining licenses are insufficient"),
        CallRefusal.JOB_TOKEN_MISSING: Said(4, "token missing"),
        CallRefusal.JOB_TOKEN_EXPIRED: Said(12, "token expired"),
        CallRefusal.WRONG_STATE: Said(17, "invalid state"),
        CallRefusal.UNAVAILABLE: Said(7, "internal error"),
    }
)
"""Generation A's `errno` and `error`."""

STUDIO: Final[Mapping[CallRefusal, Said]] = MappingProxyType(
    {
        **SOUTH,
        CallRefusal.NO_TASK: Said(10, "not exist"),
        CallRefusal.LICENCES_INSUFFICIENT: Said(10, "remaining licenses are insufficient"),  # (I), P15
        CallRefusal.AT_TARGET: Said(20, "task succ"),
        CallRefusal.FINISHED: Said(20, "task finish"),
        CallRefusal.JOB_EXPIRED: Said(12, "task expire"),
        CallRefusal.PAUSED: Said(10, "not exist"),
    }
)
"""Generation B's: A's numbers, and 10 for "no task"."""

FUSE: Final[Mapping[CallRefusal, Said]] = MappingProxyType(
    {
        CallRefusal.INVALID_AUTHORIZATION: Said(
            FuseCode.AUTHENTICATION, "authentication failed:invalid authorization"
        ),
        CallRefusal.INVALID_RESOURCE: Said(FuseCode.AUTHENTICATION, "authentication failed:invalid resource"),
        CallRefusal.TOKEN_TOO_LONG: Said(
            FuseCode.AUTHENTICATION,
            "authentication failed:token expire is too long,max expire limit 10 years",
        ),
        CallRefusal.TOKEN_EXPIRED: Said(
            FuseCode.AUTHENTICATION, "authentication failed:request has expired:expire={expire},now={now}"
        ),
        CallRefusal.NO_SUCH_DEVICE: Said(FuseCode.NO_SUCH_DEVICE, "device not exist"),
        CallRefusal.PARAMETER_REQUIRED: Said(FuseCode.PARAMETER_REQUIRED, "parameter required"),
        CallRefusal.BAD_PARAMETER: Said(FuseCode.INVALID_PARAMETER, "invalid parameter"),
        CallRefusal.BAD_VERSION: Said(FuseCode.FORMAT, "invalid format"),
        CallRefusal.BAD_TYPE: Said(FuseCode.TASK_TYPE, "invalid task type"),
        CallRefusal.BAD_RESULT: Said(FuseCode.INVALID_STEP, "invalid step"),
        CallRefusal.BAD_STEP: Said(FuseCode.INVALID_STEP, "invalid step"),
        CallRefusal.NO_TASK: Said(FuseCode.NO_TASK, "not exist"),
        CallRefusal.NOT_FOUND: Said(FuseCode.NOT_FOUND, "not found"),
        CallRefusal.AT_TARGET: Said(FuseCode.ALREADY_AT_TARGET, "task succ"),
        CallRefusal.FINISHED: Said(FuseCode.TASK_FINISHED, "task finish"),
        CallRefusal.CANCELLED: Said(FuseCode.TASK_FINISHED, "task finish"),
        CallRefusal.JOB_EXPIRED: Said(FuseCode.TASK_EXPIRED, "task expire"),
        CallRefusal.PAUSED: Said(FuseCode.NO_TASK, "not exist"),
        CallRefusal.MODEL_MISMATCH: Said(FuseCode.INVALID_PARAMETER, "invalid parameter"),
        CallRefusal.START_VERSION: Said(FuseCode.START_VERSION, "start version mismatch"),
        CallRefusal.NO_DIFFERENTIAL: Said(FuseCode.START_VERSION, "start version mismatch"),
        CallRefusal.LICENCES_INSUFFICIENT: Said(
            FuseCode.NO_TASK, "remaining licenses are insufficient"
        ),  # (I), P15
        CallRefusal.JOB_TOKEN_MISSING: Said(FuseCode.NOT_FOUND, "not found"),
        CallRefusal.JOB_TOKEN_EXPIRED: Said(FuseCode.TASK_EXPIRED, "task expire"),
        CallRefusal.WRONG_STATE: Said(FuseCode.INVALID_STEP, "invalid step"),
        CallRefusal.UNAVAILABLE: Said(FuseCode.INTERNAL, "internal error"),
    }
)
"""Generation C's `code` and `msg`."""

TABLES: Final[Mapping[Generation, Mapping[CallRefusal, Said]]] = MappingProxyType(
    {Generation.SOUTH: SOUTH, Generation.STUDIO: STUDIO, Generation.FUSE: FUSE}
)
"""What is said, by generation; over MQTT it is C's."""

OTA_ERRNO: Final[Mapping[CallRefusal, OtaErrno]] = MappingProxyType(
    {
        CallRefusal.INVALID_AUTHORIZATION: OtaErrno.AUTHENTICATION,
        CallRefusal.INVALID_RESOURCE: OtaErrno.AUTHENTICATION,
        CallRefusal.TOKEN_TOO_LONG: OtaErrno.AUTHENTICATION,
        CallRefusal.TOKEN_EXPIRED: OtaErrno.AUTHENTICATION,
        CallRefusal.NO_SUCH_DEVICE: OtaErrno.DEVICE,
        CallRefusal.NOT_FOUND: OtaErrno.FILE,
        CallRefusal.JOB_TOKEN_MISSING: OtaErrno.FILE,
        CallRefusal.BAD_PARAMETER: OtaErrno.FILE,
        CallRefusal.PARAMETER_REQUIRED: OtaErrno.FILE,
        CallRefusal.UNAVAILABLE: OtaErrno.STORAGE,
        CallRefusal.NO_TASK: OtaErrno.ENDED,
        CallRefusal.AT_TARGET: OtaErrno.ENDED,
        CallRefusal.FINISHED: OtaErrno.ENDED,
        CallRefusal.CANCELLED: OtaErrno.ENDED,
        CallRefusal.JOB_EXPIRED: OtaErrno.ENDED,
        CallRefusal.JOB_TOKEN_EXPIRED: OtaErrno.ENDED,
        CallRefusal.PAUSED: OtaErrno.ENDED,
    }
)
"""Header `Ota-Errno` of a refused download, generations B and C; "ended" is also held (P10) and paused (I)."""

DOWNLOAD_BODY: Final[Mapping[CallRefusal, bytes]] = MappingProxyType(
    {
        CallRefusal.INVALID_AUTHORIZATION: b"3",
        CallRefusal.INVALID_RESOURCE: b"3",
        CallRefusal.TOKEN_TOO_LONG: b"3",
        CallRefusal.TOKEN_EXPIRED: b"3",
        CallRefusal.JOB_TOKEN_MISSING: b"3",
        CallRefusal.JOB_TOKEN_EXPIRED: b"3",
        CallRefusal.NO_SUCH_DEVICE: b"1",
        CallRefusal.NOT_FOUND: b"1",
        CallRefusal.NO_TASK: b"1",
        CallRefusal.AT_TARGET: b"1",
        CallRefusal.FINISHED: b"1",
        CallRefusal.CANCELLED: b"1",
        CallRefusal.JOB_EXPIRED: b"1",
        CallRefusal.PAUSED: b"1",
        CallRefusal.UNAVAILABLE: b"4",
        CallRefusal.BAD_PARAMETER: b"5",
        CallRefusal.PARAMETER_REQUIRED: b"5",
    }
)
"""The one-byte body of a refused download, generations A and B: what has ended is not found (I)."""
