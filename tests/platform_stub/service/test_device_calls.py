"""The devices' calls at the service, in all generations: from the check to the end of a job, and how each end is told.

What a refusal is called on the wire is looked up in the generation's table, written down here by number.
"""

import asyncio

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol.calls import FUSE, SOUTH, STUDIO, CallRefusal, Generation
from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service import tasks
from platform_stub.service.device_calls import Offer, Refused
from platform_stub.store.errors import StoreUnavailable
from platform_stub.store.schema import tasks as task_rows
from tests.platform_stub.service.conftest import REAL_MS
from tests.platform_stub.service.field import HOUR_MS, ready

A, B, C = Generation.SOUTH, Generation.STUDIO, Generation.FUSE
TABLES = {A: SOUTH, B: STUDIO, C: FUSE}
ALL = [A, B, C]
MINUTE_MS = 60_000


def codes(why):
    """What A, B and C say."""
    return tuple(TABLES[generation][why].code for generation in ALL)


async def expire(field):
    """Let ten minutes pass, without the platform's timers having looked."""
    field.clock[0] += 10 * MINUTE_MS


@pytest.mark.parametrize("generation", ALL)
async def test_a_whole_update(field, generation):
    task = await field.task()
    caller = field.caller(generation)
    offer = await field.calls.check(caller, UpdateKind.FOTA, "1.0")
    assert offer == Offer(
        tid=field.tid(task),
        token=offer.token,
        target="2.0",
        size_bytes=10,
        md5="781e5e245d69b566979b86e28d23f2c7",
        state=JobState.PENDING,
        is_differential=False,
        signal=10,
        battery=50,
        retry_count=0,
        retry_interval_s=0,
    )
    assert bool(offer.token) == (generation is A)
    if generation is A:
        assert await field.calls.check_token(caller, offer.token) is None
        assert field.calls.resolve_token(caller, offer.token) == offer.tid
    else:
        assert await field.calls.job_state(caller, offer.tid) is JobState.DOWNLOADING
    assert field.job(task) == ("downloading", None)
    assert await field.download(offer.tid, generation) == b"0123456789"
    assert (await field.offer(generation)).state is JobState.DOWNLOADING
    for step, state in ((50, "downloading"), (101, "upgrading"), (201, "success")):
        assert await field.step(offer.tid, step, generation) is None
        assert field.job(task) == (state, step)
    assert await field.step(offer.tid, 201, generation) is None  # repeated
    assert await field.step(offer.tid, 205, generation) is CallRefusal.FINISHED
    assert field.device().f_version == "2.0"
    answer = await field.check(generation, "2.0")
    assert answer == Refused(CallRefusal.NO_TASK)
    assert codes(answer.why) == (11, 10, 12012)
    if generation is not A:
        assert await field.job_state(offer.tid, generation) is JobState.SUCCESS


async def test_the_first_good_byte_starts_a_pending_job(field):
    task = await field.task()
    assert await field.download(field.tid(task)) == b"0123456789"
    assert field.job(task) == ("downloading", None)


async def test_what_a_task_asks_of_devices_is_passed_on(field):
    package = await field.new_package("3.0", UpdateKind.SOTA, b"patch", start_version="1.0")
    await field.task(package=package, signal=20, battery=60, retry=api.Retry(count=3, interval_s=90))
    offer = await field.check(A, kind=UpdateKind.SOTA)
    assert isinstance(offer, Offer)
    assert (offer.is_differential, offer.signal, offer.battery) == (True, 20, 60)
    assert (offer.retry_count, offer.retry_interval_s) == (3, 90)


@pytest.mark.parametrize("generation", ALL)
async def test_another_devices_job_is_not_found(field, generation):
    tid = field.tid(await field.task((1,)), at=1)
    for wrong in (tid, 999_999, 0):
        assert await field.step(wrong, 201, generation) is CallRefusal.NOT_FOUND
        assert await field.download(wrong, generation) is CallRefusal.NOT_FOUND
        assert await field.job_state(wrong, generation) is CallRefusal.NOT_FOUND
    assert codes(CallRefusal.NOT_FOUND) == (4, 4, 12002)


