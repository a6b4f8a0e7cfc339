"""What each step about tasks, packages and policies must answer, on paper. `now_ms` is the account's clock."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

from msgspec import structs

from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.operator import ErrorCode
from scenarios import play as p
from scenarios.auditor.holder import Prediction
from scenarios.auditor.orders import Terms
from scenarios.results import Seen
from scenarios.runner.paper_tasks import OPEN, PaperTasks
from scenarios.runner.predicted import plain
from scenarios.runner.shelf import Package
from scenarios.runner.taken_in import ACCOUNT

CREATE_CALL: Final = "create_task"


def _create_task(
    tasks: PaperTasks, step: p.PlayStep, action: p.CreateTask, device_ids: Sequence[int], now_ms: int
) -> Seen:
    members = tasks.roster.members
    package = tasks.shelf.take(_placed(tasks, action.package, device_ids))
    if action.verification == "skip" and package.verification == "open":
        package.verification = "skipped"
    is_first = action.verification == "first"
    if is_first and len(set(device_ids)) != 1:
        return Seen(outcome="refused", reason=ErrorCode.MALFORMED.value)
    is_pushed = action.notification == "webhook"
    terms = _terms(action, now_ms, lacks_webhook=is_pushed and not tasks.has_webhook)
    wanted = _wanted(tasks, action, package, device_ids, terms)
    # A device of another product is as unknown to this package as one that is not there (P7).
    keys: list[Hashable] = [
        d if members[d].product == package.facts.product else ("foreign", d) for d in wanted
    ]
    is_ready = package.verification != "open" or (is_first and not _is_being_verified(tasks, package))

    def create() -> Prediction:
        _lose_track(tasks, keys, package, terms)
        return tasks.book.create_task(
            ACCOUNT,
            keys,
            UpdateKind[action.package.kind],
            now_ms,
            target=action.package.target,
            package_fault=None if is_ready else ErrorCode.PACKAGE_NOT_VERIFIED,
            terms=terms,
        )

    if action.key:
        prediction = tasks.book.once(ACCOUNT, CREATE_CALL, action.key, (action, tuple(device_ids)), create)
    else:
        prediction = create()
    return tasks.keep(
        step.id, prediction, wanted, package, action, is_verification=is_first, is_pushed=is_pushed
    )


def _placed(tasks: PaperTasks, facts: p.PackageFacts, device_ids: Sequence[int]) -> p.PackageFacts:
    """Name the product of a package: unless it is said, that of the first device."""
    product = facts.product or (
        tasks.roster.members[device_ids[0]].product if device_ids else tasks.play.products[0].name
    )
    return structs.replace(facts, product=product)


def _terms(action: p.CreateTask, now_ms: int, *, lacks_webhook: bool) -> Terms:
    """Spell what a task says besides devices and target in the book's words."""
    starts_ms = now_ms + action.start_in_ms if action.start_in_ms else action.start_at_ms
    return Terms(
        starts_ms=starts_ms,
        expires_after_ms=action.expires_ms,
        start_version=action.package.start_version,
        start_versions=action.start_versions,
        must_have_reported=action.verification == "first",
        of_all=action.scope == "all",
        lacks_webhook=lacks_webhook,
    )


def _wanted(
    tasks: PaperTasks, action: p.CreateTask, package: Package, device_ids: Sequence[int], terms: Terms
) -> Sequence[int]:
    """Give the devices of a task; with scope all, those of the product that may be in it."""
    if action.scope == "chosen":
        return device_ids
    kind = UpdateKind[action.package.kind]
    return [
        device_id
        for device_id, member in tasks.roster.members.items()
        if member.product == package.facts.product
        and not member.terminated
        and (version := tasks.book.version(device_id, kind)) != action.package.target
        and terms.admit(version)
    ]


def _is_being_verified(tasks: PaperTasks, package: Package) -> bool:
    return any(
        task.is_verification and task.package is package and OPEN in tasks.roster.states[step_id].values()
        for step_id, task in tasks.created.items()
    )


def _lose_track(tasks: PaperTasks, keys: Sequence[Hashable], package: Package, terms: Terms) -> None:
    """Note it when a creation depends on versions that can't be told."""
    kind, target = UpdateKind[package.facts.kind], package.facts.target
    among = tasks.roster.members if terms.of_all else keys
    for device_id in among:
        maybe = tasks.maybe.get((device_id, kind))  # type: ignore[arg-type]  # a foreign one has none
        if maybe is not None:
            versions = (tasks.book.version(device_id, kind), maybe)
            if len({version != target and terms.admit(version) for version in versions}) > 1:
                tasks.is_lost = True


def _retry_task(
    tasks: PaperTasks, step: p.PlayStep, action: p.RetryTask, _: Sequence[int], now_ms: int
) -> Seen:
    old = tasks.created[action.of]
    if action.of in tasks.doubts:
        tasks.doubts.add(step.id)  # it costs nothing (B12)
        return Seen(outcome="created")
    failed = [d for d, state in tasks.roster.states[action.of].items() if state == "failed"]
    prediction = tasks.book.retry(old.number, now_ms, lacks_webhook=old.is_pushed and not tasks.has_webhook)
    return tasks.keep(
        step.id,
        prediction,
        failed,
        old.package,
        old,
        is_verification=old.is_verification,
        is_pushed=old.is_pushed,
    )


