"""A device that speaks HTTP, in one of the three generations: its calls. Downloads are the base's.

It has no connection of its own: calls go over the fleet's pool, one at a time a device. Where it is to be told of
jobs, it has a bell over MQTT (`bell_agent`).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from device_sim import kept
from device_sim.agent import Agent, Crew
from device_sim.bell_agent import BellAgent
from device_sim.core import effects
from device_sim.core.dialect import DIALECTS, NO_CHIP
from device_sim.core.events import (
    CallAnswered,
    CallFailed,
    CardReplaced,
    Dropped,
    FaultsSet,
    Informed,
    PowerBack,
    PowerCut,
)
from device_sim.core.faults import Fault
from device_sim.core.http_device import HttpDevice
from device_sim.core.profile import Flow, Profile
from device_sim.core.state import Link
from device_sim.identity import Identity
from device_sim.snapshot import Counters
from device_sim.transport.http_connection import Head, Request
from platform_stub.protocol.codes import Chip

BELL_FAULTS: Final = frozenset({"silent", "reconnects", "expired_token"})
ANSWER_BYTES_MAX: Final = 16 * 1024
"""Of a call's answer; real ones have some hundred."""


class HttpAgent(Agent):
    """A device and the call it has under way."""

    __slots__ = ("_body", "_date", "_is_calling", "_signed", "_signed_until_s", "_status", "bell")

    device: HttpDevice

    def __init__(self, crew: Crew, identity: Identity, counters: Counters, profile: Profile) -> None:
        dialect = DIALECTS[self.flow]
        device = HttpDevice(
            dialect=dialect,
            base=dialect.base_of(identity.product_id, identity.name, identity.device_id),
            device_id=identity.device_id,
            seed=crew.seed,
            profile=profile,
            f_version=identity.f_version,
            s_version=identity.s_version,
            iccid=identity.iccid,
            imsi=identity.imsi,
            chip=_chip_of(identity),
        )
        super().__init__(crew, identity, device, counters)
        self._is_calling = False
        self._status = 0
        self._date = b""
        self._body = b""
        self._signed = ""  # the last token: a job is ten requests, and signing would be a fifth of their cost
        self._signed_until_s = 0
        self.bell = BellAgent(self, crew, identity, counters, profile) if profile.inform else None

    # the bell

    @property
    def is_present(self) -> bool:
        """Whether the platform has it in, and can tell it where it is to be told."""
        return self.device.is_present and (self.bell is None or self.bell.device.is_present)

    def arrive(self, now_ms: int) -> None:
        """Switch both on."""
        super().arrive(now_ms)
        if self.bell is not None:
            self.bell.arrive(now_ms)

    def leave(self) -> None:
        """Switch both off for good."""
        if self.bell is not None:
            self.bell.leave()
        super().leave()

    def replace_card(self, iccid: str, imsi: str, source: str) -> None:
        """Put another card in; both are offline for it."""
        super().replace_card(iccid, imsi, source)
        if self.bell is not None:
            self.bell.source = source
            self.bell.handle(CardReplaced(iccid, imsi), self.now_ms())

    def renew_key(self, key: str) -> None:
        """Sign with another key from the next login, or call, on."""
        super().renew_key(key)
        self._signed_until_s = 0
        if self.bell is not None:
            self.bell.identity = self.identity

    @property
    def holds_connection(self) -> bool:
        """Whether it is connected over MQTT too."""
        return self.bell is not None

    def set_clock(self, date: bytes) -> None:
        """Set the clock of both."""
        super().set_clock(date)
        if self.bell is not None:
            self.bell.skew_s = self.skew_s

    def set_faults(self, faults: tuple[Fault, ...]) -> None:
        """Let these faults befall the device, and its bell those that it can have; they share a clock."""
        super().set_faults(faults)
        if self.bell is not None:
            theirs = tuple(fault for fault in faults if fault.what in BELL_FAULTS)
            self.bell.handle(FaultsSet(theirs), self.now_ms())
            self.bell.skew_s = self.skew_s

    def cut_power(self, for_ms: int | None) -> None:
        """Take the power of both away."""
        super().cut_power(for_ms)
        self._bell_off()

    def restore_power(self) -> None:
        """Give it back to both."""
        super().restore_power()
        self._bell_on()

    def pass_time(self, by_ms: int) -> None:
        """Let the running time of both go on."""
        super().pass_time(by_ms)
        if self.bell is not None:
            self.bell.pass_time(by_ms)

    def drop(self) -> None:
        """Cut both off; they are back at once."""
        super().drop()
        if self.bell is not None:
            self.bell.handle(Dropped(), self.now_ms())

    def _bell_off(self) -> None:
        if self.bell is not None:
            self.bell.abort()
            self.bell.handle(PowerCut(), self.now_ms())

    def _bell_on(self) -> None:
        if self.bell is not None:
            self.bell.handle(PowerBack(), self.now_ms())

    def abort(self) -> None:
        """Close the bell's socket at once."""
        if self.bell is not None:
            self.bell.abort()

    def informed(self) -> None:
        """Ask."""
        self.handle(Informed(), self.now_ms())

    # the answer, to a call or to a download

    def answer_began(self, head: Head) -> None:
        """The head of the answer came."""
        if self._is_calling:
            self._status = head.status
            self._date = head.date
        else:
            super().answer_began(head)

    def answer_went_on(self, data: bytes) -> None:
        """The next bytes came."""
        if not self._is_calling:
            super().answer_went_on(data)
            return
        self._body += data
        if len(self._body) > ANSWER_BYTES_MAX:
            self.crew.calls.cancel(self)
            self._call_failed(f"an answer of more than {ANSWER_BYTES_MAX} bytes")

    def answer_ended(self) -> None:
        """The answer is complete."""
        if not self._is_calling:
            super().answer_ended()
            return
        event = CallAnswered(self._status, self._body)
        self._is_calling, self._body = False, b""
        self.counters.calls_answered += 1
        if self.record is not None:
            device = self.device
            said = (event.status, device.dialect, device.asked, *self._job_and_step())
            self.record.keep_payload(kept.CallAnswered, event.body, *said)
        self.handle(event, self.now_ms())

    def answer_failed(self, reason: str, *, timed_out: bool) -> None:
        """The answer did not come, or broke off."""
        if self._is_calling:
            self._call_failed(reason)
        else:
            super().answer_failed(reason, timed_out=timed_out)

    def _call_failed(self, reason: str) -> None:
        self._is_calling, self._body = False, b""
        if self.device.link is Link.PRESENT:
            self.counters.reconnects += 1
        else:
            self.counters.connect_failures += 1
        if self.record is not None:
            self.record.keep(kept.CallFailed, self.device.asked, reason)
        self.note(reason)
        self.handle(CallFailed(reason), self.now_ms())

    # the effects

    def token(self) -> str:
        """Give the last token while it is the one that would be signed now."""
        if self.device.take_expired_token():
            return self.sign(self.expired_s())
        et_s = self.token_end_s()
        if et_s != self._signed_until_s:
            self._signed, self._signed_until_s = self.sign(et_s), et_s
        return self._signed

    def _call(self, effect: effects.Call) -> None:
        self._is_calling = True
        counters = self.counters
        counters.calls += 1
        counters.repeats += effect.again
        if self.record is not None:
            tid, _ = self._job_and_step()
            said = (effect.method, effect.path, effect.body, effect.again)
            self.record.keep(kept.CallMade, self.device.asked, tid, *said)
        request = Request(effect.path, 0, 0, self.token(), effect.method, effect.body, self.source)
        self.crew.calls.fetch(self, request)

    def _stop_call(self, _: effects.StopCall) -> None:
        self._is_calling, self._body = False, b""
        self.crew.calls.cancel(self)

    def _power_lost(self, effect: effects.PowerLost) -> None:
        super()._power_lost(effect)
        self._bell_off()

    def _power_restored(self, effect: effects.PowerRestored) -> None:
        super()._power_restored(effect)
        self._bell_on()

    def _call_refused(self, effect: effects.CallRefused) -> None:
        refused = self.counters.calls_refused
        refused[effect.code] = refused.get(effect.code, 0) + 1
        self.refusals += 1
        self._signed_until_s = 0
        self.set_clock(self._date)
        self.note(f"{self.flow} code {effect.code} ({effect.text})")

    def _calls_accepted(self, _: effects.CallsAccepted) -> None:
        self.refusals = 0

    carry_out: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = MappingProxyType(
        {
            **Agent.carry_out,
            effects.Call: _call,
            effects.StopCall: _stop_call,
            effects.CallRefused: _call_refused,
            effects.CallsAccepted: _calls_accepted,
            effects.PowerLost: _power_lost,
            effects.PowerRestored: _power_restored,
        }
    )


class FuseAgent(HttpAgent):
    """A device of generation C."""

    __slots__ = ()

    flow: ClassVar[Flow] = "fuse"


class StudioAgent(HttpAgent):
    """A device of generation B."""

    __slots__ = ()

    flow: ClassVar[Flow] = "studio"


class SouthAgent(HttpAgent):
    """A device of generation A."""

    __slots__ = ()

    flow: ClassVar[Flow] = "south"


def _chip_of(identity: Identity) -> Chip:
    """Name whose a device is; most say nothing, and share that."""
    if not (identity.manufacturer or identity.model):
        return NO_CHIP
    return Chip(identity.manufacturer, identity.model)