@pytest.mark.parametrize("generation", ALL)
async def test_a_step_out_of_place_moves_nothing(field, generation):
    task = await field.task()
    tid = field.tid(task)
    for step in (0, 50):
        assert await field.step(tid, step, generation) is CallRefusal.BAD_STEP
    for step in (108, 150, 200, 209, -1, 10**9):
        assert await field.step(tid, step, generation) is CallRefusal.BAD_RESULT
    assert field.job(task) == ("pending", None)
    assert codes(CallRefusal.BAD_STEP) == (21, 21, 12016)
    assert codes(CallRefusal.BAD_RESULT) == (24, 24, 12016)


class TestVersionReport:
    async def test_is_kept_and_shown(self, field):
        caller = field.caller()
        assert field.calls.show_versions(caller) == ("1.0", "1.0")
        assert await field.calls.report_versions(caller, "1.5", None) is None
        assert field.calls.show_versions(caller) == ("1.5", "1.0")

    @pytest.mark.parametrize("state", ["pending", "downloading", "upgrading"])
    @pytest.mark.parametrize("generation", ALL)
    async def test_equal_to_the_target_completes_the_job(self, field, generation, state):
        task = await field.task()
        tid = field.tid(task)
        if state != "pending":
            await field.job_state(tid)
        if state == "upgrading":
            await field.step(tid, 101)
        assert await field.calls.report_versions(field.caller(generation), "2.0", None) is None
        assert field.job(task)[0] == "success"
        assert (
            await field.step(tid, 201, generation) is CallRefusal.FINISHED
        )  # the device takes it as its success
        assert await field.job_state(tid, C) is CallRefusal.AT_TARGET
        assert await field.download(tid, generation) is CallRefusal.AT_TARGET
        answer = await field.check(generation, "2.0")
        assert answer.why is (CallRefusal.AT_TARGET if generation is C else CallRefusal.NO_TASK)
        assert FUSE[CallRefusal.AT_TARGET] == (12013, "task succ")

    async def test_of_the_other_kind_completes_nothing(self, field):
        task = await field.task()
        await field.calls.report_versions(field.caller(), None, "2.0")
        assert field.job(task) == ("pending", None)

    async def test_wakes_the_informs_of_the_devices_session(self, field):
        """A device of B or C that listens on MQTT and reports over HTTP gets its empty inform again."""
        session = field.connect()
        field.platform.uplink.subscribed(session, True)
        await field.task()
        field.radio.take()
        await field.calls.report_versions(field.caller(), "1.0", "1.0")
        ((name, suffix, inform),) = field.radio.take()
        assert (name, suffix, inform["params"]) == ("d0", "/ota/inform", {})

    async def test_without_a_session_tells_nobody(self, field):
        await field.task()
        await field.calls.report_versions(field.caller(), "1.0", "1.0")
        assert field.radio.take() == []


