"""The audit finds each rule's breach: one thing is changed in a good database, and the finding names it."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from scenarios.auditor import audit_database
from scenarios.auditor.checks import CHECKS
from scenarios.auditor.findings import CHECKED, FINDINGS_KEPT_MAX
from scenarios.auditor.time_checks import GRACE_MS, TIME_CHECKS
from tests.scenarios.auditor.ledger import change


def where(report, rule):
    return [finding.where for finding in report.findings if finding.rule == rule]


def test_a_good_database_passes(good_database):
    report = audit_database(good_database.parent)
    assert report.findings == ()
    assert report.ok
    assert (report.accounts, report.entitlements, report.devices, report.tasks) == (2, 13, 15, 8)


def test_the_database_file_itself_may_be_named(good_database):
    assert audit_database(good_database).ok


# What is changed; every rule that is then broken; where the finding is, for the first of them.
SPOILT = [
    # I1
    (["UPDATE accounts SET purchased_left = 1 WHERE account_id = 1"], {"I1"}, "account 1"),
    (["UPDATE accounts SET purchased_left = -1 WHERE account_id = 1"], {"I1"}, "account 1"),
    (["UPDATE journal SET count = 4, amount_fen = 400 WHERE kind = 'bought'",
      "UPDATE accounts SET bought = 4, balance_fen = 500 WHERE account_id = 1",
      "UPDATE tasks SET available = 7, left_after = 7 WHERE task_id = 1",
      "UPDATE tasks SET available = 7, left_after = 0 WHERE task_id = 2",
      "UPDATE tasks SET available = 0, left_after = 0 WHERE task_id = 3",
      "UPDATE tasks SET available = 0, left_after = -1 WHERE task_id = 4"],
     {"I1", "B13"}, "account 1, journal 8"),
    # I2
    (["UPDATE accounts SET free_left = 1 WHERE account_id = 1"], {"I2"}, "account 1"),
    (["UPDATE journal SET count = 1 WHERE kind = 'subscribed' AND account_id = 1"],
     {"I2", "B13"}, "account 1, journal 2"),
    # I3
    (["UPDATE entitlements SET source = 'grandfathered' WHERE device_id = 4"], {"I3"}, "device 4, journal 9"),
    (["UPDATE entitlements SET account_id = 2 WHERE device_id = 4"], {"I3"}, "device 4, journal 9"),
    (["UPDATE entitlements SET task_id = 1 WHERE device_id = 4"], {"I3"}, "device 4, journal 9"),
    (["UPDATE entitlements SET obtained_ms = 999 WHERE device_id = 4"], {"I3"}, "device 4, journal 9"),
    (["INSERT INTO journal (account_id, at_ms, kind, task_id, device_id, source)"  # noqa: ISC004
      " VALUES (2, 520, 'bound', 6, 21, 'grandfathered')"],
     {"I3", "B11"}, "device 21"),
    # I4
    (["UPDATE jobs SET device_id = 12 WHERE task_id = 5 AND device_id = 3"], {"I4"}, "task 5"),
    (["UPDATE tasks SET created_ms = 1000 WHERE task_id = 6",
      "UPDATE entitlements SET obtained_ms = 1000 WHERE device_id = 21",
      "UPDATE journal SET at_ms = 1000 WHERE device_id = 21"], {"B7", "B11", "I4", "P15"}, "task 6"),
    (["UPDATE tasks SET created_ms = 990 WHERE task_id = 5"], {"I4"}, "task 5"),
    # I5
    (["UPDATE accounts SET balance_fen = 401 WHERE account_id = 1"], {"I5"}, "account 1"),
    (["UPDATE accounts SET balance_fen = 400.5 WHERE account_id = 1"], {"I5"}, "accounts 1"),
    (["UPDATE journal SET amount_fen = 999 WHERE kind = 'posted' AND amount_fen = 1000"], {"I5"}, "account 1"),
    (["UPDATE journal SET amount_fen = 999.5 WHERE kind = 'posted' AND amount_fen = 1000"],
     {"I5", "B2", "B16"}, "journal 3"),
    (["UPDATE accounts SET bought = '5 or so' WHERE account_id = 1"], {"I5", "I6"}, "accounts 1"),
    # I6
    (["UPDATE accounts SET bought = 6 WHERE account_id = 1"], {"I6"}, "account 1"),
    (["UPDATE accounts SET granted = 0 WHERE account_id = 1"], {"I6"}, "account 1"),
    (["UPDATE accounts SET subscribed = 0 WHERE account_id = 1"], {"I6", "B5"}, "account 1"),
    (["UPDATE accounts SET charging_date_ms = NULL WHERE account_id = 1"], {"I6"}, "account 1"),
    (["UPDATE accounts SET opened_ms = 9 WHERE account_id = 1"], {"I6"}, "account 1"),
    (["UPDATE accounts SET policy = json_set(policy, '$.price_fen', 1) WHERE account_id = 1"], {"I6"}, "account 1"),
    (["UPDATE accounts SET policy = 'torn' WHERE account_id = 1"], {"I6"}, "account 1"),
    (["DELETE FROM accounts WHERE account_id = 1"], {"I6", "B5"}, "account 1"),
    (["UPDATE accounts SET account_id = 3 WHERE account_id = 1"], {"I6", "B5"}, "account 3"),
    (["DELETE FROM entitlements WHERE device_id = 2"], {"I6", "I4"}, "device 2, journal 7"),
    (["INSERT INTO entitlements VALUES (12, 1, 'grandfathered', 5, 1007)"], {"I6"}, "device 12"),
    (["INSERT INTO entitlements SELECT 100 + value, 1, 'purchased', 5, 1007 FROM json_each('[1,2,3,4,5,6,7]')"],
     {"I1", "I6"}, "account 1"),
    (["INSERT INTO entitlements SELECT 100 + value, 1, 'free', 5, 1007 FROM json_each('[1,2,3]')"],
     {"I2", "I6"}, "account 1"),
    (["DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)"], {"B11", "I1", "I6"}, "device 22"),
    (["DELETE FROM journal WHERE kind = 'granted' AND account_id = 2"], {"B13", "I1", "I6"}, "journal"),
    (["UPDATE journal SET kind = 'gift' WHERE kind = 'granted' AND account_id = 2"],
     {"B13", "I1", "I6"}, "journal 24"),
    (["UPDATE journal SET kind = 'opened', note = (SELECT note FROM journal WHERE seq = 1) WHERE kind = 'ended'"],
     {"B10", "I6"}, "account 1, journal 15"),
    (["UPDATE journal SET note = 'soon' WHERE note = 'none'"], {"I6"}, "journal 18"),
    (["UPDATE journal SET account_id = 9 WHERE kind = 'posted' AND amount_fen = -100"],
     {"I5", "I6"}, "account 9, journal 20"),
    # I7
    (["UPDATE answers SET answer = '{\"task_id\":99}' WHERE call = 'tasks'"], {"I7"}, "account 1, key k"),
    (["UPDATE answers SET answer = '{\"task_id\":6}' WHERE call = 'tasks'"], {"I7"}, "account 1, key k"),
    (["UPDATE answers SET answer = '{\"task_id\":99}' WHERE call = 'pause'"], {"I7"}, "account 0, key k"),
    (["INSERT INTO job_tokens VALUES ('ota_x', 99, 3, 0)"], {"I7"}, "token of job 99"),
    (["INSERT INTO job_tokens VALUES ('ota_x', 14, 4, 0)"], {"I7"}, "token of job 14"),
    (["UPDATE tasks SET notification = 'webhook' WHERE task_id = 5"], {"I7"}, "task 5"),
    (["INSERT INTO deliveries VALUES (1, 1, 5, '', '', 0, 'delivered', 1, NULL, 200, NULL)"], {"I7"}, "delivery 1"),
    (["UPDATE tasks SET notification = 'webhook' WHERE task_id = 5",
      "INSERT INTO deliveries VALUES (1, 2, 5, '', '', 0, 'delivered', 1, NULL, 200, NULL)"], {"I7"}, "delivery 1"),
    # B1, B7, P4: the charging date
    (["UPDATE journal SET note = '1007' WHERE note = '1005'",
      "UPDATE accounts SET charging_date_ms = 1007 WHERE account_id = 1"], {"B1"}, "account 1, journal 21"),
    (["UPDATE journal SET note = '1003' WHERE note = '5000'"], {"B7"}, "account 1, journal 17"),
    (["UPDATE journal SET source = 'free' WHERE device_id = 10",
      "UPDATE entitlements SET source = 'free' WHERE device_id = 10"], {"B1", "B11", "B13", "I2"}, "account 1, journal 17"),
    # B2, P11
    (["UPDATE journal SET amount_fen = 499 WHERE kind = 'bought'"], {"B2", "I5"}, "account 1, journal 4"),
    (["UPDATE journal SET amount_fen = 499 WHERE kind = 'posted' AND amount_fen > 0",
      "UPDATE accounts SET balance_fen = -101 WHERE account_id = 1"], {"B2", "B16"}, "account 1, journal 4"),
    # B5
    (["UPDATE journal SET kind = 'granted', count = 2, note = 'c' WHERE kind = 'subscribed' AND account_id = 1",
      "UPDATE accounts SET subscribed = 0, granted = 3, purchased_left = 0 WHERE account_id = 1"],
     {"B5", "I1", "I2", "P1"}, "account 1, journal 6"),
    (["UPDATE journal SET kind = 'subscribed', count = 0 WHERE kind = 'ended'"], {"B5", "B10"}, "account 1, journal 15"),
    # B10
    (["UPDATE devices SET terminated_ms = NULL WHERE device_id = 9"], {"B10"}, "device 9, journal 15"),
    (["UPDATE devices SET terminated_ms = 1100 WHERE device_id = 1"], {"B10"}, "device 1"),
    (["UPDATE journal SET device_id = 99 WHERE kind = 'ended'"], {"B10"}, "device 99, journal 15"),
    (["INSERT INTO journal (account_id, at_ms, kind, device_id) VALUES (1, 1008, 'ended', 9)"], {"B10"}, "device 9"),
    (["UPDATE journal SET kind = 'ended', device_id = 22, note = NULL WHERE kind = 'posted' AND amount_fen = -100",
      "UPDATE accounts SET balance_fen = 500 WHERE account_id = 1",
      "UPDATE devices SET terminated_ms = 2000 WHERE device_id = 22"], {"B10"}, "device 22, journal 26"),
    (["UPDATE tasks SET account_id = 3 WHERE task_id = 5"], {"B5"}, "task 5"),
    # B11
    (["UPDATE tasks SET needed = 4 WHERE task_id = 5"], {"B11"}, "task 5"),
    (["UPDATE tasks SET needed = 1 WHERE task_id = 8"], {"B11"}, "task 8"),
    (["UPDATE tasks SET needed = 3 WHERE task_id = 6"], {"B11"}, "task 6"),
    (["UPDATE tasks SET deducted_purchased = 5, deducted_free = 2 WHERE task_id = 2"], {"B11"}, "task 2"),
    (["UPDATE tasks SET grandfathered = 0, needed = 0 WHERE task_id = 1"], {"B11"}, "task 1"),
    (["UPDATE tasks SET needed = 8 WHERE task_id = 2"], {"B11"}, "task 2"),
    (["UPDATE tasks SET needed = 0 WHERE task_id = 6"], {"B11"}, "task 6"),
    (["UPDATE tasks SET created_ms = 999 WHERE task_id = 2"], {"B11", "I4"}, "task 2"),
    (["UPDATE tasks SET account_id = 2 WHERE task_id = 4"], {"B11"}, "task 4"),
    (["DELETE FROM tasks WHERE task_id = 4"], {"B11", "P6"}, "task 4"),
    (["UPDATE jobs SET device_id = 10 WHERE task_id = 4"], {"B11"}, "device 11, journal 21"),
    (["UPDATE tasks SET needed = 7.5 WHERE task_id = 2"], {"B11"}, "tasks 2"),
    # B13
    (["UPDATE tasks SET available = 9, left_after = 2 WHERE task_id = 2"], {"B13"}, "task 2"),
    (["UPDATE tasks SET left_after = 2 WHERE task_id = 2"], {"B13"}, "task 2"),
    # B16, P10
    (["UPDATE journal SET amount_fen = -501 WHERE amount_fen = -100",
      "UPDATE accounts SET balance_fen = -1 WHERE account_id = 1"], {"B16"}, "account 1, journal 21"),
    # P1
    (["UPDATE journal SET source = 'free' WHERE device_id = 3",
      "UPDATE entitlements SET source = 'free' WHERE device_id = 3",
      "UPDATE journal SET source = 'purchased' WHERE device_id = 9 AND kind = 'bound'",
      "UPDATE entitlements SET source = 'purchased' WHERE device_id = 9"], {"P1"}, "account 1, journal 8"),
    (["UPDATE journal SET device_id = 50 - device_id WHERE device_id IN (4, 5) AND kind = 'bound'",
      "UPDATE journal SET device_id = device_id - 41 WHERE device_id IN (45, 46) AND kind = 'bound'"],
     {"P1"}, "account 1, journal 10"),
    # P6
    (["UPDATE tasks SET device_count = 4 WHERE task_id = 5"], {"P6"}, "task 5"),
    (["DELETE FROM jobs WHERE task_id = 5 AND device_id = 3"], {"P6"}, "task 5"),
    (["UPDATE jobs SET device_id = 4, state = 5 WHERE task_id = 5 AND device_id = 3"], {"P6"}, "device 4, task 5"),
    (["UPDATE jobs SET kind = 2, state = 4 WHERE task_id = 5 AND device_id = 3"], {"P6"}, "job 14"),
    # P7
    (["UPDATE jobs SET device_id = 9, state = 6 WHERE task_id = 5 AND device_id = 3"], {"P7"}, "job 14, device 9"),
    (["UPDATE jobs SET device_id = 99 WHERE task_id = 5 AND device_id = 3"], {"I4", "P7"}, "job 14, device 99"),
    # P8
    (["UPDATE jobs SET state = 1 WHERE task_id = 2 AND device_id = 3"], {"P8"}, "device 3"),
    # P9
    (["UPDATE jobs SET state = 1 WHERE device_id = 9"], {"P9"}, "job 11, device 9"),
    (["UPDATE tasks SET cancelled_ms = 1008 WHERE task_id = 5"], {"P9"}, "job 14, task 5"),
    # P10, of expiry
    (["UPDATE jobs SET updated_ms = 700000 WHERE task_id = 4"], {"P10"}, "job 14, task 5"),
    (["UPDATE jobs SET held_ms = -1 WHERE task_id = 5"], {"P10"}, "job 14"),
    # P15, of a scheduled task
    (["UPDATE tasks SET starts_ms = 2000 WHERE task_id = 4"], {"P15"}, "job 13, task 4"),
    (["UPDATE tasks SET starts_ms = 2000 WHERE task_id = 5",
      "UPDATE jobs SET state = 2 WHERE tid = 14"], {"P15"}, "job 14, task 5"),
    (["UPDATE tasks SET starts_ms = 1006 WHERE task_id = 5"], {"P15"}, "task 5"),
    (["UPDATE tasks SET expires_ms = starts_ms WHERE task_id = 5"], {"P15"}, "task 5"),
]  # fmt: skip


@pytest.mark.parametrize(("statements", "rules", "place"), SPOILT)
def test_one_thing_spoilt_is_found_and_named(database, statements, rules, place):
    change(database, *statements)
    report = audit_database(database)
    assert not report.ok
    assert set(report.counts) == rules, report.findings
    assert any(place == at for rule in rules for at in where(report, rule)), report.findings


def test_every_rule_that_is_checked_has_a_spoilt_database():
    assert set().union(*(rules for _, rules, _ in SPOILT)) == set(CHECKED)
    assert {check.rule for check in (*CHECKS, *TIME_CHECKS)} <= set(CHECKED)


NOW_MS = 700_000  # the accounts' clocks show real time; every task's jobs are due by then


def test_what_is_due_by_the_clock_of_a_platform_that_runs(database):
    assert audit_database(database, now_ms=601_001 + GRACE_MS).ok
    report = audit_database(database, now_ms=NOW_MS)
    assert set(report.counts) == {"P10"}
    assert sorted(where(report, "P10")) == [
        "job 12, task 3",
        "job 14, task 5",
        "job 15, task 5",
        "job 16, task 5",
        "job 20, task 8",
    ]
    change(database, "UPDATE jobs SET state = 5 WHERE state <= 3")
    assert audit_database(database, now_ms=NOW_MS).ok


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET held_ms = 100000 WHERE state <= 3",
        "UPDATE accounts SET held_since_ms = 5000",
        "UPDATE accounts SET clock_offset_ms = -100000",
    ],
)
def test_an_open_job_that_has_time_left(database, statement):
    change(database, statement)
    assert audit_database(database, now_ms=NOW_MS).ok


def test_arrears_hold_pending_jobs_only_and_none_that_were_due_before(database):
    change(
        database,
        "UPDATE accounts SET held_since_ms = 5000",
        "UPDATE jobs SET state = 3, step = 101 WHERE tid = 14",
    )
    assert where(audit_database(database, now_ms=NOW_MS), "P10") == ["job 14, task 5"]
    change_more(database, "UPDATE accounts SET held_since_ms = 690000")
    assert audit_database(database, now_ms=NOW_MS).counts == {"P10": 5}


def change_more(path, statement):
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute(statement)


def test_findings_are_capped_and_counted_in_full(database):
    change(
        database,
        "INSERT INTO entitlements WITH RECURSIVE n(i) AS (SELECT 101 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
        " SELECT i, 1, 'grandfathered', 5, 1007 FROM n",
    )
    report = audit_database(database)
    assert report.counts == {"I6": 100}
    assert len(report.findings) == FINDINGS_KEPT_MAX


def test_a_finding_says_what_was_expected_and_what_was_seen(database):
    change(database, "UPDATE accounts SET balance_fen = 401 WHERE account_id = 1")
    (finding,) = audit_database(database).findings
    assert (finding.rule, finding.where, finding.expected, finding.seen) == (
        "I5",
        "account 1",
        "balance_fen 400",
        "401",
    )


# Cells that hold nothing the rules speak of, or nothing that another place repeats.
UNSEEN = {
    ("journal", "at_ms"): {"subscribed", "posted", "granted", "bought", "charging_date", "ended"},
    ("tasks", "created_ms"): {5, 8},  # bind nothing, so nothing else knows when they were made
}
CELLS = {
    "accounts": "opened_ms subscribed balance_fen bought granted purchased_left free_left charging_date_ms",
    "journal": "account_id at_ms kind task_id device_id source count amount_fen",
    "entitlements": "device_id account_id source task_id obtained_ms",
    "tasks": "account_id created_ms kind device_count needed available deducted_purchased deducted_free grandfathered"
    " left_after",
    "jobs": "task_id device_id kind",
}


def cells(good):
    """Every cell that is checked, with another value of its type."""
    with closing(sqlite3.connect(good)) as conn:
        for table, columns in CELLS.items():
            names = columns.split()
            for row in conn.execute(f"SELECT rowid, {', '.join(names)} FROM {table}"):  # noqa: S608
                told = dict(zip(names, row[1:], strict=True))
                for name, value in told.items():
                    unseen = UNSEEN.get((table, name), set())
                    if value is not None and not {told.get("kind"), row[0]} & unseen:
                        yield table, row[0], name, value + 1_000 if isinstance(value, int) else f"{value}?"


def test_no_cell_can_be_changed_unseen(good_database, database):
    """Each cell of each row, one at a time: the whole database is one web of numbers."""
    unseen, count = [], 0
    for table, rowid, name, value in cells(good_database):
        shutil.copyfile(good_database, database)
        with closing(sqlite3.connect(database, isolation_level=None)) as conn:
            conn.execute(f"UPDATE {table} SET {name} = ? WHERE rowid = ?", (value, rowid))  # noqa: S608
        count += 1
        if audit_database(database).ok:
            unseen.append((table, rowid, name))
    assert unseen == []
    assert count > 300


@pytest.mark.parametrize("table", CELLS)
def test_no_row_can_be_lost_unseen(good_database, database, table):
    with closing(sqlite3.connect(good_database)) as conn:
        rowids = [rowid for (rowid,) in conn.execute(f"SELECT rowid FROM {table}")]  # noqa: S608
    for rowid in rowids:
        shutil.copyfile(good_database, database)
        with closing(sqlite3.connect(database, isolation_level=None)) as conn:
            conn.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))  # noqa: S608
        assert not audit_database(database).ok, rowid
