"""What can happen to a device; its `handle` takes any of these."""

from typing import Final

from msgspec import Struct

from device_sim.core.faults import Fault


class PowerOn(Struct, frozen=True, gc=False):
    """It is switched on and will connect."""


class PowerOff(Struct, frozen=True, gc=False):
    """It leaves for good."""


class Tick(Struct, frozen=True, gc=False):
    """Time has gone on, maybe past `due_ms`."""


class LinkUp(Struct, frozen=True, gc=False):
    """MQTT is connected, and its topic filters are granted."""


class LinkDown(Struct, frozen=True, gc=False):
    """The MQTT connection ended, or did not come about; `refused`: the server said no to this device."""

    refused: bool = False


class Received(Struct, frozen=True, gc=False):
    """A message came on one of the device's own topics."""

    suffix: str
    payload: bytes


class Answered(Struct, frozen=True, gc=False):
    """The head of a download's answer came; a header that is missing is None."""

    status: int
    ota_errno: str | None = None
    content_range: str | None = None
    length: int | None = None


class Chunk(Struct, frozen=True):
    """The next bytes of a download's body; they are not kept."""

    data: bytes | memoryview


class Fetched(Struct, frozen=True, gc=False):
    """A download's answer came to its end."""


class FetchFailed(Struct, frozen=True, gc=False):
    """A download's answer did not come, or broke off."""

    reason: str
    timed_out: bool = False


class CallAnswered(Struct, frozen=True, gc=False):
    """The whole answer to a `Call` came."""

    status: int
    body: bytes


class CallFailed(Struct, frozen=True, gc=False):
    """The answer to a `Call` did not come, or broke off; whether the platform acted on it is not known."""

    reason: str


class Informed(Struct, frozen=True, gc=False):
    """A device that works over HTTP was told that there is a job."""


class CardReplaced(Struct, frozen=True, gc=False):
    """Another card was put in: the device goes offline and comes back with it (B9)."""

    iccid: str
    imsi: str


class FaultSet(Struct, frozen=True):
    """The next jobs are to fail; None takes that back."""

    fault: Fault | None


Event = (
    PowerOn
    | PowerOff
    | Tick
    | LinkUp
    | LinkDown
    | Received
    | Answered
    | Chunk
    | Fetched
    | FetchFailed
    | CallAnswered
    | CallFailed
    | Informed
    | CardReplaced
    | FaultSet
)

FETCH_EVENTS: Final = frozenset({Answered, Chunk, Fetched, FetchFailed})
"""Those of a download: they are the job's alone."""
