"""The store in PostgreSQL: what is refused untouched, who holds a schema, and a server that goes away and comes back."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.operator import Policy
from platform_stub.store import accounts, admission, deadlines, devices, dialect, jobs, packages, tasks
from platform_stub.store.engine import open_store
from platform_stub.store.errors import StoreRefused, StoreUnavailable
from platform_stub.store.schema import SCHEMA_VERSION, notices
from tests.platform_stub.store.test_plans import ADMISSION, TASK
from tests.postgresql import Cluster


@pytest.fixture
def url(cluster):
    url = cluster.url()
    yield url
    cluster.ask(f"SET client_min_messages = error; DROP SCHEMA IF EXISTS {url.schema} CASCADE")


@pytest.fixture
def store(url):
    store = open_store(url)
    yield store
    store.close()


def contents(cluster, schema):
    """What is in a schema, as its own dump tells."""
    dump = [cluster.programs / "pg_dump", "-h", cluster.folder, "-U", "ota", "-n", schema, "postgres"]
    lines = subprocess.run(dump, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if not line.startswith("\\")]  # a key of each dump's own


def note(store, text):
    with store.write() as conn:
        accounts.add_notices(conn, 1, 0, text)


def count_notices(store):
    with store.read() as conn:
        return conn.execute(select(func.count()).select_from(notices)).scalar_one()


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ("CREATE TABLE songs (title text)", "holds other tables .songs."),
        ("CREATE VIEW v AS SELECT 1 AS one", "holds other tables .v."),
        (
            "CREATE TABLE schema_info (product text, version int); INSERT INTO schema_info VALUES ('x', 1)",
            "of another program",
        ),
    ],
)
def test_what_is_not_ours_is_refused_untouched(cluster, url, made, says):
    cluster.ask(f"CREATE SCHEMA {url.schema}; SET search_path = {url.schema}; {made}")
    before = contents(cluster, url.schema)
    with pytest.raises(StoreRefused, match=says):
        open_store(url)
    assert contents(cluster, url.schema) == before


def test_another_version_is_refused_untouched(cluster, url):
    open_store(url).close()
    cluster.ask(f"UPDATE {url.schema}.schema_info SET version = 99")  # noqa: S608 - our own name
    before = contents(cluster, url.schema)
    with pytest.raises(StoreRefused, match=f"has schema version 99, this ota-sim reads {SCHEMA_VERSION}"):
        open_store(url)
    assert contents(cluster, url.schema) == before


def test_a_schema_in_use_is_refused(url):
    store = open_store(url)
    with pytest.raises(StoreRefused, match=f"in use by another ota-sim .process {os.getpid()}"):
        open_store(url)
    store.close()
    open_store(url).close()


def test_a_schema_in_use_by_another_process_is_refused(url, store):
    code = (
        "import sys\nfrom platform_stub.database_url import DatabaseUrl\nfrom platform_stub.store.engine import open_store\n"
        "open_store(DatabaseUrl.parse(sys.argv[1]))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, url.secret], capture_output=True, text=True, check=False
    )
    assert "StoreRefused" in other.stderr


def test_two_schemas_of_a_database_are_two_stores(cluster, url, store):
    other_url = cluster.url()
    other = open_store(other_url, drops=True)
    note(store, "here")
    assert (count_notices(store), count_notices(other)) == (3, 0)
    other.close()
    assert cluster.ask(f"SELECT to_regnamespace('{other_url.schema}')") == [""]


def test_without_a_schema_in_the_url_tables_go_where_the_search_path_leads(cluster):
    cluster.ask("CREATE DATABASE plain")
    try:
        url = DatabaseUrl.parse(f"postgresql://ota@/plain?host={cluster.folder}")
        open_store(url).close()
        with psycopg.connect(url.secret) as conn:
            assert conn.execute("SELECT count(*) FROM public.accounts").fetchone() == (0,)
    finally:
        cluster.ask("DROP DATABASE plain WITH (FORCE)")


def test_a_database_that_can_not_hold_every_text_is_refused(cluster):
    cluster.ask("CREATE DATABASE narrow ENCODING 'LATIN1' TEMPLATE template0")
    try:
        with pytest.raises(StoreRefused, match=r"its encoding is LATIN1; name a database .* ENCODING 'UTF8'"):
            open_store(DatabaseUrl.parse(f"postgresql://ota@/narrow?host={cluster.folder}"))
    finally:
        cluster.ask("DROP DATABASE narrow WITH (FORCE)")


def test_a_role_that_may_not_create_is_told_so(cluster):
    cluster.ask("CREATE ROLE guest LOGIN")
    try:
        with pytest.raises(StoreRefused, match="permission denied") as seen:
            open_store(DatabaseUrl.parse(f"postgresql://guest:topsecret@/postgres?host={cluster.folder}"))
        assert "topsecret" not in str(seen.value)
    finally:
        cluster.ask("DROP ROLE guest")


def test_a_server_out_of_reach_is_said_in_one_line_without_the_password(tmp_path):
    with pytest.raises(StoreRefused, match=r"can't be reached: .*No such file") as seen:
        open_store(DatabaseUrl.parse(f"postgresql://me:topsecret@/db?host={tmp_path}"))
    assert "topsecret" not in str(seen.value)
    assert "\n" not in str(seen.value)


def test_a_setting_that_no_server_has_is_a_mistake_of_the_url(cluster):
    with pytest.raises(UsageFault, match="colour"):
        open_store(DatabaseUrl.parse(f"postgresql://ota@/postgres?host={cluster.folder}&colour=red"))


def test_what_is_acknowledged_is_on_the_disk_whatever_the_server_does_by_default(cluster, url):
    off = DatabaseUrl.parse(f"{url.secret}%20-csynchronous_commit%3Doff")
    store = open_store(off)
    with store.write() as conn:
        assert conn.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
    store.close()


def end_all(cluster):
    """Let the server end every connection to it."""
    cluster.ask(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'ota-sim%'"
    )


def test_connections_that_were_ended_are_made_anew(cluster, store):
    note(store, "before")
    writes = store.writes
    end_all(cluster)
    assert count_notices(store) == 3
    with store.glance() as conn:
        assert accounts.load(conn, 1) is None
    note(store, "after")
    assert count_notices(store) == 6
    assert store.writes > writes + 2  # so nobody goes on with what was remembered before


def test_a_transaction_that_is_cut_off_is_not_there(cluster, store):
    def cut_off():
        with store.write() as conn:
            accounts.add_notices(conn, 1, 0, "lost")
            end_all(cluster)
            accounts.add_notices(conn, 1, 0, "lost too")

    with pytest.raises(StoreUnavailable, match="did not take the transaction"):
        cut_off()
    assert count_notices(store) == 0
    note(store, "kept")
    assert count_notices(store) == 3


def test_a_look_that_is_cut_off_is_unavailable_and_the_next_one_works(cluster, store):
    def cut_off(view):
        with view() as conn:
            accounts.load(conn, 1)
            end_all(cluster)
            accounts.load(conn, 1)

    for view in (store.read, store.glance, store.read_aside):
        with pytest.raises(StoreUnavailable, match="could not be read"):
            cut_off(view)
        with view() as conn:
            assert accounts.load(conn, 1) is None


def test_a_server_that_stops_and_comes_back(cluster):
    """A cluster of its own: the others' must go on."""
    folder = Path(tempfile.mkdtemp(prefix="ota-sim-pg-"))
    own = Cluster(cluster.programs, folder)
    try:
        own.start()
        store = open_store(own.url())
        note(store, "before")
        own.stop()
        with pytest.raises(StoreUnavailable):
            note(store, "meanwhile")
        with pytest.raises(StoreUnavailable):
            count_notices(store)
        with pytest.raises(StoreUnavailable), store.glance() as conn:
            accounts.load(conn, 1)
        own.start()
        note(store, "after")
        assert count_notices(store) == 6
        store.close()
    finally:
        own.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_lock_is_held_again_after_the_connection_was_lost(cluster, url, store):
    end_all(cluster)
    note(store, "mine")
    with pytest.raises(StoreRefused, match="in use by another ota-sim"):
        open_store(url)


