"""Closed sets that travel: kinds of update, job states, steps, chips, and the codes of the fuse generation.

Source: onenet-protocol, sections 4, 5 and 7 (chips).
"""

from collections.abc import Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import NamedTuple


class UpdateKind(IntEnum):
    """What an update replaces; the numbers are the wire's `type` in a request."""

    FOTA = 1  # the module's firmware
    SOTA = 2  # the MCU's system and applications


class JobState(IntEnum):
    """Where a job stands; the numbers are the wire's `status`."""

    PENDING = 1
    DOWNLOADING = 2
    UPGRADING = 3
    SUCCESS = 4
    FAILED = 5
    CANCELLED = 6

    __hash__ = int.__hash__  # states are keys of tables on the hot path; Enum's own is written in Python

    @property
    def is_open(self) -> bool:
        """Whether the job can still move."""
        return self <= JobState.UPGRADING


OPEN_STATES = (JobState.PENDING, JobState.DOWNLOADING, JobState.UPGRADING)

STEP_DOWNLOAD_DONE = 100
STEP_DOWNLOADED = 101
STEP_UPDATED = 201
STEP_DOWNLOAD_FAILED = 107
STEP_EXPIRED = 208

DOWNLOAD_FAILURES: Mapping[int, str] = {
    102: "no space for the package",
    103: "no memory for the download",
    104: "download timed out",
    105: "battery too low to download",
    106: "signal too weak to download",
    107: "download failed",
}
UPDATE_FAILURES: Mapping[int, str] = {
    202: "battery too low to update",
    203: "no memory for the update",
    204: "version mismatch after the update",
    205: "digest mismatch",
    206: "update failed",
    207: "retries used up",
    208: "job expired",
}


class Chip(NamedTuple):
    """How a chip's manufacturer and model are coded."""

    manufacturer: str
    model: str


OTHER_CHIPS: Mapping[UpdateKind, Chip] = MappingProxyType(
    {UpdateKind.FOTA: Chip("000", "00001"), UpdateKind.SOTA: Chip("100", "10001")}
)
"""The codes of a package for none of the named chips; it suits any device (I)."""


class FuseCode(IntEnum):
    """`code` in a reply of generation C."""

    OK = 0
    TASK_FINISHED = 20
    BAD_PARAMETER = 10001
    AUTHENTICATION = 10403
    NO_SUCH_DEVICE = 10410
    INTERNAL = 10500
    PARAMETER_REQUIRED = 12001
    NOT_FOUND = 12002
    FORMAT = 12004
    TASK_TYPE = 12010
    START_VERSION = 12011
    NO_TASK = 12012
    ALREADY_AT_TARGET = 12013
    TASK_EXPIRED = 12014
    INVALID_PARAMETER = 12015
    INVALID_STEP = 12016


class OtaErrno(IntEnum):
    """Header `Ota-Errno` of a download, generations B and C."""

    OK = 0
    DEVICE = 1
    FILE = 2
    STORAGE = 3
    SIZE = 4
    ENDED = 5  # expired or cancelled
    AUTHENTICATION = 6


class EntitlementSource(Enum):
    """What gave a device its right to be updated (charging rules, vocabulary)."""

    PURCHASED = "purchased"
    FREE = "free"
    GRANDFATHERED = "grandfathered"
