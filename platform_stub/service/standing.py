"""Where a job stands now, read from a look-up's row: what holds it, and whether its deadline has passed.

The rows are those of `store.jobs.find_job` and `find_open`. Times are on the clock of the task's account.
Source: P10; the deadline is the task's expiry and the time for which arrears held the job.
"""

from functools import lru_cache

import msgspec
from msgspec import Struct

from platform_stub.protocol.codes import JobState
from platform_stub.protocol.operator import Policy
from platform_stub.rules.jobs import Hold, StepRefusal, hold_of, is_overdue, stopped
from platform_stub.rules.licensing import Ledger
from platform_stub.service.casebook import Job, TaskFacts
from platform_stub.store.accounts import AccountRow, hold_began
from platform_stub.store.schema import AnyRow

_STATES = {int(state): state for state in JobState}


class Standing(Struct, frozen=True, kw_only=True, gc=False):
    """A job's state and last step, what holds it, and whether it is past its deadline though still open."""

    state: JobState
    step: int | None
    hold: Hold
    is_overdue: bool

    @property
    def moves_when_asked(self) -> bool:
        """Whether a call about it moves it: a pending job starts, one past its deadline expires."""
        return self.is_overdue or self.state is JobState.PENDING

    @property
    def stop(self) -> StepRefusal | None:
        """What keeps an open job from being offered or started."""
        return stopped(self.state, self.hold)


def standing_of(row: AnyRow, real_ms: int) -> Standing:
    """Read a row at a moment of real time."""
    now_ms = real_ms + row.clock_offset_ms
    in_arrears = row.balance_fen < 0
    held_since_ms = hold_began(_ledger(row), row.held_since_ms, now_ms) if in_arrears else None
    return _standing(_STATES[row.state], row, row, now_ms, held_since_ms)


def standing_in_book(job: Job, account: AccountRow, real_ms: int) -> Standing:
    """Say the same of a job and an account from the casebook."""
    now_ms = account.now_ms(real_ms)
    return _standing(job.state, job, job.task, now_ms, account.hold_began(now_ms))


def _standing(
    state: JobState, job: Job | AnyRow, task: TaskFacts | AnyRow, now_ms: int, held_since_ms: int | None
) -> Standing:
    return Standing(
        state=state,
        step=job.step,
        hold=hold_of(
            now_ms=now_ms,
            starts_ms=task.starts_ms,
            is_paused=task.paused_ms is not None,
            in_arrears=held_since_ms is not None,
        ),
        is_overdue=is_overdue(
            state,
            now_ms=now_ms,
            deadline_ms=task.expires_ms + (job.held_ms or 0),
            held_since_ms=held_since_ms,
        ),
    )


def _ledger(row: AnyRow) -> Ledger:
    return Ledger(
        policy=_policy(row.policy), balance_fen=row.balance_fen, charging_date_ms=row.charging_date_ms
    )


@lru_cache(maxsize=64)
def _policy(text: str) -> Policy:
    return msgspec.json.decode(text, type=Policy)