def test_a_schema_that_another_took_meanwhile_is_not_written_to(cluster, url, store):
    """Not while it has it, nor afterwards: deadlines and logins that are remembered here may be others by then."""
    end_all(cluster)
    other = open_store(url)
    with pytest.raises(StoreUnavailable, match=r"was taken by another ota-sim .process"):
        note(store, "late")
    assert count_notices(other) == 0
    other.close()
    with pytest.raises(StoreUnavailable, match="had it while the connection was lost; restart"):
        note(store, "mine again")
    assert count_notices(store) == 0


def test_a_connection_of_ours_that_the_server_has_not_missed_does_not_keep_us_out(cluster, store):
    """What a broken network leaves: the server's end of our own connection, with the lock."""
    store._writing.detach()  # out of the pool, and open
    kept = store._writing.connection.dbapi_connection
    store._writing = store._writer.connect().execution_options(writes=True)
    note(store, "mine")
    with pytest.raises(psycopg.Error, match=r"terminat|closed"):
        kept.execute("SELECT 1")
    kept.close()


def test_a_schema_that_was_removed_takes_nothing(cluster, url, store):
    """I7: what is acknowledged must be there afterwards."""
    cluster.ask(f"SET client_min_messages = error; DROP SCHEMA {url.schema} CASCADE")
    with pytest.raises(StoreUnavailable):
        note(store, "lost")


def test_a_lock_of_another_is_not_waited_for_without_end(cluster, url, store, monkeypatch):
    with store.write() as conn:
        conn.exec_driver_sql("SET lock_timeout = 50")
        accounts.add_notices(conn, 1, 0, "x")
    with psycopg.connect(url.secret) as other:
        other.execute("LOCK TABLE notices")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            note(store, "y")


def product(conn, name):
    conn.exec_driver_sql("INSERT INTO schema_info VALUES (%s, 1)", (name,))


