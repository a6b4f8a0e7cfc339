"""Use cases on tasks: create, retry, pause, resume, cancel, show.

The devices' facts come from set-based SQL, the rules decide on counts, and entitlements, journal, task and jobs
are written in one transaction (decision 4; B11, B13, I4).
"""

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import OPEN_STATES, JobState, UpdateKind
from platform_stub.protocol.ids import PackageId, TaskId
from platform_stub.protocol.operator import ErrorCode
from platform_stub.rules import events as ev
from platform_stub.rules.licensing import decide, evolve
from platform_stub.rules.refusals import Offenders, Refusal
from platform_stub.service import webhook
from platform_stub.service.accounts import account_now
from platform_stub.service.answers import Rejection, conflict, malformed, not_found, reject
from platform_stub.service.catalogue import KIND_NAMES
from platform_stub.service.writer import Tx
from platform_stub.store import accounts, admission, dialect, packages, tasks, webhooks
from platform_stub.store.accounts import AccountRow
from platform_stub.store.schema import AnyRow
from platform_stub.store.tasks import Settings

LARGE_DEVICES: Final = 5_000
"""From here on a transaction about a task runs in a thread (decision 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is ordered, besides the devices, which stand in the scratch table unless the scope is all."""

    package_id: int
    scope: api.Scope
    starts_ms: int
    settings: Settings
    retry_of: TaskId | None = None


def create(tx: Tx, account_id: int, request: api.CreateTask) -> api.Task | Rejection:
    """Create a task (B11): all its devices or none of them (B13)."""
    account = accounts.load(tx.conn, account_id)
    if account is None:
        return not_found("account", account_id)
    now_ms = account.now_ms(tx.real_ms)
    dialect.choose(tx.conn, request.device_ids or ())
    if (wrong := _wrong_request(tx.conn, request, now_ms)) is not None:
        return wrong
    starts = request.start_versions
    settings = Settings(
        name=request.name,
        start_versions=None if starts is None else tuple(dict.fromkeys(starts)),
        expires_after_ms=request.expires_after_ms,
        retry=request.retry,
        signal_min=request.signal,
        battery_min=request.battery,
        notification=request.notification,
        verification=request.verification,
    )
    order = _Order(
        package_id=request.package_id,
        scope=request.scope,
        starts_ms=now_ms if request.start_at_ms is None else request.start_at_ms,
        settings=settings,
    )
    return _create(tx, account, order)


def _wrong_request(conn: Connection, request: api.CreateTask, now_ms: int) -> Rejection | None:
    """Refuse what contradicts itself; the devices stand in the scratch table."""
    if request.scope == "all" and request.device_ids is not None:
        return malformed("$.device_ids: with scope all there is no list of devices; leave it out")
    if request.scope == "all" and request.verification:
        return malformed("$.scope: a verification is of exactly one device; name it in device_ids")
    if request.scope == "chosen" and request.device_ids is None:
        return malformed("$.device_ids: missing; name the devices, or take all with scope all")
    if request.verification and admission.count_chosen(conn) != 1:
        return malformed("$.device_ids: a verification is of exactly one device")
    if request.start_at_ms is not None and request.start_at_ms < now_ms:
        return malformed(
            f"$.start_at_ms: {request.start_at_ms} is over; the account's clock shows {now_ms}. "
            "Leave it out to start now"
        )
    return None


def retry(tx: Tx, task_id: int) -> api.Task | Rejection:
    """Create a task for the devices that failed in another one, under its settings and from now on.

    It is a creation like any other (B12, P15).
    """
    task = tasks.load(tx.conn, task_id)
    if task is None:
        return not_found("task", task_id)
    if not dialect.choose_failed(tx.conn, task_id, int(JobState.FAILED)):
        return conflict(f"no job of task {task_id} has failed; there is nothing to retry")
    account = accounts.load_known(tx.conn, task.account_id)
    order = _Order(
        package_id=task.package_id,
        scope="chosen",
        starts_ms=account.now_ms(tx.real_ms),
        settings=tasks.read_settings(task),
        retry_of=TaskId(task_id),
    )
    answer = _create(tx, account, order)
    if isinstance(answer, Rejection) and answer.code is ErrorCode.DEVICES_UNUSABLE:
        return replace(answer, message=f"{answer.message}; create a task for the others instead")
    return answer


