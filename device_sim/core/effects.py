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


class Call(Struct, frozen=True, gc=False):
    """Ask the platform over HTTP; `CallAnswered` or `CallFailed` follows. `again`: it was asked before."""

    method: str
    path: str
    body: bytes
    again: bool = False


class StopCall(Struct, frozen=True, gc=False):
    """The answer is not wanted; no event of this call follows."""


class CallRefused(Struct, frozen=True, gc=False):
    """The platform accepts this device's token no more, or does not know the device."""

    code: int
    text: str


class CallsAccepted(Struct, frozen=True, gc=False):
    """A call was answered after the platform had refused the device."""


class Ring(Struct, frozen=True, gc=False):
    """A device that works over HTTP was told over MQTT: it has to ask."""


class StopFetch(Struct, frozen=True, gc=False):
    """The rest of the answer is not wanted; no event of this fetch follows."""


class Outcome(Enum):
    """How a job ended for the device."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ENDED = "ended"  # by the platform: cancelled, expired, held


class JobStarted(Struct, frozen=True, gc=False):
    """A job was taken up."""

    tid: int  # 0 in generation A, whose jobs have a token only


class JobEnded(Struct, frozen=True, gc=False):
    """A job is over. `step` is the last one reported, 0 for none."""

    tid: int
    outcome: Outcome
    step: int
    reason: str = ""


class Noted(Struct, frozen=True, gc=False):
    """Something went wrong that the device lives with."""

    what: str


class Struck(Struct, frozen=True, gc=False):
    """A fault struck, or a limit of the hardware holds a job back: `what` is the fault's kind, or the limit's name.

    Limits: storage, mcu_storage, battery, signal.
    """

    what: str
    text: str


class PowerLost(Struct, frozen=True, gc=False):
    """A fault has cut the device's power, its bell's too; it is back by itself after so long."""

    for_ms: int


class PowerRestored(Struct, frozen=True, gc=False):
    """The power came back by itself, its time being over."""


Effect = (
    Connect
    | Disconnect
    | Send
    | Fetch
    | StopFetch
    | Call
    | StopCall
    | CallRefused
    | CallsAccepted
    | Ring
    | JobStarted
    | JobEnded
    | Noted
    | Struck
    | PowerLost
    | PowerRestored
)
