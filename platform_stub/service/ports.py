"""Where a broker and the platform meet, and where both say what devices do.

A broker authenticates nobody and decides nothing: it hands what devices send to an `Uplink` (the service) and
carries out what the service asks of its `Downlink`. Suffixes are those of `protocol.topics`.
All calls are made in the event loop's thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from platform_stub.protocol.ids import DeviceId

Settle = Callable[[bool], None]
"""Called once per message that came in: True after its effect is committed, False when it could not be."""


class ConnectRefusal(IntEnum):
    """CONNACK return codes for a device that is not let in [MQTT-3.2.2.3]."""

    UNAVAILABLE = 3
    MALFORMED = 4
    NOT_AUTHORISED = 5


@dataclass(slots=True, eq=False)
class Session:
    """One connection of one device, from its CONNECT to its end. Identity compares, not content."""

    device_id: DeviceId
    product_id: str
    name: str
    account_id: int = 0
    told_by_inform: bool = False  # has a granted subscription that takes in /ota/inform
    present: bool = False  # has published /ota/version on this connection
    telling: int = 0  # the last one that had begun when it published that, see `Sessions.reported`


class AccessLog(Protocol):
    """Where it is written down what devices do and are answered, an entry each. Without one (None) nothing is."""

    def write(self, interface: str, who: str, what: str) -> None:
        """Write an entry. `interface` is `mqtt`, a generation, or `http` where that can't be told.

        `who` is product and device, or the address of a peer who did not say; `what` is one line, without secrets.
        """


class Downlink(Protocol):
    """What a broker does for the service."""

    def publish(
        self,
        session: Session,
        suffix: str,
        payload: bytes,
        qos: int,
        delivered: Callable[[], None] | None = None,
    ) -> None:
        """Send to the device if the session is still open and subscribed; otherwise drop.

        `delivered` is called when the device's PUBACK is in (QoS 1, where the broker can tell).
        """

    def takes(self, session: Session, suffix: str) -> bool:
        """Whether the session is open and subscribed to that: what is published now goes out."""

    def close(self, session: Session) -> None:
        """End the session's connection, if it is still open."""


class Uplink(Protocol):
    """What the service does for a broker."""

    def connect(self, product_id: str, client_id: str, password: str) -> Session | ConnectRefusal:
        """Judge a CONNECT by user name, client id and password; an accepted one opens a session."""

    def subscribed(self, session: Session, inform: bool) -> None:  # noqa: FBT001
        """A SUBSCRIBE was granted, and SUBACK sent; `inform`: one of its filters takes in /ota/inform."""

    def received(self, session: Session, suffix: str, payload: bytes, settle: Settle) -> None:
        """A publish to a legal topic of the device came in. `settle` follows at once or after the commit."""

    def disconnected(self, session: Session) -> None:
        """The session is over, for whatever reason; called once per session that `connect` opened."""


class OpenUplink(Uplink, Protocol):
    """What the service does for a broker that has let devices in by itself."""

    def enter(self, product_id: str, name: str) -> Session | ConnectRefusal | None:
        """Open a session for a device that sent something; None: there is no such device."""

    def known(self, after: int, limit: int) -> Sequence[tuple[int, str, str]]:
        """List devices by device ID, after one: ID, product ID and name, at most so many."""
