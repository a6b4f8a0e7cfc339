"""Creating, retrying and cancelling tasks on a real store."""

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.rules import events as ev
from platform_stub.rules.licensing import replay
from platform_stub.service import accounts, life, tasks
from platform_stub.service.answers import Rejection
from platform_stub.store import accounts as account_rows
from platform_stub.store import jobs as job_rows
from tests.platform_stub.service.conftest import jump


def end(desk, task_id, state):
    """End all open jobs of a task, as reports would."""
    rows = desk.read(tasks.show_jobs, task_id, None, 0, 10_000).jobs
    moved = [{"b_tid": job.tid, "b_state": int(state), "b_step": 201, "b_now": 1} for job in rows]
    desk.write(lambda tx: job_rows.move(tx.conn, moved))


def code(answer):
    assert isinstance(answer, Rejection), answer
    return answer.code


@pytest.fixture
def shop(desk):
    """An account with ten licences, a product and five devices."""
    account = desk.open(grant=10, free_devices=0)
    product = desk.product(account)
    return account, product, desk.register(product, 5)


def test_licences_are_deducted_at_creation_by_device_id(desk, shop):
    """B7, B11: one a device, bound by ascending device ID."""
    account, product, devices = shop
    task = desk.task(account, desk.package(product), reversed(devices))
    assert (task.needed, task.available, task.deducted, task.left) == (5, 10, 5, 5)
    journal = [
        entry for entry in desk.read(accounts.show_journal, account, 0, 100).entries if entry.kind == "bound"
    ]
    assert [entry.device_id for entry in journal] == devices
    assert {entry.source for entry in journal} == {"purchased"}


def test_a_device_named_twice_counts_once(desk, shop):
    """P6."""
    account, product, devices = shop
    task = desk.task(account, desk.package(product), [devices[0]] * 3 + devices[:2])
    assert (task.device_count, task.needed, task.jobs.pending) == (2, 2, 2)


def test_licensed_devices_cost_nothing_for_either_kind(desk, shop):
    """B3, B6, B14: SOTA after FOTA, and a mix of licensed and unlicensed."""
    account, product, devices = shop
    desk.task(account, desk.package(product), devices[:3])
    mixed = desk.task(account, desk.package(product, "5.0", UpdateKind.SOTA), devices)
    assert (mixed.kind, mixed.needed, mixed.deducted) == ("SOTA", 2, 2)


def test_a_refused_task_changes_nothing(desk, shop):
    """B13: whole or not at all."""
    account, product, _ = shop
    many = desk.register(product, 11, "m")
    before = desk.account(account)
    answer = desk.task(account, desk.package(product), many)
    assert code(answer) is api.ErrorCode.LICENCES_INSUFFICIENT
    assert answer.details == {
        "needed": 11,
        "available": 10,
        "missing": 1,
        "text_zh": "License余量不足",
        "text_en": "remaining licenses are insufficient",
    }
    assert desk.account(account) == before
    assert desk.read(tasks.show_page, account, None, 10, desk.real_ms).tasks == []
    assert desk.read(life.show, many[0], Offline, desk.real_ms).entitlement is None


class Offline:
    @staticmethod
    def is_connected(device_id):
        return False


def test_devices_that_cannot_be_in_it_are_named(desk, shop):
    """P7: unknown, terminated, another account's, another product's, already there; the first 20 and how many more."""
    account, product, devices = shop
    other = desk.open(free_devices=0)
    foreign = desk.register(desk.product(other), 1)
    sibling = desk.register(desk.product(account), 1)
    there = desk.register(product, 1, "t", f_version="2.0")
    desk.write(life.terminate, devices[0])
    unknown = range(900_000, 900_030)
    answer = desk.task(account, desk.package(product), [*devices, *foreign, *sibling, *there, *unknown])
    assert code(answer) is api.ErrorCode.DEVICES_UNUSABLE
    assert len(answer.details["device_ids"]) == 20
    assert answer.details["more"] == 14
    reasons = answer.details["reasons"]
    assert reasons[str(devices[0])] == "terminated"
    assert reasons[str(foreign[0])] == "another account's"
    assert reasons[str(sibling[0])] == "another product's"
    assert reasons[str(there[0])] == "already at the target version"
    assert reasons["900000"] == "unknown"


