"""The clock's part: tasks start and jobs expire by their account's clock, after a restart too, and in an advance."""

import asyncio

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol import topics
from platform_stub.rules import events as ev
from platform_stub.service import accounts, catalogue, life, tasks, timers
from platform_stub.service.answers import Rejection
from platform_stub.service.platform import Platform
from platform_stub.store.engine import open_store
from platform_stub.store.errors import StoreUnavailable
from tests.platform_stub.service.conftest import REAL_MS
from tests.platform_stub.service.field import Field, Radio, ready

MINUTE_MS = 60_000
LIFE_MS = 10 * MINUTE_MS
WAIT_S = 60.0


async def advance(field, span_ms):
    return await field.platform.timers.advance(field.account, api.SetClock(advance_ms=span_ms))


def informs(field):
    return [message["params"]["tid"] for _, suffix, message in field.radio.take() if suffix == topics.INFORM]


def timeline(field, at=0):
    detail = field.platform.read(
        lambda conn: life.show(conn, field.devices[at].device_id, field.platform.sessions, field.clock[0])
    )
    return [(entry.what, entry.at_ms - REAL_MS) for entry in detail.timeline]


async def test_an_advance_stops_at_the_expiry_and_ends_where_it_was_sent(field):
    task = await field.task((0, 1))
    clock = await advance(field, 60 * MINUTE_MS)
    assert clock.now_ms == REAL_MS + 60 * MINUTE_MS
    assert field.state(task) == {"failed": 2}
    assert ("expired", LIFE_MS) in timeline(field)  # at the deadline, not at the end of the advance
    assert field.platform.counts().expired == 2


async def test_an_advance_to_just_before_the_deadline_expires_nothing(field):
    task = await field.task()
    await advance(field, LIFE_MS - 1)
    assert field.state(task) == {"pending": 1}
    await advance(field, 1)
    assert field.state(task) == {"failed": 1}


async def test_who_waits_for_a_task_is_woken_by_its_expiry(field):
    task = await field.task()
    waiting = asyncio.ensure_future(field.platform.wait_for_task(task.task_id, WAIT_S))
    await asyncio.sleep(0)
    assert not waiting.done()
    await advance(field, LIFE_MS)
    async with asyncio.timeout(WAIT_S / 2):
        await waiting


async def test_a_scheduled_task_is_told_at_its_start_and_not_before(field):
    """P15: deducted long before."""
    session = await ready(field)
    task = await field.task(start_at_ms=REAL_MS + 5 * MINUTE_MS)
    assert task.deducted == 1
    assert informs(field) == []
    field.platform.uplink.subscribed(session, True)
    assert [suffix for _, suffix, _ in await field.version(session, f_version="1.0")] == [
        topics.VERSION_REPLY
    ]
    await advance(field, 5 * MINUTE_MS - 1)
    assert informs(field) == []
    await advance(field, 1)
    assert informs(field) == [field.tid(task)]
    assert ("task started", 5 * MINUTE_MS) in timeline(field)


async def test_between_start_and_expiry_an_advance_lets_the_device_work(field):
    """Decision 6: told at the start, it finishes before the clock goes on to the expiry."""
    session = await ready(field)
    task = await field.task((0, 1), start_at_ms=REAL_MS + 5 * MINUTE_MS)
    answered = asyncio.Event()

    def update():
        message = b'{"id":"s","params":{"tid":%d,"step":201}}' % field.tid(task)
        field.platform.uplink.received(session, topics.STATUS, message, lambda _: answered.set())

    def publish(told, suffix, payload, qos, delivered=None):
        if suffix == topics.INFORM:
            asyncio.get_running_loop().call_later(0.05, update)

    field.radio.publish = publish
    await advance(field, 60 * MINUTE_MS)
    assert answered.is_set()
    assert field.job(task, 0) == ("success", 201)
    assert field.job(task, 1) == ("failed", 208)


