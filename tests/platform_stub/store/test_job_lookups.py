"""The look-ups behind the devices' calls: what they find, each with one statement that scans no table."""

import pytest

from platform_stub.store import devices, jobs
from platform_stub.store.engine import open_store
from platform_stub.store.errors import StoreUnavailable


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()


LOOKUPS = [
    lambda conn: jobs.find_caller(conn, "p", "d"),
    lambda conn: jobs.find_caller_by_id(conn, 1),
    lambda conn: jobs.find_job(conn, 1),
    lambda conn: jobs.find_open(conn, 1, 1, 0),
    lambda conn: jobs.find_last(conn, 1, 1),
    lambda conn: jobs.find_versions(conn, 1),
    lambda conn: jobs.find_token(conn, "ota_x"),
]


@pytest.mark.parametrize("look", LOOKUPS)
def test_a_lookup_is_one_statement_that_scans_nothing(store, look):
    """Glances go past SQLAlchemy's events: the driver itself says what it ran."""
    ran = []
    with store.glance() as conn:
        driver = conn.connection.dbapi_connection
        driver.set_trace_callback(ran.append)
        try:
            assert look(conn) is None
        finally:
            driver.set_trace_callback(None)
        (statement,) = ran
        plan = [row[3] for row in driver.execute("EXPLAIN QUERY PLAN " + statement)]
    assert plan
    assert not [line for line in plan if line.startswith("SCAN")], plan


def test_the_newest_token_is_what_counts(store):
    rows = [
        {"token": f"ota_{at}", "tid": tid, "device_id": 1, "issued_ms": at * 10}
        for at, tid in enumerate([7, 7, 8], start=1)
    ]
    with store.write() as conn:
        jobs.add_tokens(conn, rows)
        assert jobs.load_issued(conn, [7, 8, 9]) == {7: 20, 8: 30}
        assert jobs.load_issued(conn, []) == {}
    with store.glance() as conn:
        found = jobs.find_token(conn, "ota_2")
        assert (found.tid, found.device_id, found.issued_ms) == (7, 1, 20)


def traced(conn, write):
    ran = []
    driver = conn.connection.dbapi_connection
    driver.set_trace_callback(ran.append)
    try:
        write()
    finally:
        driver.set_trace_callback(None)
    return ran


@pytest.mark.parametrize(
    "write",
    [
        lambda conn: jobs.move(conn, [{"b_tid": 1, "b_state": 2, "b_step": None, "b_now": 0}]),
        lambda conn: jobs.set_versions(conn, {1: "2.0"}, {}),
        lambda conn: jobs.set_versions(conn, {}, {1: "2.0"}),
    ],
)
def test_a_hot_write_scans_nothing(store, write):
    """Bulks go past SQLAlchemy's events as well."""
    with store.write() as conn:
        (statement,) = traced(conn, lambda: write(conn))
        plan = [row[3] for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement)]
    assert plan
    assert not [line for line in plan if line.startswith("SCAN")], plan


@pytest.mark.parametrize(
    "sweep",
    [
        jobs.load_by_tids,
        jobs.load_devices,
        jobs.load_task_facts,
        jobs.load_open_of_devices,
        jobs.load_cards,
        jobs.load_issued,
    ],
)
def test_a_sweep_walks_its_keys_and_no_table(store, sweep):
    with store.write() as conn:
        (statement,) = traced(conn, lambda: sweep(conn, [1, 2]))
        plan = [row[3] for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement)]
    assert [line for line in plan if line.startswith("SEARCH")], plan
    assert not [line for line in plan if line.startswith("SCAN") and "VIRTUAL TABLE" not in line], plan


def test_no_rows_are_no_statement(store):
    with store.write() as conn:
        assert traced(conn, lambda: jobs.load_by_tids(conn, [])) == []
        assert traced(conn, lambda: jobs.move(conn, [])) == []
        assert traced(conn, lambda: devices.note(conn, [])) == []


def test_a_bulk_writes_each_row_in_the_transaction(store):
    rows = [{"device_id": 1, "tid": tid, "at_ms": 5, "what": "step", "detail": None} for tid in (7, None, 9)]
    with store.write() as conn:
        devices.note(conn, rows)
        assert [row.tid for row in devices.load_timeline(conn, 1)] == [7, None, 9]
        conn.rollback()
    with store.read() as conn:
        assert devices.load_timeline(conn, 1) == []


def test_a_bulk_that_finds_no_room_is_unavailable(store):
    rows = [{"device_id": 1, "tid": 1, "at_ms": 5, "what": "x" * 30, "detail": "y" * 3_000}] * 500

    def fill():
        with store.write() as conn:
            pages = conn.exec_driver_sql("PRAGMA page_count").scalar()
            conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            devices.note(conn, rows)

    with pytest.raises(StoreUnavailable):
        fill()
    with store.read() as conn:
        assert devices.load_timeline(conn, 1) == []
