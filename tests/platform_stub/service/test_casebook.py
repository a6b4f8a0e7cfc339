"""The casebook never says anything that a look into the database would not say."""

import asyncio
import contextlib
import random
import threading

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol import topics
from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service import accounts, catalogue, life, tasks
from platform_stub.service.casebook import Casebook
from platform_stub.service.platform import Platform
from platform_stub.store import accounts as account_rows
from platform_stub.store import jobs
from platform_stub.store.errors import StoreUnavailable
from tests.platform_stub.service.conftest import REAL_MS, jump
from tests.platform_stub.service.field import HOUR_MS, Field, Radio


def counted(conn, read):
    """Say how many statements a reading took."""
    ran = []
    driver = conn.connection.dbapi_connection
    driver.set_trace_callback(ran.append)
    try:
        read()
    finally:
        driver.set_trace_callback(None)
    return len(ran)


def furnish(desk, count=3):
    account = desk.open()
    product = desk.product(account)
    ids = desk.register(product, count)
    desk.task(account, desk.package(product), ids)
    return account, ids


def read(desk, book, ids):
    """Read as a batch without changes does; answers its statements."""
    with desk.store.write() as conn:
        book.begin()
        asked = counted(conn, lambda: book.devices(conn, ids))
    book.end(())
    return asked


def test_what_was_read_once_is_not_read_again(desk):
    _, ids = furnish(desk)
    book = Casebook(desk.store)
    assert read(desk, book, ids[:2]) == 2  # the devices, and their one task
    assert read(desk, book, ids[:2]) == 0
    assert read(desk, book, ids) == 1  # only who is new; the task is known
    assert len(book) == 3


def test_any_other_transaction_empties_it(desk):
    account, ids = furnish(desk)
    book = Casebook(desk.store)
    read(desk, book, ids)
    desk.act(account, ev.Grant(count=1, contract="C"))
    assert book.find(1, ids[0]) is None
    assert read(desk, book, ids) == 2


def test_a_transaction_that_failed_empties_it(desk):
    _, ids = furnish(desk)
    book = Casebook(desk.store)
    read(desk, book, ids)
    with contextlib.suppress(ZeroDivisionError), desk.store.write():
        book.begin()
        raise ZeroDivisionError
    assert read(desk, book, ids) == 2


def test_nothing_is_found_while_a_transaction_is_under_way(desk):
    """It may be committed already, by another thread, and not yet be counted as ended."""
    account, ids = furnish(desk)
    book = Casebook(desk.store)
    with desk.store.write() as conn:
        book.begin()
        book.devices(conn, ids)
        book.account(conn, account)
    book.end(())
    assert book.find(1, ids[0])[0].tid == 1
    with desk.store.write():
        assert book.find(1, ids[0]) is None
    assert book.find(1, ids[0]) is None


def test_a_store_that_counts_nothing_is_remembered_nothing_of(desk, monkeypatch):
    _, ids = furnish(desk)
    book = Casebook(desk.store)

    class Uncounted:
        writes = None

    monkeypatch.setattr(book, "_store", Uncounted())
    assert [read(desk, book, ids) for _ in range(2)] == [2, 2]
    assert book.find(1, ids[0]) is None


def test_it_has_a_bound(desk):
    _, ids = furnish(desk)
    book = Casebook(desk.store, devices_max=2)
    assert [read(desk, book, ids) for _ in range(2)] == [2, 2]


def test_a_device_with_two_jobs_has_the_older_first(desk):
    account = desk.open()
    product = desk.product(account)
    (device,) = desk.register(product, 1)
    for target, kind in (("3.0", UpdateKind.SOTA), ("2.0", UpdateKind.FOTA)):
        desk.task(account, desk.package(product, target, kind), [device])
    book = Casebook(desk.store)
    with desk.store.write() as conn:
        book.begin()
        found = book.devices(conn, [device])[device]
    assert [(job.tid, job.task.target) for job in found.jobs] == [(1, "3.0"), (2, "2.0")]


