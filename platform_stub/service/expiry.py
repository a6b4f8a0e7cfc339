"""Jobs that run out of time, and arrears that stop their clock (P10).

When these are due is `timers`' concern; here is what happens then. Times are unix milliseconds on the account's
clock. Source: onenet-protocol, section 5 (step 208).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from platform_stub.service.writer import Tx
from platform_stub.store import accounts, deadlines, tasks
from platform_stub.store.accounts import AccountRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What an expiry came to: how many jobs it ended, and when the task's next one is due (None: none is)."""

    task_id: int
    count: int
    next_ms: int | None


def expire(tx: Tx, task_ids: Sequence[int]) -> list[Expired]:
    """Fail the jobs of some tasks whose deadline is over."""
    return [_expire(tx, task_id) for task_id in task_ids]


def _expire(tx: Tx, task_id: int) -> Expired:
    task = tasks.load(tx.conn, task_id)
    assert task is not None, "tasks are never removed"
    account = accounts.load_known(tx.conn, task.account_id)
    now_ms = account.now_ms(tx.real_ms)
    held_since_ms = account.hold_began(now_ms)
    count = deadlines.expire(tx.conn, task, now_ms, held_since_ms)
    if count:
        tx.then(tx.effects.jobs_ended, task_id, count)
    next_ms = deadlines.next_deadline(tx.conn, task, held_since_ms)
    return Expired(task_id=task_id, count=count, next_ms=next_ms)


def follow_ledger(tx: Tx, before: AccountRow, after: AccountRow, now_ms: int) -> None:
    """Begin or end the hold of an account's pending jobs, as a change of its ledger has it (P10).

    `before` and `after` are the account's rows around the change. What was held goes on when the hold ends:
    its deadline moves by the hold's length, and devices are told.
    """
    began_ms = before.hold_began(now_ms)
    if after.ledger.holds_pending(now_ms):
        accounts.save_hold(tx.conn, after.account_id, now_ms if began_ms is None else began_ms)
    elif began_ms is not None:
        deadlines.lengthen(tx.conn, after.account_id, began_ms, now_ms)
        accounts.save_hold(tx.conn, after.account_id, None)
        tx.then(tx.effects.tell_account, after.account_id)
        tx.then(tx.effects.replan, after.account_id)


def note_clock(tx: Tx, account: AccountRow, now_ms: int) -> None:
    """Enter a hold that the clock has begun by reaching the charging date."""
    began_ms = account.hold_began(now_ms)
    if began_ms is not None and account.held_since_ms is None:
        accounts.save_hold(tx.conn, account.account_id, began_ms)
