"""Running a suite: the program is tried out once, then the cases are played, some at a time.

What can't be played at all (no such program, one that ends at once or never connects) is said once, as an error.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from device_sim import Flow
from platform_stub.protocol.errors import EnvironmentFault
from scenarios.conform.bench import Bench
from scenarios.conform.case import LIMIT_S, Case
from scenarios.conform.playing import play
from scenarios.conform.verdicts import CaseResult, SuiteResult

LOOK_S: Final = 0.1


class Listener(Protocol):
    """Is told how far a suite is."""

    def case_began(self, case: Case, flow: Flow) -> None:
        """A case is being played."""

    def case_ended(self, result: CaseResult) -> None:
        """It has a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be played. `words` is the command, with its placeholders; `patience` multiplies all limits."""

    entrypoint: str
    words: tuple[str, ...]
    cases: tuple[tuple[Case, Flow], ...]
    folder: Path
    patience: float = 1.0
    jobs: int = 10
    version: str = ""


async def run(order: Order, listener: Listener) -> SuiteResult:
    """Play all cases. UsageFault, EnvironmentFault: none can be played. A cancellation ends it with what there is."""
    began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    results: dict[int, CaseResult] = {}
    interrupted = False
    try:
        await _try_out(order)
        await _play_all(order, listener, results)
    except asyncio.CancelledError:
        interrupted = True
    return SuiteResult(
        entrypoint=order.entrypoint,
        flows=tuple(dict.fromkeys(flow for _, flow in order.cases)),
        version=order.version,
        started_ms=began_ms,
        seconds=time.monotonic() - began_s,
        patience=order.patience,
        cases=[results[at] for at in sorted(results)],
        planned=len(order.cases),
        interrupted=interrupted,
    )


async def _play_all(order: Order, listener: Listener, results: dict[int, CaseResult]) -> None:
    """Play so many cases at a time; the first that can't be played ends all."""
    waiting = iter(enumerate(order.cases))

    async def play_on() -> None:
        for at, (case, flow) in waiting:
            listener.case_began(case, flow)
            folder = order.folder / flow / case.id
            results[at] = await play(case, order.words, flow, folder, order.patience)
            listener.case_ended(results[at])

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(min(order.jobs, len(order.cases))):
                group.create_task(play_on(), name=f"cases {number}")
    except BaseExceptionGroup as failed:
        raise _first_of(failed) from failed


def _first_of(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failed.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


async def _try_out(order: Order) -> None:
    """Start the program once for each flow, and wait until it connects."""
    for flow in dict.fromkeys(flow for _, flow in order.cases):
        async with Bench(order.words, flow, order.folder / flow / "start") as bench:
            await bench.program.start()
            fault = await _wait_for_connection(bench, LIMIT_S * order.patience)
            if fault:
                await bench.program.stop()
                raise EnvironmentFault(_failed_start(order, bench, flow, fault))


async def _wait_for_connection(bench: Bench, limit_s: float) -> str:
    """Say why there is no connection; empty when one comes."""
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        if bench.http.opened or bench.mqtt.opened:
            return ""
        if bench.program.ended:
            return f"it {bench.program.ended}, before it connected to anything"
        await asyncio.sleep(LOOK_S)
    return f"it runs, and in {limit_s:g} s has not connected to {bench.addresses()}"


def _failed_start(order: Order, bench: Bench, flow: Flow, fault: str) -> str:
    lines = _quote(bench.program.tail())
    said = f"the last it wrote:\n{lines}" if lines else "it wrote nothing"
    return f"no case can be played: {order.entrypoint} (flow {flow}): {fault}\n{said}"


def _quote(lines: Sequence[str]) -> str:
    return "\n".join(f"  | {line}" for line in lines)