def _create(tx: Tx, account: AccountRow, order: _Order) -> api.Task | Rejection:
    now_ms = account.now_ms(tx.real_ms)
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
    device_count = admission.count_chosen(tx.conn)
    if not device_count:
        return _nobody(package, order)
    by_webhook = order.settings.notification == "webhook"
    receiver = webhooks.load(tx.conn, account.account_id) if by_webhook else None
    if by_webhook and receiver is None:
        return conflict(
            "the account has no webhook to push the task to; set one first, or notify by platform"
        )
    task_id = tasks.create(
        tx.conn,
        tasks.NewTask(
            account_id=account.account_id,
            package_id=PackageId(package.package_id),
            kind=UpdateKind(package.kind),
            target=package.target,
            start_version=package.start_version,
            scope=order.scope,
            starts_ms=order.starts_ms,
            settings=order.settings,
            retry_of=order.retry_of,
        ),
        account.ledger.policy,
        allocated,
        now_ms=now_ms,
        device_count=device_count,
        needed=command.needed,
        available=account.ledger.left,
    )
    accounts.save_ledger(tx.conn, account.account_id, evolve(account.ledger, allocated))
    created = tasks.load(tx.conn, task_id)
    assert created is not None
    if receiver is not None:
        webhook.enqueue(tx, receiver, task_id, now_ms)
    tx.then(tx.effects.task_created, account.account_id, task_id, created.starts_ms, created.expires_ms)
    return _describe(created, {JobState.PENDING: created.device_count}, now_ms)


def _nobody(package: AnyRow, order: _Order) -> Rejection:
    versions = order.settings.start_versions
    at = "" if versions is None else f" at {', '.join(v or 'no reported version' for v in versions)}"
    if package.start_version is not None:
        at += f" at the package's start version {package.start_version}"
    return conflict(
        f"no living device of product {package.product_id}{at} is below the target {package.target}; "
        "the task would be of nobody"
    )


def _command(conn: Connection, account: AccountRow, package: AnyRow | None, order: _Order) -> ev.CreateTask:
    """Gather the facts that the rules decide on; with scope all, first who is in the task."""
    if package is None:
        return ev.CreateTask(needed=0, package=ev.PackageState.UNKNOWN)
    kind = UpdateKind(package.kind)
    verification = order.settings.verification
    # A package whose verification is under way is not verified yet, for a second one either (P16).
    ready = package.verification != "open" or (
        verification and not tasks.has_open_verification(conn, order.package_id)
    )
    wanted = admission.Admission(
        account_id=account.account_id,
        product_id=package.product_id,
        kind=kind,
        target=package.target,
        start_version=package.start_version,
        start_versions=order.settings.start_versions,
        must_have_reported=verification,
    )
    if order.scope == "all":
        admission.choose_all(conn, wanted)
    return ev.CreateTask(
        needed=admission.count_needed(conn),
        package=ev.PackageState.READY if ready else ev.PackageState.NOT_VERIFIED,
        unusable=Offenders() if order.scope == "all" else admission.find_unusable(conn, wanted),
        busy=admission.find_busy(conn, kind),
    )


def cancel(tx: Tx, task_id: int) -> api.Task | Rejection:
    """Cancel a task's open jobs; nothing comes back (P9)."""
    task = _open_task(tx.conn, task_id, "cancel")
    if isinstance(task, Rejection):
        return task
    now_ms = account_now(tx, task.account_id)
    cancelled = tasks.cancel_open_jobs(tx.conn, task_id, now_ms)
    tasks.mark_cancelled(tx.conn, task_id, now_ms)
    tx.then(tx.effects.jobs_ended, task_id, cancelled)
    return describe(tx.conn, task_id, tx.real_ms)


def pause(tx: Tx, task_id: int) -> api.Task | Rejection:
    """Pause a task: its pending jobs wait, a download runs out and takes no step, an update goes on."""
    task = _open_task(tx.conn, task_id, "pause")
    if isinstance(task, Rejection):
        return task
    if task.paused_ms is not None:
        return conflict(f"task {task_id} is paused already")
    now_ms = account_now(tx, task.account_id)
    tasks.mark_paused(tx.conn, task_id, now_ms)
    tasks.note_open_jobs(tx.conn, task_id, now_ms, "task paused")
    return describe(tx.conn, task_id, tx.real_ms)


def resume(tx: Tx, task_id: int) -> api.Task | Rejection:
    """Let a paused task go on; devices whose job is pending or downloading are told again."""
    task = _open_task(tx.conn, task_id, "resume")
    if isinstance(task, Rejection):
        return task
    if task.paused_ms is None:
        return conflict(f"task {task_id} is not paused")
    tasks.mark_paused(tx.conn, task_id, None)
    tasks.note_open_jobs(tx.conn, task_id, account_now(tx, task.account_id), "task resumed")
    tx.then(tx.effects.tell_task, task_id)
    return describe(tx.conn, task_id, tx.real_ms)


