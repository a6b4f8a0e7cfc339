"""Suites for tests: some cases, against a program, with a listener that only listens."""

import asyncio
import sys
from pathlib import Path

from scenarios.conform.cases import CASES
from scenarios.conform.running import Order, run
from scenarios.conform.verdicts import Verdict

BY_ID = {case.id: case for case in CASES}
PROGRAM = Path(__file__).with_name("device_program.py")


class Quiet:
    """Hears, and says nothing."""

    def __init__(self):
        self.began, self.ended = [], []

    def case_began(self, case, flow):
        self.began.append((case.id, flow))

    def case_ended(self, result):
        self.ended.append((result.id, result.flow))


def order(words, cases, folder, **more):
    """`cases` are (id, flow) pairs."""
    planned = tuple((BY_ID[name], flow) for name, flow in cases)
    return Order(entrypoint=" ".join(words), words=tuple(words), cases=planned, folder=folder, **more)


def wrong_in(way):
    return ("env", f"WRONG={way}", sys.executable, str(PROGRAM))


async def failed_cases(words, cases, folder, **more):
    """Play; the cases that failed, and a text of what they said."""
    result = await run(order(words, cases, folder, **more), Quiet())
    assert len(result.cases) == len(cases)
    return {case.id: case for case in result.cases if case.verdict is Verdict.FAILED}


async def together(*awaitables, most):
    """Await all, some at a time."""
    gate = asyncio.Semaphore(most)

    async def gated(awaitable):
        async with gate:
            return await awaitable

    return await asyncio.gather(*map(gated, awaitables))
