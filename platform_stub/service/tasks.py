"""Use cases on tasks: create, retry, cancel, show.

The devices' facts come from set-based SQL, the rules decide on counts, and entitlements, journal, task and jobs
are written in one transaction (decision 4; B11, B13, I4).
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import OPEN_STATES, JobState, UpdateKind
from platform_stub.protocol.ids import PackageId, TaskId
from platform_stub.protocol.operator import ErrorCode
from platform_stub.rules import events as ev
from platform_stub.rules.licensing import decide, evolve
from platform_stub.rules.refusals import Refusal
from platform_stub.service.answers import Rejection, conflict, malformed, not_found, reject
from platform_stub.service.catalogue import KIND_NAMES
from platform_stub.service.writer import Tx
from platform_stub.store import accounts, dialect, packages, tasks
from platform_stub.store.accounts import AccountRow
from platform_stub.store.schema import AnyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is ordered, besides the devices, which stand in the scratch table."""

    package_id: int
    name: str
    verification: bool
    retry_of: TaskId | None


def create(tx: Tx, account_id: int, request: api.CreateTask) -> api.Task | Rejection:
    """Create a task (B11): all its devices or none of them (B13)."""
    account = accounts.load(tx.conn, account_id)
    if account is None:
        return not_found("account", account_id)
    dialect.choose(tx.conn, request.device_ids or ())
    if request.verification and tasks.count_chosen(tx.conn) != 1:
        return malformed("a verification is of exactly one device")
    order = _Order(
        package_id=request.package_id, name=request.name, verification=request.verification, retry_of=None
    )
    return _create(tx, account, order)


def retry(tx: Tx, task_id: int) -> api.Task | Rejection:
    """Create a task for the devices that failed in another one; a creation like any other (B12, P15)."""
    task = tasks.load(tx.conn, task_id)
    if task is None:
        return not_found("task", task_id)
    account = accounts.load(tx.conn, task.account_id)
    assert account is not None
    if not dialect.choose_failed(tx.conn, task_id, int(JobState.FAILED)):
        return conflict(f"no job of task {task_id} has failed; there is nothing to retry")
    order = _Order(
        package_id=task.package_id, name=task.name, verification=task.verification, retry_of=TaskId(task_id)
    )
    answer = _create(tx, account, order)
    if isinstance(answer, Rejection) and answer.code is ErrorCode.DEVICES_UNUSABLE:
        return replace(answer, message=f"{answer.message}; create a task for the others instead")
    return answer


def _create(tx: Tx, account: AccountRow, order: _Order) -> api.Task | Rejection:
    now_ms = tx.real_ms + account.clock_offset_ms
    package = packages.load(tx.conn, order.package_id)
    if package is not None and package.account_id != account.account_id:
        package = None
    command = _command(tx.conn, account, package, order)
    decision = decide(account.ledger, command, now_ms)
    if isinstance(decision, Refusal):
        return reject(decision)
    assert package is not None, "the rules refuse an unknown package"
    (allocated,) = decision
    assert isinstance(allocated, ev.Allocated)
    task_id = tasks.create(
        tx.conn,
        tasks.NewTask(
            account_id=account.account_id,
            package_id=PackageId(package.package_id),
            kind=UpdateKind(package.kind),
            target=package.target,
            name=order.name,
            verification=order.verification,
            retry_of=order.retry_of,
        ),
        account.ledger.policy,
        allocated,
        now_ms=now_ms,
        device_count=tasks.count_chosen(tx.conn),
        needed=command.needed,
        available=account.ledger.left,
    )
    accounts.save_ledger(tx.conn, account.account_id, evolve(account.ledger, allocated))
    tx.then(tx.effects.tell_task, task_id)
    created = tasks.load(tx.conn, task_id)
    assert created is not None
    return _describe(created, {JobState.PENDING: created.device_count})


