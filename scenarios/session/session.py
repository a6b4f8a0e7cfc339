"""A session: a stub, an account and its devices in a Python program, and the scenario language's actions as methods.

The same words, checks, predictions and audit as those of a scenario file; loops, conditions and tables are Python's.

    async with Session(fleets={"meters": {"count": 10}}) as s:
        await s.create_task(kind="FOTA", target="1.1", devices="meters", expect={"deducted": 0})
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from msgspec import structs

from device_sim import Fleet
from device_sim.shards.sharded import ShardedFleet
from platform_stub.protocol.errors import UsageFault
from platform_stub.server import Stub
from scenarios.brokers import facts_of
from scenarios.loader import ScenarioFault
from scenarios.loader.mistakes import nearest
from scenarios.operator import Operator
from scenarios.results import DeviceStory, PlayResult, StepResult
from scenarios.runner.options import RunOptions
from scenarios.session.errors import AuditFailed, SessionOver, StepFailed
from scenarios.session.live_play import LivePlay
from scenarios.session.place import caller, placed
from scenarios.session.script import FILE, Script, action_of
from scenarios.session.spelling import Did, Moment, Selection, Span, StepName, body, spell
from scenarios.session.words import StepWords
from scenarios.session.words_account import AccountWords
from scenarios.session.words_devices import DeviceWords
from scenarios.session.words_tasks import TaskWords
from scenarios.target_file import load_target

Part = Mapping[str, Any]


def _spell_file(file: str) -> str:
    """Name a program's file as from the working directory, where it lies below that."""
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


