"""What is kept of a play: samples over time, each device's story, evidence; and a play that is held up after a step."""

import asyncio
import itertools
from pathlib import Path

import aiohttp
import msgspec
import pytest

from scenarios.loader.files import load_bytes
from scenarios.operator import OperatorFault
from scenarios.results import Sample, StepResult
from scenarios.runner.events import PlayEnded, Sampled, StepEnded
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play
from scenarios.runner.sampler import SAMPLES_MAX, Sampler
from scenarios.runner.stage import Stage

TEXT = """\
version: 1
name: x
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 3}
fleets: {meters: {count: 3}, sleepers: {count: 1, connect: false}}
steps:
  - {id: bad, fail: {devices: "meters[2]", step: 205}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}, expect: {left: 1}}
  - {id: b, check: {}, expect: {left: 1}}
"""
STUCK = """\
  - {id: deaf, inject: {call: inform, silent: true}}
  - {id: open, create_task: {kind: SOTA, target: "2", devices: "meters[3]"}, wait: none}
  - {id: c, wait_jobs: {}}
"""


def play_of(text=TEXT):
    (play,) = load_bytes(text.encode(), "x.yaml", Path())
    return play


async def run(text=TEXT, **options):
    events = []
    return await run_play(play_of(text), RunOptions(**options), events.append), events


async def test_a_sample_at_the_end_of_each_step():
    result, events = await run()
    assert result.verdict == "passed", result.failed_steps
    samples = result.story.samples
    assert [(s.purchased_left, s.free_left) for s in samples][-1] == (0, 1)
    assert samples[-1].jobs == {"success": 1, "failed": 1}
    assert samples[0].jobs == {}
    assert all(one.seconds <= other.seconds for one, other in itertools.pairwise(samples))
    assert samples[-1].clock_ms == pytest.approx(1_622_476_800_000, abs=60_000), "on the account's clock"
    told = [event.sample for event in events if isinstance(event, Sampled)]
    assert {(s.free_left, *s.jobs) for s in told} == {(s.free_left, *s.jobs) for s in samples}


async def test_while_jobs_are_open_the_platform_is_asked():
    events, seen = [], asyncio.Event()

    def listen(event):
        events.append(event)
        if isinstance(event, StepEnded) and event.result.id == "open":
            events.clear()
        if isinstance(event, Sampled) and event.sample.jobs.get("pending"):
            seen.set()

    task = asyncio.create_task(run_play(play_of(TEXT + STUCK), RunOptions(), listen))
    async with asyncio.timeout(60):
        await seen.wait()
    task.cancel()
    result = await task
    assert result.verdict == "stopped"
    assert result.story.samples[-1].jobs["pending"] == 1
    assert len(result.story.devices) == 4, "a stopped play keeps its stories"
    assert result.story.devices[2].state == "pending"


class Gone:
    """A platform that has gone away."""

    calls = 0

    async def account(self, account_id):
        self.calls += 1
        raise OperatorFault(f"account {account_id}: no answer")


def stage_on(operator):
    stage = Stage(play_of(), operator, lambda _: None)
    stage.roster.states["a"] = {1: "pending"}
    return stage


async def test_a_platform_that_does_not_answer_is_not_asked_again():
    gone = Gone()
    async with asyncio.timeout(60):
        await Sampler(stage_on(gone), lambda _: None, 0.0).run()
    assert gone.calls == 1


def ended(left):
    seen = {"purchased_left": 0, "free_left": left}
    return msgspec.convert(
        {"id": "a", "title": "", "action": "check", "verdict": "passed", "seen": seen}, StepResult
    )


def test_a_stretch_without_change_has_two_ends_and_there_are_never_too_many():
    told = []
    sampler = Sampler(stage_on(Gone()), told.append, 0.0)
    for left in (5, 5, 5, 5, 4):
        sampler.step_ended(ended(left))
    assert [sample.free_left for sample in sampler.samples] == [5, 5, 4]
    assert len(told) == 2, "only news is told"
    for at in range(3 * SAMPLES_MAX):
        sampler.step_ended(ended(at % 2))
    assert len(sampler.samples) <= SAMPLES_MAX
    assert sampler.samples[0].free_left == 5, "the first stays"
    assert isinstance(sampler.samples[-1], Sample)