def _command(conn: Connection, account: AccountRow, package: AnyRow | None, order: _Order) -> ev.CreateTask:
    """Gather the facts that the rules decide on."""
    if package is None:
        return ev.CreateTask(needed=0, package=ev.PackageState.UNKNOWN)
    kind = UpdateKind(package.kind)
    # A package whose verification is under way is not verified yet, for a second one either (P16).
    ready = package.verification != "open" or (
        order.verification and not tasks.has_open_verification(conn, order.package_id)
    )
    return ev.CreateTask(
        needed=tasks.count_needed(conn),
        package=ev.PackageState.READY if ready else ev.PackageState.NOT_VERIFIED,
        unusable=tasks.find_unusable(conn, account.account_id, package.product_id, kind, package.target),
        busy=tasks.find_busy(conn, kind),
    )


def cancel(tx: Tx, task_id: int) -> api.Task | Rejection:
    """Cancel a task's open jobs; nothing comes back (P9)."""
    task = tasks.load(tx.conn, task_id)
    if task is None:
        return not_found("task", task_id)
    counts = tasks.job_counts(tx.conn, task_id)
    if task.cancelled_ms is not None or not any(counts.get(state) for state in OPEN_STATES):
        return conflict(f"task {task_id} has ended; there is nothing to cancel")
    account = accounts.load(tx.conn, task.account_id)
    assert account is not None
    now_ms = tx.real_ms + account.clock_offset_ms
    cancelled = tasks.cancel_open_jobs(tx.conn, task_id, now_ms)
    tasks.mark_cancelled(tx.conn, task_id, now_ms)
    tx.then(tx.effects.jobs_ended, task_id, cancelled)
    return describe(tx.conn, task_id)


def describe(conn: Connection, task_id: int) -> api.Task | Rejection:
    """Show a task with its jobs counted."""
    task = tasks.load(conn, task_id)
    return not_found("task", task_id) if task is None else _describe(task, tasks.job_counts(conn, task_id))


def _describe(task: AnyRow, counts: dict[JobState, int]) -> api.Task:
    is_open = any(counts.get(state) for state in OPEN_STATES)
    return api.Task(
        task_id=task.task_id,
        account_id=task.account_id,
        package_id=task.package_id,
        kind=KIND_NAMES[task.kind],
        target=task.target,
        name=task.name,
        created_ms=task.created_ms,
        state="stopped" if task.cancelled_ms is not None else "upgrading" if is_open else "finished",
        scope=task.scope,
        start_versions=None,
        start_version=task.start_version,
        starts_ms=task.starts_ms,
        expires_ms=task.expires_ms,
        retry=None,
        signal=task.signal_min,
        battery=task.battery_min,
        notification=task.notification,
        device_count=task.device_count,
        needed=task.needed,
        available=task.available,
        deducted=task.deducted_purchased + task.deducted_free,
        deducted_purchased=task.deducted_purchased,
        deducted_free=task.deducted_free,
        grandfathered=task.grandfathered,
        left=task.left_after,
        retry_of=task.retry_of,
        jobs=api.JobCounts(**{state.name.lower(): count for state, count in counts.items()}),
    )


def show_page(conn: Connection, account_id: int, before: int | None, limit: int) -> api.Tasks | Rejection:
    """Show an account's tasks, newest first."""
    if accounts.load(conn, account_id) is None:
        return not_found("account", account_id)
    rows = tasks.load_page(conn, account_id, before, limit + 1)
    counts = tasks.job_counts_of(conn, [row.task_id for row in rows[:limit]])
    page = [_describe(row, counts[row.task_id]) for row in rows[:limit]]
    return api.Tasks(tasks=page, next_before=page[-1].task_id if len(rows) > limit else None)


def show_jobs(
    conn: Connection, task_id: int, state: JobState | None, after: int, limit: int
) -> api.Jobs | Rejection:
    """Show a page of a task's jobs."""
    if tasks.load(conn, task_id) is None:
        return not_found("task", task_id)
    rows = tasks.load_jobs(conn, task_id, state, after, limit + 1)
    page = [
        api.Job(
            tid=row.tid,
            task_id=row.task_id,
            device_id=row.device_id,
            state=JobState(row.state).name.lower(),  # type: ignore[arg-type]
            step=row.step,
            updated_ms=row.updated_ms,
        )
        for row in rows[:limit]
    ]
    return api.Jobs(jobs=page, next_after=page[-1].tid if len(rows) > limit else None)
