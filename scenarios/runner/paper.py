"""The same play on paper: what the auditor's book says each step must come to.

In a run it is told of the devices that the platform made and of how jobs really ended, and predicts the rest; alone
(`ota-sim check --plan`) it makes up both. The book knows the charging rules; here is what surrounds them: packages,
products, names, and which jobs can run at all.
"""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar, Final

from msgspec import structs

from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.operator import ErrorCode
from scenarios import play as p
from scenarios.auditor.holder import Prediction
from scenarios.auditor.predict import Book
from scenarios.results import Seen
from scenarios.runner.roster import Member, Roster
from scenarios.runner.standing import Standing

ACCOUNT: Final = "account"
_OPEN: Final = "pending"
_ENDS: Final = frozenset({"success", "failed"})


@dataclass(frozen=True, slots=True)
class _Task:
    """A task of a step: what its creation came to, its number in the book, its kind, the package it verifies."""

    created: Seen
    number: int
    kind: UpdateKind
    verifies: list[str] | None


def real_time_ms() -> int:
    """Read the wall clock, unix milliseconds."""
    return time.time_ns() // 1_000_000


class Paper:
    """The platform on paper. `now_ms` of the methods is the account's clock; `real_ms` is what it starts from."""

    def __init__(self, play: p.Play, real_ms: Callable[[], int] = real_time_ms) -> None:
        self.play = play
        self._real_ms = real_ms
        self.roster = Roster(play.groups)
        self._book = Book()
        self._tasks: dict[str, _Task] = {}
        self._packages: dict[tuple[str, str, str, int], list[str]] = {}
        self._faults: dict[int, int] = {}
        self._offset_ms = 0
        self._last_id = 0
        self._is_subscribed = play.account.subscribe
        self._told: set[tuple[str, int]] = set()

    def set_up(self, enlisted: Mapping[str, Iterable[Member]] | None = None) -> None:
        """Open the account and register devices: the platform's own, or, without them, ones made up."""
        start = self.play.account
        now_ms = self.play.clock_ms if self.play.clock_ms is not None else self._real_ms()
        self._offset_ms = now_ms - self._real_ms()
        self._book.open_account(ACCOUNT, self.play.policy)
        if start.subscribe:
            self._book.subscribe(ACCOUNT)
        self._book.post(ACCOUNT, start.top_up_fen)
        if start.buy:
            self._book.buy(ACCOUNT, start.buy, now_ms)
        if start.grant:
            self._book.grant(ACCOUNT, start.grant)
        self._book.post(ACCOUNT, start.post_fen)
        for fleet in self.play.fleets:
            members = enlisted[fleet.name] if enlisted is not None else self._make_up(fleet)
            self._enlist(fleet.name, members)

    def now_ms(self) -> int:
        """Read the clock on paper; a run has the platform's instead."""
        return self._real_ms() + self._offset_ms

    def standing(self, now_ms: int) -> Standing:
        """Give how the account stands."""
        licences = self._book.licences(ACCOUNT)
        return Standing(
            licences=licences,
            balance_fen=self._book.balance_fen(ACCOUNT),
            fee_fen=licences.bought * self.play.policy.price_fen,
            now_ms=now_ms,
        )

    def perform(
        self,
        step: p.PlayStep,
        device_ids: Sequence[int],
        now_ms: int,
        *,
        made: Sequence[Member] | None = None,
        really: Mapping[int, str] | None = None,
    ) -> Seen | None:
        """Say what a step must answer; None when it is about something that is not on paper.

        `made` are the devices that the platform made at a `create_again`; `really` is where the jobs stand of the
        task that the step is about, as some may have run in the meantime.
        """
        of = getattr(step.action, "of", None)
        if of is not None and of not in self._tasks:
            return None
        if of is not None and really is not None:
            self._end_jobs(of, self._tasks[of], really, now_ms)
        if isinstance(step.action, p.CreateAgain):
            return self._create_again(step.action, device_ids, made)
        return self._PERFORMERS[type(step.action)](self, step, step.action, device_ids, now_ms)

    def settle(
        self, step_ids: Iterable[str], now_ms: int, really: Mapping[str, Mapping[int, str]] | None = None
    ) -> None:
        """Let the jobs that can run end: as planned, or as they `really` did, by step and device."""
        for step_id in step_ids:
            task = self._tasks.get(step_id)
            if task is None or self._book.holds_pending(ACCOUNT, now_ms):  # P10
                continue
            states = self.roster.states[step_id]
            for device_id, state in states.items():
                if state == _OPEN and self.roster.members[device_id].connect:
                    states[device_id] = self._planned_end(device_id)
            ends = states if really is None else really.get(step_id, states)
            self._end_jobs(step_id, task, ends, now_ms)

    def jobs(self, step_id: str) -> dict[str, int] | None:
        """Count the jobs of a step's task as they must stand."""
        if step_id not in self._tasks:
            return None
        return dict(Counter(self.roster.states[step_id].values()))

    def with_jobs(self, seen: Seen, step_id: str) -> Seen:
        """Add how the jobs of a step's task must stand."""
        return structs.replace(seen, jobs=self.jobs(step_id))

    def task_steps(self) -> list[str]:
        """Name the steps that have created a task."""
        return list(self._tasks)

    def learn_licences(self) -> None:
        """Note in the roster who is licensed; a run learns it from the platform."""
        for device_id in self.roster.members:
            right = self._book.right(device_id)
            if right is not None:
                self.roster.licensed[device_id] = right.source.value

    def _make_up(self, fleet: p.FleetStart) -> list[Member]:
        return [
            self._new_member(
                device.name, fleet.product, device.f_version, device.s_version, connect=fleet.connect
            )
            for device in p.devices_of(fleet)
        ]

    def _new_member(
        self, name: str, product: str, f_version: str | None, s_version: str | None, *, connect: bool
    ) -> Member:
        self._last_id += 1
        return Member(
            device_id=self._last_id,
            product=product,
            name=name,
            connect=connect,
            f_version=f_version,
            s_version=s_version,
        )

    def _enlist(self, group: str, members: Iterable[Member]) -> None:
        listed = list(members)
        self.roster.enlist(group, listed)
        for (f_version, s_version), same in groupby(listed, lambda m: (m.f_version, m.s_version)):
            ids = [member.device_id for member in same]
            self._book.register(ACCOUNT, ids, f_version, s_version)
            self._last_id = max(self._last_id, *ids)

    def _create_task(
        self, step: p.PlayStep, action: p.CreateTask, device_ids: Sequence[int], now_ms: int
    ) -> Seen:
        product = self.roster.members[device_ids[0]].product if device_ids else self.play.products[0].name
        key = (product, action.kind, action.target, action.package_bytes)
        package = self._packages.setdefault(key, ["open"])  # shared by all tasks that use it
        if action.verification == "skip" and package[0] == "open":
            package[0] = "skipped"
        is_first = action.verification == "first"
        is_ready = package[0] != "open" or (is_first and not self._is_being_verified(package))
        if is_first and len(set(device_ids)) != 1:
            return Seen(outcome="refused", reason=ErrorCode.MALFORMED.value)
        # A device of another product is as unknown to this package as one that is not there (P7).
        wanted: list[Hashable] = [
            d if self.roster.members[d].product == product else ("foreign", d) for d in device_ids
        ]
        kind = UpdateKind[action.kind]
        prediction = self._book.create_task(
            ACCOUNT,
            wanted,
            kind,
            now_ms,
            target=action.target,
            package_fault=None if is_ready else ErrorCode.PACKAGE_NOT_VERIFIED,
        )
        return self._keep(step.id, prediction, device_ids, kind, package if is_first else None)

    def _keep(
        self,
        step_id: str,
        prediction: Prediction,
        device_ids: Sequence[int],
        kind: UpdateKind,
        verifies: list[str] | None,
    ) -> Seen:
        seen = _seen(prediction, len(set(device_ids)))
        if prediction.task is not None:
            self._tasks[step_id] = _Task(seen, prediction.task, kind, verifies)
            self.roster.states[step_id] = dict.fromkeys(device_ids, _OPEN)
        return seen

    def _retry_task(self, step: p.PlayStep, action: p.RetryTask, _: Sequence[int], now_ms: int) -> Seen:
        old = self._tasks[action.of]
        failed = [d for d, state in self.roster.states[action.of].items() if state == "failed"]
        return self._keep(step.id, self._book.retry(old.number, now_ms), failed, old.kind, old.verifies)

    def _cancel_task(self, _: p.PlayStep, action: p.CancelTask, __: Sequence[int], ___: int) -> Seen:
        states = self.roster.states[action.of]
        still = [device_id for device_id, state in states.items() if state == _OPEN]
        if not still:
            return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
        self._book.cancel_task(self._tasks[action.of].number)
        states.update(dict.fromkeys(still, "cancelled"))
        may_run = any(self.roster.members[device_id].connect for device_id in still)
        return Seen(jobs=None if may_run else self.jobs(action.of))

    def _fail(self, _: p.PlayStep, action: p.Fail, device_ids: Sequence[int], __: int) -> Seen:
        connected = self.roster.on_air(device_ids)
        self._faults |= dict.fromkeys(connected, action.times)
        return Seen(devices=len(connected))

    def _nothing(self, *_: object) -> Seen:
        return Seen()

    def _replace_cards(self, _: p.PlayStep, __: object, device_ids: Sequence[int], ___: int) -> Seen:
        if any(self.roster.members[device_id].terminated for device_id in device_ids):
            return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
        return Seen(devices=len(set(device_ids)), cards=len(set(device_ids)))  # B9: nothing else changes

    def _terminate(self, _: p.PlayStep, __: object, device_ids: Sequence[int], ___: int) -> Seen:
        for device_id in dict.fromkeys(device_ids):
            if self.roster.members[device_id].terminated:
                return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
            self._book.terminate(device_id)
            self.roster.change(device_id, terminated=True)
            for states in self.roster.states.values():
                if states.get(device_id) == _OPEN:
                    states[device_id] = "cancelled"  # P9
        return Seen(devices=len(device_ids))

    def _create_again(
        self, action: p.CreateAgain, device_ids: Sequence[int], made: Sequence[Member] | None
    ) -> Seen:
        old = [self.roster.members[device_id] for device_id in device_ids]
        living = self._living()
        if any((member.product, member.name) in living for member in old):
            return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
        if made is None:
            made = [
                self._new_member(m.name, m.product, m.f_version, m.s_version, connect=m.connect) for m in old
            ]
        self._enlist(action.group, made)
        return Seen(devices=len(device_ids))

    def _move(self, _: p.PlayStep, action: p.Move, device_ids: Sequence[int], __: int) -> Seen:
        for device_id in dict.fromkeys(device_ids):
            member = self.roster.members[device_id]
            taken = member.product != action.to and (action.to, member.name) in self._living()
            if member.terminated or taken:
                return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
            self.roster.change(device_id, product=action.to)
        return Seen(devices=len(device_ids))

    def _account(self, _: p.PlayStep, action: Any, __: Sequence[int], now_ms: int) -> Seen:
        """Do what concerns only money and licences."""
        book = self._book
        match action:
            case p.Buy(count=count):
                return _plain(book.buy(ACCOUNT, count, now_ms))
            case p.Grant(count=count):
                return _plain(book.grant(ACCOUNT, count))
            case p.CancelLicences():
                return _plain(book.cancel_licences(ACCOUNT))
            case p.TopUp(amount_fen=amount_fen) | p.Posting(amount_fen=amount_fen):
                return _plain(book.post(ACCOUNT, amount_fen))
            case p.SetChargingDate(at_ms=at_ms):
                return _plain(book.set_charging_date(ACCOUNT, at_ms))
            case _:
                raise AssertionError(f"{type(action).__name__} has a method of its own")

    def _subscribe(self, *_: object) -> Seen:
        if self._is_subscribed:
            return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
        self._book.subscribe(ACCOUNT)
        self._is_subscribed = True
        return Seen()

    def _advance(self, _: p.PlayStep, action: Any, __: Sequence[int], now_ms: int) -> Seen:
        by_ms = action.span_ms if isinstance(action, p.Advance) else action.at_ms - now_ms
        if by_ms < 0:
            return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
        self._offset_ms += by_ms
        return Seen()

    def _check(self, _: p.PlayStep, action: p.Check, __: Sequence[int], ___: int) -> Seen:
        if action.of is None:
            return Seen()
        states = self.roster.states[action.of]
        may_run = any(s == _OPEN and self.roster.members[d].connect for d, s in states.items())
        jobs = None if may_run else self.jobs(action.of)  # jobs that may run may have run
        return structs.replace(self._tasks[action.of].created, outcome="done", left=None, jobs=jobs)

    def _is_being_verified(self, package: list[str]) -> bool:
        return any(
            task.verifies is package and _OPEN in self.roster.states[step_id].values()
            for step_id, task in self._tasks.items()
        )

    def _living(self) -> set[tuple[str, str]]:
        """Give the addresses that are taken."""
        return {(m.product, m.name) for m in self.roster.members.values() if not m.terminated}

    def _planned_end(self, device_id: int) -> str:
        times = self._faults.get(device_id, 0)
        if times:
            self._faults[device_id] = times - 1
        return "failed" if times else "success"

    def _end_jobs(self, step_id: str, task: _Task, ends: Mapping[int, str], now_ms: int) -> None:
        """Tell the book how jobs ended; one that it has not open, it has heard of already."""
        known = self.roster.states[step_id]
        for device_id, state in ends.items():
            key = (step_id, device_id)
            if state not in _ENDS or key in self._told or known.get(device_id) == "cancelled":
                continue
            self._told.add(key)
            if known[device_id] == _OPEN:
                known[device_id] = state
            if state == "success":
                self._book.job_succeeded(device_id, task.kind, now_ms)
                if task.verifies is not None:
                    task.verifies[0] = "passed"
            else:
                self._book.job_failed(device_id, task.kind)

    _PERFORMERS: ClassVar[Mapping[type[Any], Callable[..., Seen]]] = {
        p.CreateTask: _create_task,
        p.RetryTask: _retry_task,
        p.CancelTask: _cancel_task,
        p.Fail: _fail,
        p.WaitJobs: _nothing,
        p.ReplaceCards: _replace_cards,
        p.Terminate: _terminate,
        p.Move: _move,
        p.Buy: _account,
        p.Grant: _account,
        p.CancelLicences: _account,
        p.TopUp: _account,
        p.Posting: _account,
        p.Subscribe: _subscribe,
        p.SetChargingDate: _account,
        p.Advance: _advance,
        p.AdvanceTo: _advance,
        p.Check: _check,
    }


def _seen(prediction: Prediction, devices: int) -> Seen:
    """Spell a prediction about a task as what is seen of one."""
    if prediction.accepted:
        return Seen(
            outcome="created",
            devices=devices,
            needed=prediction.needed,
            available=prediction.available,
            missing=0,
            deducted=prediction.deducted,
            deducted_purchased=prediction.deducted_purchased,
            deducted_free=prediction.deducted_free,
            left=prediction.left,
        )
    reason = prediction.reason
    assert reason is not None
    if reason is not ErrorCode.LICENCES_INSUFFICIENT:
        return Seen(outcome="refused", reason=reason.value, devices=devices)
    return Seen(
        outcome="refused",
        reason=reason.value,
        devices=devices,
        needed=prediction.needed,
        available=prediction.available,
        missing=prediction.missing,
    )


def _plain(prediction: Prediction) -> Seen:
    if prediction.reason is None:
        return Seen()
    return Seen(outcome="refused", reason=prediction.reason.value)