async def test_a_task_that_was_cancelled_or_paused_before_its_start_is_not_told(field):
    await ready(field, 0)
    await ready(field, 1)
    first = await field.task((0,), start_at_ms=REAL_MS + MINUTE_MS)
    second = await field.task((1,), start_at_ms=REAL_MS + MINUTE_MS)
    await field.write(tasks.cancel, first.task_id)
    await field.write(tasks.pause, second.task_id)
    await advance(field, 2 * MINUTE_MS)
    assert informs(field) == []
    await field.write(tasks.resume, second.task_id)
    await field.platform.telling.finish()
    assert informs(field) == [field.tid(second, 1)]


async def test_resume_tells_what_is_pending_and_what_downloads_but_not_what_updates(field):
    sessions = [await ready(field, at) for at in (0, 1)]
    task = await field.task((0, 1))
    await field.status(sessions[0], field.tid(task, 0), 101)
    field.radio.take()
    await field.write(tasks.pause, task.task_id)
    assert await field.status(sessions[0], field.tid(task, 0), 201) == 200  # goes on (section 7)
    assert await field.status(sessions[1], field.tid(task, 1), 101) == 12012
    await field.write(tasks.resume, task.task_id)
    await field.platform.telling.finish()
    assert informs(field) == [field.tid(task, 1)]


async def test_a_download_that_was_paused_is_told_again(field):
    await ready(field)
    task = await field.task()
    await field.job_state(field.tid(task))  # pending becomes downloading
    field.radio.take()
    await field.write(tasks.pause, task.task_id)
    await field.write(tasks.resume, task.task_id)
    await field.platform.telling.finish()
    assert informs(field) == [field.tid(task)]


@pytest.fixture
async def running(tmp_path):
    """A field whose real time runs."""
    started_s = asyncio.get_running_loop().time()
    store = open_store(tmp_path / "running")
    platform = Platform(store, lambda: REAL_MS + int((asyncio.get_running_loop().time() - started_s) * 1000))
    field = Field(platform, Radio(), None)
    platform.attach(field.radio)
    await field.prepare(1)
    yield field
    await platform.close()
    store.close()


async def test_a_start_and_an_expiry_come_by_themselves(running):
    """Nobody advances the clock: real time passes, and the loop's timer is set to each moment."""
    await ready(running)
    running.radio.take()
    start_ms = running.platform.account_now(running.account) + 700
    task = await running.task(start_at_ms=start_ms, expires_after_ms=1_000)
    assert informs(running) == []
    async with asyncio.timeout(WAIT_S):
        await running.platform.wait_for_task(task.task_id, WAIT_S)
    assert running.job(task) == ("failed", 208)
    assert informs(running) == [running.tid(task)]
    assert running.platform.account_now(running.account) >= start_ms + 200


async def test_a_hold_s_end_moves_the_deadline_that_is_waited_for(field):
    """P10."""
    task = await field.task()
    await field.act(ev.Post(amount_fen=-1, reason="bill"))
    await advance(field, 2 * LIFE_MS)
    assert field.state(task) == {"pending": 1}
    await field.act(ev.Post(amount_fen=1, reason="paid"))
    await advance(field, LIFE_MS - 1)
    assert field.state(task) == {"pending": 1}
    await advance(field, 1)
    assert field.state(task) == {"failed": 1}


async def test_many_expiries_at_once_are_a_few_transactions(field):
    ids = await field.write(
        catalogue.register,
        field.product.product_id,
        [api.RegisterDevice(name=f"m{at}", f_version="1.0") for at in range(60)],
    )
    made = [
        await field.write(
            tasks.create,
            field.account,
            api.CreateTask(package_id=field.package.package_id, device_ids=[d.device_id]),
        )
        for d in ids.devices
    ]
    commits = field.platform.writer.commits
    await advance(field, LIFE_MS)
    assert {next(iter(field.state(task))) for task in made} == {"failed"}
    assert field.platform.writer.commits - commits < 10


async def test_an_advance_does_not_stop_for_what_has_ended(field):
    for _ in range(20):
        task = await field.task()
        await field.write(tasks.cancel, task.task_id)
        field.clock[0] += 1
    commits = field.platform.writer.commits
    await advance(field, 60 * MINUTE_MS)
    assert field.platform.writer.commits - commits == 2  # the aim and the arrival
    assert field.platform.counts().due_later == 0