def _cancel_task(
    tasks: PaperTasks, _: p.PlayStep, action: p.CancelTask, __: Sequence[int], now_ms: int
) -> Seen:
    states = tasks.roster.states[action.of]
    still = [device_id for device_id, state in states.items() if state == OPEN]
    may_run = tasks.may_run(action.of, now_ms)
    if not still:
        return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
    tasks.book.cancel_task(tasks.created[action.of].number)
    states.update(dict.fromkeys(still, "cancelled"))
    return Seen(jobs=None if may_run else tasks.jobs(action.of), task_state="stopped")


def _cancel_jobs(
    tasks: PaperTasks, _: p.PlayStep, action: p.CancelJobs, device_ids: Sequence[int], now_ms: int
) -> Seen:
    may_run = tasks.may_run(action.of, now_ms)
    for device_id in dict.fromkeys(device_ids):
        if tasks.book.cancel_job(tasks.created[action.of].number, device_id).reason is not None:
            return Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)
        tasks.roster.states[action.of][device_id] = "cancelled"
    return Seen() if may_run else _standing_of(tasks, action.of, now_ms)


def _pause_task(
    tasks: PaperTasks, _: p.PlayStep, action: p.PauseTask, __: Sequence[int], now_ms: int
) -> Seen:
    may_run = tasks.may_run(action.of, now_ms)
    prediction = tasks.book.pause_task(tasks.created[action.of].number)
    if may_run or prediction.reason is not None:
        return plain(prediction)
    return _standing_of(tasks, action.of, now_ms)


def _resume_task(
    tasks: PaperTasks, _: p.PlayStep, action: p.ResumeTask, __: Sequence[int], now_ms: int
) -> Seen:
    prediction = tasks.book.resume_task(tasks.created[action.of].number)
    if tasks.may_run(action.of, now_ms) or prediction.reason is not None:
        return plain(prediction)
    return _standing_of(tasks, action.of, now_ms)


def _standing_of(tasks: PaperTasks, step_id: str, now_ms: int) -> Seen:
    """Show a task none of whose jobs can move."""
    return Seen(jobs=tasks.jobs(step_id), task_state=tasks.state_of(step_id, now_ms))


def _upload(tasks: PaperTasks, _: p.PlayStep, action: p.Upload, __: Sequence[int], ___: int) -> Seen:
    package = tasks.shelf.take(_placed(tasks, action.package, ()))
    if action.skip and package.verification == "open":
        package.verification = "skipped"
    return Seen()


def _auto_add(
    tasks: PaperTasks, _: p.PlayStep, action: p.AutoAdd, __: Sequence[int], ___: int
) -> Seen | None:
    if action.package_of is not None:
        package_of = tasks.roster.task_of(action.package_of)
        if package_of not in tasks.created:
            return None
        package = tasks.created[package_of].package
    else:
        assert action.package is not None
        package = tasks.shelf.take(action.package)
        package.verification = "skipped" if package.verification == "open" else package.verification
    package.takes_in, package.start_versions = not action.off, action.start_versions
    return Seen()


def _set_webhook(tasks: PaperTasks, _: p.PlayStep, action: p.SetWebhook, __: Sequence[int], ___: int) -> Seen:
    if action.off:
        had, tasks.has_webhook = tasks.has_webhook, False
        return Seen() if had else Seen(outcome="refused", reason=ErrorCode.NOT_FOUND.value)
    if not action.passes:
        return Seen(outcome="refused", reason=ErrorCode.WEBHOOK_UNVERIFIED.value)
    tasks.has_webhook = True
    return Seen()


def _check(tasks: PaperTasks, _: p.PlayStep, action: p.Check, __: Sequence[int], now_ms: int) -> Seen:
    if action.of is None:
        return Seen()
    task = tasks.created[action.of]
    freed, is_at_once = tasks.book.freed(task.number), tasks.play.policy.grandfathered_when == "job_created"
    seen = structs.replace(task.created, outcome="done", left=None, grandfathered=freed)
    if tasks.may_run(action.of, now_ms):  # jobs that may run may have run, and freed their devices (P3)
        return seen if is_at_once else structs.replace(seen, grandfathered=None)
    now = _standing_of(tasks, action.of, now_ms)
    return structs.replace(seen, jobs=now.jobs, task_state=now.task_state)


ORDERS: Final[Mapping[type[Any], Callable[..., Seen | None]]] = {
    p.CreateTask: _create_task,
    p.RetryTask: _retry_task,
    p.CancelTask: _cancel_task,
    p.PauseTask: _pause_task,
    p.ResumeTask: _resume_task,
    p.CancelJobs: _cancel_jobs,
    p.Upload: _upload,
    p.AutoAdd: _auto_add,
    p.SetWebhook: _set_webhook,
    p.Check: _check,
}
"""By action; None is answered when it is about something that is not on paper."""