class TestCheck:
    @pytest.mark.parametrize("generation", ALL)
    async def test_overwrites_the_stored_version_job_or_no_job(self, field, generation):
        await field.check(generation, "1.2")
        assert (field.device().f_version, field.device().s_version) == ("1.2", "1.0")
        await field.task()
        await field.check(generation, "1.3")
        assert field.device().f_version == "1.3"
        await field.check(generation, "1.4", UpdateKind.SOTA)
        assert (field.device().f_version, field.device().s_version) == ("1.3", "1.4")

    async def test_that_changes_nothing_writes_nothing(self, field):
        await field.task()
        await field.offer(A)
        commits = field.platform.counts().commits
        for generation in ALL:
            await field.offer(generation)
        assert field.platform.counts().commits == commits

    @pytest.mark.parametrize("generation", ALL)
    async def test_at_the_target_completes_the_job(self, field, generation):
        task = await field.task()
        answer = await field.check(generation, "2.0")
        assert answer == Refused(CallRefusal.AT_TARGET)
        assert codes(answer.why) == (20, 20, 12013)
        assert field.job(task) == ("success", None)

    async def test_sees_the_job_of_its_own_kind(self, field):
        await field.task()
        assert (await field.check(kind=UpdateKind.SOTA)).why is CallRefusal.NO_TASK
        other = await field.task(package=await field.new_package("9.0", UpdateKind.SOTA))
        assert (await field.check(kind=UpdateKind.SOTA)).tid == field.tid(other)

    @pytest.mark.parametrize("said", [{"manufacturer": "102", "model": "10101"}, {"model": "10102"}])
    async def test_of_another_manufacturer_or_model_fails_the_job(self, field, said):
        package = await field.new_package("3.0", manufacturer="101", model="10101")
        task = await field.task(package=package)
        answer = await field.check(A, **said)
        assert answer == Refused(CallRefusal.MODEL_MISMATCH)
        assert SOUTH[answer.why].code == 8
        assert field.job(task) == ("failed", 107)
        assert ("model mismatch", "failed") in field.timeline()
        assert (await field.check(A)).why is CallRefusal.NO_TASK

    @pytest.mark.parametrize("said", [{}, {"manufacturer": "101", "model": "10101"}, {"manufacturer": "101"}])
    async def test_of_the_same_or_no_manufacturer_is_offered(self, field, said):
        await field.task(package=await field.new_package("3.0", manufacturer="101", model="10101"))
        assert isinstance(await field.check(A, **said), Offer)

    @pytest.mark.parametrize(
        ("generation", "code", "job"),
        [(A, 9, ("failed", 107)), (B, 9, ("failed", 107)), (C, 12011, ("pending", None))],
    )
    async def test_of_another_start_version_is_refused(self, field, generation, code, job):
        """In A (and B) the job fails; C only says so."""
        task = await field.task(package=await field.new_package("3.0", start_version="1.0"))
        answer = await field.check(generation, "1.1")
        assert answer == Refused(CallRefusal.START_VERSION)
        assert TABLES[generation][answer.why].code == code
        assert field.job(task) == job


async def test_current_task_is_one_that_is_under_way(field):
    caller = field.caller(A)
    assert await field.calls.tasking(caller, UpdateKind.FOTA) == Refused(CallRefusal.NOT_FOUND)
    assert SOUTH[CallRefusal.NOT_FOUND] == (4, "not found")
    task = await field.task()
    tid = field.tid(task)
    assert await field.calls.tasking(caller, UpdateKind.FOTA) == Refused(CallRefusal.NOT_FOUND)  # pending
    assert await field.download(tid) == b"0123456789"  # started by another flow: no token yet
    found = await field.calls.tasking(caller, UpdateKind.FOTA)
    assert (found.tid, found.state) == (tid, JobState.DOWNLOADING)
    assert field.calls.resolve_token(caller, found.token) == tid
    await field.step(tid, 101)
    assert (await field.calls.tasking(caller, UpdateKind.FOTA)).state is JobState.UPGRADING
    await field.step(tid, 201)
    assert await field.calls.tasking(caller, UpdateKind.FOTA) == Refused(CallRefusal.NOT_FOUND)


