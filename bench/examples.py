"""The charging examples, both variants, from process start to exit, cold."""

import subprocess
import sys
import tempfile
import time

from bench.apart import Unmeasured
from bench.figures import Goal, Spread
from bench.rounds import Side, paired

GOAL_S, LIMIT_S = 5.0, 120


def timed(*words):
    """Run the command with these words; answers seconds. Unmeasured: it fails, or does not end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "scenarios.cli", "run", *words, "--report-dir", folder]
        started = time.perf_counter()
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Unmeasured(f"not done within {LIMIT_S} s") from None
        took_s = time.perf_counter() - started
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise Unmeasured(f"ota-sim run {words[0]} ended with {done.returncode}: {said}")
    return {"s": took_s}


def held_against(what, words, count, goal_s):
    """Time a command in some rounds, and hold it against a goal."""
    rounds = paired(what, [Side(name="ours", who="ours", measure=lambda: timed(*words))], count)
    yield from rounds.lines("s")
    if rounds.taken["ours"]:
        seen = Spread(tuple(taken["s"] for taken in rounds.taken["ours"]))
        yield Goal(what=what, seen=seen, bound=goal_s, unit="s")


def run(*, quick, scale=1.0):  # noqa: ARG001 - each part is called alike
    yield from held_against(
        "the examples, both variants, process start to exit", ["examples"], 3 if quick else 9, GOAL_S
    )
