"""A device's MQTT connection: CONNECT, SUBSCRIBE, QoS 1 both ways, keep-alive. On our codec; one object a connection.

Messages are handed to the owner by suffix. What is sent in one turn is written in one piece. Source: onenet-protocol,
section 3: clean session, user name = product ID, client ID = device name, password = token.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

from device_sim.transport.stream import BUFFER, Stream
from platform_stub.protocol.mqtt.codec import Decoder, encode, encode_puback, encode_publish
from platform_stub.protocol.mqtt.encoding import DISCONNECT, PINGREQ
from platform_stub.protocol.mqtt.errors import StreamFault
from platform_stub.protocol.mqtt.packets import (
    PACKET_ID_MAX,
    SUBSCRIBE_REFUSED,
    Connack,
    ConnackCode,
    Connect,
    Packet,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
)

PACKET_BYTES_MAX: Final = 64 * 1024
_KEEPALIVE_SHARE: Final = 750
"""A ping goes out when nothing was sent for this many thousandths of the keep-alive."""


class Phase(IntEnum):
    """Where the connection stands."""

    OPENING = 0
    AWAITING_CONNACK = 1
    AWAITING_SUBACK = 2
    UP = 3
    ENDED = 4


class Owner(Protocol):
    """The device whose connection it is."""

    def now_ms(self) -> int:
        """Monotonic milliseconds."""

    def link_made(self) -> None:
        """The socket is open; `link_gone` follows some day."""

    def login(self) -> Connect:
        """Make the CONNECT, with a token signed now."""

    def link_up(self, now_ms: int) -> None:
        """The subscriptions are granted."""

    def link_down(self, reason: str, refused: int) -> None:
        """The connection is over; `refused` is the CONNACK's code, or 0."""

    def received(self, suffix: str, payload: bytes, now_ms: int) -> None:
        """A message came."""

    def crashed(self, error: BaseException) -> None:
        """Something happened that must not happen."""

    def link_gone(self) -> None:
        """The socket is closed."""


