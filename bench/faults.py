"""What faults and hardware cost devices that have none: CPU a job, against the commit before there were any.

Both sides are `bench.stub.once`: the whole stub and our fleet, one job a device. The older tree is checked out from this
repository's history beside it; without that history the figure is left out, and says so.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.apart import Unmeasured
from bench.figures import Goal
from bench.rounds import Side, paired

BEFORE = "ea474f3"
GOAL, LIMIT_S = 1.10, 240
ROOT = Path(__file__).parent.parent
_ONCE = "import json, sys; from bench.stub import once; print(json.dumps(once('stub', int(sys.argv[1]))))"


def git(*words):
    return subprocess.run(["git", "-C", ROOT, *words], check=False, capture_output=True, text=True)


def once_in(tree, count):
    """Measure in a process whose packages are those of a tree; the file path at the end proves it."""
    code = "import device_sim.fleet as f; import sys; print(f.__file__, file=sys.stderr); " + _ONCE
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(count)],
            cwd=tree, capture_output=True, text=True, check=False, timeout=LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unmeasured(f"not done within {LIMIT_S} s") from None
    if done.returncode:
        raise Unmeasured(done.stderr.strip().splitlines()[-1])
    assert str(tree) in done.stderr, done.stderr
    taken = json.loads(done.stdout)
    return taken | {"both_us": taken["fleet_us"] + taken["peer_us"]}


def run(*, quick, scale=1.0):
    count = max(20, int(3_000 * scale))
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder).resolve() / "before"
        added = git("worktree", "add", "--detach", str(tree), BEFORE)
        if added.returncode:
            raise Unmeasured(
                f"no commit {BEFORE} here to compare with: {added.stderr.strip().splitlines()[-1]}"
            )
        try:
            sides = [
                Side(name="ours", who="ours", measure=lambda: once_in(ROOT, count)),
                Side(name="before", who="before there were faults", measure=lambda: once_in(tree, count)),
            ]
            rounds = paired(f"{count:,} devices without faults, one job each", sides, 2 if quick else 9)
        finally:
            git("worktree", "remove", "--force", str(tree))
    yield from rounds.lines("peer_us", "fleet_us")
    for what, metric in (("fleet", "fleet_us"), ("both ends", "both_us")):
        seen = rounds.ratio(metric, "ours", "before")
        if seen is not None:
            yield Goal(
                what=f"CPU a job without faults, {what}, now / before there were any", seen=seen, bound=GOAL
            )
