"""One connection of a device as a state machine: packets in, bytes and events out.

It holds OneNET's profile of MQTT 3.1.1 and the limits. It reads no clock and no socket, judges no token, and commits
nothing: the shell does, or asks the platform. Times are monotonic milliseconds. Source: onenet-protocol, section 3.
"""

from collections import deque
from collections.abc import Callable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final

from platform_stub.broker.embedded.counters import CloseReason
from platform_stub.broker.embedded.events import (
    Delivered,
    Duplicate,
    End,
    Event,
    Login,
    Receipt,
    Received,
    Subscribed,
)
from platform_stub.broker.embedded.rates import Rates
from platform_stub.broker.limits import Limits
from platform_stub.broker.profile import refusal_of, upward_suffix
from platform_stub.broker.subscriptions import (
    NO_SUBSCRIPTIONS,
    Subscriptions,
    grant,
    granted_qos,
    own_suffix,
    shared,
    without_filter,
)
from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.codec import encode, encode_puback, encode_publish
from platform_stub.protocol.mqtt.encoding import PINGRESP
from platform_stub.protocol.mqtt.errors import PacketTooLarge, StreamFault, UnacceptableProtocol
from platform_stub.protocol.mqtt.packets import (
    PACKET_ID_MAX,
    SUBSCRIBE_REFUSED,
    Connack,
    ConnackCode,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from platform_stub.service.ports import Session

_ACCEPTED: Final = encode(Connack())
_QOS_2: Final = 2
_DUPLICATE: Final = Duplicate()


class Phase(IntEnum):
    """Where a connection stands."""

    AWAITING_CONNECT = 0
    AWAITING_VERDICT = 1  # between Login and admit or refuse
    OPEN = 2
    ENDING = 3  # between an End and `close`
    CLOSED = 4


class Connection:
    """The broker's end of one connection. `outbox` holds encoded packets until the shell takes them."""

    __slots__ = (
        "_heard_ms",
        "_inflight",
        "_limits",
        "_next_packet_id",
        "_outbox",
        "_outbox_bytes",
        "_prefix",
        "_queue",
        "_queue_bytes",
        "_silence_ms",
        "_subscriptions",
        "_unsettled",
        "phase",
        "rates",
        "session",
    )

    def __init__(self, limits: Limits, now_ms: int) -> None:
        self.phase = Phase.AWAITING_CONNECT
        self.session: Session | None = None
        self.rates = Rates(limits, now_ms) if limits.has_rates else None
        self._limits = limits
        self._heard_ms = now_ms
        self._silence_ms = limits.connect_timeout_ms
        self._prefix = ""
        self._subscriptions: Subscriptions = NO_SUBSCRIPTIONS
        self._outbox: list[bytes] | None = None
        self._outbox_bytes = 0
        self._next_packet_id = 1
        self._unsettled: dict[int, Receipt] | None = None  # by packet id, in the order they came
        self._inflight: dict[int, Callable[[], None] | None] | None = None
        self._queue: deque[tuple[str, bytes, Callable[[], None] | None]] | None = None
        self._queue_bytes = 0

    def receive(self, packet: Packet, now_ms: int) -> Event | None:
        """Take one packet; returns what the shell has to do, None when the outbox says it all."""
        handler = self._HANDLERS[self.phase].get(type(packet))
        if handler is None:
            return self._end(
                CloseReason.VIOLATION, f"{type(packet).__name__} while {self.phase.name.lower()}"
            )
        self._heard_ms = now_ms
        return handler(self, packet)

    def fault(self, fault: StreamFault) -> End:
        """End over bytes that are no packet; a CONNECT of another protocol is told so [MQTT-3.1.2-2]."""
        if isinstance(fault, UnacceptableProtocol) and self.phase is Phase.AWAITING_CONNECT:
            return self.refuse(ConnackCode.UNACCEPTABLE_PROTOCOL, str(fault))
        too_large = isinstance(fault, PacketTooLarge)
        return self._end(CloseReason.TOO_LARGE if too_large else CloseReason.MALFORMED, str(fault))

    def admit(self, session: Session) -> None:
        """Open the session that the platform gave."""
        self.phase = Phase.OPEN
        self.session = session
        self._prefix = topics.topic_of(session.product_id, session.name, "")
        self._send(_ACCEPTED)

    def refuse(self, code: ConnackCode, why: str = "", who: str = "") -> End:
        """Answer CONNECT with another code than 0; the connection then ends [MQTT-3.2.2-5]."""
        self._send(encode(Connack(code=code)))
        self.phase = Phase.ENDING
        return End(CloseReason.REFUSED, why, code, who)

    def settle(self, receipt: Receipt, committed: bool) -> End | None:  # noqa: FBT001 - the port's shape
        """Acknowledge a publish whose effect is committed, in the order they came in [MQTT-4.6.0-2].

        A publish that could not be committed gets no PUBACK: the connection ends, and the device sends again.
        """
        if self.phase is not Phase.OPEN or receipt.settled:
            return None
        if not committed:
            return self._end(CloseReason.NOT_COMMITTED)
        receipt.settled = True
        unsettled = self._unsettled
        while unsettled:
            key, first = next(iter(unsettled.items()))
            if not first.settled:
                return None
            del unsettled[key]
            if first.packet_id:
                self._send(encode_puback(first.packet_id))
        self._unsettled = None
        return None

    def publish(self, suffix: str, payload: bytes, qos: int, tell: Callable[[], None] | None) -> bool | End:
        """Send to the device at the lower of `qos` and what was granted; False: it has not subscribed to that.

        QoS 1 messages beyond the in-flight window wait; a queue over its limits ends the connection.
        """
        granted = granted_qos(self._subscriptions, suffix) if self.phase is Phase.OPEN else None
        if granted is None:
            return False
        if not (qos and granted):
            self._send(encode_publish(self._prefix + suffix, payload))
            return True
        inflight = self._inflight
        if inflight is None:
            inflight = self._inflight = {}
        if len(inflight) < self._limits.inflight_max:
            self._launch(inflight, suffix, payload, tell)
            return True
        return self._enqueue(suffix, payload, tell)

    def takes(self, suffix: str) -> bool:
        """Whether it is open and has subscribed to that."""
        return self.phase is Phase.OPEN and granted_qos(self._subscriptions, suffix) is not None

    def take_outbox(self) -> bytes:
        """Hand over all bytes to be sent."""
        outbox = self._outbox
        if outbox is None:
            return b""
        self._outbox = None
        self._outbox_bytes = 0
        return outbox[0] if len(outbox) == 1 else b"".join(outbox)

    def check_backlog(self) -> End | None:
        """End a connection whose peer takes nothing; called while the socket takes nothing."""
        if self._outbox_bytes + self._queue_bytes <= self._limits.queue_bytes_max:
            return None
        return self._end(CloseReason.QUEUE_FULL, f"{self._outbox_bytes + self._queue_bytes} bytes unsent")

    @property
    def is_saturated(self) -> bool:
        """Whether so many publishes await their commit that no more should be read."""
        return self._unsettled is not None and len(self._unsettled) >= self._limits.unsettled_max

    @property
    def unsettled(self) -> int:
        """How many publishes await their commit."""
        return len(self._unsettled) if self._unsettled else 0

    def due_ms(self, now_ms: int) -> int:
        """When to look again whether it has gone silent; it is not silent while it isn't read."""
        return (now_ms if self.is_saturated else self._heard_ms) + self._silence_ms

    def check_silence(self, now_ms: int) -> End | None:
        """End a connection that sent no CONNECT in time, or nothing for 1.5 times its keep-alive [MQTT-3.1.2-24]."""
        if self.due_ms(now_ms) > now_ms:
            return None
        if self.phase is Phase.OPEN:
            return self._end(CloseReason.SILENT, f"{self._silence_ms} ms")
        return self._end(CloseReason.NO_CONNECT)

    def heard(self, now_ms: int) -> None:
        """Count silence from here: the connection is read again."""
        self._heard_ms = now_ms

    def close(self, now_ms: int) -> None:
        """Let go of everything: the connection has ended. It may linger to be flushed, until `due_ms`."""
        self.phase = Phase.CLOSED
        self._heard_ms = now_ms
        self._silence_ms = self._limits.closing_timeout_ms
        self._unsettled = self._inflight = self._queue = self._outbox = None
        self._queue_bytes = self._outbox_bytes = 0

    def _connect(self, packet: Connect) -> Event:
        refusal = refusal_of(packet, self._limits)
        who = f"{packet.username}/{packet.client_id}"
        if refusal is not None:
            return self.refuse(*refusal, who)
        try:
            password = (packet.password or b"").decode()
        except UnicodeDecodeError:
            return self.refuse(ConnackCode.BAD_CREDENTIALS, "the password is not UTF-8", who)
        self._silence_ms = packet.keepalive_s * 1_500
        self.phase = Phase.AWAITING_VERDICT
        return Login(packet.username or "", packet.client_id, password)

    def _published(self, packet: Publish) -> Event:
        topic, payload = packet.topic, packet.payload
        suffix = upward_suffix(self._prefix, topic)
        if suffix is None:
            return self._end(CloseReason.ILLEGAL_TOPIC, topic)
        if packet.qos == _QOS_2:
            return self._end(CloseReason.QOS_2, topic)
        if packet.retain:
            return self._end(CloseReason.RETAINED, topic)
        if len(payload) > self._limits.payload_bytes_max:
            return self._end(CloseReason.TOO_LARGE, f"payload of {len(payload)} bytes")
        receipt = Receipt(packet.packet_id)
        unsettled = self._unsettled
        if unsettled is None:
            unsettled = self._unsettled = {}
        elif packet.packet_id in unsettled:
            if packet.dup:
                return _DUPLICATE
            return self._end(CloseReason.VIOLATION, f"packet id {packet.packet_id} is in use [MQTT-2.3.1-2]")
        unsettled[packet.packet_id or -id(receipt)] = receipt  # QoS 0 has no id, but its place in the order
        return Received(suffix, payload, receipt)

    def _acknowledged(self, packet: Puback) -> Event | None:
        inflight = self._inflight
        if inflight is None or packet.packet_id not in inflight:
            return None
        tell = inflight.pop(packet.packet_id)
        if self._queue:
            suffix, payload, waiting = self._queue.popleft()
            self._queue_bytes -= len(payload)
            self._launch(inflight, suffix, payload, waiting)
        elif not inflight:
            self._inflight = self._queue = None  # an idle connection holds no containers
        return Delivered(tell)

    def _subscribe(self, packet: Subscribe) -> Event | None:
        if self.rates is not None and not self.rates.admits_subscribe(self._heard_ms):
            return self._end(CloseReason.TOO_FAST, "SUBSCRIBE")
        held = self._subscriptions
        codes = []
        refused: list[str] = []
        inform = False
        for topic_filter, wanted in packet.filters:
            held, code = grant(held, self._prefix, topic_filter, wanted, self._limits)
            codes.append(code)
            if code != SUBSCRIBE_REFUSED:
                inform = inform or topics.filter_matches(topic_filter[len(self._prefix) :], topics.INFORM)
            else:
                refused.append(topic_filter)
        self._send(encode(Suback(packet.packet_id, tuple(codes))))
        self._subscriptions = shared(held)
        return Subscribed(inform, len(refused) < len(codes), tuple(refused))

    def _unsubscribe(self, packet: Unsubscribe) -> Event | None:
        if self.rates is not None and not self.rates.admits_subscribe(self._heard_ms):
            return self._end(CloseReason.TOO_FAST, "UNSUBSCRIBE")
        held = self._subscriptions
        for topic_filter in packet.filters:
            suffix = own_suffix(self._prefix, topic_filter)
            if suffix is not None:
                held = without_filter(held, suffix)
        self._subscriptions = shared(held)
        self._send(encode(Unsuback(packet.packet_id)))
        if self.session is not None and granted_qos(self._subscriptions, topics.INFORM) is None:
            self.session.told_by_inform = False
        return None

    def _ping(self, _: Pingreq) -> Event | None:
        if self.rates is not None and not self.rates.admits_ping(self._heard_ms):
            return self._end(CloseReason.TOO_FAST, "PINGREQ")
        self._send(PINGRESP)
        return None

    def _disconnect(self, _: Disconnect) -> End:
        return self._end(CloseReason.LEFT)

    def _enqueue(self, suffix: str, payload: bytes, tell: Callable[[], None] | None) -> bool | End:
        if self._queue is None:
            self._queue = deque()
        if len(self._queue) + self._limits.inflight_max >= self._limits.queue_messages_max:
            return self._end(
                CloseReason.QUEUE_FULL, f"{self._limits.queue_messages_max} messages unacknowledged"
            )
        self._queue.append((suffix, payload, tell))
        self._queue_bytes += len(payload)
        return self.check_backlog() or True

    def _launch(
        self,
        inflight: dict[int, Callable[[], None] | None],
        suffix: str,
        payload: bytes,
        tell: Callable[[], None] | None,
    ) -> None:
        packet_id = self._next_packet_id
        while packet_id in inflight:  # [MQTT-2.3.1-4]: an id in use is passed over
            packet_id = packet_id % PACKET_ID_MAX + 1
        self._next_packet_id = packet_id % PACKET_ID_MAX + 1
        inflight[packet_id] = tell
        self._send(encode_publish(self._prefix + suffix, payload, 1, packet_id))

    def _send(self, data: bytes) -> None:
        if self._outbox is None:
            self._outbox = [data]
        else:
            self._outbox.append(data)
        self._outbox_bytes += len(data)

    def _end(self, reason: CloseReason, detail: str = "") -> End:
        if self.phase is not Phase.CLOSED:
            self.phase = Phase.ENDING
        return End(reason, detail)

    # What a client may send when [MQTT-3.1.0-1] [MQTT-3.1.0-2]; a packet that is missing here ends the connection.
    _HANDLERS: ClassVar[Mapping[Phase, Mapping[type, Callable[[Any, Any], Event | None]]]] = MappingProxyType(
        {
            Phase.AWAITING_CONNECT: {Connect: _connect},
            Phase.AWAITING_VERDICT: {},
            Phase.OPEN: {
                Publish: _published,
                Puback: _acknowledged,
                Pingreq: _ping,
                Subscribe: _subscribe,
                Unsubscribe: _unsubscribe,
                Disconnect: _disconnect,
            },
            Phase.ENDING: {},
            Phase.CLOSED: {},
        }
    )
