"""Sessions: the same words, checks, predictions and audit as a scenario file's, from Python."""

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from platform_stub.server import Stub
from scenarios.loader import ScenarioFault, load_bytes
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play
from scenarios.session import AuditFailed, Session, SessionOver, SessionSkipped, StepFailed

CHARGED = {
    "clock": "2021-06-01T00:00:00+08:00",
    "policy": {"charging_date": "2021-04-02T00:00:00+08:00", "free_devices": 0},
    "account": {"top_up": 20, "buy": 12},
}


def meters(count=4, **words):
    return Session(**{**CHARGED, "fleets": {"meters": {"count": count}}, **words})


async def test_steps_are_done_and_seen():
    async with meters(10) as s:
        seen = await s.create_task(kind="FOTA", target="1.1", devices="meters", expect={"deducted": 10})
        assert (seen.id, seen.outcome, seen.deducted, seen.left) == ("create_task", "created", 10, 2)
        assert seen.jobs == {"success": 10}
        again = await s.create_task(id="E2", kind="SOTA", target="2.0", devices="meters[1-3]")
        assert (again.id, again.deducted) == ("E2", 0)
        assert [result.verdict for result in s.results] == ["passed", "passed"]
    assert s.result.verdict == "passed"
    assert s.result.audit.ok


async def test_a_step_stands_for_its_name():
    async with meters() as s:
        await s.fail(devices="meters[1-2]", step=205)
        task = await s.create_task(
            kind="FOTA", target="1.1", devices="meters", expect={"jobs": {"failed": 2, "success": 2}}
        )
        assert s.device_ids(f"failed of {task.id}") == s.device_ids("meters[1-2]")
        again = await s.retry_task(of=task, expect={"deducted": 0, "jobs": {"success": 2}})
        assert s.task_id(again) > s.task_id("create_task")
        with pytest.raises(UsageFault, match="step fail has created no task"):
            s.task_id("fail")


async def test_a_step_that_fails_says_what_was_expected_what_seen_and_which_devices():
    async with meters() as s:
        await s.fail(devices="meters[1-2]", step=205)
        with pytest.raises(StepFailed) as caught:
            await s.create_task(
                title="all of them",
                kind="FOTA",
                target="1.1",
                devices="meters",
                expect={"deducted": 3, "jobs": {"success": 4}},
            )
        lines = str(caught.value).splitlines()
        assert lines[0] == "step create_task, all of them: deducted: expected 3, seen 4"
        assert lines[1] == "  jobs.success: expected 4, seen 2"
        assert lines[2] == "  2 devices whose job did not end well:"
        assert lines[3].startswith("    meters-1 (device ")
        assert "digest mismatch" in lines[3]
        assert len(caught.value.devices) == 2
        assert {d.what for d in caught.value.result.differences} == {"deducted", "jobs.success"}
        assert isinstance(caught.value, AssertionError)
        seen = await s.check(of="create_task", expect={"jobs": {"failed": 2, "success": 2}})  # it goes on
        assert seen.left == 8
    assert s.result.verdict == "failed"


async def test_a_job_that_was_cancelled_is_none_that_did_not_end_well():
    async with meters() as s:
        await s.fail(devices="meters[1]", step=205)
        await s.inject(call="inform", devices="meters[2]", silent=True)
        task = await s.create_task(kind="FOTA", target="1.1", devices="meters[1-3]", wait="none")
        await s.wait_until(of=task, until={"jobs": {"failed": 1, "success": 1}})
        await s.cancel_task(of=task, expect={"jobs": {"failed": 1, "success": 1, "cancelled": 1}})
        (named,) = s._live.unwell(task.id)
        assert named.startswith("meters-1 (device ")


async def test_the_book_predicts_what_nobody_expects():
    """A refusal that no word asked for is a failure: predictions apply as in a scenario file."""
    async with meters(14) as s:
        with pytest.raises(StepFailed, match="licences_insufficient") as caught:
            await s.create_task(kind="FOTA", target="1.1", devices="meters")
        assert "the platform said: " in str(caught.value)
        await s.create_task(
            kind="FOTA",
            target="1.1",
            devices="meters",
            expect={"reason": "licences_insufficient", "missing": 2},
        )


