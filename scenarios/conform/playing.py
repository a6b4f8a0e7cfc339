"""Playing a case: its steps in their order, each with its limit, until one is not as wanted.

A program that ends by itself fails the step it ended in. Times are seconds.
"""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Final

from device_sim import Flow
from platform_stub.protocol.errors import EnvironmentFault
from scenarios.conform.bench import Bench
from scenarios.conform.case import Case, Do, Never, Skip, Step, Want
from scenarios.conform.verdicts import CaseResult, Verdict

LOOK_S: Final = 0.1
"""How often the platform is asked what it knows; the wire is looked at as it changes."""
WIRE_LINES: Final = 25
DO_LIMIT_S: Final = 60.0


class Unmet(Exception):
    """A step is not as wanted; says what is there instead."""


async def play(case: Case, words: tuple[str, ...], flow: Flow, folder: Path, patience: float) -> CaseResult:
    """Play a case and give its verdict. UsageFault, EnvironmentFault: it can't be played at all."""
    began_s = time.monotonic()
    at, verdict, reason = 0, Verdict.PASSED, ""
    async with Bench(words, flow, folder) as bench:
        try:
            for at, step in enumerate(case.steps):  # noqa: B007 - where it ended is told
                await _play_step(step, bench, patience)
        except Unmet as unmet:
            verdict, reason = Verdict.FAILED, str(unmet)
        except Skip as skip:
            verdict, reason = Verdict.SKIPPED, str(skip)
        await bench.program.stop()
        output, wire = bench.program.tail(), [heard.line() for heard in bench.record.entries]
    if verdict is Verdict.FAILED and case.optional:
        verdict, reason = Verdict.SKIPPED, f"optional, and not so here: {reason}"
    (folder / "wire.txt").write_text("".join(f"{line}\n" for line in wire), encoding="utf-8")
    return CaseResult(
        id=case.id,
        title=case.title,
        group=case.group,
        flow=flow,
        facts=case.facts,
        verdict=verdict,
        wanted="" if verdict is Verdict.PASSED else case.steps[at].text,
        reason=reason,
        seconds=time.monotonic() - began_s,
        output=output,
        wire=wire[-WIRE_LINES:],
        folder=str(folder),
    )


async def _play_step(step: Step, bench: Bench, patience: float) -> None:
    match step:
        case Do():
            try:
                async with asyncio.timeout(DO_LIMIT_S * patience):
                    await step.act(bench)
            except TimeoutError as exc:
                raise EnvironmentFault(f"a case can't go on: {step.text}: no end of it") from exc
        case Want():
            await _wait(step, bench, step.limit_s * patience)
        case Never():
            await _hold(step, bench, step.for_s)


async def _wait(step: Want, bench: Bench, limit_s: float) -> None:
    """Wait for what is wanted. A device that is never quiet does not keep us from looking at the platform."""
    until_s = time.monotonic() + limit_s
    look_at_s = time.monotonic() + LOOK_S
    while True:
        bench.changed.clear()
        lacks = step.lacks(bench)
        if not lacks:
            return
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise Unmet(f"within {limit_s:g} s it did not come: {lacks}")
        _check_alive(bench)
        await _changed(bench, min(left_s, look_at_s - time.monotonic()))
        if time.monotonic() >= look_at_s:
            await bench.look()
            look_at_s = time.monotonic() + LOOK_S


async def _hold(step: Never, bench: Bench, for_s: float) -> None:
    until_s = time.monotonic() + for_s
    while True:
        bench.changed.clear()
        await bench.look()
        found = step.found(bench)
        if found:
            raise Unmet(found)
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            return
        _check_alive(bench)
        await _changed(bench, min(left_s, LOOK_S))


async def _changed(bench: Bench, at_most_s: float) -> None:
    """Wait for the wire to change, no longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            await bench.changed.wait()


def _check_alive(bench: Bench) -> None:
    ended = bench.program.ended
    if ended:
        raise Unmet(f"the program {ended} in the middle of the case")
