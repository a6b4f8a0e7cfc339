"""What expectations ask about besides a step's own answer: deliveries, pushes, faults that struck, the journal.

Deliveries and messages have their own pace, so they are waited for until they are as expected, or the time is over.
"""

import asyncio
import time
from collections import Counter
from typing import Final

from msgspec import structs

from scenarios.play import Expected, PlayStep, is_wanted
from scenarios.results import Difference, Seen
from scenarios.runner.compare import count_of
from scenarios.runner.look import look
from scenarios.runner.stage import Stage
from scenarios.runner.standing import Standing, complete, jobs_of

POLL_S: Final = 0.02
WAIT_MS: Final = 60_000
MESSAGES_MS: Final = 5_000
"""How long messages may be on their way after a step's jobs have ended."""
_PACED: Final = frozenset({"deliveries", "pushes"})


async def observe(stage: Stage, step: PlayStep, seen: Seen) -> Seen:
    """Fill in what the step's expectations ask about."""
    seen = await _fill_in(stage, step.expected, seen)
    wanted = {name: count for name, count in step.expected.counts.items() if name.partition(".")[0] in _PACED}
    deadline = time.monotonic() + (WAIT_MS if step.wait_ms is None else step.wait_ms) / 1_000
    while wanted:
        is_so = all(is_wanted(count, count_of(seen, name) or 0) for name, count in wanted.items())
        if is_so or time.monotonic() >= deadline:
            break
        await asyncio.sleep(POLL_S)
        seen = await _count_pushes(stage, seen)
    return seen


async def look_patiently(stage: Stage, step: PlayStep) -> list[Difference]:
    """Give each expectation on devices that does not hold; messages and pushes may need a moment."""
    wait_ms = WAIT_MS if step.expected.pushed else MESSAGES_MS if step.expected.messages else 0
    wait_ms = wait_ms if step.wait_ms is None else min(wait_ms, step.wait_ms)
    deadline = time.monotonic() + wait_ms / 1_000
    while True:
        differences = await look(stage, step.expected)
        if not differences or time.monotonic() >= deadline:
            return differences
        await asyncio.sleep(POLL_S)


async def observed_now(stage: Stage, expected: Expected, of: str | None, before: Standing) -> Seen:
    """Look at a step's task, or all, and at the account, as far as it is asked about; `before` is how it stood."""
    seen = Seen()
    if of is not None:
        task = await stage.task(of)
        seen = Seen(jobs=jobs_of(task), task_state=task.state)
    groups = {name.partition(".")[0] for name in expected.counts}
    if of is None and "jobs" in groups:
        seen = structs.replace(seen, jobs=await _all_jobs(stage))
    if "auto_added" in groups:
        await stage.learn_auto_added()
        states = Counter(taken.state for taken in stage.auto_added.values())
        seen = structs.replace(seen, auto_added=dict(states))
    if expected.amounts or groups - {"jobs", "auto_added", "struck", "notices", *_PACED}:
        seen = complete(seen, before, await stage.standing())
    return await _fill_in(stage, expected, seen)


async def _fill_in(stage: Stage, expected: Expected, seen: Seen) -> Seen:
    groups = {name.partition(".")[0] for name in expected.counts}
    if "struck" in groups:
        seen = structs.replace(seen, struck=await stage.count_strikes())
    if "notices" in groups:
        seen = structs.replace(seen, notices=await _notices(stage))
    if "journal" in groups:
        seen = structs.replace(seen, journal=stage.entered())
    if groups & _PACED:
        seen = await _count_pushes(stage, seen)
    return seen


async def _notices(stage: Stage) -> dict[str, int]:
    notices = (await stage.operator.charging_date(stage.account_id)).notices
    return dict(Counter(str(notice.channel) for notice in notices))


async def _count_pushes(stage: Stage, seen: Seen) -> Seen:
    states = Counter(str(each.state) for each in await stage.operator.deliveries(stage.account_id))
    pushes = 0 if stage.receiver is None else stage.receiver.pushes
    return structs.replace(seen, deliveries=dict(states), pushes=pushes)


async def _all_jobs(stage: Stage) -> dict[str, int]:
    """Count the jobs of all tasks of the account by state."""
    counts: Counter[str] = Counter()
    for task in await stage.operator.tasks(stage.account_id):
        counts.update({name: getattr(task.jobs, name) for name in task.jobs.__struct_fields__})
    return dict(counts)
