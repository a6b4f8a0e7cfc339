"""One device of a fleet: its core, its connection, and the effects carried out between the two.

It decides nothing. A fleet has thousands of these, so an idle one holds no task, no timer and no container.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from device_sim.core import effects
from device_sim.core.device import SUBSCRIPTIONS, Device
from device_sim.core.events import (
    Answered,
    Chunk,
    Event,
    Fetched,
    FetchFailed,
    LinkDown,
    LinkUp,
    PowerOff,
    Received,
    Tick,
)
from device_sim.core.profile import Profile
from device_sim.core.state import Link
from device_sim.identity import Identity
from device_sim.snapshot import Counters
from device_sim.transport.alarm import Alarm
from device_sim.transport.dialler import Dialler
from device_sim.transport.http import HttpPool
from device_sim.transport.http_connection import Head, Request
from device_sim.transport.mqtt import MqttLink
from device_sim.transport.stream import Stream
from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.packets import ConnackCode, Connect
from platform_stub.protocol.token import device_resource, make_token

_DEFINITE_REFUSALS: Final = frozenset(
    {
        ConnackCode.UNACCEPTABLE_PROTOCOL,
        ConnackCode.IDENTIFIER_REJECTED,
        ConnackCode.BAD_CREDENTIALS,
        ConnackCode.NOT_AUTHORISED,
    }
)
_LENGTH_DIGITS_MAX: Final = 18


Counted = tuple[bool, bool, bool, bool]
"""Whether a device is present, is busy, has a card unposted, is hopeless: as it was last counted."""

NOTHING_COUNTED: Final[Counted] = (False, False, False, False)


class Crew(Protocol):
    """What the devices of a fleet share."""

    seed: int
    profile: Profile
    alarm: Alarm
    dialler: Dialler
    pool: HttpPool
    counters: Counters
    account_ms: Callable[[], int]

    def moved(self, agent: "Agent") -> None:
        """The agent's flags may have changed."""

    def socket_opened(self) -> None:
        """A device's socket was opened."""

    def socket_closed(self) -> None:
        """A device's socket was closed."""

    def note(self, agent: "Agent", what: str) -> None:
        """Something went wrong that the device lives with."""

    def crash(self, agent: "Agent | None", error: BaseException) -> None:
        """Stop the fleet: a mistake in this program came up."""


