"""A device that speaks MQTT: its connection, and what it publishes. Downloads are the base's."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from device_sim.agent import Agent, Crew
from device_sim.core import effects
from device_sim.core.events import LinkDown, LinkUp, Received
from device_sim.core.mqtt_device import SUBSCRIPTIONS, MqttDevice
from device_sim.core.profile import Flow, Profile
from device_sim.core.state import Link
from device_sim.core.talker import Actor
from device_sim.identity import Identity
from device_sim.kept import MessageCame, MessageSent
from device_sim.snapshot import Counters, Traffic
from device_sim.transport.mqtt import MqttLink
from device_sim.transport.stream import Stream
from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.packets import ConnackCode, Connect

_DEFINITE_REFUSALS: Final = frozenset(
    {
        ConnackCode.UNACCEPTABLE_PROTOCOL,
        ConnackCode.IDENTIFIER_REJECTED,
        ConnackCode.BAD_CREDENTIALS,
        ConnackCode.NOT_AUTHORISED,
    }
)


class MqttAgent(Agent):
    """A device and its MQTT connection."""

    __slots__ = ("came", "in_doubt", "link", "links", "sent")

    flow: ClassVar[Flow] = "mqtt"
    subscriptions: ClassVar[tuple[str, ...]] = SUBSCRIPTIONS

    def __init__(self, crew: Crew, identity: Identity, counters: Counters, profile: Profile) -> None:
        super().__init__(crew, identity, self._make_device(crew, identity, profile), counters)
        self.link: MqttLink | None = None
        self.links = 0  # connections so far
        self.sent = 0  # messages, on all of them
        self.came = 0
        self.in_doubt = 0  # of those that were sent: their connection ended before the PUBACK

    @staticmethod
    def _make_device(crew: Crew, identity: Identity, profile: Profile) -> Actor:
        return MqttDevice(
            device_id=identity.device_id,
            seed=crew.seed,
            profile=profile,
            f_version=identity.f_version,
            s_version=identity.s_version,
            iccid=identity.iccid,
            imsi=identity.imsi,
        )

    @property
    def due_ms(self) -> int:
        """When the device or its connection wants to be woken."""
        due_ms = self.device.due_ms
        if self.link is not None:
            return min(due_ms, self.link.due_ms)
        return due_ms

    def check(self, now_ms: int) -> None:
        """Ping a quiet connection, and drop one that does not answer."""
        if self.link is not None:
            self.link.check(now_ms)

    def flush(self) -> None:
        """Write what was sent in this turn in one piece."""
        if self.link is not None:
            self.link.flush()

    def abort(self) -> None:
        """Close the connection at once."""
        if self.link is not None:
            self.link.abort()

    @property
    def holds_connection(self) -> bool:
        """It is connected over MQTT."""
        return True

    # the dialler

    def make_stream(self) -> Stream:
        """Make the connection's protocol."""
        profile, identity = self.device.profile, self.identity
        self.link = MqttLink(
            self,
            topics.topic_of(identity.product_id, identity.name, ""),
            self.subscriptions,
            keepalive_s=profile.keepalive_s,
            connect_timeout_ms=profile.connect_timeout_ms,
            ping_timeout_ms=profile.ping_timeout_ms,
        )
        self.crew.alarm.place(self)
        return self.link

    def dial_failed(self, reason: str) -> None:
        """Nobody listens, or the network is in the way."""
        self.link_down(reason, 0)

    # the connection

    def login(self) -> Connect:
        """Make the CONNECT."""
        identity = self.identity
        return Connect(
            client_id=identity.name,
            username=identity.product_id,
            password=self.token().encode("ascii"),
            keepalive_s=self.device.profile.keepalive_s,
        )

    def link_up(self, now_ms: int) -> None:
        """Subscribed."""
        self.links += 1
        self.crew.dialler.release(self)
        self.refusals = 0
        self.handle(LinkUp(), now_ms)

    def link_down(self, reason: str, refused: int) -> None:
        """The connection ended, or did not come about."""
        self.crew.dialler.cancel(self)
        counters = self.counters
        if self.device.link is Link.CONNECTING:
            counters.connect_failures += 1
        else:
            counters.reconnects += 1
        if refused:
            counters.refused[refused] = counters.refused.get(refused, 0) + 1
        definite = refused in _DEFINITE_REFUSALS
        self.refusals = self.refusals + 1 if definite else 0
        self.note(reason)
        self._let_go()
        self.handle(LinkDown(definite), self.now_ms())

    def received(self, suffix: str, payload: bytes, now_ms: int) -> None:
        """A message came."""
        self.came += 1
        counters = self.counters
        counters.messages_received += 1
        if suffix == topics.INFORM:
            counters.informs += 1
        if self.record is not None:
            self.record.keep_payload(MessageCame, payload, suffix)
        self.handle(Received(suffix, payload), now_ms)

    def link_made(self) -> None:
        """The socket is open."""
        self.crew.socket_opened()

    def link_gone(self) -> None:
        """The socket is closed."""
        self.crew.socket_closed()

    # the effects

    def _connect(self, _: effects.Connect) -> None:
        self.crew.dialler.request(self)

    def _disconnect(self, _: effects.Disconnect) -> None:
        self.crew.dialler.cancel(self)
        if self.link is not None:
            self.link.leave()
            self._let_go()

    def _let_go(self) -> None:
        """Have no connection any more."""
        if self.link is not None:
            self.in_doubt += self.link.unacknowledged
            self.link = None

    @property
    def traffic(self) -> Traffic:
        """Count its messages."""
        under_way = 0 if self.link is None else self.link.unacknowledged
        return Traffic(
            device_id=self.identity.device_id,
            product_id=self.identity.product_id,
            name=self.identity.name,
            sent=self.sent,
            in_doubt=self.in_doubt + under_way,
            came=self.came,
            links=self.links,
            is_on=self.link is not None and self.link.is_up,
        )

    def _send(self, effect: effects.Send) -> None:
        assert self.link is not None, "the core sends while its link is up"
        self.sent += 1
        counters = self.counters
        counters.messages_sent += 1
        counters.repeats += effect.again
        if self.record is not None:
            self.record.keep(MessageSent, effect.suffix, effect.payload, effect.again)
        self.link.send(effect.suffix, effect.payload)

    carry_out: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = MappingProxyType(
        {
            **Agent.carry_out,
            effects.Connect: _connect,
            effects.Disconnect: _disconnect,
            effects.Send: _send,
        }
    )
