"""The hot statements use their indices: EXPLAIN says so, whatever the tables' size."""

from types import SimpleNamespace

import pytest
from sqlalchemy import event

from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.store import admission, deadlines, devices, jobs, tasks
from platform_stub.store.engine import open_store

TASK = SimpleNamespace(task_id=1, expires_ms=5)
ADMISSION = admission.Admission(
    account_id=1,
    product_id="p",
    kind=UpdateKind.FOTA,
    target="2.0",
    start_version="1.0",
    start_versions=("1.0", None),
    must_have_reported=True,
)


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()


def plans_of(store, run):
    """Run statements and return the plan of each SELECT and UPDATE among them."""
    plans = []

    def explain(conn, cursor, statement, parameters, context, executemany):
        if statement.startswith(("SELECT", "UPDATE")):
            if executemany:
                parameters = parameters[0]
            rows = cursor.connection.execute("EXPLAIN QUERY PLAN " + statement, parameters).fetchall()
            plans.append([row[3] for row in rows])

    event.listen(store._writer, "before_cursor_execute", explain)
    try:
        with store.write() as conn:
            run(conn)
    finally:
        event.remove(store._writer, "before_cursor_execute", explain)
    return plans


def test_p8_starts_from_the_chosen_devices(store):
    (plan,) = plans_of(store, lambda conn: admission.find_busy(conn, UpdateKind.FOTA))
    assert plan[0].startswith("SCAN chosen")
    assert any("SEARCH jobs USING INDEX jobs_open" in line for line in plan), plan


def test_p7_looks_each_device_up(store):
    (plan,) = plans_of(store, lambda conn: admission.find_unusable(conn, ADMISSION))
    assert any("SEARCH devices USING INTEGER PRIMARY KEY" in line for line in plan), plan


def test_need_looks_each_device_up(store):
    (plan,) = plans_of(store, admission.count_needed)
    assert any("SEARCH entitlements USING INTEGER PRIMARY KEY" in line for line in plan), plan


@pytest.mark.parametrize(
    "run",
    [
        lambda conn: jobs.find_caller(conn, "p", "d"),
        lambda conn: jobs.find_open(conn, 1, 1, 0),
        lambda conn: deadlines.expire(conn, TASK, 10, None),
        lambda conn: deadlines.expire(conn, TASK, 10, 5),
        lambda conn: deadlines.next_deadline(conn, TASK, 5),
        lambda conn: deadlines.lengthen(conn, 1, 5, 10),
        lambda conn: tasks.has_open_job(conn, 1, UpdateKind.FOTA),
        lambda conn: tasks.has_job_of_package(conn, 1, 1),
        lambda conn: devices.last_entry(conn, 1),
        lambda conn: devices.count_versions(conn, "p", kind=UpdateKind.SOTA),
        lambda conn: jobs.load_of_task(conn, 1, JobState.PENDING, 0, 10),
        lambda conn: jobs.move(conn, [{"b_tid": 1, "b_state": 2, "b_step": None, "b_now": 0}]),
        lambda conn: jobs.set_versions(conn, {1: "2.0"}, {1: "2.0"}),
        lambda conn: tasks.job_counts(conn, 1),
        lambda conn: tasks.cancel_jobs_of_device(conn, 1, 0),
    ],
)
def test_no_hot_statement_scans_a_table(store, run):
    for plan in plans_of(store, run):
        assert not [line for line in plan if line.startswith("SCAN")], plan
