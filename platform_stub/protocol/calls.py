"""The devices' HTTP calls: generations, why a call is refused, and what each generation says then.

A refusal is one value here, whatever the generation; its number and text on the wire come from the tables below.
Source: onenet-protocol, sections 1, 2, 4 and 5; what is inferred there is marked (I).
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, NamedTuple


class Generation(Enum):
    """Which of the three HTTP interfaces a device speaks; the letters are those of the protocol facts."""

    SOUTH = "south"  # A
    STUDIO = "studio"  # B
    FUSE = "fuse"  # C


class CallRefusal(Enum):
    """Why a device's call is answered with no."""

    INVALID_AUTHORIZATION = (
        auto()
    )  # no token, a malformed one, or not made by the key that its `res` asks for
    INVALID_RESOURCE = auto()  # `res` is of no kind that may do this, or of another product or device
    TOKEN_TOO_LONG = auto()  # `et` is more than ten years ahead; generation C only
    TOKEN_EXPIRED = auto()  # `et` is in the past
    NO_SUCH_DEVICE = auto()
    PARAMETER_REQUIRED = auto()
    BAD_PARAMETER = auto()  # ill-typed, out of range, no JSON
    BAD_VERSION = auto()
    BAD_TYPE = auto()  # the kind of update is neither 1 nor 2
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
        CallRefusal.INVALID_AUTHORIZATION: Said(10403, "authentication failed:invalid authorization"),
        CallRefusal.INVALID_RESOURCE: Said(10403, "authentication failed:invalid resource"),
        CallRefusal.TOKEN_TOO_LONG: Said(
            10403, "authentication failed:token expire is too long,max expire limit 10 years"
        ),
        CallRefusal.TOKEN_EXPIRED: Said(
            10403, "authentication failed:request has expired:expire={expire},now={now}"
        ),
        CallRefusal.NO_SUCH_DEVICE: Said(10410, "device not exist"),
        CallRefusal.PARAMETER_REQUIRED: Said(12001, "parameter required"),
        CallRefusal.BAD_PARAMETER: Said(12015, "invalid parameter"),
        CallRefusal.BAD_VERSION: Said(12004, "invalid format"),
        CallRefusal.BAD_TYPE: Said(12010, "invalid task type"),
        CallRefusal.BAD_STEP: Said(12016, "invalid step"),
        CallRefusal.NO_TASK: Said(12012, "not exist"),
        CallRefusal.NOT_FOUND: Said(12002, "not found"),
        CallRefusal.AT_TARGET: Said(12013, "task succ"),
        CallRefusal.FINISHED: Said(20, "task finish"),
        CallRefusal.CANCELLED: Said(20, "task finish"),
        CallRefusal.JOB_EXPIRED: Said(12014, "task expire"),
        CallRefusal.PAUSED: Said(12012, "not exist"),
        CallRefusal.MODEL_MISMATCH: Said(12015, "invalid parameter"),
        CallRefusal.START_VERSION: Said(12011, "start version mismatch"),
        CallRefusal.NO_DIFFERENTIAL: Said(12011, "start version mismatch"),
        CallRefusal.LICENCES_INSUFFICIENT: Said(12012, "remaining licenses are insufficient"),  # (I), P15
        CallRefusal.JOB_TOKEN_MISSING: Said(12002, "not found"),
        CallRefusal.JOB_TOKEN_EXPIRED: Said(12014, "task expire"),
        CallRefusal.WRONG_STATE: Said(12016, "invalid step"),
        CallRefusal.UNAVAILABLE: Said(10500, "internal error"),
    }
)
"""Generation C's `code` and `msg`."""
