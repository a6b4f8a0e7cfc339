"""How an account stands over time: licences left and jobs by state, for the live view and the report's curves.

While jobs are open the platform is asked now and then, seldom enough that it costs next to nothing; at the end of each
step what the step has shown anyway is enough. A platform that does not answer is not asked again.
"""

import asyncio
import time
from collections import Counter
from typing import Final

from platform_stub.protocol.errors import OtaSimError
from scenarios.results import Sample, StepResult
from scenarios.runner.events import Listener, Sampled
from scenarios.runner.stage import Stage

EVERY_S: Final = 0.25
COST_MAX: Final = 0.2
"""Which part of the time may pass while an answer is awaited: a busy run, which answers late, is asked less often."""
SAMPLES_MAX: Final = 4_000
"""So many are kept at most; beyond, every second one goes, and they are taken half as often."""


class Sampler:
    """The samples of one play. `began` is when it did, on the monotonic clock."""

    def __init__(self, stage: Stage, listener: Listener, began: float) -> None:
        self.samples: list[Sample] = []
        self._stage = stage
        self._listener = listener
        self._began = began
        self._every_s = EVERY_S

    async def run(self) -> None:
        """Ask now and then, until cancelled or refused."""
        pause_s = self._every_s
        while True:
            await asyncio.sleep(pause_s)
            began = time.monotonic()
            if self._stage.roster.open_steps():
                try:
                    self._add(await self._ask())
                except OtaSimError:
                    return
            pause_s = max(self._every_s, (time.monotonic() - began) / COST_MAX)

    def step_ended(self, result: StepResult) -> None:
        """Take what a step has shown."""
        seen = result.seen
        if seen.purchased_left is None or seen.free_left is None:
            return
        jobs: Counter[str] = Counter()
        for states in self._stage.roster.states.values():
            jobs.update(states.values())
        self._add(self._sample(self._stage.now_ms(), seen.purchased_left, seen.free_left, jobs))

    async def _ask(self) -> Sample:
        stage = self._stage
        account = await stage.operator.account(stage.account_id)
        jobs: Counter[str] = Counter()
        for task in await stage.operator.tasks(stage.account_id):
            jobs.update({name: getattr(task.jobs, name) for name in task.jobs.__struct_fields__})
        left = account.licences
        return self._sample(account.now_ms, left.purchased_left, left.free_left, jobs)

    def _sample(self, clock_ms: int, purchased_left: int, free_left: int, jobs: Counter[str]) -> Sample:
        return Sample(
            seconds=time.monotonic() - self._began,
            clock_ms=clock_ms,
            purchased_left=purchased_left,
            free_left=free_left,
            jobs={name: count for name, count in jobs.items() if count},
        )

    def _add(self, sample: Sample) -> None:
        """Keep it; of a stretch in which nothing changes, the ends."""
        samples = self.samples
        is_news = not samples or not _is_same(samples[-1], sample)
        if not is_news and len(samples) > 1 and _is_same(samples[-2], samples[-1]):
            samples[-1] = sample
        else:
            samples.append(sample)
        if len(samples) > SAMPLES_MAX:
            del samples[1:-1:2]
            self._every_s *= 2
        if is_news:
            self._listener(Sampled(sample=sample))


def _is_same(one: Sample, other: Sample) -> bool:
    return (one.purchased_left, one.free_left, one.jobs) == (
        other.purchased_left,
        other.free_left,
        other.jobs,
    )