async def test_each_device_has_its_story():
    result, _ = await run()
    one, two, three, sleeper = result.story.devices
    assert (one.name, one.fleet, one.flow, one.f_version, one.state, one.why) == (
        "meters-1", "meters", "mqtt", "2", "success", "",
    )  # fmt: skip
    assert (two.f_version, two.state) == ("1.0", "failed")
    assert "205" in two.why
    assert (three.state, three.why) == ("none", "")
    assert (sleeper.stage, sleeper.why, sleeper.entries) == ("not there", "", ())
    words = [entry.what for entry in two.entries]
    assert {"online", "told", "job"} <= set(words)
    assert words[-1] in {"ended", "answer"}
    assert all(0 <= entry.ms <= result.seconds * 1_000 for entry in two.entries)
    assert not two.is_cut


async def test_without_a_report_no_story_is_told():
    result, _ = await run(story=False)
    assert result.story.devices == ()
    assert result.story.samples


async def test_a_result_with_its_story_travels():
    result, _ = await run()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(result), type=type(result)) == result


async def test_a_play_that_passed_leaves_no_evidence(tmp_path):
    result, _ = await run(evidence=str(tmp_path))
    assert (result.verdict, result.evidence) == ("passed", "")
    assert list(tmp_path.iterdir()) == []


async def test_a_play_that_failed_leaves_evidence(tmp_path):
    (tmp_path / "x.yaml").write_text(TEXT)
    (play,) = load_bytes(TEXT.replace("left: 1}", "left: 2}").encode(), str(tmp_path / "x.yaml"), tmp_path)
    result = await run_play(play, RunOptions(evidence=str(tmp_path / "e")), lambda _: None)
    assert result.verdict == "failed"
    folder = Path(result.evidence)
    assert folder.parent == tmp_path / "e"
    assert (folder / "scenario.yaml").read_text() == TEXT
    wire = [msgspec.json.decode(line) for line in (folder / "wire.jsonl").read_bytes().splitlines()]
    assert {line["device"] for line in wire} == {"meters-2"}, "of the device whose job failed"
    assert '"kind":"bound"' in (folder / "journal.jsonl").read_text()
    assert "meters-2" in (folder / "log.txt").read_text()


async def test_a_play_that_broke_keeps_story_and_evidence(tmp_path):
    main = msgspec.structs.replace(play_of().products[0], product_id="abc")
    play = msgspec.structs.replace(play_of(), products=(main, msgspec.structs.replace(main, name="other")))
    result = await run_play(play, RunOptions(evidence=str(tmp_path)), lambda _: None)
    assert result.verdict == "broken"
    assert "other" in result.reason or "conflict" in result.reason
    assert [each.name for each in tmp_path.rglob("README.txt")] == ["README.txt"]
    assert result.evidence.startswith(str(tmp_path))


async def test_evidence_that_cannot_be_written_leaves_the_verdict(tmp_path):
    (tmp_path / "file").touch()
    result, _ = await run(TEXT.replace("left: 1}", "left: 2}"), evidence=str(tmp_path / "file"))
    assert (result.verdict, result.exit_code, result.evidence) == ("failed", 1, "")
    assert "can't be written" in result.reason


async def test_held_after_a_step_all_stays_up_until_it_is_stopped():
    events, holds = [], asyncio.Queue()
    text = TEXT + "teardown:\n  - {id: after, buy: 1}\n"
    task = asyncio.create_task(
        run_play(play_of(text), RunOptions(until="a"), events.append, holds.put_nowait)
    )
    async with asyncio.timeout(60):
        holding = await holds.get()
    assert events[-1] == PlayEnded(result=holding.result), "the verdict comes before"
    assert [step.verdict for step in holding.result.steps] == ["passed", "passed", "not_played"]
    assert holding.result.teardown == (), "it would take away what is to be looked at"
    assert holding.result.audit.ok
    assert holding.mqtt is not None
    url = f"http://{holding.http[0]}:{holding.http[1]}/v1/accounts/{holding.account_id}/devices"
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        devices = (await reply.json())["devices"]
    assert [device["name"] for device in devices][:3] == ["meters-1", "meters-2", "meters-3"]
    assert not task.done()
    task.cancel()
    assert await task == holding.result
