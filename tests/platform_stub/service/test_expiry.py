"""Jobs that run out of time, and arrears that stop their clock (P10)."""

import pytest

from platform_stub.protocol.codes import JobState
from platform_stub.rules import events as ev
from platform_stub.service import accounts, expiry, life, tasks
from platform_stub.store import accounts as account_rows
from platform_stub.store import jobs as job_rows
from tests.platform_stub.service.conftest import jump
from tests.platform_stub.service.test_orders import Nobody

MINUTE_MS = 60_000
LIFE_MS = 10 * MINUTE_MS


@pytest.fixture
def shop(desk):
    account = desk.open(grant=10, free_devices=0)
    product = desk.product(account)
    devices = desk.register(product, 4)
    return account, desk.task(account, desk.package(product), devices), devices


def move(desk, task, at, state):
    """Bring a device's job to a state, as its reports would."""
    job = desk.read(tasks.show_jobs, task.task_id, None, 0, 10).jobs[at]
    row = {"b_tid": job.tid, "b_state": int(state), "b_step": None, "b_now": desk.real_ms}
    desk.write(lambda tx: job_rows.move(tx.conn, [row]))


def expire(desk, task):
    (outcome,) = desk.write(expiry.expire, [task.task_id])
    return outcome.count, outcome.next_ms


def states(desk, task):
    return [(job.state, job.step) for job in desk.read(tasks.show_jobs, task.task_id, None, 0, 10).jobs]


def post(desk, account, amount_fen):
    desk.act(account, ev.Post(amount_fen=amount_fen, reason="posting"))


def test_every_open_job_fails_exactly_at_the_deadline_with_step_208(desk, shop):
    account, task, devices = shop
    move(desk, task, 1, JobState.DOWNLOADING)
    move(desk, task, 2, JobState.UPGRADING)
    move(desk, task, 3, JobState.SUCCESS)
    desk.real_ms += LIFE_MS - 1
    assert expire(desk, task) == (0, task.expires_ms)
    desk.real_ms += 1
    assert expire(desk, task) == (3, None)
    assert states(desk, task) == [("failed", 208)] * 3 + [("success", None)]
    assert ("jobs_ended", task.task_id, 3) in desk.asked.calls
    assert expire(desk, task) == (0, None)
    assert desk.read(tasks.describe, task.task_id, desk.real_ms).state == "finished"
    assert desk.account(account).licences.left == 6  # B12
    last = desk.read(life.show, devices[0], Nobody, desk.real_ms).timeline[-1]
    assert (last.what, last.detail, last.at_ms) == ("expired", "failed", desk.real_ms)
    assert desk.write(tasks.retry, task.task_id).deducted == 0


def test_expiry_goes_on_while_paused(desk, shop):
    _, task, _ = shop
    desk.write(tasks.pause, task.task_id)
    desk.real_ms += LIFE_MS
    assert expire(desk, task) == (4, None)


def test_a_hold_stops_the_clock_of_what_is_pending_and_moves_its_deadline(desk, shop):
    """P10: what is under way goes on and expires."""
    account, task, _ = shop
    move(desk, task, 0, JobState.DOWNLOADING)
    desk.real_ms += MINUTE_MS
    post(desk, account, -1)
    desk.real_ms += LIFE_MS
    assert expire(desk, task) == (1, None)
    assert states(desk, task) == [("failed", 208)] + [("pending", None)] * 3
    post(desk, account, 1)
    assert ("tell_account", account) in desk.asked.calls
    assert ("replan", account) in desk.asked.calls
    deadline_ms = task.expires_ms + LIFE_MS
    assert expire(desk, task) == (0, deadline_ms)
    desk.real_ms = deadline_ms
    assert expire(desk, task) == (3, None)


def test_holds_add_up(desk, shop):
    account, task, _ = shop
    for _ in range(3):
        post(desk, account, -1)
        desk.real_ms += MINUTE_MS
        post(desk, account, 1)
        desk.real_ms += MINUTE_MS
    assert expire(desk, task) == (0, task.expires_ms + 3 * MINUTE_MS)


