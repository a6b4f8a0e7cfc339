"""From the request for a task until all 1,900 connected devices have acknowledged their inform."""

from bench.apart import apart
from bench.figures import Goal, Spread
from bench.rounds import Side, paired

DEVICES, GOAL_MS, LIMIT_S = 1_900, 500, 120


def run(*, quick, scale=1.0):
    count = max(20, int(DEVICES * scale))
    side = Side(
        name="ours", who="ours", measure=lambda: apart("bench.stub:once", "stub", count, limit_s=LIMIT_S)
    )
    rounds = paired(f"{count:,} connected devices told of their task", [side], 3 if quick else 9, at=count)
    yield from rounds.lines("told_ms")
    if rounds.taken["ours"]:
        seen = Spread(tuple(taken["told_ms"] for taken in rounds.taken["ours"]))
        yield Goal(
            what=f"all {count:,} connected devices told of their task",
            seen=seen,
            bound=GOAL_MS,
            unit="ms",
            digits=0,
        )