async def test_a_mistake_in_words_names_its_path_and_the_program_s_line():
    async with meters() as s:
        with pytest.raises(ScenarioFault) as caught:
            await s.create_task(
                id="E1", kind="FOTA", target="1.1", devices="metres", expect={"lefd": 1, "deducted": "x"}
            )
        texts = str(caught.value).splitlines()
        assert all(text.startswith(f"{__file__}:") for text in texts)
        paths = {mistake.path for mistake in caught.value.mistakes}
        assert paths == {"steps.E1.create_task.devices", "steps.E1.expect.lefd", "steps.E1.expect.deducted"}
        assert "did you mean meters?" in str(caught.value)
        with pytest.raises(ScenarioFault, match="E9"):
            await s.retry_task(of="E9")
        assert s.results == ()  # nothing was done


def test_a_mistake_in_the_head_is_told_before_anything_starts():
    with pytest.raises(ScenarioFault, match=r"test_session\.py:\d+:1: fleets\.meters\.cuont") as caught:
        Session(fleets={"meters": {"cuont": 3}}, policy={"price_fen": -1})
    assert "policy.price_fen" in str(caught.value)


async def test_a_step_written_as_in_a_file():
    async with meters() as s:
        seen = await s.step(id="E1", buy=5, title="five more", expect={"left": 17})
        assert (seen.id, seen.left) == ("E1", 17)
        await s.step(charging_date=None)
        with pytest.raises(ScenarioFault, match="has no action"):
            await s.step(title="nothing")


async def test_nulls_spans_and_moments_are_python_s():
    async with meters() as s:
        before = s.now_ms
        await s.advance(timedelta(hours=2))
        assert s.now_ms - before >= 7_200_000
        await s.charging_date(None)
        await s.create_task(
            kind="FOTA", target="1.1", devices="meters", expect={"deducted": 0, "grandfathered": 4}
        )


async def test_what_is_beyond_the_language_is_there_too():
    async with meters() as s:
        await s.create_task(kind="FOTA", target="1.1", devices="meters")
        assert s.fleet.snapshot().jobs_succeeded == 4
        devices = await s.operator.devices(s.account_id)
        assert [device.device_id for device in devices] == s.device_ids("meters")
        assert s.stub.http_url.startswith("http://127.0.0.1:")
        story = s.device("meters-2")
        assert (story.f_version, story.state) == ("1.1", "success")
        assert {"told", "job", "ended"} <= {entry.what for entry in story.entries}
        assert [each.name for each in s.devices()] == [f"meters-{n}" for n in range(1, 5)]
        with pytest.raises(UsageFault, match="no device is named metres-2; did you mean meters-2"):
            s.device("metres-2")


async def test_several_at_once():
    async def one(count):
        async with meters(count, name=f"s{count}") as s:
            await s.create_task(kind="FOTA", target="1.1", devices="meters", expect={"deducted": count})
            return s.stub.http_url

    urls = await asyncio.gather(*(one(count) for count in (3, 5, 7)))
    assert len(set(urls)) == 3


async def test_outside_of_its_block_nothing_is_done():
    s = meters()
    with pytest.raises(SessionOver, match="has not begun"):
        await s.buy(1)
    with pytest.raises(UsageFault, match="has not begun"):
        s.operator  # noqa: B018 - reading it is the test
    async with s:
        await s.buy(1)
    with pytest.raises(SessionOver, match="is over"):
        await s.buy(1)
    assert s.device("meters-1").state == "none"  # what it was can still be read


async def test_after_a_step_that_did_not_end_nothing_follows():
    async with meters(fleets={"meters": {"count": 1}, "sleepers": {"count": 1, "connect": False}}) as s:
        await s.inject(call="download", silent=True)
        with pytest.raises(StepFailed, match="have not ended"):
            await s.create_task(kind="FOTA", target="1.1", devices="meters", wait="200 ms")
        with pytest.raises(SessionOver, match="step create_task did not come to its end"):
            await s.buy(1)


async def test_the_audit_raises_when_the_books_do_not_hold():
    with pytest.raises(AuditFailed, match="the books don't hold: I") as caught:  # noqa: PT012 - the session's whole block
        async with meters() as s:
            await s.create_task(kind="FOTA", target="1.1", devices="meters")
            with sqlite3.connect(s.stub.database, timeout=30) as conn:
                conn.execute("UPDATE accounts SET balance_fen = balance_fen + 1")
            conn.close()
    assert not caught.value.result.ok


async def test_the_audit_does_not_hide_what_was_raised():
    with pytest.raises(ZeroDivisionError) as caught:  # noqa: PT012 - the session's whole block
        async with meters() as s:
            with sqlite3.connect(s.stub.database, timeout=30) as conn:
                conn.execute("UPDATE accounts SET balance_fen = balance_fen + 1")
            conn.close()
            raise ZeroDivisionError
    assert "the books don't hold" in "\n".join(caught.value.__notes__)


