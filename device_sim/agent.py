"""One device of a fleet: its core, its sockets, and the effects carried out between the two.

It decides nothing. A fleet has thousands of these, so an idle one holds no task, no timer and no container. What is
the same over every flow is here; `mqtt_agent` and `http_agent` have the rest.
"""

from abc import ABC
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Final, Protocol

from device_sim.core import effects
from device_sim.core.events import (
    Answered,
    CardReplaced,
    Chunk,
    Event,
    Fetched,
    FetchFailed,
    PowerOff,
    PowerOn,
    Tick,
)
from device_sim.core.profile import Flow, Profile
from device_sim.core.state import Link
from device_sim.core.talker import Actor
from device_sim.identity import Identity
from device_sim.snapshot import Counters
from device_sim.transport.alarm import Alarm
from device_sim.transport.dialler import Dialler
from device_sim.transport.http import HttpPool
from device_sim.transport.http_connection import Head, Request
from platform_stub.protocol.codes import OtaErrno
from platform_stub.protocol.token import device_resource, make_token, product_resource

_LENGTH_DIGITS_MAX: Final = 18
_TOKEN_REFUSED: Final = str(int(OtaErrno.AUTHENTICATION))
SKEW_IGNORED_S: Final = 60
"""Tokens end with a whole minute, some hours ahead: less than this does not matter to them."""


Counted = tuple[bool, bool, bool, bool]
"""Whether a device is present, is busy, has a card unposted, is hopeless: as it was last counted."""

NOTHING_COUNTED: Final[Counted] = (False, False, False, False)


class Crew(Protocol):
    """What the devices of a fleet share."""

    seed: int
    profile: Profile
    alarm: Alarm
    dialler: Dialler
    pool: HttpPool  # for downloads
    calls: HttpPool
    account_ms: Callable[[], int]
    sets_clock: bool

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


