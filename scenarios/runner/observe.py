"""What a step's expectations ask about besides its own answer: deliveries, pushes, faults that struck.

Deliveries are the platform's own pace, so they are waited for until they are as expected, or the time is over.
"""

import asyncio
import time
from collections import Counter
from typing import Final

from msgspec import structs

from scenarios.play import PlayStep, is_wanted
from scenarios.results import Seen
from scenarios.runner.compare import count_of
from scenarios.runner.stage import Stage

POLL_S: Final = 0.02
WAIT_MS: Final = 60_000


async def observe(stage: Stage, step: PlayStep, seen: Seen) -> Seen:
    """Fill in what the step's expectations ask about."""
    groups = {name.partition(".")[0] for name in step.expected.counts}
    if "struck" in groups:
        seen = structs.replace(seen, struck=await stage.count_strikes())
    if "notices" in groups:
        seen = structs.replace(seen, notices=await _notices(stage))
    if groups & {"deliveries", "pushes"}:
        seen = await _wait_for_pushes(stage, step, seen)
    return seen


async def _notices(stage: Stage) -> dict[str, int]:
    notices = (await stage.operator.charging_date(stage.account_id)).notices
    return dict(Counter(str(notice.channel) for notice in notices))


async def _wait_for_pushes(stage: Stage, step: PlayStep, seen: Seen) -> Seen:
    deadline = time.monotonic() + (WAIT_MS if step.wait_ms is None else step.wait_ms) / 1_000
    wanted = {
        name: count
        for name, count in step.expected.counts.items()
        if name.partition(".")[0] in {"deliveries", "pushes"}
    }
    while True:
        states = Counter(str(each.state) for each in await stage.operator.deliveries(stage.account_id))
        pushes = 0 if stage.receiver is None else stage.receiver.pushes
        seen = structs.replace(seen, deliveries=dict(states), pushes=pushes)
        is_so = all(is_wanted(count, count_of(seen, name) or 0) for name, count in wanted.items())
        if is_so or time.monotonic() >= deadline:
            return seen
        await asyncio.sleep(POLL_S)
