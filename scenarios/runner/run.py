"""One play from nothing to its verdict: stub, devices, steps, audit.

Whatever ends it early, what was done until then is in the result.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from msgspec import structs

from platform_stub.protocol.errors import OtaSimError
from platform_stub.server import Stub
from scenarios.auditor import audit_database
from scenarios.auditor.findings import AuditReport
from scenarios.brokers import unmet
from scenarios.operator import HttpOperator
from scenarios.play import Play
from scenarios.results import AuditResult, PlayResult, PlayVerdict, StepResult, result_of
from scenarios.runner.crew import Crew
from scenarios.runner.director import Director
from scenarios.runner.events import Listener, PlayEnded, PlayStarted
from scenarios.runner.options import RunOptions
from scenarios.runner.paper import Paper
from scenarios.runner.stage import Stage


async def run_play(play: Play, options: RunOptions, listener: Listener) -> PlayResult:
    """Run one play. It never raises what stands in its way: that is in the result, and Ctrl-C too."""
    began, started_ms = time.monotonic(), time.time_ns() // 1_000_000
    listener(PlayStarted(devices=play.device_count, steps=len(play.steps)))
    run = _Run(play, options, listener)
    try:
        result = await run.go()
    except asyncio.CancelledError:
        result = run.result("stopped", reason="stopped before its end", exit_code=130)
    except OtaSimError as exc:
        result = run.result("broken", reason=str(exc), exit_code=exc.exit_code)
    result = structs.replace(result, started_ms=started_ms, seconds=time.monotonic() - began)
    listener(PlayEnded(result=result))
    return result


class _Run:
    def __init__(self, play: Play, options: RunOptions, listener: Listener) -> None:
        self.play = play
        self._options = options
        self._listener = listener
        self._director: Director | None = None
        self._crew: Crew | None = None

    async def go(self) -> PlayResult:
        """Play it, then audit what it left."""
        lacking = unmet(self._options.broker, self.play.needs)
        if lacking:
            reason = f"the {self._options.broker} broker can't give {', '.join(lacking)}"
            return self.result("skipped", reason=reason)
        stub = Stub(data=self._folder(), broker=self._options.broker, strict=self.play.strict)  # type: ignore[arg-type]
        async with stub:
            await self._play(stub)
            audit = await _audit(stub.database)
        passed = audit.ok and not any(step.verdict == "failed" for step in self._results())
        verdict: PlayVerdict = "passed" if passed else "failed"
        return structs.replace(self.result(verdict, exit_code=0 if passed else 1), audit=audit)

    async def _play(self, stub: Stub) -> None:
        async with self._hands(stub) as (stage, crew):
            await stage.set_up(crew)
            paper = Paper(self.play)
            members = stage.roster.members
            paper.set_up({name: [members[d] for d in ids] for name, ids in stage.roster.listed.items()})
            director = Director(
                stage, paper, self._listener, only=self._options.only, fail_fast=self._options.fail_fast
            )
            self._director = director
            await director.play()

    @contextlib.asynccontextmanager
    async def _hands(self, stub: Stub) -> AsyncIterator[tuple[Stage, Crew]]:
        async with HttpOperator(stub.http_url) as operator:
            stage = Stage(self.play, operator, self._listener)
            async with stage, Crew(stub, self.play.seed, stage.now_ms, stage.signing_key) as crew:
                self._crew = crew
                yield stage, crew

    def _folder(self) -> Path | None:
        if self._options.data is None:
            return None
        return Path(self._options.data) / self.play.name.replace(" ", "-")

    def _results(self) -> list[StepResult]:
        return [] if self._director is None else self._director.results

    def result(self, verdict: PlayVerdict, *, reason: str = "", exit_code: int = 0) -> PlayResult:
        """Make the result of what was done so far."""
        return structs.replace(
            result_of(
                self.play,
                self._options.broker,
                verdict,
                reason=reason,
                exit_code=exit_code,
                done=self._results(),
            ),
            fleet=None if self._crew is None else self._crew.figures(),
            fee_fen=0 if self._director is None else self._director.fee_fen,
        )


async def _audit(database: Path) -> AuditResult:
    began = time.monotonic()
    now_ms = time.time_ns() // 1_000_000
    report: AuditReport = await asyncio.to_thread(audit_database, database, now_ms)
    findings = tuple(f"{f.rule} {f.where}: expected {f.expected}; seen {f.seen}" for f in report.findings)
    return AuditResult(ok=report.ok, rows=report.rows, findings=findings, seconds=time.monotonic() - began)