async def test_a_large_expiry_runs_in_a_thread(field, monkeypatch):
    monkeypatch.setattr(timers, "LARGE_DEVICES", 2)
    seen = []
    write = field.platform.writer.run

    async def run(use_case, *, large=False):
        seen.append(large)
        return await write(use_case, large=large)

    field.platform.writer.run = run
    task = await field.task((0, 1))
    await advance(field, LIFE_MS)
    assert True in seen
    assert field.state(task) == {"failed": 2}


@pytest.mark.parametrize("part", ["the commit", "the look", "the clock"])
async def test_a_store_that_fails_at_an_expiry_is_asked_again(running, monkeypatch, part):
    """By the loop's own timer, until it answers; nothing that is due is forgotten."""
    monkeypatch.setattr(timers, "AGAIN_S", 0.01)
    platform = running.platform
    run, read = platform.writer.run, platform.read
    failures = []

    def fail(who, at):
        if at in who.__qualname__ and len(failures) < 3:
            failures.append(who)
            raise StoreUnavailable("gone")

    async def failing_run(use_case, *, large=False):
        if part == "the commit":
            fail(use_case, "Timers._expire")
        return await run(use_case, large=large)

    def failing_read(query):
        if part == "the clock" and "Timers._expire" in query.__qualname__:
            platform.clock_moved(running.account)  # so that it is read anew
        if part != "the commit":
            fail(query, "Timers._expire")
        if part == "the clock" and failures:
            fail(query, "Platform.account_now")
        return read(query)

    platform.writer.run, platform.read = failing_run, failing_read
    task = await running.task(expires_after_ms=50)
    async with asyncio.timeout(WAIT_S):
        await platform.wait_for_task(task.task_id, WAIT_S)
    assert len(failures) == 3
    assert running.job(task) == ("failed", 208)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (api.SetClock(), api.ErrorCode.MALFORMED),
        (api.SetClock(to_ms=1), api.ErrorCode.CONFLICT),
        (api.SetClock(advance_ms=2**53), api.ErrorCode.MALFORMED),
    ],
)
async def test_a_wrong_advance_moves_nothing(field, request_, code):
    before = field.platform.account_now(field.account)
    answer = await field.platform.timers.advance(field.account, request_)
    assert isinstance(answer, Rejection)
    assert answer.code is code
    assert field.platform.account_now(field.account) == before
    unknown = await field.platform.timers.advance(99, api.SetClock(advance_ms=1))
    assert unknown.code is api.ErrorCode.NOT_FOUND


async def test_two_advances_at_once_add_up(field):
    await asyncio.gather(*(advance(field, MINUTE_MS) for _ in range(5)))
    assert field.platform.account_now(field.account) == REAL_MS + 5 * MINUTE_MS


async def test_an_advance_moves_no_other_account(field):
    other = await field.write(accounts.open_account, api.OpenAccount(now_ms=REAL_MS))
    await advance(field, MINUTE_MS)
    assert field.platform.account_now(other.account_id) == REAL_MS


async def test_a_restart_knows_what_is_due(tmp_path):
    """Loaded at the start: a start that is ahead is told, a deadline that passed meanwhile is kept."""
    clock = [REAL_MS]
    store = open_store(tmp_path / "data")
    platform = Platform(store, lambda: clock[0])
    field = Field(platform, Radio(), clock)
    await field.prepare(3)
    late = await field.task((0,))
    scheduled = await field.task((1,), start_at_ms=REAL_MS + 30 * MINUTE_MS)
    await platform.close()
    store.close()
    clock[0] += 20 * MINUTE_MS
    store = open_store(tmp_path / "data")
    field.platform = Platform(store, lambda: clock[0])
    field.platform.attach(field.radio)
    try:
        async with asyncio.timeout(WAIT_S):
            await field.platform.wait_for_task(late.task_id, WAIT_S)
        assert field.state(late) == {"failed": 1}
        await ready(field, 1)
        field.radio.take()
        await advance(field, 10 * MINUTE_MS)
        assert informs(field) == [field.tid(scheduled, 1)]
        assert field.platform.counts().due_later == 1
    finally:
        await field.platform.close()
        store.close()
