"""What faults and hardware cost devices that have none: CPU a job, against the commit before there were any.

Both sides are `bench.stub.once`: the whole stub and our fleet, one job a device. The older tree is checked out from this
repository's history beside it; without that history the figure is left out, and says so.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.table import Row, median

BEFORE = "ea474f3"
GOAL = 1.10
ROOT = Path(__file__).parent.parent
_ONCE = "import json, sys; from bench.stub import once; print(json.dumps(once('stub', int(sys.argv[1]))))"


def git(*words):
    return subprocess.run(["git", "-C", ROOT, *words], check=False, capture_output=True, text=True)


def once_in(tree, count):
    """Measure in a process whose packages are those of a tree; the file path at the end proves it."""
    code = "import device_sim.fleet as f; import sys; print(f.__file__, file=sys.stderr); " + _ONCE
    done = subprocess.run(
        [sys.executable, "-c", code, str(count)], cwd=tree, capture_output=True, text=True, check=True
    )
    assert str(tree) in done.stderr, done.stderr
    return json.loads(done.stdout)


def run(*, quick):
    count, rounds = 3_000, 3 if quick else 9
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder).resolve() / "before"
        added = git("worktree", "add", "--detach", str(tree), BEFORE)
        if added.returncode:
            yield Row(
                what=f"CPU a job without faults: left out, {added.stderr.strip().splitlines()[-1]}", ours=""
            )
            return
        try:
            pairs = []
            for at in range(rounds):
                sides = (ROOT, tree) if at % 2 else (tree, ROOT)
                found = {side: once_in(side, count) for side in sides}
                pairs.append((found[ROOT], found[tree]))
        finally:
            git("worktree", "remove", "--force", str(tree))

    def cost(side):
        return side["fleet_us"] + side["peer_us"]

    for what, of in (("fleet", lambda side: side["fleet_us"]), ("both ends", cost)):
        ratio = median([of(now) / of(then) for now, then in pairs])
        yield Row(
            what=f"CPU a job without faults, {what}, {count:,} devices",
            ours=f"{median([of(now) for now, _ in pairs]):.0f} µs",
            peer=f"{median([of(then) for _, then in pairs]):.0f} µs (before there were faults)",
            ratio=ratio,
            goal=f"at most {GOAL:g}",
            held=ratio <= GOAL,
        )
