"""Creating a task against a raw sqlite3 insert of the same rows, with the same indices and pragmas; and among open tasks.

The stub has created one task (of one other device) before, so its statements are compiled, as in any stub that runs. What
the disk still owes is written before each time is taken. The order alternates: every other round the raw insert comes first,
with the rows of the round before.
"""

import os
import sqlite3
import tempfile
import time
from pathlib import Path

from bench.apart import apart
from bench.figures import Goal, Line, Spread
from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service import accounts, catalogue, tasks
from platform_stub.service.writer import Tx
from platform_stub.store.engine import open_store

REAL_MS = 1_800_000_000_000
TABLES = ("tasks", "journal", "entitlements", "jobs")
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "temp_store = MEMORY", "cache_size = -65536")
GOAL, OPEN_GOAL = 1.0, 1.2
GOAL_FROM = 1_900  # a smaller task is the cost of one request, not of its rows
TASK = 2
SIZES = (1_000, 1_900, 10_000, 100_000, 1_000_000)
OPEN_TASKS, OPEN_DEVICES, CREATED_DEVICES = (1, 1_000), 100, 1_000
LIMIT_S = 900


class Silent:
    """Nobody is connected."""

    def __getattr__(self, name):
        return lambda *_: None


class Shop:
    """A new store with one account, licences for all, and `count` devices."""

    def __init__(self, folder, count):
        self.store = open_store(folder)
        self.write(
            lambda tx: accounts.open_account(tx, api.OpenAccount(policy=api.Policy(charging_date_ms=0)))
        )
        self.write(lambda tx: accounts.act(tx, 1, ev.Subscribe()))
        self.write(lambda tx: accounts.act(tx, 1, ev.Grant(count=count + 1, contract="bench")))
        product = self.write(lambda tx: catalogue.create_product(tx, 1, api.CreateProduct()))
        names = [api.RegisterDevice(name=f"d{at}", f_version="1.0") for at in range(count + 1)]
        registered = self.write(lambda tx: catalogue.register(tx, product.product_id, names))
        first, *self.device_ids = [device.device_id for device in registered.devices]
        self.write(
            lambda tx: catalogue.add_package(tx, product.product_id, UpdateKind.FOTA, "p", "2.0", b"content")
        )
        self.write(lambda tx: catalogue.skip_verification(tx, 1))
        self.write(lambda tx: tasks.create(tx, 1, api.CreateTask(package_id=1, device_ids=[first])))

    def write(self, use_case):
        with self.store.write() as conn:
            return use_case(Tx(conn, REAL_MS, Silent()))

    def create(self):
        """Create the task; answers seconds from the request's ids to the commit."""
        return self.create_for(self.device_ids)[0]

    def create_for(self, device_ids):
        """Create a task for devices that have no licence yet; answers seconds, and the task's ID."""
        request = api.CreateTask(package_id=1, device_ids=device_ids)
        os.sync()
        started = time.perf_counter()
        task = self.write(lambda tx: tasks.create(tx, 1, request))
        took_s = time.perf_counter() - started
        assert task.deducted == len(device_ids)
        return took_s, task.task_id


def raw_insert(source, target):
    """Insert the rows that the task wrote, as plain tuples in one transaction; answers seconds."""
    read = sqlite3.connect(source)
    raw = sqlite3.connect(target, isolation_level=None)
    for pragma in PRAGMAS:
        raw.execute(f"PRAGMA {pragma}")
    marks = ",".join("?" * len(TABLES))
    for (sql,) in read.execute(
        f"SELECT sql FROM sqlite_master WHERE tbl_name IN ({marks}) AND sql IS NOT NULL", TABLES
    ):
        raw.execute(sql)
    rows = {
        "tasks": read.execute(f"SELECT * FROM tasks WHERE task_id = {TASK}").fetchall(),
        "journal": read.execute(
            f"SELECT * FROM journal WHERE kind = 'bound' AND task_id = {TASK}"
        ).fetchall(),
        "entitlements": read.execute(f"SELECT * FROM entitlements WHERE task_id = {TASK}").fetchall(),
        "jobs": read.execute(f"SELECT * FROM jobs WHERE task_id = {TASK}").fetchall(),
    }
    os.sync()
    started = time.perf_counter()
    raw.execute("BEGIN IMMEDIATE")
    for table, content in rows.items():
        raw.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(content[0]))})", content)
    raw.execute("COMMIT")
    took_s = time.perf_counter() - started
    raw.close()
    read.close()
    return took_s


