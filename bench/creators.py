"""Creations of 1,000-device tasks under load, as a user measures them: `ota-sim load create-task`, its report read.

As fast as it goes with 1, 20 and 100 creators, and at fixed rates. At a fixed rate a latency counts from when the creation was
due, so that a stall shows. After each run the command holds the charging rules against the journal; a run in which one does
not hold gives no figures.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from bench.apart import Unmeasured, apart
from bench.figures import Goal, Spread
from bench.rounds import Side, paired

CREATORS, DEVICES, MEASUREMENT = (1, 20, 100), 1_000, "create task"
RATES, RATES_QUICK = (5, 10, 20, 40, 60, 80), (20, 40)
RATE_CREATORS, FIXED_RATE = 20, 20
LIMIT_EXTRA_S = 120
TOO_MUCH = "more than the creators or the stub could do, as the command says"
TIMES = ("p50_ms", "p95_ms", "p99_ms")


def command(creators, devices, seconds, rate, folder):
    words = [sys.executable, "-m", "scenarios.cli", "load", "create-task", "--creators", str(creators)]
    words += ["--devices", str(devices), "--duration", f"{seconds}s", "--report-dir", folder]
    return words + (["--rate", f"{rate}/s"] if rate else [])


def measure(creators, devices, seconds, rate):
    """Run the command once; answers what its report says."""
    with tempfile.TemporaryDirectory() as folder:
        words = command(creators, devices, seconds, rate, folder)
        done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        report = Path(folder) / "report.json"
        if not report.exists():
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise Unmeasured(f"ota-sim load create-task ended with {done.returncode}: {said}")
        return figures(json.loads(report.read_text()))


def figures(report):
    """Take the figures out of a report. A rate that is too much is a figure too, with a word; a broken rule is none."""
    audit = report["audit"]
    if audit.get("findings") or report.get("trouble"):
        raise Unmeasured("; ".join(report.get("trouble") or [f"the audit found {audit['findings']}"]))
    (seen,) = (each for each in report["measurements"] if each["name"] == MEASUREMENT)
    times_us = {at: seen["percentiles"].get(f"p{at}_us") for at in (50, 95, 99)}
    times = {f"p{at}_ms": None if us is None else us / 1_000 for at, us in times_us.items()}
    notes = [f"{seen['errors']:,} failed"] if seen["errors"] else []
    notes += [] if audit["audited"] else ["not audited"]
    notes += [TOO_MUCH] if report.get("failures") else []
    return {"tasks_s": seen["rate"], **times, "note": ", ".join(notes), "audited": audit["audited"]}


def run(*, quick, scale=1.0):
    if importlib.util.find_spec("locust") is None:
        raise Unmeasured("locust is not installed (pip install 'ota-sim[load]')")
    devices, seconds = max(5, int(DEVICES * scale)), max(2, int((8 if quick else 30) * scale))
    count = 1 if quick else 3
    rates = RATES_QUICK if quick else RATES
    plans = [("ours-loop", creators, 0) for creators in CREATORS]
    plans += [("ours-fixed", creators, FIXED_RATE) for creators in CREATORS if creators != RATE_CREATORS]
    plans += [("ours-rate", RATE_CREATORS, rate) for rate in rates]
    audited = []
    who = f"ours, load by locust {version('locust')}"
    for name, creators, rate in plans:
        side = Side(
            name=name, who=who,
            measure=lambda creators=creators, rate=rate: apart(
                "bench.creators:measure", creators, devices, seconds, rate, limit_s=seconds + LIMIT_EXTRA_S
            ),
        )  # fmt: skip
        pace = f"{rate} a second" if rate else "as fast as it goes"
        what = f"{devices:,} devices a task, {pace}, {creators} creator{'s' if creators > 1 else ''}"
        rounds = paired(what, [side], count, at=rate if name == "ours-rate" else creators)
        audited += [each["audited"] for each in rounds.taken[side.name]]
        yield from rounds.lines("tasks_s", *TIMES)
    if audited:
        seen = Spread((sum(audited) / len(audited),))
        yield Goal(
            what="share of runs after which the journal was audited, and no licence was lost or doubled",
            seen=seen,
            bound=1,
            more_is_better=True,
        )
