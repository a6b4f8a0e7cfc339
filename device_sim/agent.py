"""One device of a fleet: its core, its sockets, and the effects carried out between the two.

It decides nothing. A fleet has thousands of these, so an idle one holds no task, no timer and no container. What is
the same over every flow is here; `mqtt_agent` and `http_agent` have the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Protocol

from msgspec import structs

from device_sim import signing
from device_sim.core import effects
from device_sim.core.events import (
    Answered,
    CardReplaced,
    Chunk,
    Dropped,
    Event,
    FaultsSet,
    Fetched,
    FetchFailed,
    PowerBack,
    PowerCut,
    PowerOff,
    PowerOn,
    Tick,
    TimePassed,
)
from device_sim.core.faults import Fault
from device_sim.core.profile import Flow
from device_sim.core.state import Stage
from device_sim.core.talker import Actor
from device_sim.identity import Identity
from device_sim.kept import PackageAsked, PackageCame, PackageFailed
from device_sim.recorder import (
    CARD,
    ENDED,
    JOB,
    KEY,
    NOTE,
    OFFLINE,
    ONLINE,
    POWER_OFF,
    POWER_ON,
    STAGE,
    STRUCK,
    Record,
)
from device_sim.snapshot import Counters
from device_sim.timings import Timings
from device_sim.transport.alarm import Alarm
from device_sim.transport.dialler import Dialler
from device_sim.transport.http import HttpPool
from device_sim.transport.http_connection import Head, Request
from platform_stub.protocol.codes import OtaErrno

_LENGTH_DIGITS_MAX: Final = 18
_TOKEN_REFUSED: Final = str(int(OtaErrno.AUTHENTICATION))
STAGE_WORDS: Final[Mapping[Stage, str]] = MappingProxyType({stage: stage.name.lower() for stage in Stage})
"""How stages are called in stories."""


Counted = tuple[bool, bool, bool, bool, bool, bool]
"""Whether a device is present, busy, has a card to post, is hopeless, rests, is connected: as it was last counted."""

NOTHING_COUNTED: Final[Counted] = (False, False, False, False, False, False)


class Crew(Protocol):
    """What the devices of a fleet share."""

    seed: int
    alarm: Alarm
    dialler: Dialler
    pool: HttpPool  # for downloads
    calls: HttpPool
    account_ms: Callable[[], int]
    sets_clock: bool
    timings: Timings | None

    def moved(self, agent: "Agent") -> None:
        """The agent's flags may have changed."""

    def record_of(self, device_id: int) -> Record | None:
        """Give what is kept of a device; None where nothing is."""

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

    __slots__ = (
        "counted",
        "counters",
        "crew",
        "device",
        "identity",
        "record",
        "refusals",
        "skew_s",
        "source",
        "tick",
    )

    flow: ClassVar[Flow]

    def __init__(self, crew: Crew, identity: Identity, device: Actor, counters: Counters) -> None:
        self.crew = crew
        self.identity = identity
        self.device = device
        self.counters = counters
        self.record = crew.record_of(identity.device_id)
        self.source = ""  # the local address of its connections; empty: as the system, or the fleet, chooses
        self.skew_s = 0  # how far the device's clock is ahead of the fleet's
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

    @property
    @abstractmethod
    def holds_connection(self) -> bool:
        """Whether it is connected over MQTT, or wants to be."""

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
        if self.record is not None:
            self._handle_recorded(self.record, event, now_ms)
            return
        carry_out = self.carry_out
        for effect in self.device.handle(event, now_ms):
            carry_out[type(effect)](self, effect)
        self.flush()
        self.moved()
        self.crew.alarm.place(self)

    def _handle_recorded(self, record: Record, event: Event, now_ms: int) -> None:
        """Do the same, and keep what comes of it."""
        device, carry_out = self.device, self.carry_out
        stage, was_present = device.stage, device.is_present
        for effect in device.handle(event, now_ms):
            carry_out[type(effect)](self, effect)
        if device.stage is not stage and device.stage is not Stage.IDLE:
            record.add(STAGE, *self._job_and_step(), STAGE_WORDS[device.stage])
        if device.is_present is not was_present:
            record.add(OFFLINE if was_present else ONLINE, text=self.flow)
        self.flush()
        self.moved()
        self.crew.alarm.place(self)

    def moved(self) -> None:
        """Have the flags counted again."""
        self.crew.moved(self)

    def note(self, what: str) -> None:
        """Keep what went wrong."""
        if self.record is not None:
            self.record.add(NOTE, text=what)
        self.crew.note(self, what)

    def arrive(self, now_ms: int) -> None:
        """Switch on."""
        self.handle(PowerOn(), now_ms)

    def replace_card(self, iccid: str, imsi: str, source: str) -> None:
        """Put another card in, and connect from its address, if it has one; a device that is off stays so."""
        self.source = source
        if self.record is not None:
            self.record.add(CARD, text=f"ICCID {iccid}, IMSI {imsi}{f', address {source}' if source else ''}")
        self.handle(CardReplaced(iccid, imsi), self.now_ms())

    def renew_key(self, key: str) -> None:
        """Sign with another key from the next login, or call, on."""
        self.refusals = 0
        self.identity = structs.replace(self.identity, key=key)
        if self.record is not None:
            self.record.add(KEY)
        self.moved()

    def set_faults(self, faults: tuple[Fault, ...]) -> None:
        """Let these faults befall the device; where its clock is off by them, it is from now on."""
        self.refusals = 0  # what it was refused for may be mended
        skew_ms = self.device.skew_ms
        self.handle(FaultsSet(faults), self.now_ms())
        if self.device.skew_ms != skew_ms:
            self.skew_s = self.device.skew_ms // 1_000

    def cut_power(self, for_ms: int | None) -> None:
        """Take its power away: nobody is told."""
        if self.record is not None:
            self.record.add(POWER_OFF, text="" if for_ms is None else f"for {for_ms:,} ms")
        self.abort()
        self.handle(PowerCut(for_ms), self.now_ms())

    def restore_power(self) -> None:
        """Give its power back."""
        if self.record is not None:
            self.record.add(POWER_ON)
        self.handle(PowerBack(), self.now_ms())

    def pass_time(self, by_ms: int) -> None:
        """Let its running time go on; what is due by it is done at once."""
        now_ms = self.now_ms()
        self.handle(TimePassed(by_ms), now_ms)
        if self.device.due_ms <= now_ms:
            self.handle(Tick(), now_ms)

    def drop(self) -> None:
        """Cut its connections; it is back at once."""
        self.refusals = 0
        self.abort()
        self.handle(Dropped(), self.now_ms())

    def leave(self) -> None:
        """Switch off for good."""
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

    def _job_and_step(self) -> tuple[int, int]:
        """Give the job under way, and its last step; zeros for none."""
        job = self.device.job
        return (0, 0) if job is None else (job.tid, job.step)

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
        if self.record is not None:
            self.record.keep(PackageCame, head.status, head.content_range, number or 0)
        self.handle(Answered(head.status, head.ota_errno, head.content_range, number), self.now_ms())

    def answer_went_on(self, data: bytes) -> None:
        """The next bytes came."""
        self.handle(Chunk(data), self.now_ms())

    def answer_ended(self) -> None:
        """The answer is complete."""
        self.handle(Fetched(), self.now_ms())

    def answer_failed(self, reason: str, *, timed_out: bool) -> None:
        """The answer did not come, or broke off."""
        if self.record is not None:
            self.record.keep(PackageFailed, reason)
        self.note(f"download: {reason}")
        self.handle(FetchFailed(reason, timed_out), self.now_ms())

    # the effects

    def token(self) -> str:
        """Give a token that is good now, unless a fault wants one that was."""
        if self.device.take_expired_token():
            return self.sign(self.expired_s())
        return self.sign(self.token_end_s())

    def expired_s(self) -> int:
        """Say until when a token was good that has expired."""
        return signing.expired_s(self.crew.account_ms())

    def token_end_s(self) -> int:
        """Say until when a token is to be good, by the device's own clock."""
        return signing.end_s(self.crew.account_ms(), self.skew_s, self.device.profile.token_life_s)

    def set_clock(self, date: bytes) -> None:
        """Set the device's clock by the `Date` of an answer that refuses a token.

        Real devices do so at every answer, to the same end. Where the fleet was given account time, that is known
        better, unless the device's clock was put out.
        """
        if self.crew.sets_clock or self.skew_s:
            self.skew_s = signing.skew_by_date_s(date, self.crew.account_ms(), self.skew_s)

    def sign(self, et_s: int) -> str:
        """Sign with the device's key, or, in generation A, with the product's where it is there."""
        return signing.sign(self.identity, self.flow, et_s, self.device.profile.token_method)

    def _fetch(self, effect: effects.Fetch) -> None:
        path, start, stop = effect.path, effect.start, effect.stop
        if self.record is not None:
            self.record.keep(PackageAsked, path, start, stop)
        self.crew.pool.fetch(self, Request(path, start, stop, self.token(), source=self.source))

    def _stop_fetch(self, _: effects.StopFetch) -> None:
        self.crew.pool.cancel(self)

    def _job_started(self, effect: effects.JobStarted) -> None:
        self.counters.jobs_started += 1
        job = self.device.job
        if self.record is not None and job is not None:
            text = f"{job.kind.name} to {job.target}, {job.download.size_bytes:,} bytes"
            self.record.add(JOB, effect.tid, text=text)

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
        if self.record is not None:
            reason = f": {effect.reason}" if effect.reason else ""
            self.record.add(ENDED, effect.tid, effect.step, effect.outcome.value + reason)
        if effect.reason:
            job = f"job {effect.tid}" if effect.tid else "job"
            self.crew.note(self, f"{job} {effect.outcome.value}: {effect.reason}")

    def _struck(self, effect: effects.Struck) -> None:
        struck = self.counters.struck
        struck[effect.what] = struck.get(effect.what, 0) + 1
        if self.record is not None:
            text = f"{effect.what}: {effect.text}" if effect.text else effect.what
            self.record.add(STRUCK, *self._job_and_step(), text)

    def _power_lost(self, effect: effects.PowerLost) -> None:
        if self.record is not None:
            self.record.add(POWER_OFF, text=f"for {effect.for_ms:,} ms")

    def _power_restored(self, _: effects.PowerRestored) -> None:
        if self.record is not None:
            self.record.add(POWER_ON)

    def _noted(self, effect: effects.Noted) -> None:
        self.note(effect.what)

    carry_out: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = MappingProxyType(
        {
            effects.Fetch: _fetch,
            effects.StopFetch: _stop_fetch,
            effects.JobStarted: _job_started,
            effects.JobEnded: _job_ended,
            effects.Noted: _noted,
            effects.Struck: _struck,
            effects.PowerLost: _power_lost,
            effects.PowerRestored: _power_restored,
        }
    )
    """What is done about each effect; a flow adds its own."""