async def test_a_session_that_fails_leaves_evidence_and_one_that_passes_none(tmp_path):
    async with meters(evidence=tmp_path / "good") as s:
        await s.buy(1)
    assert (s.result.evidence, (tmp_path / "good").exists()) == ("", False)
    with pytest.raises(StepFailed) as caught:
        async with meters(name="bad", evidence=tmp_path) as s:
            await s.create_task(kind="FOTA", target="1.1", devices="meters", expect={"left": 0})
    assert caught.value.__notes__ == [f"evidence: {s.result.evidence}"]
    left = {path.name for path in (tmp_path / "bad").iterdir()}
    assert {"README.txt", "scenario.yaml", "wire.jsonl", "journal.jsonl"} <= left
    readme = (tmp_path / "bad" / "README.txt").read_text()
    assert "left: expected 0, seen 8" in readme
    assert f"{Path(__file__).name} again; its session bad had seed 1" in readme, (
        "it is no file that is played"
    )
    assert (tmp_path / "bad" / "scenario.yaml").read_text() == s.scenario


async def test_what_the_program_itself_finds_wrong_is_a_failure_too(tmp_path):
    with pytest.raises(AssertionError):  # noqa: PT012 - the session's whole block
        async with meters(evidence=tmp_path) as s:
            await s.buy(1)
            assert s.fleet is None, "the reason"
    assert "the reason" in (tmp_path / "session" / "README.txt").read_text()


async def test_what_a_session_has_written_is_a_scenario_that_can_be_run(tmp_path):
    async with meters() as s:
        await s.fail(devices="meters[1]", step=206)
        task = await s.create_task(
            kind="FOTA", target="1.1", devices=["meters[1-2]", "meters[3]"], expect={"jobs": {"failed": 1}}
        )
        await s.retry_task(of=task, wait=timedelta(seconds=30))
        await s.advance(timedelta(days=1))
    (play,) = load_bytes(s.scenario.encode(), "x.yaml", tmp_path)
    assert [step.id for step in play.steps] == ["fail", "create_task", "retry_task", "advance"]
    result = await run_play(play, RunOptions(), lambda _: None)
    assert (result.verdict, result.reason) == ("passed", "")


async def test_what_stands_in_the_way_is_raised_at_the_start(tmp_path):
    (tmp_path / "session").mkdir()
    (tmp_path / "session" / "thesis.txt").touch()
    with pytest.raises(EnvironmentFault, match=r"thesis\.txt"):
        async with meters(data=tmp_path):
            pass
    with pytest.raises(UsageFault, match="no broker is named 'mosquito'"):
        meters(broker="mosquito")


async def test_a_broker_that_can_t_give_what_is_needed_skips():
    pytest.importorskip("amqtt")
    with pytest.raises(SessionSkipped, match="amqtt broker can't give keepalive"):
        async with meters(needs=["keepalive"], broker="amqtt"):
            pass


async def test_a_session_that_is_given_up_while_it_starts_leaves_nothing_running():
    task = asyncio.create_task(meters(200).__aenter__())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [left.get_name() for left in asyncio.all_tasks() if left is not asyncio.current_task()] == []


async def test_a_step_that_is_known_to_fail_must_fail():
    async with meters() as s:
        await s.buy(1, expect={"left": 0}, xfail="the book is another one")
        with pytest.raises(StepFailed):
            await s.buy(1, expect={"left": 14}, xfail="the book is another one")


async def test_a_session_on_a_platform_under_test(tmp_path):
    target = tmp_path / "staging.yaml"
    async with Stub() as stub:
        http, mqtt = (f"{host}:{port}" for host, port in (stub.http_address, stub.mqtt_address))
        target.write_text(
            f'version: 1\nadapter: scenarios.adapters.served:Served\noptions: {{url: "{stub.http_url}"}}\n'
            f"http: {http}\nmqtt: {mqtt}\nrules: predicted\n"
        )
        async with meters(target=target) as s:
            await s.create_task(kind="FOTA", target="1.1", devices="meters", expect={"jobs": {"success": 4}})
            with pytest.raises(UsageFault, match="has no stub"):
                s.stub  # noqa: B018 - reading it is the test
    assert (s.result.verdict, s.result.target, s.result.audit) == ("passed", "staging", None)


def test_a_target_file_with_mistakes(tmp_path):
    (tmp_path / "t.yaml").write_text("version: 1\nadapter: nothing\nhttp: x\n")
    with pytest.raises(ScenarioFault, match=r"t\.yaml:2:10: adapter"):
        meters(target=tmp_path / "t.yaml")
