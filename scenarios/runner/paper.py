"""The same play on paper: what the auditor's book says each step must come to.

In a run it is told of the devices that the platform made and of how jobs really ended, and predicts the rest; alone
(`ota-sim check --plan`) it makes up both. The book knows the charging rules; what surrounds them is here and in
`paper_orders`, `paper_tasks` (packages, tasks, which jobs can run at all) and `paper_devices`, `paper_faults`.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar

from scenarios import play as p
from scenarios.auditor.predict import Book
from scenarios.results import Seen
from scenarios.runner.paper_devices import CONFLICT, ON_DEVICES, create
from scenarios.runner.paper_orders import ORDERS
from scenarios.runner.paper_tasks import PaperTasks
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
        self.roster = Roster(play.groups, seed=play.seed)
        self.book = Book()
        shelf = Shelf()
        self.tasks = PaperTasks(play, self.book, self.roster, shelf)
        self.auto_adds = AutoAdds(self.book, shelf, self.roster)
        self._offset_ms = 0
        self._is_subscribed = play.account.subscribe

    def set_up(self, enlisted: Mapping[str, Iterable[Member]] | None = None) -> None:
        """Open the account and register devices: the platform's own, or, without them, ones made up."""
        start = self.play.account
        now_ms = self.play.clock_ms if self.play.clock_ms is not None else self._real_ms()
        self._offset_ms = now_ms - self._real_ms()
        self.book.open_account(ACCOUNT, self.play.policy)
        if start.subscribe:
            self.book.subscribe(ACCOUNT)
        self.book.post(ACCOUNT, start.top_up_fen)
        if start.buy:
            self.book.buy(ACCOUNT, start.buy, now_ms)
        if start.grant:
            self.book.grant(ACCOUNT, start.grant)
        self.book.post(ACCOUNT, start.post_fen)
        for fleet in self.play.fleets:
            members = enlisted[fleet.name] if enlisted is not None else self.make_up(fleet)
            self.enlist(fleet.name, members)

    def take_over(self, copied: "Paper") -> None:
        """Take over what was written on a copy of this one."""
        self.__dict__.update(copied.__dict__)

    def now_ms(self) -> int:
        """Read the clock on paper; a run has the platform's instead."""
        return self._real_ms() + self._offset_ms

    def standing(self, now_ms: int) -> Standing:
        """Give how the account stands."""
        licences = self.book.licences(ACCOUNT)
        return Standing(
            licences=licences,
            balance_fen=self.book.balance_fen(ACCOUNT),
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

        `made` are the devices that the platform made at a `register` or `create_again`; `really` is where jobs stand
        by step, as some may have run in the meantime.
        """
        of = getattr(step.action, "of", None)
        if of is not None and of not in self.tasks.created:
            return None
        for step_id, ends in (really or {}).items():
            self.tasks.end_jobs(step_id, ends, now_ms)
        self.wake(now_ms)
        self.tasks.pass_time(now_ms)
        self.tasks.look(now_ms)
        kind = type(step.action)
        if kind in {p.Register, p.CreateAgain}:
            return create(self, step, device_ids, now_ms, made)
        if kind in ORDERS:
            return ORDERS[kind](self.tasks, step, step.action, device_ids, now_ms)
        if kind in ON_DEVICES:
            return ON_DEVICES[kind](self, step, step.action, device_ids, now_ms)
        return self._PERFORMERS[kind](self, step, step.action, device_ids, now_ms)

    def learn_licences(self) -> None:
        """Note in the roster who is licensed; a run learns it from the platform."""
        for device_id in self.roster.members:
            right = self.book.right(device_id)
            if right is not None:
                self.roster.licensed[device_id] = right.source.value

    def make_up(self, fleet: p.FleetStart) -> list[Member]:
        """Make up a fleet's devices."""
        devices = enumerate(p.devices_of(fleet), start=len(self.roster.members) + 1)
        return [Member.of_fleet(fleet, device_id, device) for device_id, device in devices]

    def enlist(self, group: str, members: Iterable[Member]) -> None:
        """Register devices, and note what they come with."""
        listed = list(members)
        self.roster.enlist(group, listed)
        self.tasks.troubles.learn(listed)
        for (f_version, s_version), same in groupby(listed, lambda m: (m.f_version, m.s_version)):
            ids = [member.device_id for member in same]
            self.book.register(ACCOUNT, ids, f_version, s_version)

    def came_back(self, device_ids: Sequence[int], now_ms: int) -> None:
        """Note devices that report their versions now."""
        self.auto_adds.came_back(device_ids)
        self.tasks.came_back(device_ids, now_ms)

    def wake(self, now_ms: int) -> None:
        """Let devices come back that have their power again by now."""
        self.came_back(self.roster.on_air(self.roster.wake(now_ms)), now_ms)

    def _nothing(self, *_: object) -> Seen:
        return Seen()

    def _account(self, _: p.PlayStep, action: Any, __: Sequence[int], now_ms: int) -> Seen:
        """Do what concerns only money and licences."""
        book = self.book
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
            return CONFLICT
        self.book.subscribe(ACCOUNT)
        self._is_subscribed = True
        return Seen()

    def _advance(self, _: p.PlayStep, action: Any, __: Sequence[int], now_ms: int) -> Seen:
        by_ms = action.span_ms if isinstance(action, p.Advance) else action.at_ms - now_ms
        if by_ms < 0:
            return CONFLICT
        self._offset_ms += by_ms
        self.wake(now_ms + by_ms)
        self.tasks.pass_time(now_ms + by_ms)
        return Seen()

    _PERFORMERS: ClassVar[Mapping[type[Any], Callable[..., Seen]]] = {
        p.WaitJobs: _nothing,
        p.WaitUntil: _nothing,
        p.Parallel: _nothing,
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
