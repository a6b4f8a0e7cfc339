"""The charging examples, both variants, from process start to exit, cold."""

import subprocess
import sys
import tempfile
import time

from bench.table import Row, median

GOAL_S = 5.0


def run(*, quick):
    times = []
    for _ in range(3 if quick else 7):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            command = [sys.executable, "-m", "scenarios.cli", "run", "examples", "--report-dir", folder]
            done = subprocess.run(command, capture_output=True, check=False)
            times.append(time.perf_counter() - started)
            assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    yield Row(
        what="the examples, both variants, process start to exit",
        ours=f"{median(times):.2f} s ({min(times):.2f}-{max(times):.2f})",
        goal=f"{GOAL_S:g} s",
        held=median(times) <= GOAL_S,
    )
