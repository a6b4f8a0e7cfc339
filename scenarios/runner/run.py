"""One play from nothing to its verdict: platform, devices, steps, audit, and what is kept of it.

Whatever ends it early, what was done until then is in the result.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from msgspec import structs

from device_sim.errors import ShardDied
from device_sim.recorder import Recorder
from device_sim.shards.limits import read_limits
from device_sim.shards.plan import plan
from device_sim.shards.recorder import ShardedRecorder
from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.errors import OtaSimError
from platform_stub.protocol.operator import JournalEntry
from scenarios.auditor import audit_database
from scenarios.auditor.findings import AuditReport
from scenarios.capabilities import with_target
from scenarios.ground import Ground, lacking, open_ground
from scenarios.operator import OperatorFault
from scenarios.play import Play
from scenarios.report.evidence import concerned, keep_evidence
from scenarios.results import (
    AuditResult,
    DeviceStory,
    Holding,
    PlayResult,
    PlayVerdict,
    StepResult,
    Story,
    result_of,
)
from scenarios.runner.crew import Crew
from scenarios.runner.delivered import compare
from scenarios.runner.director import Director
from scenarios.runner.events import Event, Listener, PlayEnded, PlayStarted, StepEnded
from scenarios.runner.options import RunOptions
from scenarios.runner.paper import Paper
from scenarios.runner.sampler import Sampler
from scenarios.runner.stage import Stage
from scenarios.runner.stories import stories

DELIVERED_S = 2.0
LOOK_S = 0.02
"""How long what a broker has not delivered yet is waited for when a play is over, and how often that is looked at."""
DROPPED_S = 3.0
WATCH_S = 0.5
"""How long the same has to be missing in a play until it is taken for dropped, and how often that is looked at."""

KEEP_S = 5.0
"""How long the journal of a play that did not pass is waited for."""


OnHeld = Callable[[Holding], None]
Drive = Callable[[Ground, Stage, Crew, Director], Awaitable[str]]
"""Who has the director play, where its steps are not all known before; answers what it found wrong beside them."""


async def run_play(
    play: Play,
    options: RunOptions,
    listener: Listener,
    on_held: OnHeld | None = None,
    drive: Drive | None = None,
) -> PlayResult:
    """Run one play. It never raises what stands in its way: that is in the result, and Ctrl-C too.

    With `options.until` the play stops after that step, and `on_held` is told; all stays up until this is cancelled.
    """
    listener(PlayStarted(devices=play.device_count, steps=len(play.steps)))
    run = _Run(play, options, listener, on_held, drive)
    try:
        result = await run.go()
    except asyncio.CancelledError:
        result = run.held or run.result("stopped", reason="stopped before its end", exit_code=130)
    except OtaSimError as exc:
        result = run.result("broken", reason=str(exc), exit_code=exc.exit_code)
    if run.held is None:
        result = run.end(result)
    return result


class _Run:
    def __init__(
        self,
        play: Play,
        options: RunOptions,
        listener: Listener,
        on_held: OnHeld | None,
        drive: Drive | None,
    ) -> None:
        self.play = play
        self.held: PlayResult | None = None
        self._began = time.monotonic()
        self._started_ms = time.time_ns() // 1_000_000
        self._options = options
        self._listener = listener
        self._on_held = on_held
        self._drive = drive
        self._found = ""
        self._delivery = ""
        self._ground: Ground | None = None
        self._stage: Stage | None = None
        self._director: Director | None = None
        self._crew: Crew | None = None
        self._sampler: Sampler | None = None
        self._devices: tuple[DeviceStory, ...] = ()
        self._journal: list[JournalEntry] = []

    async def go(self) -> PlayResult:
        """Play it, then audit what it left."""
        if why := lacking(self.play, self._options):
            return self.result("skipped", reason=why)
        async with open_ground(self.play, self._options) as ground:
            self._ground = ground
            try:
                async with self._hands(ground) as (stage, crew):
                    await self._played(ground, stage, crew)
                    if self._options.until is not None:
                        await self._hold(ground, stage, crew)
                result = await self._judged(ground)
            except BaseException:
                await self._keep_journal()
                raise
            if result.exit_code:
                await self._keep_journal()
            return result

    async def _play(self, ground: Ground, stage: Stage, crew: Crew) -> None:
        await stage.set_up(crew)
        paper = Paper(self.play)
        members = stage.roster.members
        paper.set_up({name: [members[d] for d in ids] for name, ids in stage.roster.listed.items()})
        self._director = Director(
            stage,
            paper,
            self._hear,
            only=self._options.only,
            fail_fast=self._options.fail_fast,
            predicts=ground.predicts,
        )
        self._director.began = self._began
        if self._drive is None:
            await self._director.play()
        else:
            self._found = await self._drive(ground, stage, crew, self._director)

    async def _played(self, ground: Ground, stage: Stage, crew: Crew) -> None:
        """Play it; at a broker that is not ours only until that is seen to drop something."""
        if ground.delivery() is None:
            await self._play(ground, stage, crew)
            return
        playing = asyncio.create_task(self._play(ground, stage, crew), name=f"play {self.play.name}")
        watching = asyncio.create_task(self._watch(ground, crew), name=f"delivery of {self.play.name}")
        try:
            await asyncio.wait({playing, watching}, return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                playing.result()
                await self._settle(ground, crew)
        finally:
            for task in (playing, watching):
                task.cancel()
            await asyncio.gather(playing, watching, return_exceptions=True)

    async def _watch(self, ground: Ground, crew: Crew) -> None:
        """Return when something is missing that is not on its way any more."""
        since, known = time.monotonic(), ""
        while not known or time.monotonic() < since + DROPPED_S:
            await asyncio.sleep(WATCH_S)
            missing = self._count(ground, crew)
            if missing != known:
                since, known = time.monotonic(), missing
        self._accuse(known)

    async def _settle(self, ground: Ground, crew: Crew) -> None:
        """See what is missing when a play is over; what is still on its way is waited for."""
        end = time.monotonic() + DELIVERED_S
        while missing := self._count(ground, crew):
            if time.monotonic() >= end:
                self._accuse(missing)
                return
            await asyncio.sleep(LOOK_S)

    def _count(self, ground: Ground, crew: Crew) -> str:
        """Compare both ends' counts; answers what is missing."""
        delivery = ground.delivery()
        assert delivery is not None, "asked only of a broker that is not ours"
        self._delivery, missing = compare(crew.traffic(), delivery)
        return missing

    def _accuse(self, missing: str) -> None:
        lost = f"the broker has not delivered {missing}"
        self._found = f"{self._found}; {lost}" if self._found else lost

    async def _judged(self, ground: Ground) -> PlayResult:
        """Audit what the play left, as far as that can be seen, and give its verdict."""
        audit = None if ground.database is None else await _audit(ground.database)
        results = [*self._results(), *self._teardown()]
        is_good = (audit is None or audit.ok) and not any(step.verdict == "failed" for step in results)
        passed = is_good and not self._found
        verdict: PlayVerdict = "passed" if passed else "failed"
        result = self.result(verdict, reason=self._found, exit_code=0 if passed else 1)
        return structs.replace(result, audit=audit)

    @contextlib.asynccontextmanager
    async def _hands(self, ground: Ground) -> AsyncIterator[tuple[Stage, Crew]]:
        """Let the play have its stage and its devices; when it is over, see how they stand before they leave."""
        stage = self._stage = Stage(self._cut(), ground.operator, self._listener)
        sampler = self._sampler = Sampler(stage, self._listener, self._began)
        processes = processes_of(self.play)
        hands = Crew(ground.devices, self.play.seed, stage.now_ms, stage.signing_key, processes=processes)
        async with stage, hands as crew:
            crew.recorder = self._recorder(processes)
            self._crew = crew
            sampling = asyncio.create_task(sampler.run(), name=f"samples of {self.play.name}")
            try:
                yield stage, crew
            finally:
                sampling.cancel()
                with contextlib.suppress(ShardDied):  # their stories are lost, and whoever waited was told
                    self._tell(stage, crew)

    def _recorder(self, processes: int) -> Recorder | ShardedRecorder:
        wire = self._options.evidence is not None
        if processes == 1:
            return Recorder(wire=wire, now_ms=self._since_ms)
        return ShardedRecorder(wire=wire, began_ns=round(self._began * 1e9))

    def _since_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1_000)

    def _cut(self) -> Play:
        """Give the play as far as it is to be played: with `until`, nothing after that step."""
        until = self._options.until
        if until is None:
            return self.play
        at = [step.id for step in self.play.steps].index(until)
        return structs.replace(self.play, steps=self.play.steps[: at + 1], teardown=())

    async def _hold(self, ground: Ground, stage: Stage, crew: Crew) -> None:
        """Say what the play came to, and leave everything up until the run is stopped."""
        self._tell(stage, crew)
        result = await self._judged(ground)
        if result.exit_code:
            await self._keep_journal()
        self.held = self.end(result)
        if self._on_held is not None:
            database = None if ground.database is None else str(ground.database)
            self._on_held(
                Holding(
                    result=self.held,
                    http=ground.http,
                    mqtt=ground.mqtt,
                    account_id=stage.account_id,
                    database=database,
                )
            )
        await asyncio.Event().wait()

    def _tell(self, stage: Stage, crew: Crew) -> None:
        """See how the devices stand, while they are there."""
        if self._options.story:
            self._devices = stories(stage.roster, crew)

    async def _keep_journal(self) -> None:
        """Read the journal for the evidence; a platform that does not answer now has none to show."""
        stage = self._stage
        if self._options.evidence is None or stage is None or not stage.account_id or self._journal:
            return
        with contextlib.suppress(OperatorFault, TimeoutError):
            async with asyncio.timeout(KEEP_S):
                self._journal = await stage.operator.journal(stage.account_id, 0)

    def _hear(self, event: Event) -> None:
        """Pass on what the director tells, and take a sample at the end of each step."""
        if isinstance(event, StepEnded) and self._sampler is not None:
            self._sampler.step_ended(event.result)
        self._listener(event)

    def _results(self) -> list[StepResult]:
        return [] if self._director is None else self._director.results

    def _teardown(self) -> list[StepResult]:
        return [] if self._director is None else self._director.teardown

    def result(self, verdict: PlayVerdict, *, reason: str = "", exit_code: int = 0) -> PlayResult:
        """Make the result of what was done so far."""
        result = result_of(
            self.play,
            self._options.broker,
            verdict,
            reason=reason,
            exit_code=exit_code,
            done=self._results(),
        )
        return structs.replace(
            with_target(result, self._options.target),
            teardown=tuple(self._teardown()),
            fleet=None if self._crew is None else self._crew.figures(),
            delivery=self._delivery,
            fee_fen=0 if self._director is None else self._director.fee_fen,
        )

    def end(self, result: PlayResult) -> PlayResult:
        """Complete a result by how long it took and what was kept, write the evidence, and tell."""
        samples = () if self._sampler is None else tuple(self._sampler.samples)
        result = structs.replace(
            result,
            started_ms=self._started_ms,
            seconds=time.monotonic() - self._began,
            story=Story(samples=samples, devices=self._devices),
        )
        result = self._with_evidence(result)
        self._listener(PlayEnded(result=result))
        return result

    def _with_evidence(self, result: PlayResult) -> PlayResult:
        if self._options.evidence is None:
            return result
        recorder = None if self._crew is None else self._crew.recorder
        return keep_evidence(
            Path(self._options.evidence),
            result,
            wire=()
            if recorder is None
            else ((d, each) for d in concerned(result) for each in recorder.wire(d)),
            journal=self._journal,
            log=() if self._ground is None else self._ground.log,
        )


def processes_of(play: Play) -> int:
    """Say over how many processes the devices of a play go; EnvironmentFault: they do not fit this machine."""
    if play.processes:
        return play.processes
    return plan(max(play.connected_count, 1), read_limits()).processes


async def _audit(database: Path | DatabaseUrl) -> AuditResult:
    began = time.monotonic()
    now_ms = time.time_ns() // 1_000_000
    report: AuditReport = await asyncio.to_thread(audit_database, database, now_ms)
    findings = tuple(f"{f.rule} {f.where}: expected {f.expected}; seen {f.seen}" for f in report.findings)
    return AuditResult(ok=report.ok, rows=report.rows, findings=findings, seconds=time.monotonic() - began)