def test_work_is_done_again_where_another_writer_came_between(places_twin, store):
    """The loser of a race for a key finds it taken at its second try, and says so in its own words."""
    tries = []
    taken, gone_on = threading.Event(), threading.Event()

    def first():
        with places_twin.write() as conn:
            product(conn, "same")
            taken.set()
            gone_on.wait(10)

    def second(conn):
        tries.append(conn)
        there = conn.exec_driver_sql("SELECT count(*) FROM schema_info WHERE product = 'same'").scalar_one()
        if there:
            return "taken"
        taken.wait(10)
        gone_on.set()
        product(conn, "same")
        return "made"

    thread = threading.Thread(target=first)
    thread.start()
    taken.wait(10)
    answer = store.transact(second)
    thread.join()
    assert (answer, len(tries)) == ("taken", 2)


@pytest.fixture
def places_twin(store):
    from platform_stub.store.postgresql import PostgresqlStore

    twin = PostgresqlStore(store.link, lock=False)
    yield twin
    twin.close()


def test_numbers_go_on_above_one_that_was_given(store):
    with store.write() as conn:
        made = [
            accounts.open_account(
                conn,
                name="a",
                access_key="k",
                policy=Policy(),
                now_ms=0,
                clock_offset_ms=0,
                account_id=number,
            ).account_id
            for number in (7, None, None)
        ]
    assert made == [7, 8, 9]


def test_the_journal_has_no_gap_after_a_rollback(store):
    def open_account(*, fails):
        with store.write() as conn:
            accounts.open_account(
                conn, name="a", access_key="k", policy=Policy(), now_ms=0, clock_offset_ms=0
            )
            assert not fails, "in the middle"

    open_account(fails=False)
    with pytest.raises(AssertionError, match="in the middle"):
        open_account(fails=True)
    open_account(fails=False)
    with store.read() as conn:
        assert [row.seq for number in (1, 3) for row in accounts.read_journal(conn, number)] == [1, 2]


HOT = [
    lambda conn: jobs.find_caller(conn, "p", "d"),
    lambda conn: jobs.find_caller_by_id(conn, 1),
    lambda conn: jobs.find_job(conn, 1),
    lambda conn: jobs.find_open(conn, 1, 1, 0),
    lambda conn: jobs.find_last(conn, 1, 1),
    lambda conn: jobs.find_token(conn, "ota_x"),
    lambda conn: jobs.load_by_tids(conn, [1, 2]),
    lambda conn: jobs.load_open_of_devices(conn, [1, 2]),
    lambda conn: jobs.load_issued(conn, [1, 2]),
    lambda conn: jobs.move(conn, [{"b_tid": 1, "b_state": 2, "b_step": None, "b_now": 0}]),
    lambda conn: jobs.set_versions(conn, {1: "2.0"}, {1: "2.0"}),
    lambda conn: deadlines.expire(conn, TASK, 10, 5),
    lambda conn: deadlines.next_deadline(conn, TASK, 5),
    lambda conn: deadlines.lengthen(conn, 1, 5, 10),
    lambda conn: tasks.has_open_job(conn, 1, UpdateKind.FOTA),
    lambda conn: tasks.has_job_of_package(conn, 1, 1),
    lambda conn: tasks.job_counts(conn, 1),
    lambda conn: tasks.cancel_jobs_of_device(conn, 1, 0),
    lambda conn: devices.last_entry(conn, 1),
    lambda conn: devices.count_versions(conn, "p", kind=UpdateKind.SOTA),
    lambda conn: packages.name_is_taken(conn, 1, "p"),
    admission.count_needed,
    lambda conn: admission.find_unusable(conn, ADMISSION),
    lambda conn: admission.find_busy(conn, UpdateKind.FOTA),
]


def test_no_hot_statement_has_to_scan_a_table(url, store):
    """Where an index can serve, one does: with scans forbidden none is left but that of the scratch table."""
    with store.write() as conn:
        seen = []
        conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        conn.exec_driver_sql("LOAD 'auto_explain'")
        conn.exec_driver_sql("SET LOCAL auto_explain.log_min_duration = 0")
        conn.exec_driver_sql("SET LOCAL client_min_messages = log")
        driver = conn.connection.dbapi_connection
        driver.add_notice_handler(hear := lambda notice: seen.append(notice.message_primary))
        for run in HOT:
            run(conn)
        driver.remove_notice_handler(hear)
    plans = [message for message in seen if "plan:" in message]
    assert len(plans) > len(HOT)
    scans = [
        plan
        for plan in plans
        if any("Seq Scan on " in line and "chosen" not in line for line in plan.splitlines())
    ]
    assert not scans, scans


def test_a_task_s_devices_are_each_chosen_once_and_forgotten_at_the_commit(store):
    with store.write() as conn:
        dialect.choose(conn, [5, 3, 5, 1])
        assert admission.count_chosen(conn) == 3
        dialect.choose(conn, [])
        assert admission.count_chosen(conn) == 0
        dialect.choose(conn, [2])
    with store.write() as conn:
        assert admission.count_chosen(conn) == 0
