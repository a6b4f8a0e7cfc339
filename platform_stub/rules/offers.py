"""Whether a job suits the device that checks for it. Pure; what follows from a mismatch is the service's.

Source: onenet-protocol, section 4 (errno 8 and 9, codes 12011 and 12013) and section 7 (chip codes).
"""

from enum import Enum, auto

from msgspec import Struct

from platform_stub.protocol.codes import OTHER_CHIPS, JobState

_ANY = frozenset(OTHER_CHIPS.values())


class Mismatch(Enum):
    """Why a job does not suit, in the order in which it is looked at."""

    AT_TARGET = auto()  # the device runs the target already
    MODEL = auto()  # the package is another manufacturer's or model's
    START_VERSION = auto()  # a differential package that starts from another version


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """What a device says of itself when it checks; manufacturer and model may be left out."""

    version: str
    manufacturer: str | None = None
    model: str | None = None


class Terms(Struct, frozen=True, kw_only=True, gc=False):
    """What a job's package is for: empty, or the code of "other" chips, is any. No start version: a full package."""

    target: str
    start_version: str | None = None
    manufacturer: str = ""
    model: str = ""


def find_mismatch(state: JobState, terms: Terms, asked: Asked) -> Mismatch | None:
    """Judge an open job; one that is upgrading is past all but its target."""
    if asked.version == terms.target:
        return Mismatch.AT_TARGET
    if state is JobState.UPGRADING:
        return None
    if (terms.manufacturer, terms.model) not in _ANY and (
        _differs(terms.manufacturer, asked.manufacturer) or _differs(terms.model, asked.model)
    ):
        return Mismatch.MODEL
    if terms.start_version is not None and asked.version != terms.start_version:
        return Mismatch.START_VERSION
    return None


def _differs(wanted: str, said: str | None) -> bool:
    return bool(wanted and said) and said != wanted