def test_a_hold_before_the_start_counts_from_the_start_on(desk):
    account = desk.open(grant=10, free_devices=0)
    product = desk.product(account)
    start_ms = desk.real_ms + 5 * MINUTE_MS
    task = desk.task(account, desk.package(product), desk.register(product, 1), start_at_ms=start_ms)
    post(desk, account, -1)
    desk.real_ms = start_ms + MINUTE_MS
    post(desk, account, 1)
    assert expire(desk, task) == (0, task.expires_ms + MINUTE_MS)


def test_a_hold_that_ends_before_the_start_moves_nothing(desk):
    account = desk.open(grant=10, free_devices=0)
    product = desk.product(account)
    task = desk.task(
        account, desk.package(product), desk.register(product, 1), start_at_ms=desk.real_ms + 5 * MINUTE_MS
    )
    post(desk, account, -1)
    desk.real_ms += MINUTE_MS
    post(desk, account, 1)
    assert expire(desk, task) == (0, task.expires_ms)


def test_what_was_due_before_the_hold_is_not_saved_by_it(desk, shop):
    account, task, _ = shop
    desk.real_ms += LIFE_MS
    post(desk, account, -1)
    desk.real_ms += MINUTE_MS
    assert expire(desk, task)[0] == 4


def test_what_was_due_before_the_hold_is_not_saved_by_its_end_either(desk, shop):
    account, task, _ = shop
    desk.real_ms += LIFE_MS
    post(desk, account, -1)
    desk.real_ms += MINUTE_MS
    post(desk, account, 1)
    assert expire(desk, task)[0] == 4


def test_the_clock_alone_begins_a_hold_at_the_charging_date(desk):
    """P4, P10: arrears hold nothing before the date, and hold from exactly then on."""
    date_ms = desk.real_ms + 3 * MINUTE_MS
    account = desk.open(free_devices=10, charging_date_ms=date_ms)
    product = desk.product(account)
    task = desk.task(account, desk.package(product), desk.register(product, 1))
    post(desk, account, -5)
    assert desk.read(account_rows.load, account).held_since_ms is None
    desk.real_ms += LIFE_MS
    assert expire(desk, task) == (0, None)  # held since the date
    post(desk, account, 5)
    assert expire(desk, task) == (0, task.expires_ms + LIFE_MS - 3 * MINUTE_MS)


def test_moving_the_charging_date_begins_and_ends_a_hold(desk, shop):
    """P5."""
    account, task, _ = shop
    desk.write(accounts.set_charging_date, account, None)
    post(desk, account, -5)
    assert desk.read(account_rows.load, account).held_since_ms is None
    desk.real_ms += MINUTE_MS
    desk.write(accounts.set_charging_date, account, 0)
    assert desk.read(account_rows.load, account).held_since_ms == desk.real_ms
    desk.real_ms += MINUTE_MS
    desk.write(accounts.set_charging_date, account, desk.real_ms + 1)
    assert desk.read(account_rows.load, account).held_since_ms is None
    assert expire(desk, task) == (0, task.expires_ms + MINUTE_MS)


def test_a_clock_that_is_moved_past_the_date_enters_the_hold(desk):
    date_ms = desk.real_ms + MINUTE_MS
    account = desk.open(charging_date_ms=date_ms)
    post(desk, account, -5)
    desk.write(jump, account, 2 * MINUTE_MS)
    assert desk.read(account_rows.load, account).held_since_ms == date_ms


def test_more_debt_and_some_payment_change_no_hold(desk, shop):
    account, task, _ = shop
    post(desk, account, -5)
    since_ms = desk.real_ms
    desk.real_ms += MINUTE_MS
    post(desk, account, -5)
    post(desk, account, 8)
    assert desk.read(account_rows.load, account).held_since_ms == since_ms
    assert ("tell_account", account) not in desk.asked.calls


def test_a_policy_that_holds_creations_alone_holds_no_job(desk):
    """P10, `arrears_hold = creation`."""
    account = desk.open(grant=1, free_devices=0, arrears_hold="creation")
    product = desk.product(account)
    task = desk.task(account, desk.package(product), desk.register(product, 1))
    post(desk, account, -5)
    desk.real_ms += LIFE_MS
    assert expire(desk, task) == (1, None)


def test_another_account_s_arrears_hold_nothing_here(desk, shop):
    _, task, _ = shop
    other = desk.open(free_devices=0)
    post(desk, other, -1)
    desk.real_ms += MINUTE_MS
    post(desk, other, 1)
    assert expire(desk, task) == (0, task.expires_ms)