class TestHowAJobEnded:
    """Section 5: what later calls say, each in its generation's number."""

    async def _ends(self, field, task, generation):
        tid = field.tid(task)
        check = await field.check(generation)
        return (
            await field.step(tid, 101, generation),
            await field.job_state(tid, generation),
            await field.download(tid, generation),
            check.why,
        )

    @pytest.mark.parametrize("generation", ALL)
    async def test_cancelled(self, field, generation):
        task = await field.task()
        await field.offer(A)
        await field.write(tasks.cancel, task.task_id)
        ended = CallRefusal.CANCELLED
        check = ended if generation is C else CallRefusal.NO_TASK
        assert await self._ends(field, task, generation) == (ended, ended, ended, check)
        assert codes(ended) == (22, 22, 20)

    @pytest.mark.parametrize("generation", ALL)
    async def test_expired(self, field, generation):
        task = await field.task()
        await expire(field)
        ended = CallRefusal.JOB_EXPIRED
        check = ended if generation is C else CallRefusal.NO_TASK
        assert await self._ends(field, task, generation) == (ended, ended, ended, check)
        assert codes(ended) == (12, 12, 12014)
        assert field.job(task) == ("failed", 208)

    @pytest.mark.parametrize("generation", ALL)
    async def test_failed(self, field, generation):
        task = await field.task()
        tid = field.tid(task)
        assert await field.step(tid, 205, generation) is None
        finished = CallRefusal.FINISHED
        assert await self._ends(field, task, generation) == (
            finished, JobState.FAILED, finished, CallRefusal.NO_TASK,
        )  # fmt: skip
        assert await field.step(tid, 205, generation) is None  # what led there, repeated

    async def test_a_later_job_takes_its_place(self, field):
        task = await field.task()
        await field.write(tasks.cancel, task.task_id)
        again = await field.task()
        assert (await field.offer()).tid == field.tid(again)


class TestDeadline:
    @pytest.mark.parametrize("reached", ["pending", "downloading", "upgrading"])
    async def test_ends_what_is_open_though_no_timer_has_looked(self, field, reached):
        task = await field.task()
        tid = field.tid(task)
        if reached != "pending":
            await field.job_state(tid)
        if reached == "upgrading":
            await field.step(tid, 101)
        field.clock[0] += 10 * MINUTE_MS - 1
        assert await field.job_state(tid) is JobState[reached.upper().replace("PENDING", "DOWNLOADING")]
        field.clock[0] += 1
        assert await field.step(tid, 201) is CallRefusal.JOB_EXPIRED
        assert field.job(task) == ("failed", 208)
        assert ("expired", "failed") in field.timeline()

    @pytest.mark.parametrize("call", ["job_state", "open_download"])
    async def test_meets_a_download_at_whichever_call_comes_first(self, field, call):
        task = await field.task()
        tid = field.tid(task)
        assert await field.job_state(tid) is JobState.DOWNLOADING
        await expire(field)
        assert await getattr(field.calls, call)(field.caller(), tid) == Refused(CallRefusal.JOB_EXPIRED)
        assert field.job(task) == ("failed", 208)

    async def test_of_an_old_job_is_told_once_by_a_check(self, field):
        task = await field.task()
        await expire(field)
        assert (await field.check()).why is CallRefusal.JOB_EXPIRED
        assert field.job(task) == ("failed", 208)

    async def test_stands_still_while_arrears_hold(self, field):
        """P10."""
        task = await field.task()
        await field.act(ev.Post(amount_fen=-1, reason="bill"))
        await expire(field)
        assert (await field.check()).why is CallRefusal.NO_TASK
        assert field.job(task) == ("pending", None)
        await field.act(ev.Post(amount_fen=1, reason="top-up"))
        assert (await field.offer()).tid == field.tid(task)
        field.clock[0] += 10 * MINUTE_MS - 1
        assert isinstance(await field.check(), Offer)
        field.clock[0] += 1
        assert (await field.check()).why is CallRefusal.JOB_EXPIRED


