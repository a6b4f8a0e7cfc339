"""Tasks on paper: which jobs can run at all, when they run out of time, how they end, and what they cost in the book.

How jobs of devices that are there really ended is told to it in a run. What each step about tasks must answer is in
`scenarios.runner.paper_orders`. `now_ms` is the account's clock.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import structs

from platform_stub.protocol.codes import UpdateKind
from scenarios import play as p
from scenarios.auditor.holder import Prediction
from scenarios.auditor.predict import Book
from scenarios.results import Seen
from scenarios.runner.paper_faults import Troubles, Wanted
from scenarios.runner.predicted import seen_of
from scenarios.runner.roster import Roster
from scenarios.runner.shelf import Package, Shelf
from scenarios.runner.taken_in import ACCOUNT

OPEN: Final = "pending"
"""How an open job stands on paper."""
_ENDS: Final = frozenset({"success", "failed"})
_ASTRAY: Final = frozenset({"failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTask:
    """A task of a step: what its creation came to, its number in the book, its package, and what is said of it."""

    created: Seen
    number: int
    package: Package
    is_verification: bool
    is_pushed: bool
    battery: int
    signal: int
    expires_ms: int

    @property
    def kind(self) -> UpdateKind:
        """FOTA or SOTA."""
        return UpdateKind[self.package.facts.kind]

    def wants_of(self, flow: p.Flow) -> Wanted:
        """Say what its jobs ask of a device; only generation A passes a task's levels on."""
        facts, knows = self.package.facts, flow == "south"
        return Wanted(
            kind=facts.kind,
            size_bytes=facts.size_bytes,
            battery=self.battery if knows else 0,
            signal=self.signal if knows else 0,
            expires_ms=self.expires_ms,
        )


