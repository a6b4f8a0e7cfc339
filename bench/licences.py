"""Licence decisions alone: the rules are pure functions, so there is no database, no clock and no socket in these figures.

A decision is a command judged and its event applied. Behind it each device gets a row of the journal (`expand`), and the
journal makes the account's book again (`replay`).
"""

import time

from bench.apart import apart
from bench.figures import METRICS, Goal, Line, Spread
from platform_stub.protocol.operator import Policy
from platform_stub.rules import events as ev
from platform_stub.rules.licensing import Ledger, decide, evolve, expand, replay

NOW_MS = 1_800_000_000_000
DECISIONS, DEVICES = 20_000, 100_000
GOAL_US = 10.0  # a device, all of it
LIMIT_S = 120


def decisions(count):
    """Decide on `count` tasks of a device each, then on as many that are refused; answers seconds for each."""
    policy = Policy(charging_date_ms=0)
    took = []
    for left in (count, 0):
        ledger = Ledger(policy=policy, charging_date_ms=0, subscribed=True, purchased_left=left)
        command = ev.CreateTask(needed=1)
        started = time.perf_counter()
        for _ in range(count):
            answer = decide(ledger, command, NOW_MS)
            if isinstance(answer, tuple):
                for event in answer:
                    ledger = evolve(ledger, event)
        took.append(time.perf_counter() - started)
        assert ledger.purchased_left == 0
    return took


def devices(count):
    """Decide on one task of `count` devices, name them in the journal, replay it; answers seconds for each step."""
    policy = Policy(charging_date_ms=0)
    ledger = Ledger(policy=policy, charging_date_ms=0, subscribed=True, purchased_left=count)
    started = time.perf_counter()
    (allocated,) = decide(ledger, ev.CreateTask(needed=count), NOW_MS)
    decided = time.perf_counter()
    bound = expand(policy, allocated, 1, range(1, count + 1))
    expanded = time.perf_counter()
    opening = [ev.Opened(policy=policy), ev.Subscribed(free=0), ev.Granted(count=count, contract="bench")]
    book = replay([*opening, *bound])
    replayed = time.perf_counter()
    assert len(book.entitlements) == count
    assert book.ledger.purchased_left == 0
    return [decided - started, expanded - decided, replayed - expanded]


def measure(count, many, rounds):
    return [decisions(count) + devices(many) for _ in range(rounds)]


def run(*, quick, scale=1.0):
    count, many = max(10, int(DECISIONS * scale)), max(10, int(DEVICES * scale))
    taken = apart("bench.licences:measure", count, many, 5 if quick else 15, limit_s=LIMIT_S)

    def line(what, name, value):
        spread = Spread(tuple(value(each) for each in taken))
        print(f"  {what}: {METRICS[name].label} {spread.median:,.2f}", flush=True)
        return Line(what=what, side="ours", who="ours", figures={name: spread})

    yield line("a task of one device, granted", "decisions_s", lambda each: count / each[0])
    yield line("a task of one device, refused (B13)", "decisions_s", lambda each: count / each[1])
    yield line(f"a task of {many:,} devices, decided by counts", "decisions_s", lambda each: 1 / each[2])
    yield line(
        f"each of {many:,} devices named in the journal", "device_us", lambda each: each[3] / many * 1e6
    )
    yield line(f"each of {many:,} journal rows replayed", "device_us", lambda each: each[4] / many * 1e6)
    seen = Spread(tuple(sum(each[2:]) / many * 1e6 for each in taken))
    yield Goal(
        what=f"a device's licence, decided, named and replayed, {many:,} devices",
        seen=seen,
        bound=GOAL_US,
        unit="µs",
    )
