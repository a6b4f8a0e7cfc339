"""Creating a task against a raw sqlite3 insert of the same rows, with the same indices and pragmas.

The stub has created one task (of one other device) before, so its statements are compiled, as in any stub that runs.
"""

import sqlite3
import tempfile
import time
from pathlib import Path

from bench.table import Row, median
from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service import accounts, catalogue, tasks
from platform_stub.service.writer import Tx
from platform_stub.store.engine import open_store

REAL_MS = 1_800_000_000_000
TABLES = ("tasks", "journal", "entitlements", "jobs")
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "temp_store = MEMORY", "cache_size = -65536")
GOAL = 1.0
TASK = 2


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
        request = api.CreateTask(package_id=1, device_ids=self.device_ids)
        started = time.perf_counter()
        task = self.write(lambda tx: tasks.create(tx, 1, request))
        took_s = time.perf_counter() - started
        assert task.deducted == len(self.device_ids)
        return took_s


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
    """Compare both for `count` devices; answers a row of the table."""
    ours, raws = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            shop = Shop(Path(folder) / "data", count)
            ours.append(shop.create())
            shop.store.close()
            raws.append(raw_insert(shop.store.path, Path(folder) / "raw.db"))
    ratio = median([a / b for a, b in zip(ours, raws, strict=True)])
    return Row(
        what=f"create a task for {count:,} devices",
        ours=f"{median(ours) * 1000:,.1f} ms",
        peer=f"{median(raws) * 1000:,.1f} ms (raw sqlite3 insert)",
        ratio=ratio,
        goal=f"at most {GOAL:g}",
        held=ratio <= GOAL,
    )


def run(*, quick):
    for count in (1_900, 100_000) if quick else (1_900, 100_000, 1_000_000):
        yield measure(count, 5 if count < 10_000 else 3 if count < 500_000 else 1 if quick else 3)
