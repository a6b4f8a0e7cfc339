"""A play's world: the account at the platform, its products and devices, set up and known from then on.

What is done with it is in `scenarios.runner.actions`, waiting for its jobs in `scenarios.runner.waiting`.
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

from msgspec import structs

from platform_stub.protocol import operator as api
from platform_stub.protocol.errors import OtaSimError
from platform_stub.protocol.operator import RegisterDevice
from scenarios import play as p
from scenarios.cards import card_of
from scenarios.operator import Operator, Refusal
from scenarios.runner.crew import Coming, Crew
from scenarios.runner.events import Listener, Progress
from scenarios.runner.receiver import Receiver
from scenarios.runner.roster import Member, Roster
from scenarios.runner.shelf import TakenIn
from scenarios.runner.standing import Standing, standing_of
from scenarios.runner.watch import watch

T = TypeVar("T")

PAGE: Final = 50_000
WAIT_MS: Final = 60_000
"""How long devices may take to come in where a step does not say."""


AUTO_ADDED: Final = "auto-add: "
"""How the platform names the tasks that auto-add policies create (P15); a step's id can't begin so."""


class Ordered(NamedTuple):
    """What was asked for under an idempotency key."""

    action: p.CreateTask
    device_ids: tuple[int, ...]
    order: api.CreateTask


class SetUpFault(OtaSimError):
    """The account could not be brought to where the first step starts from."""


class Stage:
    """The world of one play. `now_ms` is the account's clock, followed from the platform's answers.

    `journal` counts the journal's entries by their kind; `cards` are those that steps have put in; `absent` says, by
    step, who did not come in that should have.
    """

    def __init__(self, play: p.Play, operator: Operator, listener: Listener) -> None:
        self.play = play
        self.operator = operator
        self.roster = Roster(play.groups, seed=play.seed)
        self.account_id = 0
        self.crew: Crew
        self.tasks: dict[str, int] = {}
        self.task_packages: dict[str, p.PackageFacts] = {}
        self.faults: dict[str, int] = {}
        self.struck: dict[str, int] = {}
        self.receiver: Receiver | None = None
        self.auto_added: dict[int, TakenIn] = {}
        self.listener = listener
        self.orders: dict[str, Ordered] = {}
        self.journal: Counter[str] = Counter()
        self.cards: dict[int, tuple[str, str]] = {}
        self.absent: dict[str, str] = {}
        self._offset_ms = 0
        self._journal_at = 0
        self._journal_before: Counter[str] = Counter()
        self.mark = 0
        self.products: dict[str, str] = {}
        self._product_keys: dict[str, str] = {}
        self.packages: dict[p.PackageFacts, api.Package] = {}
        self.uploading = asyncio.Lock()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Nothing is set up before `set_up`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what the run listens with."""
        await self._stack.aclose()

    def now_ms(self) -> int:
        """Read the account's clock as it is followed here."""
        return time.time_ns() // 1_000_000 + self._offset_ms

    def follow_clock(self, now_ms: int) -> None:
        """Take over what the platform says the account's clock shows."""
        self._offset_ms = now_ms - time.time_ns() // 1_000_000
        self.crew.follow_clock()

    async def set_up(self, crew: Crew) -> None:
        """Open the account, make products, register devices, and let those that connect do so."""
        self.crew = crew
        account = await self.operator.open_account(self.play.name, self.play.policy, self.play.clock_ms)
        self.account_id = account.account_id
        self.follow_clock(account.now_ms)
        start = self.play.account
        if start.subscribe:
            _sure("subscribe", await self.operator.subscribe(self.account_id))
        if start.top_up_fen:
            _sure("top up", await self.operator.top_up(self.account_id, start.top_up_fen))
        if start.buy:
            _sure("buy licences", await self.operator.buy(self.account_id, start.buy))
        if start.grant:
            _sure("grant licences", await self.operator.grant(self.account_id, start.grant, "contract"))
        if start.post_fen:
            _sure("post", await self.operator.post(self.account_id, start.post_fen, "at the start"))
        for product in self.play.products:
            answer = await self.operator.create_product(
                self.account_id, product.title, product.product_id, product.access_key
            )
            made = _sure("make a product", answer)
            self.products[product.name] = made.product_id
            self._product_keys[product.name] = made.access_key
        connecting = [
            device
            for fleet in self.play.fleets
            for device in _sure("register devices", await self.register(fleet))
        ]
        await self.crew.start(connecting)
        await watch(
            self.crew.ready(),
            lambda: self.listener(
                Progress(doing="connecting", step="", done=self.crew.present, total=len(connecting))
            ),
        )

    def signing_key(self, member: Member) -> str:
        """Give the product's key that a device signs with instead of its own; empty: it signs with its own.

        The narrower reading of flow south knows no other.
        """
        signs = member.flow == "south" and (member.has_product_key or self.play.strict)
        return self._product_keys[member.product] if signs else ""

    async def come_back(self, step: p.PlayStep, device_ids: Sequence[int]) -> None:
        """Wait until devices are there, as long as a step waits; whom a fault keeps out the step says."""
        limit_ms = WAIT_MS if step.wait_ms is None else step.wait_ms
        self.say_who_is_absent(step, await self.crew.back(device_ids, limit_ms / 1_000))

    def say_who_is_absent(self, step: p.PlayStep, device_ids: Sequence[int]) -> None:
        """Let a step say whom a fault keeps out."""
        if device_ids:
            self.absent[step.id] = self.crew.absence(device_ids)

    async def standing(self) -> Standing:
        """Ask how the account stands, and who has become licensed."""
        for entry in await self.operator.journal(self.account_id, self._journal_at):
            self._journal_at = entry.seq
            self.journal[entry.kind] += 1
            if entry.kind == "bound" and entry.device_id is not None and entry.source is not None:
                self.roster.licensed[entry.device_id] = entry.source
        account = await self.operator.account(self.account_id)
        self.follow_clock(account.now_ms)
        return standing_of(account)

    def mark_step(self) -> None:
        """Begin to count the journal's entries and the devices' messages anew: a step begins."""
        self._journal_before = self.journal.copy()
        self.mark = self.crew.recorder.mark()

    def entered(self) -> dict[str, int]:
        """Count the journal's entries since the step began by their kind, as far as they were read."""
        return dict(self.journal - self._journal_before)

    def made(self, by_step: Mapping[str, T]) -> dict[str, T]:
        """Leave out steps whose task the platform never made: the book may have more."""
        return {step_id: each for step_id, each in by_step.items() if step_id in self.tasks}

    async def learn(self, step_id: str) -> None:
        """Learn where each job of a step's task stands."""
        jobs = await self.operator.jobs(self.tasks[step_id])
        self.roster.states[step_id] = {job.device_id: job.state for job in jobs}

    async def task(self, step_id: str) -> api.Task:
        """Show a step's task."""
        return await self.operator.task(self.tasks[step_id])

    async def learn_auto_added(self) -> None:
        """Learn of the tasks that auto-add policies have created, and where their one job stands."""
        for task in await self.operator.tasks(self.account_id):
            known = self.auto_added.get(task.task_id)
            if not task.name.startswith(AUTO_ADDED) or (known is not None and known.has_ended):
                continue
            (job,) = await self.operator.jobs(task.task_id)
            facts = next((f for f, pack in self.packages.items() if pack.package_id == task.package_id), None)
            self.auto_added[task.task_id] = TakenIn(device_id=job.device_id, package=facts, state=job.state)

    async def count_strikes(self) -> dict[str, int]:
        """Count how often each injected fault has struck, those included that were taken off."""
        counts = {fault.fault_id: fault.struck for fault in await self.operator.injected()}
        for step_id, fault_id in self.faults.items():
            if fault_id in counts:
                self.struck[step_id] = counts[fault_id]
        return dict(self.struck)

    async def listen(self, *, passes: bool, failing: int) -> Receiver:
        """Start a webhook of the run's own."""
        receiver = Receiver(self.account_id, passes=passes, failing=failing)
        self.receiver = await self._stack.enter_async_context(receiver)
        return self.receiver

    def place(self, facts: p.PackageFacts, device_ids: Sequence[int]) -> p.PackageFacts:
        """Name the product of a package: unless it is said, that of the first device."""
        if facts.product is not None:
            return facts
        members = self.roster.members
        product = members[device_ids[0]].product if device_ids else self.play.products[0].name
        return structs.replace(facts, product=product)

    async def register(self, fleet: p.FleetStart) -> list[Coming] | Refusal:
        """Register a fleet, a page at a time; answers the devices that connect."""
        numbers = itertools.count(len(self.roster.members))
        waiting = (self.with_card(device, next(numbers)) for device in p.devices_of(fleet))
        connecting: list[Coming] = []
        while page := list(itertools.islice(waiting, PAGE)):
            made = await self.operator.register(self.products[fleet.product], page)
            if isinstance(made, Refusal):
                return made
            members = [Member.of_fleet(fleet, device.device_id, device) for device in made]
            self.roster.enlist(fleet.name, members)
            connecting += map(Coming, made, members) if fleet.connect else ()
        return connecting

    def with_card(self, device: RegisterDevice, number: int) -> RegisterDevice:
        """Put a card in a new device that has none; `number` counts the play's devices."""
        if device.iccid or device.imsi:
            return device
        iccid, imsi = card_of(self.play.seed, number, 0)
        return structs.replace(device, iccid=iccid, imsi=imsi)


def _sure(what: str, answer: T | Refusal) -> T:
    if isinstance(answer, Refusal):
        raise SetUpFault(f"set-up: the platform did not {what}: {answer.code.value}: {answer.message}")
    return answer
