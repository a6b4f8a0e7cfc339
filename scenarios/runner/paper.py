"""The same play on paper: what the auditor's book says each step must come to.

In a run it is told of the devices that the platform made and of how jobs really ended, and predicts the rest; alone
(`ota-sim check --plan`) it makes up both. The book knows the charging rules; here is what surrounds them: packages,
products, names, and which jobs can run at all.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar

from platform_stub.protocol.operator import ErrorCode
from scenarios import play as p
from scenarios.auditor.predict import Book
from scenarios.results import Seen
from scenarios.runner.paper_tasks import OPEN, PaperTasks
from scenarios.runner.predicted import plain
from scenarios.runner.roster import Member, Roster
from scenarios.runner.shelf import Shelf
from scenarios.runner.standing import Standing
from scenarios.runner.taken_in import ACCOUNT, AutoAdds


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
        shelf = Shelf()
        self.tasks = PaperTasks(play, self._book, self.roster, shelf)
        self.auto_adds = AutoAdds(self._book, shelf, self.roster)
        self._offset_ms = 0
        self._is_subscribed = play.account.subscribe

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
        really: Mapping[str, Mapping[int, str]] | None = None,
    ) -> Seen | None:
        """Say what a step must answer; None when it is about something that is not on paper.

        `made` are the devices that the platform made at a `create_again`; `really` is where jobs stand by step, as
        some may have run in the meantime.
        """
        of = getattr(step.action, "of", None)
        if of is not None and of not in self.tasks.created:
            return None
        for step_id, ends in (really or {}).items():
            self.tasks.end_jobs(step_id, ends, now_ms)
        self.tasks.pass_time(now_ms)
        self.tasks.look(now_ms)
        if isinstance(step.action, p.CreateAgain):
            return self._create_again(step.action, device_ids, made)
        if type(step.action) in self.tasks.PERFORMED:
            return self.tasks.perform(step, device_ids, now_ms)
        return self._PERFORMERS[type(step.action)](self, step, step.action, device_ids, now_ms)

    def learn_licences(self) -> None:
        """Note in the roster who is licensed; a run learns it from the platform."""
        for device_id in self.roster.members:
            right = self._book.right(device_id)
            if right is not None:
                self.roster.licensed[device_id] = right.source.value

    def _make_up(self, fleet: p.FleetStart) -> list[Member]:
        devices = enumerate(p.devices_of(fleet), start=len(self.roster.members) + 1)
        return [Member.of_fleet(fleet, device_id, device) for device_id, device in devices]

    def _enlist(self, group: str, members: Iterable[Member]) -> None:
        listed = list(members)
        self.roster.enlist(group, listed)
        for (f_version, s_version), same in groupby(listed, lambda m: (m.f_version, m.s_version)):
            ids = [member.device_id for member in same]
            self._book.register(ACCOUNT, ids, f_version, s_version)

    def _came_back(self, device_ids: Sequence[int], now_ms: int) -> None:
        self.auto_adds.came_back(device_ids)
        self.tasks.came_back(device_ids, now_ms)

    def _reconnect(self, _: p.PlayStep, __: object, device_ids: Sequence[int], now_ms: int) -> Seen:
        here = self.roster.on_air(device_ids)
        self._came_back(here, now_ms)
        return Seen(devices=len(here))

    def _nothing(self, *_: object) -> Seen:
        return Seen()

    def _replace_cards(self, _: p.PlayStep, __: object, device_ids: Sequence[int], now_ms: int) -> Seen:
        if any(self.roster.members[device_id].terminated for device_id in device_ids):
            return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
        self._came_back(self.roster.over_mqtt(device_ids), now_ms)
        return Seen(devices=len(set(device_ids)), cards=len(set(device_ids)))  # B9: nothing else changes

    def _terminate(self, _: p.PlayStep, __: object, device_ids: Sequence[int], ___: int) -> Seen:
        for device_id in dict.fromkeys(device_ids):
            if self.roster.members[device_id].terminated:
                return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
            self._book.terminate(device_id)
            self.roster.change(device_id, terminated=True)
            for states in self.roster.states.values():
                if states.get(device_id) == OPEN:
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
            made = [m.again(at) for at, m in enumerate(old, start=len(self.roster.members) + 1)]
        self._enlist(action.group, made)
        self.auto_adds.came_back(member.device_id for member in made)
        return Seen(devices=len(device_ids))

    def _move(self, _: p.PlayStep, action: p.Move, device_ids: Sequence[int], now_ms: int) -> Seen:
        for device_id in dict.fromkeys(device_ids):
            member = self.roster.members[device_id]
            taken = member.product != action.to and (action.to, member.name) in self._living()
            if member.terminated or taken:
                return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
            self.roster.change(device_id, product=action.to)
            self._came_back([device_id], now_ms)
        return Seen(devices=len(device_ids))

    def _account(self, _: p.PlayStep, action: Any, __: Sequence[int], now_ms: int) -> Seen:
        """Do what concerns only money and licences."""
        book = self._book
        match action:
            case p.Buy(count=count):
                return plain(book.buy(ACCOUNT, count, now_ms))
            case p.Grant(count=count):
                return plain(book.grant(ACCOUNT, count))
            case p.CancelLicences():
                return plain(book.cancel_licences(ACCOUNT))
            case p.TopUp(amount_fen=amount_fen) | p.Posting(amount_fen=amount_fen):
                return plain(book.post(ACCOUNT, amount_fen, now_ms))
            case p.SetChargingDate(at_ms=at_ms):
                return plain(book.set_charging_date(ACCOUNT, at_ms, now_ms))
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
        self.tasks.pass_time(now_ms + by_ms)
        return Seen()

    def _living(self) -> set[tuple[str, str]]:
        """Give the addresses that are taken."""
        return {(m.product, m.name) for m in self.roster.members.values() if not m.terminated}

    _PERFORMERS: ClassVar[Mapping[type[Any], Callable[..., Seen]]] = {
        p.Reconnect: _reconnect,
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
    }