class Agent:
    """A device on its sockets."""

    __slots__ = ("counted", "crew", "device", "identity", "link", "refusals", "tick")

    def __init__(self, crew: Crew, identity: Identity) -> None:
        self.crew = crew
        self.identity = identity
        self.device = Device(
            device_id=identity.device_id,
            seed=crew.seed,
            profile=crew.profile,
            f_version=identity.f_version,
            s_version=identity.s_version,
            iccid=identity.iccid,
            imsi=identity.imsi,
        )
        self.link: MqttLink | None = None
        self.tick = 0
        self.refusals = 0  # CONNACKs in a row that refuse this device for good
        self.counted: Counted = NOTHING_COUNTED  # one of a few tuples; see `moved`

    # the wheel

    @property
    def due_ms(self) -> int:
        """When the device or its connection wants to be woken."""
        due_ms = self.device.due_ms
        if self.link is not None:
            return min(due_ms, self.link.due_ms)
        return due_ms

    def woken(self, now_ms: int) -> None:
        """Let time have its effect."""
        try:
            if self.link is not None:
                self.link.check(now_ms)
            if self.device.due_ms <= now_ms:
                self.handle(Tick(), now_ms)
            else:
                self.crew.alarm.place(self)
        except Exception as exc:  # noqa: BLE001 - it is passed on, and stops the fleet
            self.crashed(exc)

    def handle(self, event: Event, now_ms: int) -> None:
        """Give the device an event, and do what it asks for."""
        for effect in self.device.handle(event, now_ms):
            _CARRY_OUT[type(effect)](self, effect)
        if self.link is not None:
            self.link.flush()
        self.crew.moved(self)
        self.crew.alarm.place(self)

    def leave(self) -> None:
        """Switch off for good, saying DISCONNECT."""
        if self.device.link is not Link.OFF:
            self.refusals = 0
            self.handle(PowerOff(), self.now_ms())

    # the dialler

    def make_stream(self) -> Stream:
        """Make the connection's protocol."""
        profile, identity = self.crew.profile, self.identity
        self.link = MqttLink(
            self,
            topics.topic_of(identity.product_id, identity.name, ""),
            SUBSCRIPTIONS,
            keepalive_s=profile.keepalive_s,
            connect_timeout_ms=profile.connect_timeout_ms,
            ping_timeout_ms=profile.ping_timeout_ms,
        )
        self.crew.alarm.place(self)
        return self.link

    def dial_failed(self, reason: str) -> None:
        """Nobody listens, or the network is in the way."""
        self.link_down(reason, 0)

    def crashed(self, error: BaseException) -> None:
        """Stop the fleet."""
        self.crew.crash(self, error)

    # the connection

    def now_ms(self) -> int:
        """Monotonic milliseconds."""
        return self.crew.alarm.now_ms()

    def login(self) -> Connect:
        """Make the CONNECT."""
        identity = self.identity
        return Connect(
            client_id=identity.name,
            username=identity.product_id,
            password=self._token().encode("ascii"),
            keepalive_s=self.crew.profile.keepalive_s,
        )

    def link_up(self, now_ms: int) -> None:
        """Subscribed."""
        self.crew.dialler.release(self)
        self.refusals = 0
        self.handle(LinkUp(), now_ms)

    def link_down(self, reason: str, refused: int) -> None:
        """The connection ended, or did not come about."""
        crew = self.crew
        crew.dialler.cancel(self)
        counters = crew.counters
        if self.device.link is Link.CONNECTING:
            counters.connect_failures += 1
        else:
            counters.reconnects += 1
        if refused:
            counters.refused[refused] = counters.refused.get(refused, 0) + 1
        definite = refused in _DEFINITE_REFUSALS
        self.refusals = self.refusals + 1 if definite else 0
        crew.note(self, reason)
        self.link = None
        self.handle(LinkDown(definite), self.now_ms())

    def received(self, suffix: str, payload: bytes, now_ms: int) -> None:
        """A message came."""
        counters = self.crew.counters
        counters.messages_received += 1
        if suffix == topics.INFORM:
            counters.informs += 1
        self.handle(Received(suffix, payload), now_ms)

    def link_made(self) -> None:
        """The socket is open."""
        self.crew.socket_opened()

    def link_gone(self) -> None:
        """The socket is closed."""
        self.crew.socket_closed()

    # the download

    def answer_began(self, head: Head) -> None:
        """The head of the answer came."""
        length = head.content_length
        number = (
            int(length)
            if length and length.isascii() and length.isdecimal() and len(length) <= _LENGTH_DIGITS_MAX
            else None
        )
        self.handle(Answered(head.status, head.ota_errno, head.content_range, number), self.now_ms())

    def answer_went_on(self, data: bytes) -> None:
        """The next bytes came."""
        self.handle(Chunk(data), self.now_ms())

    def answer_ended(self) -> None:
        """The answer is complete."""
        self.handle(Fetched(), self.now_ms())

    def answer_failed(self, reason: str, *, timed_out: bool) -> None:
        """The answer did not come, or broke off."""
        self.crew.note(self, f"download: {reason}")
        self.handle(FetchFailed(reason, timed_out), self.now_ms())

    # the effects

    def _token(self) -> str:
        identity, profile = self.identity, self.crew.profile
        # The end is a whole minute: the same token for a while, which a platform that knows it need not verify again.
        et_s = (self.crew.account_ms() // 60_000 + 1) * 60 + profile.token_life_s
        res = device_resource(identity.product_id, identity.name)
        return make_token(identity.key, res, et_s, profile.token_method)

    def _connect(self, _: effects.Connect) -> None:
        self.crew.dialler.request(self)

    def _disconnect(self, _: effects.Disconnect) -> None:
        self.crew.dialler.cancel(self)
        if self.link is not None:
            self.link.leave()
            self.link = None

    def _send(self, effect: effects.Send) -> None:
        assert self.link is not None, "the core sends while its link is up"
        counters = self.crew.counters
        counters.messages_sent += 1
        counters.repeats += effect.again
        self.link.send(effect.suffix, effect.payload)

    def _fetch(self, effect: effects.Fetch) -> None:
        self.crew.pool.fetch(self, Request(effect.path, effect.start, effect.stop, self._token()))

    def _stop_fetch(self, _: effects.StopFetch) -> None:
        self.crew.pool.cancel(self)

    def _job_started(self, _: effects.JobStarted) -> None:
        self.crew.counters.jobs_started += 1

    def _job_ended(self, effect: effects.JobEnded) -> None:
        counters = self.crew.counters
        match effect.outcome:
            case effects.Outcome.SUCCEEDED:
                counters.jobs_succeeded += 1
            case effects.Outcome.FAILED:
                counters.jobs_failed += 1
                counters.failed_steps[effect.step] = counters.failed_steps.get(effect.step, 0) + 1
            case effects.Outcome.ENDED:
                counters.jobs_ended += 1
        if effect.reason:
            self.crew.note(self, f"job {effect.tid} {effect.outcome.value}: {effect.reason}")

    def _noted(self, effect: effects.Noted) -> None:
        self.crew.note(self, effect.what)


_CARRY_OUT: Mapping[type, Callable[[Agent, Any], None]] = MappingProxyType(
    {
        effects.Connect: Agent._connect,  # noqa: SLF001 - its own table
        effects.Disconnect: Agent._disconnect,  # noqa: SLF001
        effects.Send: Agent._send,  # noqa: SLF001
        effects.Fetch: Agent._fetch,  # noqa: SLF001
        effects.StopFetch: Agent._stop_fetch,  # noqa: SLF001
        effects.JobStarted: Agent._job_started,  # noqa: SLF001
        effects.JobEnded: Agent._job_ended,  # noqa: SLF001
        effects.Noted: Agent._noted,  # noqa: SLF001
    }
)
