"""What can happen to a device; its `handle` takes any of these."""

from typing import Final

from msgspec import Struct

from device_sim.core.faults import Fault


class PowerOn(Struct, frozen=True, gc=False):
    """It is switched on and will connect."""


class PowerOff(Struct, frozen=True, gc=False):
    """It leaves for good: nothing of a job is kept."""


class PowerCut(Struct, frozen=True, gc=False):
    """Its power goes, for so long of its running time or until `PowerBack`; what is in its flash stays."""

    for_ms: int | None = None


class PowerBack(Struct, frozen=True, gc=False):
    """Its power is there again; nothing happens where it is there already."""


class Dropped(Struct, frozen=True, gc=False):
    """Its connections are cut from outside, and it is back at once: a reconnect storm is this, to many."""


class TimePassed(Struct, frozen=True, gc=False):
    """Its running time has gone on by so much more than the shell's clock: the account's clock was advanced."""

    by_ms: int


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


class FaultsSet(Struct, frozen=True):
    """These faults, and no others, are the device's from now on; () clears them."""

    faults: tuple[Fault, ...] = ()


class WorldSet(Struct, frozen=True, gc=False):
    """Its hardware's levels are these from now on, until they are set again; None leaves one as it is."""

    battery: float | None = None  # per cent
    signal: float | None = None
    storage_bytes: int | None = None
    mcu_storage_bytes: int | None = None


Event = (
    PowerOn
    | PowerOff
    | PowerCut
    | PowerBack
    | Dropped
    | TimePassed
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
    | FaultsSet
    | WorldSet
)

FETCH_EVENTS: Final = frozenset({Answered, Chunk, Fetched, FetchFailed})
"""Those of a download: they are the job's alone."""