@dataclass(slots=True)
class PaperTasks:
    """The tasks of one play. `created` has them by step.

    What comes of devices that a fault may strike is not on paper. A run says how they fared; a play on paper alone
    leaves in `doubts` the steps whose jobs it can't tell, and is `lost` where more than that follows from it.
    """

    play: p.Play
    book: Book
    roster: Roster
    shelf: Shelf
    created: dict[str, PaperTask] = field(default_factory=dict)
    doubts: set[str] = field(default_factory=set)
    is_lost: bool = False
    has_webhook: bool = False
    troubles: Troubles = field(init=False)
    numbers: dict[int, str] = field(default_factory=dict)
    maybe: dict[tuple[int, UpdateKind], str] = field(
        default_factory=dict
    )  # the version that a device may have by now
    _told: set[tuple[str, int]] = field(default_factory=set)
    _begun: set[str] = field(default_factory=set)  # steps whose jobs devices could begin with
    _untold: set[tuple[str, int]] = field(
        default_factory=set
    )  # by step: devices that are told of nothing unless they ask

    def __post_init__(self) -> None:
        """Begin without troubles."""
        self.troubles = Troubles(self.roster)

    def look(self, now_ms: int) -> None:
        """Note which tasks' jobs devices could begin with by now."""
        for step_id in self.created:
            self.may_run(step_id, now_ms)

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

    def ends(self, after_ms: int, until_ms: int) -> list[int]:
        """Give the moments in between, in order, at which open jobs run out of time."""
        moments = {
            at_ms
            for task in self.created.values()
            for at_ms in self.book.deadlines(task.number)
            if after_ms < at_ms <= until_ms
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

    def is_certain(self, step_id: str, device_id: int) -> bool:
        """Whether a device's job of a step's task ends on paper: nothing may make it end otherwise."""
        flow = self.roster.members[device_id].flow
        return not self.troubles.may_change(device_id, self.created[step_id].wants_of(flow))

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
                if self.is_certain(step_id, device_id):
                    states[device_id] = self._planned_end(device_id, task.package)
                elif really is None:
                    self._doubt(step_id, device_id, task.package)
            ends = states if really is None else really.get(step_id, states)
            self.end_jobs(step_id, ends, now_ms)

    def reopen(self, step_id: str, really: Mapping[int, str]) -> None:
        """Take back that jobs have ended which have not: it was in vain that a step waited for them."""
        if step_id in self.created:
            known = self.roster.states[step_id]
            for device_id, state in really.items():
                is_open = state not in _ENDS and state != "cancelled"
                if is_open and known.get(device_id) in _ENDS and (step_id, device_id) not in self._told:
                    known[device_id] = OPEN

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
        if step_id not in self.created or self.may_run(step_id, now_ms):
            return False
        return not any((step_id, device_id) in self._untold for device_id in self.there(step_id))

    def unattended(self, now_ms: int) -> list[str]:
        """Name the steps whose jobs devices do while nobody waits for them: how far they are is not on paper."""
        return [step_id for step_id in self.created if self.may_run(step_id, now_ms)]

    def may_run(self, step_id: str, now_ms: int) -> bool:
        """Whether jobs of a task may run, or have run, without anybody waiting for them."""
        if self.book.may_run(self.created[step_id].number, now_ms):
            self._begun.add(step_id)
        return step_id in self.doubts or (
            step_id in self._begun
            and any((step_id, device_id) not in self._untold for device_id in self.there(step_id))
        )

    def keep(
        self,
        step_id: str,
        prediction: Prediction,
        device_ids: Sequence[int],
        package: Package,
        like: p.CreateTask | PaperTask,
        *,
        is_verification: bool,
        is_pushed: bool,
    ) -> Seen:
        """Note a task that was created, with the limits of its order or of an earlier task; say what is answered."""
        seen = seen_of(prediction, len(set(device_ids)))
        if prediction.task is None:
            return seen
        if (first := self.numbers.setdefault(prediction.task, step_id)) != step_id:
            self.roster.same[step_id] = first  # a repeated request: its task is there (P13)
            return seen
        self.created[step_id] = PaperTask(
            created=seen,
            number=prediction.task,
            package=package,
            is_verification=is_verification,
            is_pushed=is_pushed,
            battery=like.battery,
            signal=like.signal,
            expires_ms=like.expires_ms,
        )
        self.roster.states[step_id] = dict.fromkeys(device_ids, OPEN)
        self.roster.packages[step_id] = package.facts
        if is_pushed:
            self._untold |= {(step_id, d) for d in device_ids if self.roster.members[d].flow == "mqtt"}
        return seen

    def pass_time(self, now_ms: int) -> None:
        """Let jobs fail whose time is over."""
        steps = {task.number: step_id for step_id, task in self.created.items()}
        for number, device in self.book.pass_time(ACCOUNT, now_ms):
            if number in steps:  # else it is an auto-add's
                assert isinstance(device, int)
                self.roster.states[steps[number]][device] = "failed"
                self._told.add((steps[number], device))

    def astray(self) -> set[int]:
        """Give the living devices that may run something else than the book knows: a job of theirs went wrong."""
        wrong = {d for states in self.roster.states.values() for d, s in states.items() if s in _ASTRAY}
        return set(self.roster.in_fleet(wrong))

    def learn_versions(self, versions: Mapping[int, tuple[str | None, str | None]], now_ms: int) -> None:
        """Tell the book what devices run, in the module and behind it; an open job says more than that."""
        for device_id, both in versions.items():
            for kind, version in zip((UpdateKind.FOTA, UpdateKind.SOTA), both, strict=True):
                if version is not None and not self.book.has_open_job(device_id, kind):
                    self.book.report_version(device_id, kind, version, now_ms)

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
                self.maybe.pop((device_id, task.kind), None)
                self.book.job_succeeded(device_id, task.kind, now_ms)
                if task.is_verification:
                    task.package.verification = "passed"
            else:
                self.book.job_failed(device_id, task.kind)

    def _planned_end(self, device_id: int, package: Package) -> str:
        if not package.suits(self.roster.members[device_id]):
            return "failed"
        return "failed" if self.troubles.planned_to_fail(device_id) else "success"

    def _doubt(self, step_id: str, device_id: int, package: Package) -> None:
        """Note a job whose end can't be told: taken to have failed, and yet the device may have the target."""
        self.doubts.add(step_id)
        self.roster.states[step_id][device_id] = "failed"
        self.maybe[device_id, UpdateKind[package.facts.kind]] = package.facts.target
        if self.book.may_free(self.created[step_id].number, device_id):
            self.is_lost = True