def failing_updates(conn, where):
    """Spell how no job can be written any more, in either database; and how it can again."""
    if conn.dialect.name == "sqlite":
        when = "" if where == "true" else f" WHEN {where.replace('tid', 'old.tid')}"
        return (
            f"CREATE TEMP TRIGGER broken BEFORE UPDATE ON jobs{when} BEGIN SELECT RAISE(ABORT, 'broken'); END",
            "DROP TRIGGER broken",
        )
    return (
        f"ALTER TABLE jobs ADD CONSTRAINT broken CHECK (NOT ({where})) NOT VALID",
        "ALTER TABLE jobs DROP CONSTRAINT broken",
    )


@contextlib.contextmanager
def broken(store, where="true"):
    with store.write() as conn:
        spoil, mend = failing_updates(conn, where)
        conn.exec_driver_sql(spoil)
    yield
    with store.write() as conn:
        conn.exec_driver_sql(mend)


def lose_the_writer(store):
    """Let the server end the writer's connection; a file has none to lose."""
    if hasattr(store, "link") and not store._writing.invalidated:
        pid = store._writing.connection.dbapi_connection.info.backend_pid
        with store.glance() as conn:
            conn.exec_driver_sql("SELECT pg_terminate_backend(%s, 5000)", (pid,))


@pytest.fixture
async def anywhere(store):
    """The field of `conftest`, on each database."""
    clock, radio = [REAL_MS], Radio()
    platform = Platform(store, lambda: clock[0])
    platform.attach(radio)
    field = Field(platform, radio, clock)
    await field.prepare()
    yield field
    await platform.close()


def check(field):
    """Compare every device that is remembered with what the database says."""
    book = field.platform._casebook
    if book._writes != field.platform.store.writes:
        return 0
    with field.platform.store.glance() as conn:
        rows = {}
        for row in jobs.load_devices(conn, list(book._devices)):
            open_jobs = rows.setdefault(row.device_id, (row.f_version, row.s_version, []))[2]
            if row.tid is not None:
                open_jobs.append((row.tid, row.task_id, row.kind, row.state, row.step, row.held_ms))
        for device in book._devices.values():
            held = [(j.tid, j.task.task_id, j.kind, int(j.state), j.step, j.held_ms) for j in device.jobs]
            f_version, s_version, open_jobs = rows[device.device_id]
            assert (device.f_version, device.s_version, held) == (f_version, s_version, sorted(open_jobs))
        for row in jobs.load_task_facts(conn, list(book._tasks)):
            task = book._tasks[row.task_id]
            assert tuple(getattr(task, name) for name in task.__struct_fields__) == tuple(row)
        for account_id, account in book._accounts.items():
            assert account == account_rows.load(conn, account_id)
    return len(book)


async def test_a_group_of_which_one_cannot_be_written(anywhere):
    """It is tried as a whole, then one report after the other: the first one fails again."""
    field = anywhere
    task = await field.task(at=(0, 1))
    tids = [field.tid(task, at) for at in (0, 1)]
    sessions = [field.connect(at) for at in (0, 1)]
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with broken(field.platform.store, f"tid = {tids[0]}"):
        told = await asyncio.gather(
            *(
                field.send(session, topics.STATUS, {"id": "s", "params": {"tid": tid, "step": 101}})
                for session, tid in zip(sessions, tids, strict=True)
            )
        )
        assert told == [False, True]
        assert check(field) == 1  # the one that was written last
        assert [field.job(task, at)[1] for at in (0, 1)] == [None, 101]
    assert await field.status(sessions[0], tids[0], 101) == 200
    assert check(field)


async def test_a_large_use_case_in_a_thread_between_two_batches(anywhere):
    """While it runs, and when it is done, no download is granted from what was known before it."""
    field = anywhere
    task = await field.task()
    tid = field.tid(task)
    session = field.connect()
    assert await field.status(session, tid, 10) != 200  # of what is pending no progress; it is known now
    assert await field.download(tid) == b"0123456789"
    assert check(field)
    inside, go_on = threading.Event(), threading.Event()

    def cancel(tx):
        answer = tasks.cancel(tx, task.task_id)
        inside.set()
        assert go_on.wait(30)
        return answer

    under_way = asyncio.ensure_future(field.platform.write(cancel, large=True))
    assert await asyncio.to_thread(inside.wait, 30)
    assert field.platform._casebook.find(tid, field.devices[0].device_id) is None
    late = asyncio.ensure_future(
        field.send(session, topics.STATUS, {"id": "late", "params": {"tid": tid, "step": 101}})
    )
    go_on.set()
    await under_way
    assert await late
    assert field.job(task)[0] == "cancelled"
    assert check(field)