class TestHold:
    @pytest.mark.parametrize("generation", ALL)
    async def test_by_arrears_stops_what_is_pending(self, field, generation):
        """P10: a check answers "no task", and nothing starts."""
        task = await field.task()
        tid = field.tid(task)
        await field.act(ev.Post(amount_fen=-1, reason="bill"))
        held = CallRefusal.NO_TASK
        assert (await field.check(generation)).why is held
        assert await field.step(tid, 101, generation) is held
        assert await field.job_state(tid, generation) is held
        assert await field.download(tid, generation) is held
        assert field.job(task) == ("pending", None)

    @pytest.mark.parametrize("generation", ALL)
    async def test_by_arrears_lets_go_on_what_is_under_way(self, field, generation):
        task = await field.task()
        tid = field.tid(task)
        await field.job_state(tid)
        await field.act(ev.Post(amount_fen=-1, reason="bill"))
        assert isinstance(await field.check(generation), Offer)
        assert await field.download(tid, generation) == b"0123456789"
        assert await field.step(tid, 101, generation) is None
        assert await field.step(tid, 201, generation) is None

    @pytest.mark.parametrize("generation", ALL)
    async def test_by_a_pause_stops_what_is_pending(self, field, generation):
        task = await field.task()
        tid = field.tid(task)
        await field.write(tasks.pause, task.task_id)
        paused = CallRefusal.PAUSED
        assert (await field.check(generation)).why is paused
        assert await field.step(tid, 101, generation) is paused
        assert await field.job_state(tid, generation) is paused
        assert await field.download(tid, generation) is paused
        assert codes(paused) == (19, 10, 12012)
        await field.write(tasks.resume, task.task_id)
        assert isinstance(await field.check(generation), Offer)

    @pytest.mark.parametrize("generation", ALL)
    async def test_by_a_pause_lets_a_download_run_out_and_takes_no_step(self, field, generation):
        task = await field.task()
        tid = field.tid(task)
        await field.job_state(tid)
        await field.write(tasks.pause, task.task_id)
        assert await field.download(tid, generation) == b"0123456789"
        for step in (50, 101, 107, 201, 205):
            assert await field.step(tid, step, generation) is CallRefusal.PAUSED
        assert field.job(task) == ("downloading", None)
        await field.write(tasks.resume, task.task_id)
        assert await field.step(tid, 101, generation) is None

    async def test_by_a_pause_lets_an_update_go_on(self, field):
        task = await field.task()
        tid = field.tid(task)
        await field.step(tid, 101)
        await field.write(tasks.pause, task.task_id)
        assert await field.step(tid, 201) is None
        assert field.job(task) == ("success", 201)

    @pytest.mark.parametrize("state", ["pending", "downloading"])
    async def test_by_a_pause_is_no_bar_to_the_target(self, field, state):
        task = await field.task()
        if state == "downloading":
            await field.job_state(field.tid(task))
        await field.write(tasks.pause, task.task_id)
        await field.calls.report_versions(field.caller(), "2.0", "1.0")
        assert field.job(task)[0] == "success"

    @pytest.mark.parametrize("generation", ALL)
    async def test_until_its_task_starts_nobody_knows_of_a_job(self, field, generation):
        task = await field.task(start_at_ms=REAL_MS + HOUR_MS)
        tid = field.tid(task)
        assert (await field.check(generation)).why is CallRefusal.NO_TASK
        assert await field.step(tid, 101, generation) is CallRefusal.NOT_FOUND
        assert await field.job_state(tid, generation) is CallRefusal.NOT_FOUND
        assert await field.download(tid, generation) is CallRefusal.NOT_FOUND
        field.clock[0] += HOUR_MS
        assert isinstance(await field.check(generation), Offer)


