"""What a connection's state machine asks its shell to do."""

from collections.abc import Callable

from msgspec import Struct

from platform_stub.broker.embedded.counters import CloseReason
from platform_stub.protocol.mqtt.packets import ConnackCode


class Login(Struct, frozen=True, gc=False):
    """A CONNECT that fits the profile: ask the platform, then call `admit` or `refuse`."""

    product_id: str
    client_id: str
    password: str


class Receipt(Struct, eq=False, gc=False):
    """One publish that came in, until its effect is committed. `packet_id` is 0 with QoS 0."""

    packet_id: int
    settled: bool = False


class Received(Struct, frozen=True):
    """Hand a publish on; `settle` its receipt once it is committed."""

    suffix: str
    payload: bytes
    receipt: Receipt


class Duplicate(Struct, frozen=True, gc=False):
    """A publish was repeated before the first was settled; the one PUBACK to come answers both."""


class Subscribed(Struct, frozen=True, gc=False):
    """The SUBACK is in the outbox. `refused` are the filters that were not granted; `granted`: some were."""

    inform: bool
    granted: bool = True
    refused: tuple[str, ...] = ()


class Delivered(Struct, frozen=True):
    """The device has acknowledged a message."""

    tell: Callable[[], None] | None


class End(Struct, frozen=True, gc=False):
    """Close the connection, after what is in the outbox. Without a session `who` names the device, if it is known."""

    reason: CloseReason
    detail: str = ""
    code: ConnackCode | None = None  # what CONNECT was refused with
    who: str = ""


Event = Login | Received | Duplicate | Subscribed | Delivered | End
