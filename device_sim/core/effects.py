"""What a device asks its shell to do, and what it tells it."""

from enum import Enum

from msgspec import Struct


class Connect(Struct, frozen=True, gc=False):
    """Open the MQTT connection; `LinkUp` or `LinkDown` follows."""


class Disconnect(Struct, frozen=True, gc=False):
    """End the MQTT connection, or the attempt at one; no event follows."""


class Send(Struct, frozen=True, gc=False):
    """Publish with QoS 1 on the device's topic; `again`: it was sent before and had no reply."""

    suffix: str
    payload: bytes
    again: bool = False


class Fetch(Struct, frozen=True, gc=False):
    """Ask for the bytes [start:stop] of a download; `Answered`, `Chunk`, `Fetched` or `FetchFailed` follow."""

    path: str
    start: int
    stop: int


class StopFetch(Struct, frozen=True, gc=False):
    """The rest of the answer is not wanted; no event of this fetch follows."""


class Outcome(Enum):
    """How a job ended for the device."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ENDED = "ended"  # by the platform: cancelled, expired, held


class JobStarted(Struct, frozen=True, gc=False):
    """A job was taken up."""

    tid: int


class JobEnded(Struct, frozen=True, gc=False):
    """A job is over. `step` is the last one reported, 0 for none."""

    tid: int
    outcome: Outcome
    step: int
    reason: str = ""


class Noted(Struct, frozen=True, gc=False):
    """Something went wrong that the device lives with."""

    what: str


Effect = Connect | Disconnect | Send | Fetch | StopFetch | JobStarted | JobEnded | Noted
