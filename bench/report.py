"""Writing the reports of a run of 10,000 devices, each with its timeline: the time it takes, and the HTML file's size."""

import random
import tempfile
import time
from pathlib import Path

from bench.figures import Goal, Line, Spread
from platform_stub.protocol.operator import Policy
from scenarios.report.files import write_reports
from scenarios.results import (
    DeviceStory,
    PlayResult,
    RunResult,
    Sample,
    Seen,
    StepResult,
    Story,
    StoryEntry,
)

DEVICES, GOAL_S, GOAL_BYTES = 10_000, 5.0, 5_000_000
STAGES = ("fetching", "progressing", "downloaded", "installing", "updated")


def story_of(at, chance):
    """Tell what happened to a device: one job, well or badly."""
    began = chance.randrange(2_000)
    entries = [StoryEntry(ms=chance.randrange(400), what="online"), StoryEntry(ms=began, what="told", tid=at)]
    entries.append(StoryEntry(ms=began + 2, what="job", tid=at))
    ms = began
    for step, stage in zip((0, 30, 101, 0, 201), STAGES, strict=True):
        ms += chance.randrange(5, 900)
        entries.append(StoryEntry(ms=ms, what="stage", tid=at, text=stage))
        if step:
            entries.append(StoryEntry(ms=ms + 1, what="report", tid=at, step=step))
            entries.append(StoryEntry(ms=ms + 8, what="answer", tid=at, step=step))
    failed = chance.random() < 0.05
    step, why = (205, "failed with 205: digest mismatch") if failed else (201, "")
    entries.append(
        StoryEntry(ms=ms + 20, what="ended", tid=at, step=step, text="failed" if failed else "succeeded")
    )
    return DeviceStory(
        device_id=10_000 + at, name=f"meter-{at:05}", fleet="meters", flow="mqtt", f_version="1.0" if failed else "1.1",
        s_version="1.0", state="failed" if failed else "success", stage="idle", why=why, entries=tuple(entries),
    )  # fmt: skip


def result(devices):
    chance = random.Random(1)
    samples = tuple(
        Sample(seconds=at / 4, clock_ms=1_622_476_800_000 + at * 250, purchased_left=max(0, 10_000 - 600 * at), free_left=0,
               jobs={"pending": max(0, 9_000 - 500 * at), "downloading": 600, "success": min(9_400, 500 * at)})
        for at in range(80)
    )  # fmt: skip
    step = StepResult(
        id="update",
        title="all are updated",
        action="create_task",
        verdict="passed",
        seen=Seen(outcome="created"),
    )
    play = PlayResult(
        scenario="large", variant="", title=f"{devices:,} devices", variant_title="", file="large.yaml", covers=("B11",),
        verdict="failed", exit_code=1, seed=1, policy=Policy(), clock_ms=None, broker="embedded", flow="mqtt",
        devices=devices, connected=devices, steps=(step,), seconds=20.0,
        story=Story(samples=samples, devices=tuple(story_of(at, chance) for at in range(1, devices + 1))),
    )  # fmt: skip
    return RunResult(version="bench", plays=(play,), seconds=20.0)


def run(*, quick, scale=1.0):
    count = max(20, int(DEVICES * scale))
    run_result = result(count)
    times = []
    for _ in range(3 if quick else 9):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            write_reports(run_result, Path(folder))
            times.append(time.perf_counter() - began)
            size_bytes = (Path(folder) / "report.html").stat().st_size
    took, size = Spread(tuple(times)), Spread((size_bytes / 1e6,))
    what = f"all reports of a run of {count:,} devices"
    print(f"  {what}: {took.median:.2f} s, report.html {size.median:.1f} MB", flush=True)
    yield Line(what=what, side="ours", who="ours", figures={"s": took, "mb": size}, note="MB: report.html")
    yield Goal(what=what, seen=took, bound=GOAL_S, unit="s")
    yield Goal(what="report.html of it", seen=size, bound=GOAL_BYTES / 1e6, unit="MB", digits=1)