def test_a_device_with_an_open_job_of_the_kind_is_busy(desk, shop):
    """P8: the same kind is refused, the other kind is not."""
    account, product, devices = shop
    desk.task(account, desk.package(product), devices[:2])
    again = desk.task(account, desk.package(product, "3.0"), devices)
    assert code(again) is api.ErrorCode.DEVICES_BUSY
    assert again.details["device_ids"] == devices[:2]
    assert desk.task(account, desk.package(product, "3.0", UpdateKind.SOTA), devices).device_count == 5


def test_failed_devices_are_retried_without_another_deduction(desk, shop):
    """B12, P15."""
    account, product, devices = shop
    first = desk.task(account, desk.package(product), devices)
    end(desk, first.task_id, JobState.FAILED)
    again = desk.write(tasks.retry, first.task_id)
    assert (again.retry_of, again.device_count, again.deducted, again.left) == (first.task_id, 5, 0, 5)
    nothing = desk.write(tasks.retry, again.task_id)
    assert code(nothing) is api.ErrorCode.CONFLICT


def test_cancelling_gives_nothing_back(desk, shop):
    """P9."""
    account, product, devices = shop
    task = desk.task(account, desk.package(product), devices)
    cancelled = desk.write(tasks.cancel, task.task_id)
    assert (cancelled.state, cancelled.jobs.cancelled) == ("stopped", 5)
    assert desk.account(account).licences.left == 5
    assert ("jobs_ended", task.task_id, 5) in desk.asked.calls
    assert code(desk.write(tasks.cancel, task.task_id)) is api.ErrorCode.CONFLICT


def test_a_package_is_verified_first_or_skipped_on_purpose(desk, shop):
    """P15: a verification is of one device, and deducts."""
    account, product, devices = shop
    package = desk.package(product, skip=False)
    assert code(desk.task(account, package, devices)) is api.ErrorCode.PACKAGE_NOT_VERIFIED
    assert code(desk.task(account, package, devices, verification=True)) is api.ErrorCode.MALFORMED
    assert desk.task(account, package, devices[:1], verification=True).deducted == 1


def test_an_unknown_or_foreign_package_is_refused(desk, shop):
    account, product, devices = shop
    other = desk.open()
    foreign = desk.package(desk.product(other))
    assert code(desk.task(account, foreign, devices)) is api.ErrorCode.PACKAGE_UNKNOWN


def test_termination_ends_the_entitlement_and_cancels_the_jobs(desk, shop):
    """B10, P9: and a new device under the old name needs a licence of its own."""
    account, product, devices = shop
    task = desk.task(account, desk.package(product), devices)
    desk.write(life.terminate, devices[0])
    held = desk.read(life.show, devices[0], Offline, desk.real_ms)
    assert not held.entitlement.valid
    assert not held.after_sales_support  # B17
    assert desk.read(tasks.describe, task.task_id, desk.real_ms).jobs.cancelled == 1
    (again,) = desk.register(product, 1)
    assert again > max(devices)
    assert desk.task(account, desk.package(product, "3.0"), [again]).deducted == 1


def test_a_moved_device_keeps_id_and_entitlement(desk, shop):
    """P12: counted to the account that paid."""
    account, product, devices = shop
    desk.task(account, desk.package(product), devices[:1])
    desk.write(tasks.cancel, 1)
    other = desk.open(free_devices=0)
    target = desk.product(other)
    moved = desk.write(life.move, devices[0], api.MoveDevice(product_id=target))
    assert (moved.device_id, moved.account_id, moved.product_id) == (devices[0], other, target)
    assert desk.task(other, desk.package(target), [devices[0]]).deducted == 0
    assert desk.account(account).licences.entitled_purchased == 1
    assert ("close_session", devices[0]) in desk.asked.calls


