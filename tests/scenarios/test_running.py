"""Several plays at once: the same results as one after the other, and workers that die or are stopped."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from msgspec import structs

from scenarios.loader.files import load_bytes
from scenarios.runner.events import PlayEnded, PlayStarted, StepEnded
from scenarios.runner.options import RunOptions
from scenarios.running import run_all
from scenarios.worker_process import WorkerProcess

TEXT = """\
version: 1
name: x
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 3}
variants: {A: {}, B: {policy: {free_devices: 2}}, C: {}}
fleets: {meters: {count: 3}, sleepers: {count: 1, connect: false}}
steps:
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, expect: {outcome: {A: created, B: refused, C: created}}}
  - {id: b, check: {}, expect: {left: 0}}
"""
STUCK = (
    TEXT.replace("steps:", "steps:\n  - {id: deaf, inject: {call: inform, silent: true}}")
    .replace("devices: meters}", 'devices: "meters[1]"}, wait: none')
    .replace("B: refused", "B: created")
    .replace("{id: b, check: {}, expect: {left: 0}}", "{id: b, wait_jobs: {}}")
)


def plays_of(text=TEXT):
    return load_bytes(text.encode(), "x.yaml", Path())


class Record:
    def __init__(self):
        self.events = []

    def event(self, at, event):
        self.events.append((at, event))

    def of(self, at):
        return [event for other, event in self.events if other == at]


def facts(result):
    return [
        (
            play.name,
            play.verdict,
            [(step.id, step.verdict, structs.replace(step.seen, message="")) for step in play.steps],
        )
        for play in result.plays
    ]


def test_at_once_as_one_after_the_other():
    together, alone = Record(), Record()
    one, two = run_all(plays_of(), RunOptions(), 1, alone), run_all(plays_of(), RunOptions(), 2, together)
    assert facts(one) == facts(two)
    assert [play.verdict for play in one.plays] == ["passed", "failed", "passed"]
    assert (one.exit_code, two.exit_code) == (1, 1)
    for record in (together, alone):
        for at in range(3):
            events = record.of(at)
            assert isinstance(events[0], PlayStarted)
            assert isinstance(events[-1], PlayEnded)
            assert sum(isinstance(event, StepEnded) for event in events) == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_fail_fast_begins_no_more(jobs):
    plays = plays_of()
    plays = [plays[1], plays[0], plays[2]] if jobs == 1 else [plays[1]] * 4
    result = run_all(plays, RunOptions(fail_fast=True), jobs, Record())
    assert len(result.plays) in {1, 2}
    assert result.exit_code == 1


async def test_a_worker_that_dies_is_named():
    worker = WorkerProcess(RunOptions())
    (play, *_) = plays_of(STUCK)
    events = []

    def listen(event):
        events.append(event)
        if isinstance(event, StepEnded) and event.result.id == "a":
            os.kill(worker.pid, signal.SIGKILL)

    result = await worker.play(play, listen)
    assert (result.verdict, result.exit_code) == ("broken", 3)
    assert [step.verdict for step in result.steps] == ["passed", "passed", "not_played"]
    assert result.steps[1].seen.needed == 1
    assert result.started_ms > 1_600_000_000_000
    assert result.reason == (
        "the worker process of x A died (signal SIGKILL); what its devices did is lost with it, and no audit was made"
    )
    assert events[-1] == PlayEnded(result=result)
    assert result.story.samples, "what it told before stays"
    again = await worker.play(plays_of()[0], lambda _: None)
    assert again.verdict == "passed"
    await worker.close()


async def test_evidence_of_a_play_whose_worker_died_is_kept_by_its_owner(tmp_path):
    worker = WorkerProcess(RunOptions(evidence=str(tmp_path)))

    def listen(event):
        if isinstance(event, StepEnded) and event.result.id == "a":
            os.kill(worker.pid, signal.SIGKILL)

    result = await worker.play(plays_of(STUCK)[0], listen)
    assert result.verdict == "broken"
    assert [each.name for each in tmp_path.rglob("README.txt")] == ["README.txt"]
    assert result.evidence == str(tmp_path / "x-A")
    await worker.close()


async def test_a_worker_is_stopped_with_what_it_had_done():
    worker = WorkerProcess(RunOptions())
    (play, *_) = plays_of(STUCK)
    began = asyncio.Event()

    def listen(event):
        if isinstance(event, StepEnded) and event.result.id == "a":
            began.set()

    task = asyncio.create_task(worker.play(play, listen))
    await began.wait()
    task.cancel()
    result = await task
    assert (result.verdict, result.exit_code) == ("stopped", 130)
    assert [step.verdict for step in result.steps] == ["passed", "passed", "not_played"]
    assert [device.state for device in result.story.devices] == ["pending", "none", "none", "none"]
    await worker.close()


async def test_a_worker_ends_when_its_owner_is_gone():
    worker = WorkerProcess(RunOptions())
    await worker.play(plays_of()[0], lambda _: None)
    pid = worker.pid
    await worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