class TestTellingOverMqtt:
    async def _task(self, field, **more):
        task = await field.task()
        await field.platform.write(
            lambda tx: tx.conn.execute(
                task_rows.update().where(task_rows.c.task_id == task.task_id).values(**more)
            )
        )
        field.radio.take()
        return task

    async def test_a_task_announced_by_webhook_is_told_to_who_asks(self, field):
        """Neither at its creation nor at a subscription, but on a version report and a check."""
        await self._task(field, notification="webhook")
        session = field.connect()
        field.platform.uplink.subscribed(session, True)
        await field.send(session, "/thing/property/post", {"id": "c", "params": {}})  # the batch is through
        assert [suffix for _, suffix, _ in field.radio.take() if suffix == "/ota/inform"] == []
        sent = await field.version(session, f_version="1.0")
        assert sent[-1][1] == "/ota/inform"
        assert isinstance(await field.check(), Offer)

    @pytest.mark.parametrize(
        "more", [{"paused_ms": REAL_MS}, {"starts_ms": REAL_MS + 1}, {"expires_ms": REAL_MS}]
    )
    async def test_what_is_paused_not_started_or_over_is_not_told(self, field, more):
        await self._task(field, **more)
        session = field.connect()
        field.platform.uplink.subscribed(session, True)
        sent = await field.version(session, f_version="1.0")
        assert [suffix for _, suffix, _ in sent] == ["/ota/version_reply"]

    async def test_paused_steps_over_mqtt_are_no_task(self, field):
        session = await ready(field)
        task = await field.task()
        tid = field.tid(task)
        field.radio.take()
        await field.write(tasks.pause, task.task_id)
        assert await field.status(session, tid, 101) == 12012

    async def test_expired_and_cancelled_steps_over_mqtt(self, field):
        session = await ready(field)
        task = await field.task()
        field.radio.take()
        await expire(field)
        assert await field.status(session, field.tid(task), 101) == 12014
        again = await field.task()
        field.radio.take()
        await field.write(tasks.cancel, again.task_id)
        assert await field.status(session, field.tid(again), 101) == 20


async def test_reports_of_both_kinds_share_a_commit(field):
    """The writer's 2-ms groups: one device on MQTT and one over HTTP are committed together."""
    session = await ready(field)
    task = await field.task((0, 1))
    first, second = field.tid(task, 0), field.tid(task, 1)
    field.radio.take()
    caller = field.caller(at=1)
    commits = field.platform.counts().commits
    await asyncio.gather(
        field.send(session, "/ota/status", {"id": "s", "params": {"tid": first, "step": 101}}),
        field.calls.report_step(caller, second, 101),
    )
    assert field.platform.counts().commits == commits + 1
    assert field.state(task) == {"upgrading": 2}


async def test_a_commit_that_fails_is_unavailable_and_changes_nothing(field):
    task = await field.task()
    caller = field.caller()
    with field.platform.store.write() as conn:
        conn.exec_driver_sql(
            "CREATE TEMP TRIGGER full BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with pytest.raises(StoreUnavailable):
        await field.calls.report_step(caller, field.tid(task), 101)
    assert codes(CallRefusal.UNAVAILABLE) == (7, 7, 10500)
    assert field.job(task) == ("pending", None)
    with field.platform.store.write() as conn:
        conn.exec_driver_sql("DROP TRIGGER full")
    assert await field.calls.report_step(caller, field.tid(task), 101) is None


@pytest.mark.parametrize("is_strict", [True])
class TestStrict:
    async def test_wants_the_download_done_before_the_update(self, field):
        task = await field.task()
        tid = field.tid(task)
        await field.job_state(tid)
        assert await field.step(tid, 201) is CallRefusal.BAD_STEP
        assert await field.step(tid, 101) is None
        assert await field.step(tid, 201) is None

    async def test_ends_by_a_version_report_what_is_pending_only(self, field):
        task = await field.task()
        await field.job_state(field.tid(task))
        await field.calls.report_versions(field.caller(), "2.0", "1.0")
        assert field.job(task) == ("downloading", None)
        assert isinstance(await field.check(C, "2.0"), Offer)

    async def test_takes_a_token_check_from_a_pending_job_only(self, field):
        await field.task()
        offer = await field.offer(A)
        caller = field.caller(A)
        assert await field.calls.check_token(caller, offer.token) is None
        assert await field.calls.check_token(caller, offer.token) == Refused(CallRefusal.WRONG_STATE)
