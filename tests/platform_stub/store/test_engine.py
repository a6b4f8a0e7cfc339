"""Opening the store: new, again, foreign, damaged, in use, of another version."""

import os
import shutil
import sqlite3
import subprocess
import sys

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable

from platform_stub.store.engine import DATABASE_NAME, open_store
from platform_stub.store.errors import StoreRefused, StoreUnavailable
from platform_stub.store.schema import SCHEMA_VERSION, accounts, metadata, notices, schema_info


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


def test_a_new_folder_gets_a_database(tmp_path):
    store = open_store(tmp_path / "deep" / "data")
    with store.read() as conn:
        assert conn.execute(select(schema_info.c.version)).scalar_one() == SCHEMA_VERSION
    store.close()
    assert (tmp_path / "deep" / "data" / DATABASE_NAME).exists()


def test_what_was_committed_is_there_again(places):
    place = places.new()
    store = open_store(place)
    with store.write() as conn:
        conn.execute(accounts.insert().values(
            name="a", access_key="k", policy="{}", opened_ms=0, clock_offset_ms=0, subscribed=False, balance_fen=0,
            bought=0, granted=0, purchased_left=0, free_left=0))  # fmt: skip
    store.close()
    again = open_store(place)
    with again.read() as conn:
        assert conn.execute(accounts.select()).one().name == "a"
    again.close()


def test_a_transaction_that_fails_leaves_nothing(store):
    with pytest.raises(RuntimeError, match="in the middle"), store.write() as conn:  # noqa: PT012
        conn.execute(accounts.insert().values(
            name="a", access_key="k", policy="{}", opened_ms=0, clock_offset_ms=0, subscribed=False, balance_fen=0,
            bought=0, granted=0, purchased_left=0, free_left=0))  # fmt: skip
        raise RuntimeError("in the middle")
    with store.read() as conn:
        assert conn.execute(accounts.select()).all() == []


@pytest.mark.parametrize("column", ["purchased_left", "free_left"])
def test_the_database_refuses_negative_licences(store, column):
    """I1, I2: a guard behind the rules."""
    values = dict.fromkeys(("bought", "granted", "purchased_left", "free_left", "balance_fen"), 0) | {
        column: -1
    }
    with pytest.raises(IntegrityError, match=r"(?i)check"), store.write() as conn:
        conn.execute(accounts.insert().values(
            name="a", access_key="k", policy="{}", opened_ms=0, clock_offset_ms=0, subscribed=False, **values))  # fmt: skip


def test_a_view_stays_as_it_is_and_a_glance_sees_what_is_committed(store):
    def names(conn):
        return list(conn.execute(select(notices.c.text)).scalars())

    with store.read() as view, store.glance() as glance, store.read_aside() as aside:
        assert names(view) == names(glance) == names(aside) == []
        with store.write() as conn:
            conn.execute(notices.insert().values(account_id=1, channel="sms", at_ms=0, text="x"))
        assert (names(view), names(glance), names(aside)) == ([], ["x"], [])


def test_a_folder_in_use_is_refused(tmp_path):
    store = open_store(tmp_path)
    with pytest.raises(StoreRefused, match=f"in use by another ota-sim .process {os.getpid()}"):
        open_store(tmp_path)
    store.close()
    open_store(tmp_path).close()


def test_a_folder_in_use_by_another_process_is_refused(tmp_path):
    store = open_store(tmp_path)
    code = "import sys, pathlib; from platform_stub.store.engine import open_store; open_store(pathlib.Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "StoreRefused" in other.stderr
    store.close()


def foreign_files(folder):
    (folder / "holiday.jpg").write_bytes(b"x")


def foreign_database(folder):
    with sqlite3.connect(folder / DATABASE_NAME) as conn:
        conn.execute("CREATE TABLE songs (title)")
    conn.close()


def no_database(folder):
    (folder / DATABASE_NAME).write_bytes(b"this is a letter to my mother, and long enough")


def other_version(folder):
    open_store(folder).close()
    with sqlite3.connect(folder / DATABASE_NAME) as conn:
        conn.execute("UPDATE schema_info SET version = 99")
    conn.close()


def damaged(folder):
    open_store(folder).close()
    path = folder / DATABASE_NAME
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 3 + 2000] = b"\xff" * 2000
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (foreign_files, "holds other files .holiday.jpg."),
        (foreign_database, "is a database of another program"),
        (no_database, "is not a SQLite database"),
        (other_version, f"has schema version 99, this ota-sim reads {SCHEMA_VERSION}"),
        (damaged, "is damaged"),
    ],
)
def test_what_is_not_ours_is_refused_untouched(tmp_path, make, says):
    make(tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(StoreRefused, match=says):
        open_store(tmp_path)
    assert snapshot(tmp_path) == before


def test_a_first_start_that_was_killed_is_started_again(tmp_path):
    (tmp_path / ".new-abc").mkdir()
    (tmp_path / ".new-abc" / DATABASE_NAME).write_bytes(b"half")
    (tmp_path / "lock").write_text("12345")
    open_store(tmp_path).close()
    assert not (tmp_path / ".new-abc").exists()


@pytest.mark.parametrize("name", ["a?b=c", "p%20q", "r#s", "t u"])
def test_a_path_is_taken_as_it_is(tmp_path, name):
    open_store(tmp_path / name).close()
    open_store(tmp_path / name).close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["n" * 300, "nul\0"])
def test_a_path_that_can_not_be(tmp_path, name):
    with pytest.raises(StoreRefused, match="can't be used as data folder"):
        open_store(tmp_path / name)


def test_nothing_is_acknowledged_into_a_removed_folder(tmp_path):
    """I7: a commit to a file without a name would be gone at the end."""
    store = open_store(tmp_path / "data")
    with store.write() as conn:
        conn.execute(accounts.delete())
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(StoreUnavailable, match="was removed"), store.write() as conn:
        conn.execute(accounts.delete())
    store.close()


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(StoreRefused, match="is a file, not a folder"):
        open_store(path)


def test_every_table_and_index_can_be_spelled_for_postgresql():
    """Portable from day one: the definitions hold nothing that only SQLite knows."""
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=dialect))
