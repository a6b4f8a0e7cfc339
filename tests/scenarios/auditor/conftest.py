"""A good database to change one thing in."""

import shutil

import pytest

from platform_stub.protocol.operator import Policy
from tests.scenarios.auditor.ledger import Ledger

DATE = 1_000


@pytest.fixture(scope="session")
def good_database(tmp_path_factory):
    """Two accounts that have seen everything the rules know; each number stands here by hand."""
    ledger = Ledger(tmp_path_factory.mktemp("good") / "ota-sim.db")
    _a_life_in_full(ledger)
    _a_late_reader_of_p3(ledger)
    ledger.conn.execute("INSERT INTO answers VALUES (1, 'tasks', 'k', '', 201, '{\"task_id\":2}')")
    ledger.conn.execute("INSERT INTO answers VALUES (0, 'pause', 'k', '', 200, '{\"task_id\":2}')")
    ledger.conn.execute("INSERT INTO answers VALUES (1, 'top-ups', 'k', '', 201, 'no json')")
    ledger.close()
    return ledger.path


def _a_life_in_full(ledger):
    ledger.account(
        1,
        Policy(charging_date_ms=DATE, free_devices=2),
        0,
        subscribed=1,
        balance_fen=400,
        bought=5,
        granted=1,
        charging_date_ms=1_005,
    )
    ledger.line(1, 1, "subscribed", count=2)
    ledger.line(1, 2, "posted", amount_fen=1_000, note="top-up")
    ledger.line(1, 3, "bought", count=5, amount_fen=500)
    ledger.line(1, 4, "granted", count=1, note="contract 1")
    ledger.devices(1, 1, 12)
    ledger.task(1, 1, DATE - 1, [1, 2], bound=[1, 2], available=8, counts=(0, 0, 2))  # B8
    ledger.finish(1)
    ledger.task(2, 1, DATE, range(1, 10), bound=range(3, 10), available=8, counts=(6, 1, 0))  # P4, P1
    ledger.finish(2, state=5)
    ledger.terminate(1, 9, 1_001)
    ledger.line(1, 1_002, "charging_date", note="5000")  # P5
    ledger.task(3, 1, 1_003, [10], bound=[10], available=1, counts=(0, 0, 1), kind=2)
    ledger.line(1, 1_004, "charging_date", note="none")
    ledger.line(1, 1_005, "charging_date", note="1005")
    ledger.line(1, 1_005, "posted", amount_fen=-100, note="another bill")
    ledger.task(4, 1, 1_006, [11], bound=[11], available=1, counts=(0, 1, 0))
    ledger.finish(4)
    ledger.task(5, 1, 1_007, [3, 4, 10], available=0)  # B12, B14; 10 has a SOTA job open (P8)


def _a_late_reader_of_p3(ledger):
    """Free for life only by a success before the date; its clock is behind that of account 1."""
    ledger.account(
        2,
        Policy(charging_date_ms=DATE, free_devices=0, grandfathered_when="update_succeeded"),
        500,
        subscribed=1,
        granted=2,
        purchased_left=1,
    )
    ledger.line(2, 501, "subscribed", count=0)
    ledger.line(2, 502, "granted", count=2, note="contract 2")
    ledger.devices(2, 21, 23)
    ledger.task(6, 2, 510, [21, 22], available=2, needed=2)
    ledger.bind([(2, 520, 6, 21, "grandfathered")])
    ledger.conn.execute("UPDATE tasks SET grandfathered = 1 WHERE task_id = 6")
    ledger.conn.execute("UPDATE jobs SET state = 4 WHERE device_id = 21")
    ledger.conn.execute("UPDATE jobs SET state = 5 WHERE device_id = 22")
    ledger.task(7, 2, DATE, [22], bound=[22], available=2, counts=(1, 0, 0))
    ledger.finish(7)
    ledger.conn.execute("UPDATE devices SET account_id = 2 WHERE device_id = 11")  # P12
    ledger.task(8, 2, 1_001, [11], available=1)


@pytest.fixture
def database(good_database, tmp_path):
    """A copy of the good database, to be spoilt."""
    path = tmp_path / "ota-sim.db"
    shutil.copyfile(good_database, path)
    return path