def cancel_job(tx: Tx, tid: int) -> api.Job | Rejection:
    """Cancel one device's job, the task's others going on; nothing comes back (P9)."""
    job = tasks.load_job(tx.conn, tid)
    if job is None:
        return not_found("job", tid)
    if not JobState(job.state).is_open:
        return conflict(
            f"job {tid} has ended ({JobState(job.state).name.lower()}); there is nothing to cancel"
        )
    task = tasks.load(tx.conn, job.task_id)
    assert task is not None, "a job is part of a task"
    tasks.cancel_job(tx.conn, tid, account_now(tx, task.account_id))
    tx.then(tx.effects.jobs_ended, job.task_id, 1)
    changed = tasks.load_job(tx.conn, tid)
    assert changed is not None
    return _show_job(changed)


def _open_task(conn: Connection, task_id: int, verb: str) -> AnyRow | Rejection:
    task = tasks.load(conn, task_id)
    if task is None:
        return not_found("task", task_id)
    if task.cancelled_ms is not None or not tasks.is_open_task(conn, task_id):
        return conflict(f"task {task_id} has ended; there is nothing to {verb}")
    return task


def describe(conn: Connection, task_id: int, real_ms: int) -> api.Task | Rejection:
    """Show a task with its jobs counted."""
    task = tasks.load(conn, task_id)
    if task is None:
        return not_found("task", task_id)
    account = accounts.load_known(conn, task.account_id)
    return _describe(task, tasks.job_counts(conn, task_id), account.now_ms(real_ms))


def is_large(conn: Connection, task_id: int) -> bool:
    """Whether a transaction about the task takes long."""
    task = tasks.load(conn, task_id)
    return task is not None and task.device_count >= LARGE_DEVICES


def _state_of(task: AnyRow, counts: dict[JobState, int], now_ms: int) -> api.TaskState:
    if task.cancelled_ms is not None:
        return "stopped"
    if not any(counts.get(state) for state in OPEN_STATES):
        return "finished"
    if task.paused_ms is not None:
        return "paused"
    return "not_started" if now_ms < task.starts_ms else "upgrading"


def _describe(task: AnyRow, counts: dict[JobState, int], now_ms: int) -> api.Task:
    settings = tasks.read_settings(task)
    return api.Task(
        task_id=task.task_id,
        account_id=task.account_id,
        package_id=task.package_id,
        kind=KIND_NAMES[task.kind],
        target=task.target,
        name=task.name,
        created_ms=task.created_ms,
        state=_state_of(task, counts, now_ms),
        scope=task.scope,
        start_versions=None if settings.start_versions is None else list(settings.start_versions),
        start_version=task.start_version,
        starts_ms=task.starts_ms,
        expires_ms=task.expires_ms,
        retry=settings.retry,
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


def show_page(
    conn: Connection, account_id: int, before: int | None, limit: int, real_ms: int
) -> api.Tasks | Rejection:
    """Show an account's tasks, newest first."""
    account = accounts.load(conn, account_id)
    if account is None:
        return not_found("account", account_id)
    now_ms = account.now_ms(real_ms)
    rows = tasks.load_page(conn, account_id, before, limit + 1)
    counts = tasks.job_counts_of(conn, [row.task_id for row in rows[:limit]])
    page = [_describe(row, counts[row.task_id], now_ms) for row in rows[:limit]]
    return api.Tasks(tasks=page, next_before=page[-1].task_id if len(rows) > limit else None)


def show_jobs(
    conn: Connection, task_id: int, state: JobState | None, after: int, limit: int
) -> api.Jobs | Rejection:
    """Show a page of a task's jobs."""
    if tasks.load(conn, task_id) is None:
        return not_found("task", task_id)
    rows = tasks.load_jobs(conn, task_id, state, after, limit + 1)
    page = [_show_job(row) for row in rows[:limit]]
    return api.Jobs(jobs=page, next_after=page[-1].tid if len(rows) > limit else None)


def _show_job(row: AnyRow) -> api.Job:
    return api.Job(
        tid=row.tid,
        task_id=row.task_id,
        device_id=row.device_id,
        state=JobState(row.state).name.lower(),  # type: ignore[arg-type]
        step=row.step,
        updated_ms=row.updated_ms,
    )
