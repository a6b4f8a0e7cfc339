"""A platform's database written row by row with raw SQL, by someone who knows no rules and is told every number."""

import sqlite3
from contextlib import closing
from itertools import chain, repeat
from pathlib import Path

import msgspec
from sqlalchemy import create_engine

from platform_stub.protocol.operator import Policy
from platform_stub.store.schema import PRODUCT, SCHEMA_VERSION, metadata


class Ledger:
    """Writes what a platform would; `accounts` rows are kept in step by the caller's own numbers."""

    def __init__(self, path: Path):
        self.path = path
        engine = create_engine(f"sqlite:///{path}")
        metadata.create_all(engine)
        engine.dispose()
        self.conn = sqlite3.connect(path, isolation_level=None)
        self.conn.execute("PRAGMA journal_mode = WAL")
        self.conn.execute("PRAGMA synchronous = OFF")
        self.conn.execute("BEGIN")
        self.conn.execute("INSERT INTO schema_info VALUES (?, ?)", (PRODUCT, SCHEMA_VERSION))

    def close(self):
        self.conn.execute("COMMIT")
        self.conn.close()

    def line(self, account, at_ms, kind, **fields):
        names = ["account_id", "at_ms", "kind", *fields]
        self.conn.execute(
            f"INSERT INTO journal ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",  # noqa: S608
            (account, at_ms, kind, *fields.values()),
        )

    def account(self, account, policy: Policy, at_ms, **columns):
        text = msgspec.json.encode(policy).decode()
        row = {
            "account_id": account,
            "name": "a",
            "access_key": "",
            "policy": text,
            "opened_ms": at_ms,
            "clock_offset_ms": 0,
            "subscribed": 0,
            "balance_fen": 0,
            "bought": 0,
            "granted": 0,
            "purchased_left": 0,
            "free_left": 0,
            "charging_date_ms": policy.charging_date_ms,
        } | columns
        self.conn.execute(
            f"INSERT INTO accounts ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608
            tuple(row.values()),
        )
        self.line(account, at_ms, "opened", note=text)

    def devices(self, account, first, last):
        self.conn.executemany(
            "INSERT INTO devices (device_id, account_id, product_id, name, key, iccid, imsi, created_ms)"
            " VALUES (?, ?, 'p', ?, '', '', '', 0)",
            ((device, account, f"d{device}") for device in range(first, last + 1)),
        )

    def terminate(self, account, device, at_ms):
        self.conn.execute("UPDATE devices SET terminated_ms = ? WHERE device_id = ?", (at_ms, device))
        self.conn.execute("UPDATE jobs SET state = 6 WHERE device_id = ? AND state <= 3", (device,))
        self.line(account, at_ms, "ended", device_id=device)

    def task(
        self, task, account, at_ms, devices, *, bound=(), available, counts=(0, 0, 0), kind=1, needed=None
    ):
        """`counts`: purchased, free, grandfathered, given to the `bound` devices in this order."""
        devices = list(devices)
        deducted = counts[0] + counts[1]
        row = {
            "task_id": task,
            "account_id": account,
            "package_id": 1,
            "kind": kind,
            "target": "2.0",
            "name": "t",
            "created_ms": at_ms,
            "starts_ms": at_ms,
            "expires_ms": at_ms + 600_000,
            "scope": "chosen",
            "notification": "platform",
            "signal_min": 10,
            "battery_min": 50,
            "retry_count": 0,
            "retry_interval_s": 0,
            "verification": 0,
            "device_count": len(devices),
            "needed": sum(counts) if needed is None else needed,
            "available": available,
            "deducted_purchased": counts[0],
            "deducted_free": counts[1],
            "grandfathered": counts[2],
            "left_after": available - deducted,
        }
        self.conn.execute(
            f"INSERT INTO tasks ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608
            tuple(row.values()),
        )
        sources = chain(*(repeat(source, n) for source, n in zip(SOURCES, counts, strict=True)))
        rows = [(account, at_ms, task, device, source) for device, source in zip(bound, sources, strict=True)]
        self.bind(rows)
        self.conn.executemany(
            "INSERT INTO jobs (task_id, device_id, kind, state, updated_ms) VALUES (?, ?, ?, 1, ?)",
            ((task, device, kind, at_ms) for device in devices),
        )

    def bind(self, rows):
        """Rows of (account, at_ms, task, device, source), in the journal and in the table."""
        self.conn.executemany(
            "INSERT INTO journal (account_id, at_ms, kind, task_id, device_id, source)"
            " VALUES (?, ?, 'bound', ?, ?, ?)",
            rows,
        )
        self.conn.executemany(
            "INSERT INTO entitlements (account_id, obtained_ms, task_id, device_id, source) VALUES (?, ?, ?, ?, ?)",
            rows,
        )

    def finish(self, task, state=4):
        self.conn.execute(
            "UPDATE jobs SET state = ?, step = 201 WHERE task_id = ? AND state <= 3", (state, task)
        )


SOURCES = ("purchased", "free", "grandfathered")


def change(path: Path, *statements):
    """Change a finished database behind the platform's back: no CHECK and no unique index stands in the way."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA ignore_check_constraints = ON")
        conn.execute("DROP INDEX jobs_open")
        for statement in statements:
            assert conn.execute(statement).rowcount, f"changed nothing: {statement}"
