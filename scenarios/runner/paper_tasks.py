"""Tasks on paper: what each step about tasks, packages and devices' jobs must come to.

Which jobs can run at all is known here, when they run out of time and what they cost in the book. How jobs of devices
that are there really ended is told to it in a run. `now_ms` is the account's clock.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from msgspec import structs

from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.operator import ErrorCode
from scenarios import play as p
from scenarios.auditor.holder import Prediction
from scenarios.auditor.orders import Terms
from scenarios.auditor.predict import Book
from scenarios.results import Seen
from scenarios.runner.predicted import plain, seen_of
from scenarios.runner.roster import Roster
from scenarios.runner.shelf import Package, Shelf
from scenarios.runner.taken_in import ACCOUNT
from scenarios.strikes import can_strike

OPEN: Final = "pending"
"""How an open job stands on paper."""
_ENDS: Final = frozenset({"success", "failed"})


@dataclass(frozen=True, slots=True)
class _Task:
    """A task of a step: what its creation came to, its number in the book, its package, and what is said of it."""

    created: Seen
    number: int
    package: Package
    is_verification: bool
    is_pushed: bool

    @property
    def kind(self) -> UpdateKind:
        """FOTA or SOTA."""
        return UpdateKind[self.package.facts.kind]


class PaperTasks:
    """The tasks of one play. `created` has them by step.

    What comes of devices that an injected fault may strike is not on paper. A run says how they fared; a play on paper
    alone leaves in `doubts` the steps whose jobs it can't tell, and is `lost` where more than that follows from it.
    """

    def __init__(self, play: p.Play, book: Book, roster: Roster, shelf: Shelf) -> None:
        self.created: dict[str, _Task] = {}
        self.doubts: set[str] = set()
        self.is_lost = False
        self.book = book
        self.roster = roster
        self.shelf = shelf
        self._play = play
        self._has_webhook = False
        self._faults: dict[int, int] = {}
        self._told: set[tuple[str, int]] = set()
        self._injected: dict[
            str, set[int] | None
        ] = {}  # by step: whom the fault may strike, None: whoever comes
        self._maybe: dict[tuple[int, UpdateKind], str] = {}  # the version that a device may have by now
        self._begun: set[str] = set()  # steps whose jobs devices could begin with
        self._untold: set[tuple[str, int]] = (
            set()
        )  # by step: devices that are told of nothing unless they ask

    def perform(self, step: p.PlayStep, device_ids: Sequence[int], now_ms: int) -> Seen | None:
        """Say what a step of PERFORMED must answer; None when it is about something that is not on paper."""
        return self._PERFORMERS[type(step.action)](self, step, step.action, device_ids, now_ms)

    def look(self, now_ms: int) -> None:
        """Note which tasks' jobs devices could begin with by now."""
        for step_id in self.created:
            self._may_run(step_id, now_ms)

    def running(self, step_id: str, now_ms: int) -> list[int]:
        """Give the devices that do their job of a step's task now, or have done it: they are there, and may (P10)."""
        task = self.created.get(step_id)
        if task is None or not self.book.may_run(task.number, now_ms):
            return []
        return [device_id for device_id in self.there(step_id) if (step_id, device_id) not in self._untold]

    def there(self, step_id: str) -> list[int]:
        """Give the devices that are there and have an open job of a step's task, whether they may do it or not."""
        states = self.roster.states[step_id] if step_id in self.created else {}
        return self.roster.on_air(device_id for device_id, state in states.items() if state == OPEN)

    def all_running(self, now_ms: int) -> dict[str, list[int]]:
        """Give the same for all steps that have such devices."""
        found = {step_id: self.running(step_id, now_ms) for step_id in self.created}
        return {step_id: device_ids for step_id, device_ids in found.items() if device_ids}

    def starts(self, after_ms: int, until_ms: int) -> list[int]:
        """Give the moments in between, in order, at which devices that are there begin with a task."""
        moments = {
            at_ms
            for step_id, task in self.created.items()
            if after_ms < (at_ms := self.book.starts_ms(task.number)) <= until_ms
            and self.running(step_id, at_ms)
        }
        return sorted(moments)

    def came_back(self, device_ids: Iterable[int], now_ms: int) -> None:
        """Note devices that report their versions now: they are told of what they may begin with."""
        back = set(device_ids)
        self._untold = {
            (step_id, device_id)
            for step_id, device_id in self._untold
            if device_id not in back or not self.book.may_run(self.created[step_id].number, now_ms)
        }

    def settle(
        self,
        awaited: Mapping[str, Collection[int]],
        now_ms: int,
        really: Mapping[str, Mapping[int, str]] | None = None,
    ) -> None:
        """Let the jobs of devices end that were waited for, by step: as planned, or as they `really` did."""
        for step_id, device_ids in awaited.items():
            task = self.created.get(step_id)
            if task is None:
                continue
            states, wanted = self.roster.states[step_id], set(device_ids)
            for device_id in self.running(step_id, now_ms):
                if device_id not in wanted:
                    continue
                if not self._is_troubled(device_id):
                    states[device_id] = self._planned_end(device_id, task.package)
                elif really is None:
                    self._doubt(step_id, device_id, task.package)
            ends = states if really is None else really.get(step_id, states)
            self.end_jobs(step_id, ends, now_ms)

    def jobs(self, step_id: str) -> dict[str, int] | None:
        """Count the jobs of a step's task as they must stand."""
        if step_id not in self.created or step_id in self.doubts:
            return None
        return dict(Counter(self.roster.states[step_id].values()))

    def with_jobs(self, seen: Seen, step_id: str, now_ms: int) -> Seen:
        """Add how the jobs of a step's task must stand."""
        return structs.replace(seen, jobs=self.jobs(step_id), task_state=self.state_of(step_id, now_ms))

    def state_of(self, step_id: str, now_ms: int) -> str | None:
        """Say how a step's task must stand, once its jobs that can run have."""
        task = self.created.get(step_id)
        return None if task is None else self.book.task_state(task.number, now_ms)

    def open_steps(self) -> list[str]:
        """Name the steps whose task has an open job."""
        return [step_id for step_id in self.created if OPEN in self.roster.states[step_id].values()]

    def is_known(self, step_id: str, now_ms: int) -> bool:
        """Whether it is on paper how the jobs of a step's task must stand."""
        if step_id not in self.created or self._may_run(step_id, now_ms):
            return False
        return not any((step_id, device_id) in self._untold for device_id in self.there(step_id))

    def unattended(self, now_ms: int) -> list[str]:
        """Name the steps whose jobs devices do while nobody waits for them: how far they are is not on paper."""
        return [step_id for step_id in self.created if self._may_run(step_id, now_ms)]

    def _create_task(
        self, step: p.PlayStep, action: p.CreateTask, device_ids: Sequence[int], now_ms: int
    ) -> Seen:
        product = action.package.product or (
            self.roster.members[device_ids[0]].product if device_ids else self._play.products[0].name
        )
        package = self.shelf.take(structs.replace(action.package, product=product))
        if action.verification == "skip" and package.verification == "open":
            package.verification = "skipped"
        is_first = action.verification == "first"
        if is_first and len(set(device_ids)) != 1:
            return Seen(outcome="refused", reason=ErrorCode.MALFORMED.value)
        is_pushed = action.notification == "webhook"
        terms = _terms(action, now_ms, lacks_webhook=is_pushed and not self._has_webhook)
        wanted = self._wanted(action, package, device_ids, terms)
        # A device of another product is as unknown to this package as one that is not there (P7).
        keys: list[Hashable] = [
            d if self.roster.members[d].product == product else ("foreign", d) for d in wanted
        ]
        self._lose_track(keys, package, terms)
        is_ready = package.verification != "open" or (is_first and not self._is_being_verified(package))
        prediction = self.book.create_task(
            ACCOUNT,
            keys,
            UpdateKind[action.package.kind],
            now_ms,
            target=action.package.target,
            package_fault=None if is_ready else ErrorCode.PACKAGE_NOT_VERIFIED,
            terms=terms,
        )
        return self._keep(step.id, prediction, wanted, package, is_verification=is_first, is_pushed=is_pushed)

    def _wanted(
        self, action: p.CreateTask, package: Package, device_ids: Sequence[int], terms: Terms
    ) -> Sequence[int]:
        """Give the devices of a task; with scope all, those of the product that may be in it."""
        if action.scope == "chosen":
            return device_ids
        kind = UpdateKind[action.package.kind]
        return [
            device_id
            for device_id, member in self.roster.members.items()
            if member.product == package.facts.product
            and not member.terminated
            and (version := self.book.version(device_id, kind)) != action.package.target
            and terms.admit(version)
        ]

    def _keep(
        self,
        step_id: str,
        prediction: Prediction,
        device_ids: Sequence[int],
        package: Package,
        *,
        is_verification: bool,
        is_pushed: bool,
    ) -> Seen:
        seen = seen_of(prediction, len(set(device_ids)))
        if prediction.task is not None:
            self.created[step_id] = _Task(seen, prediction.task, package, is_verification, is_pushed)
            self.roster.states[step_id] = dict.fromkeys(device_ids, OPEN)
            self.roster.packages[step_id] = package.facts
            if is_pushed:
                self._untold |= {(step_id, device_id) for device_id in self.roster.over_mqtt(device_ids)}
        return seen

    def _retry_task(self, step: p.PlayStep, action: p.RetryTask, _: Sequence[int], now_ms: int) -> Seen:
        old = self.created[action.of]
        if action.of in self.doubts:
            self.doubts.add(step.id)  # it costs nothing (B12)
            return Seen(outcome="created")
        failed = [d for d, state in self.roster.states[action.of].items() if state == "failed"]
        return self._keep(
            step.id,
            self.book.retry(old.number, now_ms, lacks_webhook=old.is_pushed and not self._has_webhook),
            failed,
            old.package,
            is_verification=old.is_verification,
            is_pushed=old.is_pushed,
        )

    def _cancel_task(self, _: p.PlayStep, action: p.CancelTask, __: Sequence[int], now_ms: int) -> Seen:
        states = self.roster.states[action.of]
        still = [device_id for device_id, state in states.items() if state == OPEN]
        may_run = self._may_run(action.of, now_ms)
        if not still:
            return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
        self.book.cancel_task(self.created[action.of].number)
        states.update(dict.fromkeys(still, "cancelled"))
        return Seen(jobs=None if may_run else self.jobs(action.of), task_state="stopped")

    def _cancel_jobs(
        self, _: p.PlayStep, action: p.CancelJobs, device_ids: Sequence[int], now_ms: int
    ) -> Seen:
        may_run = self._may_run(action.of, now_ms)
        for device_id in dict.fromkeys(device_ids):
            if self.book.cancel_job(self.created[action.of].number, device_id).reason is not None:
                return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
            self.roster.states[action.of][device_id] = "cancelled"
        return Seen() if may_run else self._standing_of(action.of, now_ms)

    def _pause_task(self, _: p.PlayStep, action: p.PauseTask, __: Sequence[int], now_ms: int) -> Seen:
        may_run = self._may_run(action.of, now_ms)
        prediction = self.book.pause_task(self.created[action.of].number)
        if may_run or prediction.reason is not None:
            return plain(prediction)
        return self._standing_of(action.of, now_ms)

    def _resume_task(self, _: p.PlayStep, action: p.ResumeTask, __: Sequence[int], now_ms: int) -> Seen:
        prediction = self.book.resume_task(self.created[action.of].number)
        if self._may_run(action.of, now_ms) or prediction.reason is not None:
            return plain(prediction)
        return self._standing_of(action.of, now_ms)

    def _standing_of(self, step_id: str, now_ms: int) -> Seen:
        """Show a task none of whose jobs can move."""
        state = self.book.task_state(self.created[step_id].number, now_ms)
        return Seen(jobs=self.jobs(step_id), task_state=state)

    def _may_run(self, step_id: str, now_ms: int) -> bool:
        """Whether jobs of a task may run, or have run, without anybody waiting for them."""
        if self.book.may_run(self.created[step_id].number, now_ms):
            self._begun.add(step_id)
        return step_id in self.doubts or (
            step_id in self._begun
            and any((step_id, device_id) not in self._untold for device_id in self.there(step_id))
        )

    def _auto_add(self, _: p.PlayStep, action: p.AutoAdd, __: Sequence[int], ___: int) -> Seen | None:
        if action.package_of is not None:
            if action.package_of not in self.created:
                return None
            package = self.created[action.package_of].package
        else:
            assert action.package is not None
            package = self.shelf.take(action.package)
            package.verification = "skipped" if package.verification == "open" else package.verification
        package.takes_in, package.start_versions = not action.off, action.start_versions
        return Seen()

    def _set_webhook(self, _: p.PlayStep, action: p.SetWebhook, __: Sequence[int], ___: int) -> Seen:
        if action.off:
            had, self._has_webhook = self._has_webhook, False
            return Seen() if had else Seen(outcome="refused", reason=ErrorCode.NOT_FOUND.value)
        if not action.passes:
            return Seen(outcome="refused", reason=ErrorCode.WEBHOOK_UNVERIFIED.value)
        self._has_webhook = True
        return Seen()

    def _is_troubled(self, device_id: int) -> bool:
        """Whether an injected fault may strike a device now: how its jobs end then is not on paper."""
        return any(ids is None or device_id in ids for ids in self._injected.values())

    def _doubt(self, step_id: str, device_id: int, package: Package) -> None:
        """Note a job whose end can't be told: taken to have failed, and yet the device may have the target."""
        self.doubts.add(step_id)
        self.roster.states[step_id][device_id] = "failed"
        self._maybe[device_id, UpdateKind[package.facts.kind]] = package.facts.target
        if self.book.may_free(self.created[step_id].number, device_id):
            self.is_lost = True

    def _lose_track(self, keys: Sequence[Hashable], package: Package, terms: Terms) -> None:
        """Note it when a creation depends on versions that can't be told."""
        kind, target = UpdateKind[package.facts.kind], package.facts.target
        among = self.roster.members if terms.of_all else keys
        for device_id in among:
            maybe = self._maybe.get((device_id, kind))  # type: ignore[arg-type]  # a foreign one has none
            if maybe is not None:
                versions = (self.book.version(device_id, kind), maybe)
                if len({version != target and terms.admit(version) for version in versions}) > 1:
                    self.is_lost = True

    def _inject(self, step: p.PlayStep, action: p.Inject, device_ids: Sequence[int], ___: int) -> Seen:
        members = self.roster.members
        among = device_ids if action.devices else members
        struck = {d for d in among if can_strike(action.rule, members[d].flow)}
        self._injected[step.id] = struck if action.devices or action.share is not None else None
        return Seen(devices=len(set(device_ids)) or None)

    def _clear_injected(self, _: p.PlayStep, action: p.ClearInjected, __: Sequence[int], ___: int) -> Seen:
        if action.by is not None and action.by not in self._injected:
            return Seen(outcome="refused", reason=ErrorCode.NOT_FOUND.value)
        for step_id in [action.by] if action.by is not None else list(self._injected):
            del self._injected[step_id]
        return Seen()

    def _fail(self, _: p.PlayStep, action: p.Fail, device_ids: Sequence[int], __: int) -> Seen:
        connected = self.roster.on_air(device_ids)
        self._faults |= dict.fromkeys(connected, action.times)
        return Seen(devices=len(connected))

    def pass_time(self, now_ms: int) -> None:
        """Let jobs fail whose time is over."""
        steps = {task.number: step_id for step_id, task in self.created.items()}
        for number, device in self.book.pass_time(ACCOUNT, now_ms):
            if number in steps:  # else it is an auto-add's
                assert isinstance(device, int)
                self.roster.states[steps[number]][device] = "failed"
                self._told.add((steps[number], device))

    def _check(self, _: p.PlayStep, action: p.Check, __: Sequence[int], now_ms: int) -> Seen:
        if action.of is None:
            return Seen()
        seen = structs.replace(self.created[action.of].created, outcome="done", left=None)
        if self._may_run(action.of, now_ms):  # jobs that may run may have run
            return seen
        now = self._standing_of(action.of, now_ms)
        return structs.replace(seen, jobs=now.jobs, task_state=now.task_state)

    def _is_being_verified(self, package: Package) -> bool:
        return any(
            task.is_verification and task.package is package and OPEN in self.roster.states[step_id].values()
            for step_id, task in self.created.items()
        )

    def _planned_end(self, device_id: int, package: Package) -> str:
        if not package.suits(self.roster.members[device_id]):
            return "failed"
        times = self._faults.get(device_id, 0)
        if times:
            self._faults[device_id] = times - 1
        return "failed" if times else "success"

    def end_jobs(self, step_id: str, ends: Mapping[int, str], now_ms: int) -> None:
        """Tell the book how jobs of a step's task ended; one that it has not open, it has heard of already."""
        task = self.created.get(step_id)
        if task is None:
            return
        known = self.roster.states[step_id]
        for device_id, state in ends.items():
            key = (step_id, device_id)
            if state not in _ENDS or key in self._told or known.get(device_id, "cancelled") == "cancelled":
                continue
            if not self.roster.members[device_id].connect:
                continue  # nobody is there to end it: that it runs out of time, the book knows
            self._told.add(key)
            if known[device_id] == OPEN:
                known[device_id] = state
            if state == "success":
                self._maybe.pop((device_id, task.kind), None)
                self.book.job_succeeded(device_id, task.kind, now_ms)
                if task.is_verification:
                    task.package.verification = "passed"
            else:
                self.book.job_failed(device_id, task.kind)

    _PERFORMERS: ClassVar[Mapping[type[Any], Callable[..., Seen | None]]] = {
        p.CreateTask: _create_task,
        p.RetryTask: _retry_task,
        p.CancelTask: _cancel_task,
        p.PauseTask: _pause_task,
        p.ResumeTask: _resume_task,
        p.CancelJobs: _cancel_jobs,
        p.AutoAdd: _auto_add,
        p.SetWebhook: _set_webhook,
        p.Inject: _inject,
        p.ClearInjected: _clear_injected,
        p.Fail: _fail,
        p.Check: _check,
    }
    PERFORMED: ClassVar = frozenset(_PERFORMERS)


def _terms(action: p.CreateTask, now_ms: int, *, lacks_webhook: bool) -> Terms:
    """Spell what a task says besides devices and target in the book's words."""
    starts_ms = now_ms + action.start_in_ms if action.start_in_ms else action.start_at_ms
    return Terms(
        starts_ms=starts_ms,
        expires_after_ms=action.expires_ms,
        start_version=action.package.start_version,
        start_versions=action.start_versions,
        must_have_reported=action.verification == "first",
        of_all=action.scope == "all",
        lacks_webhook=lacks_webhook,
    )