class Session(TaskWords, DeviceWords, AccountWords):
    """A scenario that is written and played at once, step by step. Steps are done one after the other.

    The head of a scenario file is given by keyword, in its words: `name`, `title`, `clock`, `wait`, `seed`, `strict`,
    `needs`, `policy`, `account`, `products`, `fleets`, `groups`, `never`, `on_error`.
    `folder` is where fleets' CSV files lie. `broker` is `embedded`, `amqtt` or `mqtt://host:port`, `target` the file of
    a platform under test instead of the stub. The stub's database is kept in the folder `data` when one is named.
    `evidence` is a folder in which a session that fails leaves what there is to look into.

    ScenarioFault: words that can't be right, with their path; nothing was started. EnvironmentFault: the machine
    stands in the way.
    """

    def __init__(  # noqa: PLR0913 - one argument a word of the head
        self,
        *,
        name: str = "session",
        title: str | None = None,
        clock: Moment | None = None,
        wait: Span | None = None,
        seed: int | None = None,
        strict: bool | None = None,
        needs: Sequence[str] | None = None,
        policy: Part | None = None,
        account: Part | None = None,
        products: Mapping[str, Part] | None = None,
        fleets: Mapping[str, Part] | None = None,
        groups: Mapping[str, Selection] | None = None,
        never: Sequence[Part] | None = None,
        on_error: Literal["stop", "continue"] | None = None,
        folder: Path | str = ".",
        broker: str = "embedded",
        target: Path | str | None = None,
        data: Path | str | None = None,
        evidence: Path | str | None = None,
    ) -> None:
        __tracebackhide__ = True  # of pytest: what is wrong is the caller's line
        facts_of(broker)
        head = body(
            name=name,
            title=title,
            clock=clock,
            wait=wait,
            seed=seed,
            strict=strict,
            needs=needs,
            policy=policy,
            account=account,
            products=products,
            fleets=fleets,
            groups=groups,
            never=never,
            on_error=on_error,
        )
        try:
            self._script = Script(head, Path(folder))
        except ScenarioFault as fault:
            raise placed(fault.mistakes, caller()) from None
        self._live = LivePlay(
            structs.replace(self._script.play, file=_spell_file(caller()[0]), is_session=True),
            RunOptions(
                broker=broker,
                data=None if data is None else str(data),
                evidence=None if evidence is None else str(evidence),
                target=None if target is None else load_target(Path(target)),
            ),
        )
        self._state = "has not begun"

    async def __aenter__(self) -> Self:
        """Start the stub, set the account up, and let the devices connect."""
        __tracebackhide__ = True
        await self._live.begin()
        self._state = ""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Audit the books, and end everything. AuditFailed when they don't hold, unless something else is raised."""
        __tracebackhide__ = True
        try:
            await self.close(error)
        except AuditFailed as failure:
            if error is None:
                raise
            error.add_note(str(failure))

    async def close(self, error: BaseException | None = None) -> None:
        """End the session, as leaving it does; `error` is what went wrong outside of its steps, if anything did.

        Where evidence is kept, an error says in its notes in which folder.
        """
        __tracebackhide__ = True
        if self._state:
            return
        self._state = "is over"
        is_new = error is not None and not isinstance(error, StepFailed)
        played = await self._live.end(f"{type(error).__name__}: {error}" if is_new else "")
        if played.evidence:
            (Path(played.evidence) / FILE).write_text(self._script.text, encoding="utf-8")
            if error is not None:
                error.add_note(f"evidence: {played.evidence}")
        if played.audit is not None and not played.audit.ok:
            raise AuditFailed(played.audit, played.evidence)

    async def step(self, **words: Any) -> Did:
        """Do a step that is written as in a scenario file, as in `step(id="E1", buy=5, expect={"left": 5})`."""
        __tracebackhide__ = True
        return await self._play(spell(words))

    async def _do(self, action: str, value: Any, words: StepWords) -> Did:
        """Do a step: its one action with its value, and what else it says. A value of None is YAML's null."""
        __tracebackhide__ = True
        return await self._play({**body(**words), action: value})

    async def _play(self, words: dict[str, Any]) -> Did:
        """Read a step, do it, judge it."""
        __tracebackhide__ = True
        if self._state:
            raise SessionOver(f"the session {self._state}; steps are done inside `async with Session(...)`")
        if self._live.is_stuck:
            last = self._live.results[-1].id if self._live.results else "start"
            raise SessionOver(
                f"step {last} did not come to its end, so nothing follows it; begin another session"
            )
        words.setdefault("id", self._script.free_id(action_of(words)))
        try:
            step = self._script.add(words)
        except ScenarioFault as fault:
            raise placed(fault.mistakes, caller()) from None
        result = await self._live.do(step)
        if result.verdict == "failed":
            raise StepFailed(result, self._live.unwell(result.id))
        return Did(id=result.id, **structs.asdict(result.seen))

    @property
    def operator(self) -> Operator:
        """The operator's side of the platform, for what the language has no word for. The book does not hear of it."""
        return self._live.operator

    @property
    def stub(self) -> Stub:
        """The stub that the session plays on. UsageFault: it plays on a platform under test."""
        stub = self._live.scene.ground.devices
        if not isinstance(stub, Stub):
            raise UsageFault("this session plays on a platform under test, and has no stub")
        return stub

    @property
    def fleet(self) -> Fleet | None:
        """The simulated devices; None when none is connected."""
        fleet = self._live.scene.crew.fleet
        assert not isinstance(fleet, ShardedFleet), "a session's devices are in its own process"
        return fleet

    @property
    def account_id(self) -> int:
        """The session's account at the platform."""
        return self._live.scene.stage.account_id

    @property
    def now_ms(self) -> int:
        """What the account's clock shows, unix milliseconds."""
        return self._live.scene.stage.now_ms()

    @property
    def results(self) -> tuple[StepResult, ...]:
        """What each step came to, failed ones included."""
        return tuple(self._live.results)

    @property
    def result(self) -> PlayResult | None:
        """What the session came to, as reports are made of it, audit included; None before it is over."""
        return self._live.played

    @property
    def scenario(self) -> str:
        """The scenario that the session has written so far; in a file, `ota-sim run` plays it."""
        return self._script.text

    def task_id(self, step: StepName) -> int:
        """Give the platform's number of the task that a step has created. UsageFault: it has created none."""
        name, tasks = spell(step), self._live.scene.stage.tasks
        if name not in tasks:
            raise UsageFault(f"step {name} has created no task{nearest(name, tasks)}")
        return tasks[name]

    def device_ids(self, devices: Selection) -> list[int]:
        """Give the platform's IDs of the devices of a selection, as it stands now."""
        return self._live.select([devices] if isinstance(devices, str) else list(devices))

    def devices(self) -> tuple[DeviceStory, ...]:
        """Show all devices: versions, the state of the last job, what each is at and why, and its timeline."""
        return self._live.stories()

    def device(self, name: str) -> DeviceStory:
        """Show the device of a name; of several, as after `create_again`, the newest. UsageFault: there is none."""
        known = {story.name: story for story in self._live.stories()}
        if name not in known:
            raise UsageFault(f"no device is named {name}{nearest(name, known)}")
        return known[name]