def test_the_end_of_an_entitlement_is_on_the_payers_clock(desk, shop):
    """P12: a device that moved away is terminated; the journal of who paid stays in order."""
    account, product, devices = shop
    desk.write(jump, account, 1_000_000)
    desk.task(account, desk.package(product), devices[:1])
    other = desk.open(free_devices=0)
    desk.write(life.move, devices[0], api.MoveDevice(product_id=desk.product(other)))
    desk.write(life.terminate, devices[0])
    lines = desk.read(account_rows.read_journal, account)
    assert lines[-1].kind == "ended"
    assert [line.at_ms for line in lines] == sorted(line.at_ms for line in lines)


def test_one_verification_of_a_package_at_a_time(desk, shop):
    account, product, devices = shop
    package = desk.package(product, skip=False)
    desk.task(account, package, devices[:1], verification=True)
    again = desk.task(account, package, devices[1:2], verification=True)
    assert code(again) is api.ErrorCode.PACKAGE_NOT_VERIFIED


def test_before_the_charging_date_devices_are_free_for_life(desk):
    """B1, B8, P4: grandfathered before the date, charged from exactly the date on."""
    account = desk.open(free_devices=0, charging_date_ms=desk.real_ms + 1000)
    product = desk.product(account)
    devices = desk.register(product, 4)
    free = desk.task(account, desk.package(product), devices[:2])
    assert (free.needed, free.deducted, free.grandfathered) == (2, 0, 2)
    desk.write(tasks.cancel, free.task_id)
    desk.real_ms += 1000
    assert code(desk.task(account, desk.package(product), devices)) is api.ErrorCode.LICENCES_INSUFFICIENT
    assert desk.task(account, desk.package(product), devices[:2]).deducted == 0


def test_the_charging_date_is_announced_on_three_channels(desk):
    """B1, P5."""
    account = desk.open(charging_date_ms=None)
    date = desk.write(accounts.set_charging_date, account, desk.real_ms + 5)
    assert [notice.channel for notice in date.notices] == ["phone", "sms", "email"]
    later = desk.write(accounts.set_charging_date, account, desk.real_ms + 50)
    assert "postponed" in later.notices[-1].text
    assert len(later.notices) == 6


@pytest.mark.parametrize("order", ["purchased_first", "free_first"])
def test_a_device_of_another_order_gets_its_source(desk, order):
    """P1: the SQL expansion equals the pure one, row by row, journal and table."""
    account = desk.open(grant=3, free_devices=3, deduction_order=order)
    product = desk.product(account)
    devices = desk.register(product, 5)
    desk.task(account, desk.package(product), devices)
    rows = desk.read(account_rows.read_journal, account)
    book = replay([account_rows.read_event(row) for row in rows])
    assert book.ledger == desk.read(account_rows.load, account).ledger
    sources = [book.entitlements[device].source.value for device in devices]
    first, second = ("purchased", "free") if order == "purchased_first" else ("free", "purchased")
    assert sources == [first] * 3 + [second] * 2


def test_arrears_stop_the_service_from_the_charging_date_on(desk, shop):
    """B16, P10."""
    account, product, devices = shop
    desk.act(account, ev.Post(amount_fen=-1, reason="another service's bill"))
    assert desk.account(account).in_arrears
    assert code(desk.task(account, desk.package(product), devices)) is api.ErrorCode.ARREARS
    assert code(desk.act(account, ev.Buy(count=1))) is api.ErrorCode.ARREARS
    desk.act(account, ev.Grant(count=1, contract="C-2"))
    desk.act(account, ev.Post(amount_fen=1, reason="top-up"))
    assert ("tell_account", account) in desk.asked.calls
    assert desk.task(account, desk.package(product), devices).deducted == 5
