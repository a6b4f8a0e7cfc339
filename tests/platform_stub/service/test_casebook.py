"""The casebook never says anything that a look into the database would not say."""

import asyncio
import contextlib
import random

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol import topics
from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service import accounts, tasks
from platform_stub.service.casebook import Casebook
from platform_stub.store import jobs
from platform_stub.store.errors import StoreUnavailable
from tests.platform_stub.service.conftest import jump
from tests.platform_stub.service.field import HOUR_MS


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
    return len(book)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_it_says_what_the_database_says(field, seed):
    """Reports of all kinds, use cases in between, and commits that fail: checked after every step."""
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

    async def disk_full():
        with field.platform.store.write() as conn:
            conn.exec_driver_sql(
                "CREATE TEMP TRIGGER full BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'full'); END"
            )
        with contextlib.suppress(StoreUnavailable):
            await field.calls.report_step(field.caller(), some_tid(), 60)
        check(field)
        with field.platform.store.write() as conn:
            conn.exec_driver_sql("DROP TRIGGER full")

    acts = [step] * 8 + [versions] * 3 + [start] * 3 + [order] * 3 + [cancel, forward, debt, disk_full]
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    for _ in range(80):
        await draw.choice(acts)()
        seen += check(field)
    assert seen > 40  # it did remember
