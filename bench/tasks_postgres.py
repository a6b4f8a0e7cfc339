"""Creating a task on PostgreSQL against COPY of the same rows into the same tables with the same indices.

The server is one of the bench's own, durable, over a socket, with the settings that Debian ships. COPY is sent the rows as
one text a table that is ready beforehand, in one transaction: no way in is faster. As in `bench.tasks` the stub has created
one task before, and what the disk still owes is written before each time is taken; the order alternates.
"""

import os
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bench.apart import Unmeasured, apart
from bench.figures import Goal, Spread
from bench.tasks import GOAL_FROM, LIMIT_S, TABLES, TASK, Shop, compared, in_ms

GOAL = 3.0
SIZES = (1_000, 1_900, 10_000, 100_000, 1_000_000)
DURABLE = ("-c", "shared_buffers=128MB", "-c", "max_wal_size=1GB")  # as Debian ships them
OURS = {
    "tasks": f"task_id = {TASK}", "journal": f"kind = 'bound' AND task_id = {TASK}",
    "entitlements": f"task_id = {TASK}", "jobs": f"task_id = {TASK}",
}  # fmt: skip


def started(folder):
    """Start a server for the bench alone."""
    try:
        from tests.postgresql import Cluster, find_programs
    except ImportError as exc:
        raise Unmeasured(f"{exc.name} is not installed (pip install 'ota-sim[bench]')") from exc
    programs = find_programs()
    if programs is None:
        raise Unmeasured("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    cluster = Cluster(programs, Path(folder))
    cluster.start(*DURABLE)
    return cluster


def server_name():
    """Name the server with its version; without one, as it is called."""
    from tests.postgresql import find_programs

    programs = find_programs()
    if programs is None:
        return "PostgreSQL"
    said = subprocess.run(
        [programs / "postgres", "--version"], capture_output=True, text=True, check=False
    ).stdout
    return f"PostgreSQL {said.split()[2]}"


def taken_rows(conn, schema):
    """Take the rows that the task wrote, as COPY spells them, each table's in one piece."""
    rows = {}
    for table in TABLES:
        with conn.cursor().copy(
            f"COPY (SELECT * FROM {schema}.{table} WHERE {OURS[table]}) TO STDOUT"
        ) as copy:
            rows[table] = b"".join(copy)
    return rows


def copy_rows(url, rows):
    """Copy rows into new tables in a schema of their own, in one transaction; answers seconds."""
    import psycopg

    from platform_stub.store.engine import open_store

    open_store(url).close()
    with closing(psycopg.connect(url.secret)) as conn:
        conn.execute("DELETE FROM schema_info")
        conn.commit()
        os.sync()
        began = time.perf_counter()
        for table, content in rows.items():
            with conn.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(content)
        conn.commit()
        took_s = time.perf_counter() - began
        conn.execute(f"DROP SCHEMA {url.schema} CASCADE")
        conn.commit()
    return took_s


def measure(count, rounds):
    """Take both for `count` devices; answers pairs of seconds, ours and COPY's."""
    import psycopg

    pairs, rows = [], None
    with tempfile.TemporaryDirectory() as folder:
        cluster = started(folder)
        try:
            for nth in range(rounds):
                copied_s = copy_rows(cluster.url(), rows) if nth % 2 else None
                url = cluster.url()
                shop = Shop(url, count)
                ours_s = shop.create()
                shop.store.close()
                with closing(psycopg.connect(url.secret, autocommit=True)) as conn:
                    rows = taken_rows(conn, url.schema)
                    conn.execute(f"DROP SCHEMA {url.schema} CASCADE")
                pairs.append((ours_s, copy_rows(cluster.url(), rows) if copied_s is None else copied_s))
        finally:
            cluster.stop()
    return pairs


def run(*, quick, scale=1.0):
    server = server_name()
    for size in SIZES[:-1] if quick else SIZES:
        count = max(10, int(size * scale))
        rounds = (5 if size < 100_000 else 3) if quick else 9 if size < 1_000_000 else 3
        what = f"{count:,} devices on PostgreSQL"
        taken = apart("bench.tasks_postgres:measure", count, rounds, limit_s=LIMIT_S)
        print(
            f"  {what}: ours {in_ms(taken, 0).median:,.1f} ms, COPY {in_ms(taken, 1).median:,.1f} ms",
            flush=True,
        )
        yield from compared(what, taken, "copy", f"COPY, {server}", count)
        seen = Spread(tuple(ours / copied for ours, copied in taken))
        yield Goal(
            what=f"create a task for {what}, ours / COPY",
            seen=seen,
            bound=GOAL if size >= GOAL_FROM else None,
        )
