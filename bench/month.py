"""A bad month in the life of 1,000 devices: every kind of failure on 5 % of them, over sockets, the clock advanced."""

from bench.examples import held_against

DEVICES, GOAL_S = 1_000, 30


def run(*, quick, scale=1.0):
    count = max(50, int(DEVICES * scale))
    what = f"a month of {count:,} devices, 5 % failures of every kind, with its reports"
    yield from held_against(what, ["mixed-month", "--var", f"devices={count}"], 1 if quick else 5, GOAL_S)