class Agent(ABC):
    """A device on its sockets. `counters` are those of its flow."""

    __slots__ = ("counted", "counters", "crew", "device", "identity", "refusals", "skew_s", "tick")

    flow: ClassVar[Flow]

    def __init__(self, crew: Crew, identity: Identity, device: Actor, counters: Counters) -> None:
        self.crew = crew
        self.identity = identity
        self.device = device
        self.counters = counters
        self.skew_s = 0  # how far the platform's clock is ahead of the fleet's
        self.tick = 0
        self.refusals = 0  # in a row, of this device for good
        self.counted: Counted = NOTHING_COUNTED  # one of a few tuples; see `moved`

    # the wheel

    @property
    def due_ms(self) -> int:
        """When the device wants to be woken."""
        return self.device.due_ms

    @property
    def is_present(self) -> bool:
        """Whether the platform has it in."""
        return self.device.is_present

    def woken(self, now_ms: int) -> None:
        """Let time have its effect."""
        try:
            self.check(now_ms)
            if self.device.due_ms <= now_ms:
                self.handle(Tick(), now_ms)
            else:
                self.crew.alarm.place(self)
        except Exception as exc:  # noqa: BLE001 - it is passed on, and stops the fleet
            self.crashed(exc)

    def handle(self, event: Event, now_ms: int) -> None:
        """Give the device an event, and do what it asks for."""
        carry_out = self.carry_out
        for effect in self.device.handle(event, now_ms):
            carry_out[type(effect)](self, effect)
        self.flush()
        self.moved()
        self.crew.alarm.place(self)

    def moved(self) -> None:
        """Have the flags counted again."""
        self.crew.moved(self)

    def arrive(self, now_ms: int) -> None:
        """Switch on."""
        self.handle(PowerOn(), now_ms)

    def replace_card(self, iccid: str, imsi: str) -> None:
        """Put another card in."""
        self.handle(CardReplaced(iccid, imsi), self.now_ms())

    def leave(self) -> None:
        """Switch off for good."""
        if self.device.link is not Link.OFF:
            self.refusals = 0
            self.handle(PowerOff(), self.now_ms())

    def check(self, now_ms: int) -> None:  # noqa: B027 - most have nothing to look after
        """Look after the sockets that are the device's own."""

    def flush(self) -> None:  # noqa: B027
        """Write what was sent in this turn."""

    def abort(self) -> None:  # noqa: B027
        """Close the sockets that are the device's own, at once."""

    def crashed(self, error: BaseException) -> None:
        """Stop the fleet."""
        self.crew.crash(self, error)

    def now_ms(self) -> int:
        """Monotonic milliseconds."""
        return self.crew.alarm.now_ms()

    # the download

    def answer_began(self, head: Head) -> None:
        """The head of the answer came."""
        if head.ota_errno == _TOKEN_REFUSED:
            self.set_clock(head.date)
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

    def token(self) -> str:
        """Give a token that is good now."""
        return self.sign(self.token_end_s())

    def token_end_s(self) -> int:
        """Say until when a token is to be good: a whole minute, so that it stays the same for a while.

        A platform that knows it need not verify it again.
        """
        now_s = self.crew.account_ms() // 1000 + self.skew_s
        return (now_s // 60 + 1) * 60 + self.crew.profile.token_life_s

    def set_clock(self, date: bytes) -> None:
        """Set the device's clock by the `Date` of an answer that refuses a token; a little off is left alone.

        Real devices do so at every answer, to the same end. Where the fleet was given account time, that is known
        better.
        """
        date_s = read_date_s(date) if self.crew.sets_clock else None
        if date_s is not None:
            skew_s = date_s - self.crew.account_ms() // 1000
            self.skew_s = skew_s if abs(skew_s) > SKEW_IGNORED_S else 0

    def sign(self, et_s: int) -> str:
        """Sign with the device's key, or, in generation A, with the product's where it is there."""
        identity, method = self.identity, self.crew.profile.token_method
        if self.flow == "south" and identity.product_key:
            return make_token(identity.product_key, product_resource(identity.product_id), et_s, method)
        res = device_resource(identity.product_id, identity.name)
        return make_token(identity.key, res, et_s, method)

    def _fetch(self, effect: effects.Fetch) -> None:
        self.crew.pool.fetch(self, Request(effect.path, effect.start, effect.stop, self.token()))

    def _stop_fetch(self, _: effects.StopFetch) -> None:
        self.crew.pool.cancel(self)

    def _job_started(self, _: effects.JobStarted) -> None:
        self.counters.jobs_started += 1

    def _job_ended(self, effect: effects.JobEnded) -> None:
        counters = self.counters
        match effect.outcome:
            case effects.Outcome.SUCCEEDED:
                counters.jobs_succeeded += 1
            case effects.Outcome.FAILED:
                counters.jobs_failed += 1
                counters.failed_steps[effect.step] = counters.failed_steps.get(effect.step, 0) + 1
            case effects.Outcome.ENDED:
                counters.jobs_ended += 1
        if effect.reason:
            job = f"job {effect.tid}" if effect.tid else "job"
            self.crew.note(self, f"{job} {effect.outcome.value}: {effect.reason}")

    def _noted(self, effect: effects.Noted) -> None:
        self.crew.note(self, effect.what)

    carry_out: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = MappingProxyType(
        {
            effects.Fetch: _fetch,
            effects.StopFetch: _stop_fetch,
            effects.JobStarted: _job_started,
            effects.JobEnded: _job_ended,
            effects.Noted: _noted,
        }
    )
    """What is done about each effect; a flow adds its own."""


@lru_cache(maxsize=64)
def read_date_s(date: bytes) -> int | None:
    """Read an HTTP date as unix seconds; None when it is none. The same comes in every answer of a second."""
    try:
        return int(parsedate_to_datetime(date.decode("latin-1")).timestamp())
    except (ValueError, OverflowError):
        return None