@pytest.mark.parametrize("places", ["postgresql"], indirect=True)  # a file has no connection to lose
async def test_a_connection_that_was_lost_empties_it(anywhere):
    field = anywhere
    task = await field.task()
    session = field.connect()
    await field.status(session, field.tid(task), 101)
    before = field.platform.store.writes
    lose_the_writer(field.platform.store)
    assert await field.status(session, field.tid(task), 201) == 200
    assert field.platform.store.writes - before > 2  # others may have been there
    assert check(field)
    assert field.job(task)[0] == "success"


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_it_says_what_the_database_says(anywhere, seed):  # noqa: C901, PLR0915 - a list of acts
    """Reports of all kinds, use cases in between, commits that fail, lost connections: checked after every step."""
    field = anywhere
    draw = random.Random(seed)
    sessions = {at: field.connect(at) for at in (0, 1)}
    sota = await field.new_package("5.0", UpdateKind.SOTA)
    seen = 0

    def some_tid():
        with field.platform.store.glance() as conn:
            tids = [row.tid for row in jobs.load_open_of_devices(conn, [d.device_id for d in field.devices])]
        return draw.choice([*tids, 1, 99])

    async def step():
        message = {
            "id": "s",
            "params": {"tid": some_tid(), "step": draw.choice([10, 60, 101, 105, 201, 206])},
        }
        await field.send(sessions[draw.randrange(2)], topics.STATUS, message)

    async def versions():
        params = draw.choice([{"f_version": "2.0"}, {"f_version": "1.0", "s_version": "5.0"}, {}])
        await field.send(sessions[draw.randrange(2)], topics.VERSION, {"id": "v", "params": params})

    async def start():
        at = draw.randrange(2)
        await field.calls.open_download(field.caller(at=at), some_tid())

    async def order():
        ids = [device.device_id for device in field.devices]
        package_id = draw.choice([field.package, sota]).package_id
        request = api.CreateTask(package_id=package_id, device_ids=ids)
        await field.write(tasks.create, field.account, request)  # refused while a job is open (P8)

    async def cancel():
        with field.platform.store.glance() as conn:
            live = [row.task_id for row in jobs.load_open_of_devices(conn, [field.devices[0].device_id])]
        if live:
            await field.write(tasks.cancel, draw.choice(live))

    async def forward():
        await field.write(jump, field.account, draw.choice([1, HOUR_MS, 30 * HOUR_MS]))

    async def debt():
        await field.write(accounts.act, field.account, ev.Post(amount_fen=draw.choice([-5, 10]), reason="r"))

    async def pause_or_go_on():
        with field.platform.store.glance() as conn:
            live = {
                row.task_id for row in jobs.load_open_of_devices(conn, [d.device_id for d in field.devices])
            }
        for task_id in live:
            await field.write(draw.choice([tasks.pause, tasks.resume]), task_id)

    async def add_later_devices():
        policy = draw.choice([None, api.AutoAdd()])
        await field.write(catalogue.set_auto_add, sota.package_id, policy)

    async def again():
        await field.write(tasks.retry, draw.randrange(1, 4))

    async def new_card():
        request = api.ReplaceCard(iccid=f"89{draw.randrange(10**6)}", imsi="")
        await field.write(life.replace_card, field.devices[0].device_id, request)

    async def disk_full():
        with broken(field.platform.store):
            with contextlib.suppress(StoreUnavailable):
                await field.calls.report_step(field.caller(), some_tid(), 60)
            check(field)

    async def lost():
        lose_the_writer(field.platform.store)

    acts = [step] * 12 + [versions] * 5 + [start] * 5 + [order] * 3
    acts += [cancel, forward, debt, debt, pause_or_go_on, add_later_devices, again, new_card, disk_full, lost]
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    for _ in range(80):
        await draw.choice(acts)()
        seen += check(field)
    assert seen > 40  # it did remember
