"""What an audit is pointed at: the wrong thing, a damaged one, one in use, one whose process was killed."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from scenarios.auditor import audit_database
from scenarios.auditor.snapshot import open_snapshot
from tests.scenarios.auditor.ledger import change


def refuse(path, fault, message):
    with pytest.raises(fault, match=message):
        audit_database(path)


def test_nothing_there(tmp_path):
    refuse(tmp_path / "nowhere", UsageFault, "no such file or folder")


def test_a_folder_without_a_database(tmp_path):
    refuse(tmp_path, UsageFault, r"there is no ota-sim\.db")


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to be looked at" * 50, b"short"]
)
def test_a_file_that_is_no_database(tmp_path, content):
    (tmp_path / "ota-sim.db").write_bytes(content)
    refuse(tmp_path, UsageFault, "not an SQLite database")


def test_an_empty_file(tmp_path):
    (tmp_path / "ota-sim.db").touch()
    refuse(tmp_path, UsageFault, "none that ota-sim wrote")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE schema_info SET product = 'other'", "none that ota-sim wrote"),
        ("UPDATE schema_info SET version = 99", "schema version 99"),
        ("UPDATE schema_info SET version = NULL", "schema version None"),
        ("DELETE FROM schema_info", "none that ota-sim wrote"),
    ],
)
def test_a_database_that_is_not_ours_or_of_another_version(database, statement, message):
    if "NULL" in statement:
        change(database, "CREATE TABLE other AS SELECT product, NULL AS version FROM schema_info")
        with closing(sqlite3.connect(database, isolation_level=None)) as conn:
            conn.execute("DROP TABLE schema_info")
            conn.execute("ALTER TABLE other RENAME TO schema_info")
    else:
        change(database, statement)
    refuse(database, UsageFault, message)


def test_a_table_that_lacks_a_column(database):
    with closing(sqlite3.connect(database)) as conn:
        conn.execute("ALTER TABLE entitlements DROP COLUMN obtained_ms")
    refuse(database, UsageFault, "entitlements lacks obtained_ms")


def test_a_damaged_database(database):
    content = bytearray(database.read_bytes())
    content[4096:] = bytes(b ^ 0x55 for b in content[4096:])
    database.write_bytes(content)
    refuse(database, EnvironmentFault, "is damaged")


def test_a_database_that_was_cut_off(database):
    database.write_bytes(database.read_bytes()[: 4096 * 5])
    refuse(database, EnvironmentFault, "is damaged")


NOBODY = 65534


@pytest.fixture
def unprivileged(database):
    """A copy of the database as one who is not root sees it: root may read and write everything."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / database.name
        shutil.copy(database, path)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
            os.chown(path, NOBODY, NOBODY)
            os.seteuid(NOBODY)
            try:
                yield path
            finally:
                os.seteuid(0)
        else:
            yield path


def test_a_database_that_may_not_be_read(unprivileged):
    unprivileged.chmod(0)
    refuse(unprivileged, EnvironmentFault, "permissions")


def test_a_database_in_a_folder_that_can_not_be_written(unprivileged):
    unprivileged.parent.chmod(0o500)
    try:
        assert audit_database(unprivileged).ok
    finally:
        unprivileged.parent.chmod(0o700)


def test_a_closed_database_and_its_folder_are_left_as_they_were(database):
    before = database.read_bytes()
    assert audit_database(database).ok
    assert database.read_bytes() == before
    assert [entry.name for entry in database.parent.iterdir()] == [database.name]


def test_a_path_with_signs_that_mean_something_in_a_url(database):
    odd = database.parent / "a %41 b?c#d&e.db"
    database.rename(odd)
    assert audit_database(odd).ok


def test_a_database_in_use_is_seen_as_it_is_committed(database):
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE accounts SET balance_fen = 401 WHERE account_id = 1")
        assert audit_database(database).ok
        writer.execute("COMMIT")
        assert audit_database(database).counts == {"I5": 1}
        writer.execute("UPDATE accounts SET balance_fen = 400 WHERE account_id = 1")
        assert audit_database(database).ok


def test_all_that_an_audit_reads_is_of_one_moment(database):
    with closing(sqlite3.connect(database, isolation_level=None)) as writer, open_snapshot(database) as conn:
        writer.execute("DELETE FROM accounts")
        assert conn.execute("SELECT count(*) FROM accounts").fetchone() == (2,)


def test_what_a_killed_process_had_committed_counts(database, tmp_path):
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("UPDATE accounts SET balance_fen = 401 WHERE account_id = 1")
        left = tmp_path / "left behind"
        left.mkdir()
        for name in ("ota-sim.db", "ota-sim.db-wal"):
            shutil.copyfile(database.with_name(name), left / name)
    assert audit_database(left).counts == {"I5": 1}
    assert (left / "ota-sim.db-wal").stat().st_size