def measure(count, rounds):
    """Take both for `count` devices; answers pairs of seconds, ours and the raw insert's."""
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        source = None
        for nth in range(rounds):
            target = Path(folder) / f"raw-{nth}.db"
            raw_s = raw_insert(source, target) if nth % 2 else None
            shop = Shop(Path(folder) / f"data-{nth}", count)
            ours_s = shop.create()
            shop.store.close()
            source = shop.store.path
            pairs.append((ours_s, raw_insert(source, target) if raw_s is None else raw_s))
            target.unlink()
    return pairs


def among(open_tasks, rounds):
    """Create tasks among 1 and among many open ones, in turn; answers pairs of seconds, by open tasks."""
    with tempfile.TemporaryDirectory() as folder:
        shops = {}
        for count in open_tasks:
            shop = Shop(Path(folder) / str(count), count * OPEN_DEVICES + rounds * CREATED_DEVICES)
            for _ in range(count):
                shop.create_for([shop.device_ids.pop() for _ in range(OPEN_DEVICES)])
            shops[count] = shop
        taken = []
        for nth in range(rounds):
            found = {}
            for count in open_tasks[:: 1 if nth % 2 else -1]:
                shop = shops[count]
                found[count], task_id = shop.create_for(
                    [shop.device_ids.pop() for _ in range(CREATED_DEVICES)]
                )
                shop.write(lambda tx, task_id=task_id: tasks.cancel(tx, task_id))
            taken.append([found[count] for count in open_tasks])
        for shop in shops.values():
            shop.store.close()
    return taken


def in_ms(taken, side):
    return Spread(tuple(each[side] * 1_000 for each in taken))


def compared(what, taken, peer, who, count):
    """Give both sides' lines."""
    yield Line(what=what, side="ours", who="ours", figures={"create_ms": in_ms(taken, 0)}, at=count)
    yield Line(what=what, side=peer, who=who, figures={"create_ms": in_ms(taken, 1)}, at=count)


def run(*, quick, scale=1.0):
    for size in SIZES[:-1] if quick else SIZES:
        count = max(10, int(size * scale))
        rounds = (5 if size < 100_000 else 3) if quick else 9 if size < 1_000_000 else 3
        what = f"{count:,} devices"
        taken = apart("bench.tasks:measure", count, rounds, limit_s=LIMIT_S)
        print(
            f"  {what}: ours {in_ms(taken, 0).median:,.1f} ms, raw sqlite3 insert {in_ms(taken, 1).median:,.1f} ms",
            flush=True,
        )
        yield from compared(what, taken, "raw", "raw sqlite3 insert", count)
        seen = Spread(tuple(ours / raw for ours, raw in taken))
        yield Goal(
            what=f"create a task for {what}, ours / raw sqlite3 insert",
            seen=seen,
            bound=GOAL if size >= GOAL_FROM else None,
        )
    few, many = OPEN_TASKS[0], max(2, int(OPEN_TASKS[1] * scale))
    taken = apart("bench.tasks:among", [few, many], 15 if quick else 45, limit_s=LIMIT_S)
    for side, count in enumerate((few, many)):
        about = f"{CREATED_DEVICES:,} devices, while {count:,} task{'s are' if count > 1 else ' is'} open"
        print(f"  {about}: {in_ms(taken, side).median:,.1f} ms", flush=True)
        yield Line(what=about, side="ours", who="ours", figures={"create_ms": in_ms(taken, side)})
    seen = Spread((in_ms(taken, 1).median / in_ms(taken, 0).median,))
    yield Goal(what=f"create a task while {many:,} are open / while {few} is", seen=seen, bound=OPEN_GOAL)