class MqttLink(Stream):
    """One connection. It tells its owner `link_up` at most once and `link_down` at most once."""

    __slots__ = (
        "_awaited_ms",
        "_decoder",
        "_held",
        "_next_id",
        "_out",
        "_owner",
        "_phase",
        "_prefix",
        "_sent_ms",
        "_silence_ms",
        "_subscriptions",
        "_timeout_ms",
        "_unacknowledged",
    )

    def __init__(
        self,
        owner: Owner,
        prefix: str,
        subscriptions: tuple[str, ...],
        *,
        keepalive_s: int,
        connect_timeout_ms: int,
        ping_timeout_ms: int,
    ) -> None:
        super().__init__()
        self._owner = owner
        self._prefix = prefix
        self._subscriptions = subscriptions
        self._silence_ms = keepalive_s * _KEEPALIVE_SHARE
        self._timeout_ms = ping_timeout_ms
        self._awaited_ms = owner.now_ms() + connect_timeout_ms  # 0: no answer is awaited
        self._sent_ms = 0
        self._decoder = Decoder(PACKET_BYTES_MAX)
        self._phase = Phase.OPENING
        self._out = b""
        self._held = False  # inside a turn that flushes at its end
        self._next_id = 1
        self._unacknowledged: set[int] | None = None

    @property
    def due_ms(self) -> int:
        """When to `check`."""
        return self._awaited_ms or self._sent_ms + self._silence_ms

    @property
    def is_up(self) -> bool:
        """Whether messages can be sent."""
        return self._phase is Phase.UP

    @property
    def unacknowledged(self) -> int:
        """How many messages the server has not acknowledged."""
        return 0 if self._unacknowledged is None else len(self._unacknowledged)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT, unless it was given up meanwhile."""
        super().connection_made(transport)
        self._owner.link_made()
        if self._phase is Phase.ENDED:
            transport.close()
            return
        self._phase = Phase.AWAITING_CONNACK
        try:
            self._out = encode(self._owner.login())
            self._flush()
        except Exception as exc:  # noqa: BLE001 - it is passed on, and stops the fleet
            self._owner.crashed(exc)

    def buffer_updated(self, nbytes: int) -> None:
        """Take apart what was read, let the device act on it, and write what it says in one piece."""
        self._held = True
        try:
            self._read(BUFFER[:nbytes])
        except Exception as exc:  # noqa: BLE001 - it is passed on, and stops the fleet
            self._owner.crashed(exc)
        finally:
            self._held = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, unless it ended the connection itself."""
        self.transport = None
        self._end(f"connection lost{f': {exc}' if exc else ''}")
        self._owner.link_gone()

    def send(self, suffix: str, payload: bytes) -> None:
        """Publish with QoS 1."""
        number = self._next_id
        held = self._unacknowledged
        if held is None:
            held = self._unacknowledged = set()
        while number in held:  # [MQTT-2.3.1-2]: an id in use is passed over
            number = number % PACKET_ID_MAX + 1
        self._next_id = number % PACKET_ID_MAX + 1
        held.add(number)
        self._out += encode_publish(self._prefix + suffix, payload, 1, number)

    def flush(self) -> None:
        """Write what was sent, unless the turn does so at its end."""
        if not self._held:
            self._flush()

    def check(self, now_ms: int) -> None:
        """Ping a quiet connection, and drop one that does not answer."""
        if self.due_ms > now_ms or self._phase is Phase.ENDED:
            return
        if self._awaited_ms:
            what = "PINGRESP" if self._phase is Phase.UP else _AWAITED[self._phase]
            self._end(f"no {what} in time")
            return
        self._awaited_ms = now_ms + self._timeout_ms
        self._out += PINGREQ
        self.flush()

    def leave(self) -> None:
        """Say DISCONNECT and close [MQTT-3.14.4-1]; the owner is not told `link_down`."""
        if self._phase is Phase.ENDED:
            return
        if self._phase >= Phase.AWAITING_SUBACK:
            self._out += DISCONNECT
        self._held = False
        self._flush()
        self._phase = Phase.ENDED
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close without waiting for the peer to take what was sent."""
        self._phase = Phase.ENDED
        if self.transport is not None:
            self.transport.abort()

    def _flush(self) -> None:
        if self._out and self.transport is not None and self._phase is not Phase.ENDED:
            self.transport.write(self._out)
            self._out = b""
            self._sent_ms = self._owner.now_ms()

    def _end(self, reason: str, refused: int = 0) -> None:
        if self._phase is Phase.ENDED:
            return
        self._phase = Phase.ENDED
        if self.transport is not None:
            self.transport.abort()
        self._owner.link_down(reason, refused)

    def _read(self, data: memoryview) -> None:
        fault: StreamFault | None = None
        try:
            packets = self._decoder.feed(data)
        except StreamFault as exc:
            packets, fault = list(exc.before), exc
        now_ms = self._owner.now_ms()
        if self._phase is Phase.UP:
            self._awaited_ms = 0  # whatever came, the server is there
        for packet in packets:
            handler = _HANDLERS.get((self._phase, type(packet)))
            if handler is not None:
                handler(self, packet, now_ms)
            elif self._phase is Phase.ENDED:
                return
            else:
                self._end(f"the server sent {type(packet).__name__} while {self._phase.name.lower()}")
                return
        if fault is not None:
            self._end(f"the server sent what is no MQTT 3.1.1: {fault}")

    def _connack(self, packet: Connack, _: int) -> None:
        if packet.code:
            name = ConnackCode(packet.code).name.lower().replace("_", " ")
            self._end(f"CONNACK {packet.code} ({name})", packet.code)
            return
        self._phase = Phase.AWAITING_SUBACK
        filters = tuple((self._prefix + suffix, 1) for suffix in self._subscriptions)
        self._out += encode(Subscribe(self._take_id(), filters))

    def _take_id(self) -> int:
        number = self._next_id
        self._next_id = number % PACKET_ID_MAX + 1
        return number

    def _suback(self, packet: Suback, now_ms: int) -> None:
        wrong = [
            suffix
            for suffix, code in zip(self._subscriptions, packet.codes, strict=False)
            if code == SUBSCRIBE_REFUSED
        ]
        if wrong or len(packet.codes) != len(self._subscriptions):
            self._end(f"the server does not grant {', '.join(wrong) or 'all subscriptions'}")
            return
        self._phase = Phase.UP
        self._awaited_ms = 0
        self._owner.link_up(now_ms)

    def _published(self, packet: Publish, now_ms: int) -> None:
        if packet.qos == 1:
            self._out += encode_puback(packet.packet_id)
        elif packet.qos:
            self._end("the server sent a message with QoS 2")
            return
        topic, prefix = packet.topic, self._prefix
        suffix = topic.removeprefix(prefix)
        self._owner.received(suffix, packet.payload, now_ms)

    def _early(self, packet: Publish, _: int) -> None:
        """Pass over a message between SUBSCRIBE and SUBACK [MQTT-3.8.4-1]: the version report has it told again."""
        if packet.qos == 1:
            self._out += encode_puback(packet.packet_id)

    def _puback(self, packet: Puback, _: int) -> None:
        held = self._unacknowledged
        if held is not None:
            held.discard(packet.packet_id)
            if not held:
                self._unacknowledged = None

    def _pingresp(self, _: Pingresp, __: int) -> None:
        self._awaited_ms = 0


_AWAITED: Final[Mapping[Phase, str]] = MappingProxyType(
    {
        Phase.OPENING: "TCP connection",
        Phase.AWAITING_CONNACK: "CONNACK",
        Phase.AWAITING_SUBACK: "SUBACK",
    }
)

_HANDLERS: Final[Mapping[tuple[Phase, type[Packet]], Callable[[Any, Any, int], None]]] = MappingProxyType(
    {
        (Phase.AWAITING_CONNACK, Connack): MqttLink._connack,  # noqa: SLF001 - its own table
        (Phase.AWAITING_SUBACK, Suback): MqttLink._suback,  # noqa: SLF001
        (Phase.AWAITING_SUBACK, Publish): MqttLink._early,  # noqa: SLF001
        (Phase.UP, Publish): MqttLink._published,  # noqa: SLF001
        (Phase.UP, Puback): MqttLink._puback,  # noqa: SLF001
        (Phase.UP, Pingresp): MqttLink._pingresp,  # noqa: SLF001
    }
)
