"""Reports decided and written a batch at a time, those of MQTT and of HTTP alike.

A batch is read with a few statements, decided one report after the other in their order, and written with a few
more. Replies go out, and HTTP calls are settled, after the commit (decision 3). A job that is past its deadline
expires before anything else is decided on it. Source: onenet-protocol, sections 3 to 5; P3, P10.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, assert_never

from sqlalchemy import Connection

from platform_stub.protocol import messages, topics
from platform_stub.protocol.calls import FUSE, TABLES, CallRefusal, Generation
from platform_stub.protocol.codes import STEP_DOWNLOAD_FAILED, JobState, UpdateKind
from platform_stub.protocol.ids import TaskId
from platform_stub.rules import events as ev
from platform_stub.rules import jobs as moves
from platform_stub.rules.licensing import decide
from platform_stub.rules.offers import Asked, Mismatch, find_mismatch
from platform_stub.service import job_tokens
from platform_stub.service.casebook import Casebook
from platform_stub.service.caseload import Caseload, Job
from platform_stub.service.ports import Session
from platform_stub.service.reports import (
    STATE_REFUSALS,
    STEP_REFUSALS,
    Call,
    Card,
    Check,
    InformAnswer,
    Listening,
    Origin,
    Report,
    Started,
    Status,
    Versions,
)
from platform_stub.service.sessions import JobFacts, Sessions
from platform_stub.service.writer import Tx
from platform_stub.store import accounts, devices, dialect, packages, tasks
from platform_stub.store import jobs as job_rows

Idle = Callable[[Session, UpdateKind, str], None]
"""Called after the commit with a version that a device without an open job of its kind reported over MQTT."""

_ABOUT_A_JOB: Final = (Status, Started, InformAnswer)
_NAMES: Final = {state: state.name.lower() for state in JobState}
_TOLD: Final = frozenset({JobState.PENDING})
_TOLD_AGAIN: Final = frozenset({JobState.PENDING, JobState.DOWNLOADING})


class Batch:
    """One batch of reports on its way into one transaction."""

    def __init__(
        self,
        tx: Tx,
        sessions: Sessions,
        book: Casebook,
        *,
        strict: bool = False,
        idle: Idle | None = None,
    ) -> None:
        self._tx = tx
        self._strict = strict
        self._idle = idle
        self._conn: Connection = tx.conn
        self._sessions = sessions
        self._cases = Caseload(tx, book)
        self._cards: dict[int, tuple[str, str]] = {}
        self._moved: dict[int, int] = {}  # when, by tid
        self._turned: set[int] = set()  # tids of those that are in another state now
        self._notes: list[dict[str, Any]] = []
        self._noted: dict[int, tuple[int | None, str, str | None]] = {}  # the last note of each device
        self._firmware: dict[int, str] = {}
        self._software: dict[int, str] = {}
        self._new_cards: dict[int, tuple[str, str]] = {}
        self._ends: dict[int, int] = {}
        self._issued: dict[int, int] = {}
        self._tokens: list[dict[str, Any]] = []
        self._tell: dict[Session, bool] = {}  # whether it asked by a version report
        self._arriving: set[Session] = set()  # present once this is committed

    def apply(self, reports: Sequence[Report]) -> None:
        """Read what the reports need, decide them in order, write what changed."""
        self._load(reports)
        # Before anyone is answered: who is asks again at once.
        self._tx.then(self._cases.close, self._moved, self._firmware, self._software)
        for report in reports:
            self._decide(report)
        self._write()

    def _load(self, reports: Sequence[Report]) -> None:
        tids, device_ids, with_cards, with_tokens = set(), set(), set(), set()
        for report in reports:
            device_id = report.origin.device_id
            if isinstance(report, Card):
                with_cards.add(device_id)
                continue
            device_ids.add(device_id)
            if isinstance(report, _ABOUT_A_JOB):
                tids.add(report.tid)
            elif isinstance(report, Check) and _by_token(report.origin):
                with_tokens.add(device_id)
        tids.discard(0)
        self._cases.load(tids, device_ids)
        self._cards = job_rows.load_cards(self._conn, with_cards)
        self._issued = job_rows.load_issued(
            self._conn, [job.tid for device_id in with_tokens for job in self._cases.of(device_id)]
        )

    def _expire(self, job: Job) -> None:
        """Let a job expire whose deadline has passed, whether or not the clock's own round has come to it."""
        if self._cases.is_overdue(job):
            outcome = moves.signal(job.state, job.step, moves.Signal.EXPIRED)
            assert isinstance(outcome, moves.Moved)
            self._move(job, outcome, "expired")

    def _decide(self, report: Report) -> None:
        match report:
            case Status():
                self._decide_status(report)
            case Versions():
                self._decide_versions(report)
            case Check():
                self._decide_check(report)
            case Started():
                self._decide_start(report)
            case Listening(origin=session):
                self._tell.setdefault(session, False)
            case InformAnswer():
                self._decide_inform_answer(report)
            case Card():
                self._decide_card(report)
            case _:
                assert_never(report)

    def _decide_status(self, report: Status) -> None:
        job = self._cases.find(report.tid, report.origin.device_id)
        if job is None:
            self._refuse_step(report, CallRefusal.NOT_FOUND, f"the device has no job {report.tid}", None)
            return
        self._expire(job)
        outcome = moves.report(
            job.state, job.step, report.step, hold=self._cases.hold(job), strict=self._strict
        )
        if isinstance(outcome, moves.StepRefusal):
            self._refuse_step(report, STEP_REFUSALS[outcome], moves.words_for(outcome, job.state), job.tid)
            return
        self._move(job, outcome, f"step {report.step}")
        self._answer(report.origin, topics.STATUS_REPLY, report.message_id)

    def _refuse_step(self, report: Status, refusal: CallRefusal, why: str, tid: int | None) -> None:
        """Refuse it, and note that on the timeline, once as long as nothing else happens to the device."""
        origin = report.origin
        self._answer(origin, topics.STATUS_REPLY, report.message_id, refusal, why)
        generation = origin.generation if isinstance(origin, Call) else Generation.FUSE
        noted = tid, f"step {report.step} refused", f"{TABLES[generation][refusal].text}: {why}"
        if noted != self._last_noted(origin.device_id):
            self._note(origin, *noted)

    def _last_noted(self, device_id: int) -> tuple[int | None, str, str | None] | None:
        """Find what was noted last of a device, in this batch or before it."""
        noted = self._noted.get(device_id)
        if noted is not None:
            return noted
        entry = devices.last_entry(self._conn, device_id)
        return None if entry is None else (entry.tid, entry.what, entry.detail)

    def _decide_start(self, report: Started) -> None:
        call = report.origin
        job = self._cases.find(report.tid, call.device_id)
        if job is None:
            call.refusal = CallRefusal.NOT_FOUND
            return
        self._expire(job)
        outcome = moves.signal(job.state, job.step, moves.Signal.STARTED, hold=self._cases.hold(job))
        if isinstance(outcome, moves.StepRefusal):
            call.refusal = STATE_REFUSALS[outcome]
            return
        self._move(job, outcome, "download started")
        call.refusal, call.state = None, job.state

    def _decide_versions(self, report: Versions) -> None:
        origin = report.origin
        self._keep_versions(origin, report.f_version, report.s_version)
        for job in self._cases.of(origin.device_id):
            self._expire(job)
            version = report.f_version if job.kind == UpdateKind.FOTA else report.s_version
            if version == job.task.target:
                self._reach_target(job)
        self._answer(origin, topics.VERSION_REPLY, report.message_id)
        if isinstance(origin, Session):
            self._tx.then(self._sessions.reported, origin)
            self._arriving.add(origin)
            self._tell[origin] = True
            if self._idle is not None:
                self._tell_idle(self._idle, origin, report)
        elif (session := self._sessions.get(origin.device_id)) is not None:
            self._tell[session] = True

    def _keep_versions(self, origin: Origin, f_version: str | None, s_version: str | None) -> None:
        device_id = origin.device_id
        stored = self._cases.versions(device_id)
        known = (self._firmware.get(device_id, stored[0]), self._software.get(device_id, stored[1]))
        reported = (f_version, s_version)
        for at, (version, store) in enumerate(zip(reported, (self._firmware, self._software), strict=True)):
            if version is not None and version != known[at]:
                store[device_id] = version
        merged = (f_version or known[0], s_version or known[1])
        if merged != known:
            self._note(origin, None, "version", f"FOTA {merged[0] or '-'}, SOTA {merged[1] or '-'}")

    def _reach_target(self, job: Job) -> bool:
        """Make a job a success whose device says that it runs the target."""
        outcome = moves.signal(job.state, job.step, moves.Signal.TARGET_REPORTED, strict=self._strict)
        if isinstance(outcome, moves.StepRefusal):
            return False
        self._move(job, outcome, "target version reported")
        return True

    def _tell_idle(self, idle: Idle, session: Session, report: Versions) -> None:
        busy = {job.kind for job in self._cases.of(session.device_id) if job.state.is_open}
        for kind, version in ((UpdateKind.FOTA, report.f_version), (UpdateKind.SOTA, report.s_version)):
            if version is not None and kind not in busy:
                self._tx.then(idle, session, kind, version)

    def _decide_check(self, report: Check) -> None:
        """Write what a check changes: the version, a job that it ends, a token. What to offer is read afterwards."""
        call, asked = report.origin, report.asked
        call.refusal = None
        if asked is not None:
            is_fota = report.kind is UpdateKind.FOTA
            self._keep_versions(call, *((asked.version, None) if is_fota else (None, asked.version)))
        for job in self._cases.of(call.device_id):
            if job.kind != report.kind:
                continue
            self._expire(job)
            if job.state.is_open and asked is not None:
                call.refusal = self._judge_offer(job, asked, call.generation)
            if job.state.is_open and call.refusal is None and _by_token(call):
                self._issue(job, self._cases.account(call.account_id).now_ms)

    def _judge_offer(self, job: Job, asked: Asked, generation: Generation) -> CallRefusal | None:
        mismatch = find_mismatch(job.state, job.task.terms, asked)
        if mismatch is None:
            return None
        if mismatch is Mismatch.AT_TARGET:
            return CallRefusal.AT_TARGET if self._reach_target(job) else None
        if self._cases.stop(job) is not None:
            return None  # it is not offered at all
        if generation is not Generation.FUSE:
            outcome = moves.report(job.state, job.step, STEP_DOWNLOAD_FAILED)
            assert isinstance(outcome, moves.Moved)
            self._move(job, outcome, f"{mismatch.name.replace('_', ' ').lower()} mismatch")
        is_model = mismatch is Mismatch.MODEL
        return CallRefusal.MODEL_MISMATCH if is_model else CallRefusal.START_VERSION

    def _issue(self, job: Job, now_ms: int) -> None:
        """Give out a token for a job that is offered, unless the last one is still good."""
        is_good = self._issued.get(job.tid, job_tokens.NEVER) > job_tokens.issued_after(now_ms)
        if is_good or self._cases.stop(job) is not None:
            return
        self._issued[job.tid] = now_ms
        self._tokens.append(
            {
                "token": job_tokens.new_token(),
                "tid": job.tid,
                "device_id": job.device_id,
                "issued_ms": now_ms,
            }
        )

    def _decide_inform_answer(self, report: InformAnswer) -> None:
        job = self._cases.find(report.tid, report.origin.device_id)
        if job is None:
            return
        accepted = report.code in {0, messages.ACCEPTED}
        what = "inform accepted" if accepted else "inform refused"
        self._note(report.origin, job.tid, what, None if accepted else f"code {report.code}")

    def _decide_card(self, report: Card) -> None:
        device_id = report.origin.device_id
        known = self._new_cards.get(device_id) or self._cards.get(device_id, ("", ""))
        card = (
            known[0] if report.iccid is None else report.iccid,
            known[1] if report.imsi is None else report.imsi,
        )
        if card != known:  # B9: a card is no part of what is charged
            self._new_cards[device_id] = card
            self._note(report.origin, None, "card replaced", f"ICCID {card[0] or '-'}, IMSI {card[1] or '-'}")
        self._answer(report.origin, topics.PROPERTY_POST_REPLY, report.message_id)

    def _move(self, job: Job, outcome: moves.Moved, what: str) -> None:
        if not outcome.changed:
            return
        was, job.state, job.step = job.state, outcome.state, outcome.step
        now_ms = self._cases.account(job.task.account_id).now_ms
        self._moved[job.tid] = now_ms
        detail = None
        if job.state is not was:
            self._turned.add(job.tid)
            detail = _NAMES[job.state]
        self._put_note(job.device_id, job.tid, now_ms, what, detail)
        if job.state.is_open:
            return
        task_id = job.task.task_id
        self._ends[task_id] = self._ends.get(task_id, 0) + 1
        if job.state is JobState.SUCCESS:
            self._succeed(job, now_ms)

    def _succeed(self, job: Job, now_ms: int) -> None:
        """Set the device's version to the target; verification and P3 hang on a success too."""
        if job.kind == UpdateKind.FOTA:
            self._firmware[job.device_id] = job.task.target
        else:
            self._software[job.device_id] = job.task.target
        if job.task.verification:
            packages.set_verification(self._conn, job.task.package_id, "passed")
        account = self._cases.account(job.task.account_id).row
        decision = decide(account.ledger, ev.CompleteFreeJob(), now_ms)
        assert isinstance(decision, tuple)
        for allocated in decision:
            if isinstance(allocated, ev.Allocated) and not job_rows.is_entitled(self._conn, job.device_id):
                self._grandfather(account, job, allocated, now_ms)

    def _grandfather(
        self, account: accounts.AccountRow, job: Job, allocated: ev.Allocated, now_ms: int
    ) -> None:
        dialect.choose(self._conn, [job.device_id])
        policy = account.ledger.policy
        task_id = TaskId(job.task.task_id)
        tasks.bind(self._conn, account.account_id, task_id, policy, allocated, now_ms)
        tasks.count_grandfathered(self._conn, task_id)

    def _tell_pending(self, session: Session, *, asked: bool) -> None:
        """Tell a device of its pending jobs, once a batch: filled when it is present by then, empty otherwise.

        A present device that reports its version is told of its download as well: it may have let go of it at a
        pause, or lost its memory with its power. A job that is announced by the account's webhook is told only to
        a device that asked.
        """
        is_back = asked and (session.present or session in self._arriving)
        told = _TOLD_AGAIN if is_back else _TOLD
        pending = [
            JobFacts(job.tid, job.kind, job.task.target, job.task.size_bytes, job.task.md5)
            for job in self._cases.of(session.device_id)
            if job.state in told
            and (asked or job.task.notification != "webhook")
            and self._cases.stop(job) is None
            and not self._cases.is_overdue(job)
        ]
        if pending:
            self._tx.then(self._sessions.inform, session, pending)

    def _note(self, origin: Origin, tid: int | None, what: str, detail: str | None) -> None:
        now_ms = self._cases.account(origin.account_id).now_ms
        self._put_note(origin.device_id, tid, now_ms, what, detail)

    def _put_note(self, device_id: int, tid: int | None, now_ms: int, what: str, detail: str | None) -> None:
        self._noted[device_id] = tid, what, detail
        self._notes.append(
            {"device_id": device_id, "tid": tid, "at_ms": now_ms, "what": what, "detail": detail}
        )

    def _answer(
        self,
        origin: Origin,
        suffix: str,
        message_id: str,
        refusal: CallRefusal | None = None,
        why: str | None = None,
    ) -> None:
        """Answer a session after the commit; an HTTP call takes it from where it waits. `why` is for people."""
        if isinstance(origin, Call):
            origin.refusal, origin.note = refusal, why
            return
        code, text = (messages.ACCEPTED, "success") if refusal is None else FUSE[refusal]
        payload = messages.encode(messages.Reply(id=message_id, code=code, msg=text))
        self._tx.then(self._sessions.publish, origin, suffix, payload, 1, why)

    def _write(self) -> None:
        turned, stepped = [], []
        for tid, now_ms in self._moved.items():
            job = self._cases.jobs[tid]
            row = {"b_tid": tid, "b_step": job.step, "b_now": now_ms}
            if tid in self._turned:
                row["b_state"] = int(job.state)
                turned.append(row)
            else:
                stepped.append(row)
        job_rows.move(self._conn, turned)
        job_rows.step(self._conn, stepped)
        devices.note(self._conn, self._notes)
        job_rows.set_versions(self._conn, self._firmware, self._software)
        job_rows.set_cards(self._conn, self._new_cards)
        job_rows.add_tokens(self._conn, self._tokens)
        for task_id, count in self._ends.items():
            self._tx.then(self._tx.effects.jobs_ended, task_id, count)
        for session, asked in self._tell.items():
            self._tell_pending(session, asked=asked)


def _by_token(call: Call) -> bool:
    return call.generation is Generation.SOUTH
