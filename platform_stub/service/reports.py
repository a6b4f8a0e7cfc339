"""What devices report, decided and written a batch at a time.

A batch is read with a few statements, decided one report after the other in their order, and written with a few
more. Replies go out after the commit (decision 3). Source: onenet-protocol, sections 3 and 5; P3, P10.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from sqlalchemy import Connection

from platform_stub.protocol import messages, topics
from platform_stub.protocol.codes import FuseCode, JobState, UpdateKind
from platform_stub.protocol.ids import TaskId
from platform_stub.rules import events as ev
from platform_stub.rules import jobs as moves
from platform_stub.rules.licensing import decide
from platform_stub.service.ports import Session
from platform_stub.service.sessions import JobFacts, Sessions
from platform_stub.service.writer import Tx
from platform_stub.store import accounts, devices, dialect, packages, tasks
from platform_stub.store import jobs as job_rows


@dataclass(frozen=True, slots=True)
class Status:
    """A device reported a step."""

    session: Session
    message_id: str
    tid: int
    step: int


@dataclass(frozen=True, slots=True)
class Versions:
    """A device reported what it runs; None is not reported."""

    session: Session
    message_id: str
    f_version: str | None
    s_version: str | None


@dataclass(frozen=True, slots=True)
class Card:
    """A device reported its card; None is not reported."""

    session: Session
    message_id: str
    iccid: str | None
    imsi: str | None


@dataclass(frozen=True, slots=True)
class InformAnswer:
    """A device answered an inform; `tid` is 0 when the inform was an empty one."""

    session: Session
    tid: int
    code: int


@dataclass(frozen=True, slots=True)
class Listening:
    """A device subscribed to informs: it is told of its pending jobs."""

    session: Session


@dataclass(slots=True)
class Started:
    """A device's download begins; `outcome` is filled in by the batch."""

    device_id: int
    tid: int
    outcome: moves.Moved | moves.StepRefusal | None = None


Report = Status | Versions | Card | InformAnswer | Listening | Started

_STATES = {int(state): state for state in JobState}
_STATUS_CODES = {
    moves.StepRefusal.NOT_A_STEP: (FuseCode.INVALID_STEP, "invalid step"),
    moves.StepRefusal.OUT_OF_PLACE: (FuseCode.INVALID_STEP, "invalid step"),
    moves.StepRefusal.FINISHED: (FuseCode.TASK_FINISHED, "task finish"),
    moves.StepRefusal.HELD: (FuseCode.NO_TASK, "not exist"),
}


@dataclass(slots=True)
class _Job:
    tid: int
    task_id: int
    device_id: int
    kind: int
    state: JobState
    step: int | None
    account_id: int
    package_id: int
    target: str
    verification: bool
    facts: JobFacts


class Batch:
    """One batch of reports on its way into one transaction."""

    def __init__(self, tx: Tx, sessions: Sessions) -> None:
        self._tx = tx
        self._conn: Connection = tx.conn
        self._sessions = sessions
        self._jobs: dict[int, _Job] = {}
        self._open_of: dict[int, list[_Job]] = {}
        self._versions: dict[int, tuple[str | None, str | None]] = {}
        self._cards: dict[int, tuple[str, str]] = {}
        self._accounts: dict[int, accounts.AccountRow] = {}
        self._moved: dict[int, int] = {}
        self._notes: list[dict[str, Any]] = []
        self._firmware: dict[int, str] = {}
        self._software: dict[int, str] = {}
        self._new_cards: dict[int, tuple[str, str]] = {}
        self._ends: dict[int, int] = {}
        self._tell: dict[Session, None] = {}

    def apply(self, reports: Sequence[Report]) -> None:
        """Read what the reports need, decide them in order, write what changed."""
        self._load(reports)
        for report in reports:
            self._decide(report)
        self._write()

    def _load(self, reports: Sequence[Report]) -> None:
        tids = {r.tid for r in reports if isinstance(r, Status | Started | InformAnswer) and r.tid}
        self._keep(job_rows.load_by_tids(self._conn, tids))
        reporters = {r.session.device_id for r in reports if isinstance(r, Versions | Listening)}
        self._keep(job_rows.load_open_of_devices(self._conn, reporters))
        for device_id in reporters:
            self._open_of[device_id] = []
        for job in self._jobs.values():
            if job.device_id in reporters:
                self._open_of[job.device_id].append(job)
        self._versions = job_rows.load_versions(
            self._conn, {r.session.device_id for r in reports if isinstance(r, Versions)}
        )
        self._cards = job_rows.load_cards(
            self._conn, {r.session.device_id for r in reports if isinstance(r, Card)}
        )

    def _keep(self, rows: Iterable[Any]) -> None:
        for row in rows:
            if row.tid not in self._jobs:
                self._jobs[row.tid] = _Job(
                    row.tid, row.task_id, row.device_id, row.kind, _STATES[row.state], row.step,
                    row.account_id, row.package_id, row.target, row.verification,
                    JobFacts(row.tid, row.kind, row.target, row.size_bytes, row.md5),
                )  # fmt: skip

    def _account(self, account_id: int) -> accounts.AccountRow:
        account = self._accounts.get(account_id)
        if account is None:
            account = accounts.load(self._conn, account_id)
            assert account is not None, "a job's account is never removed"
            self._accounts[account_id] = account
        return account

    def _now(self, account_id: int) -> int:
        return self._tx.real_ms + self._account(account_id).clock_offset_ms

    def _held(self, job: _Job) -> bool:
        return self._account(job.account_id).ledger.holds_pending(self._now(job.account_id))

    def _decide(self, report: Report) -> None:
        match report:
            case Status():
                self._decide_status(report)
            case Versions():
                self._decide_versions(report)
            case Started():
                self._decide_start(report)
            case Listening(session=session):
                self._tell[session] = None
            case InformAnswer():
                self._decide_inform_answer(report)
            case Card():
                self._decide_card(report)
            case _:
                assert_never(report)

    def _decide_status(self, report: Status) -> None:
        job = self._jobs.get(report.tid)
        if job is None or job.device_id != report.session.device_id:
            self._reply(
                report.session, topics.STATUS_REPLY, report.message_id, FuseCode.NOT_FOUND, "not found"
            )
            return
        outcome = moves.report(job.state, job.step, report.step, held=self._held(job))
        if isinstance(outcome, moves.StepRefusal):
            code, text = _STATUS_CODES[outcome]
            self._reply(report.session, topics.STATUS_REPLY, report.message_id, code, text)
            return
        self._move(job, outcome, f"step {report.step}")
        self._reply(report.session, topics.STATUS_REPLY, report.message_id)

    def _decide_start(self, report: Started) -> None:
        job = self._jobs.get(report.tid)
        if job is None or job.device_id != report.device_id:
            report.outcome = moves.StepRefusal.FINISHED
            return
        report.outcome = moves.signal(job.state, job.step, moves.Signal.STARTED, held=self._held(job))
        if isinstance(report.outcome, moves.Moved):
            self._move(job, report.outcome, "download started")

    def _decide_versions(self, report: Versions) -> None:
        device_id = report.session.device_id
        stored = self._versions.get(device_id, (None, None))
        known = (self._firmware.get(device_id, stored[0]), self._software.get(device_id, stored[1]))
        reported = (report.f_version, report.s_version)
        for at, (version, store) in enumerate(zip(reported, (self._firmware, self._software), strict=True)):
            if version is not None and version != known[at]:
                store[device_id] = version
        merged = (reported[0] or known[0], reported[1] or known[1])
        if merged != known:
            self._note(report.session, None, "version", f"FOTA {merged[0] or '-'}, SOTA {merged[1] or '-'}")
        for job in self._open_of.get(device_id, ()):
            version = reported[0] if job.kind == UpdateKind.FOTA else reported[1]
            if job.state.is_open and version == job.target:
                outcome = moves.signal(job.state, job.step, moves.Signal.TARGET_REPORTED)
                assert isinstance(outcome, moves.Moved)
                self._move(job, outcome, "target version reported")
        self._tx.then(setattr, report.session, "present", True)
        self._reply(report.session, topics.VERSION_REPLY, report.message_id)
        self._tell[report.session] = None

    def _decide_inform_answer(self, report: InformAnswer) -> None:
        job = self._jobs.get(report.tid)
        if job is None or job.device_id != report.session.device_id:
            return
        accepted = report.code in {0, messages.ACCEPTED}
        what = "inform accepted" if accepted else "inform refused"
        self._note(report.session, job.tid, what, None if accepted else f"code {report.code}")

    def _decide_card(self, report: Card) -> None:
        device_id = report.session.device_id
        known = self._new_cards.get(device_id) or self._cards.get(device_id, ("", ""))
        card = (
            known[0] if report.iccid is None else report.iccid,
            known[1] if report.imsi is None else report.imsi,
        )
        if card != known:  # B9: a card is no part of what is charged
            self._new_cards[device_id] = card
            self._note(
                report.session, None, "card replaced", f"ICCID {card[0] or '-'}, IMSI {card[1] or '-'}"
            )
        self._reply(report.session, topics.PROPERTY_POST_REPLY, report.message_id)

    def _move(self, job: _Job, outcome: moves.Moved, what: str) -> None:
        if not outcome.changed:
            return
        was, job.state, job.step = job.state, outcome.state, outcome.step
        now_ms = self._now(job.account_id)
        self._moved[job.tid] = now_ms
        detail = job.state.name.lower() if job.state is not was else None
        self._notes.append(
            {"device_id": job.device_id, "tid": job.tid, "at_ms": now_ms, "what": what, "detail": detail}
        )
        if job.state.is_open:
            return
        self._ends[job.task_id] = self._ends.get(job.task_id, 0) + 1
        if job.state is JobState.SUCCESS:
            self._succeed(job, now_ms)

    def _succeed(self, job: _Job, now_ms: int) -> None:
        """Set the device's version to the target; verification and P3 hang on a success too."""
        if job.kind == UpdateKind.FOTA:
            self._firmware[job.device_id] = job.target
        else:
            self._software[job.device_id] = job.target
        if job.verification:
            packages.set_verification(self._conn, job.package_id, "passed")
        account = self._account(job.account_id)
        decision = decide(account.ledger, ev.CompleteFreeJob(), now_ms)
        assert isinstance(decision, tuple)
        for allocated in decision:
            if isinstance(allocated, ev.Allocated) and not job_rows.is_entitled(self._conn, job.device_id):
                self._grandfather(account, job, allocated, now_ms)

    def _grandfather(
        self, account: accounts.AccountRow, job: _Job, allocated: ev.Allocated, now_ms: int
    ) -> None:
        dialect.choose(self._conn, [job.device_id])
        policy = account.ledger.policy
        tasks.bind(self._conn, account.account_id, TaskId(job.task_id), policy, allocated, now_ms)
        tasks.count_grandfathered(self._conn, job.task_id)

    def _tell_pending(self, session: Session) -> None:
        """Tell a device of its pending jobs, once a batch: filled when it is present by then, empty otherwise."""
        pending = [
            job.facts
            for job in self._open_of.get(session.device_id, ())
            if job.state is JobState.PENDING and not self._held(job)
        ]
        if pending:
            self._tx.then(self._sessions.inform, session, pending)

    def _note(self, session: Session, tid: int | None, what: str, detail: str | None) -> None:
        now_ms = self._now(session.account_id)
        self._notes.append(
            {"device_id": session.device_id, "tid": tid, "at_ms": now_ms, "what": what, "detail": detail}
        )

    def _reply(
        self,
        session: Session,
        suffix: str,
        message_id: str,
        code: int = messages.ACCEPTED,
        text: str = "success",
    ) -> None:
        payload = messages.encode(messages.Reply(id=message_id, code=int(code), msg=text))
        self._tx.then(self._sessions.publish, session, suffix, payload)

    def _write(self) -> None:
        jobs = self._jobs
        job_rows.move(
            self._conn,
            [
                {"b_tid": tid, "b_state": int(jobs[tid].state), "b_step": jobs[tid].step, "b_now": now_ms}
                for tid, now_ms in self._moved.items()
            ],
        )
        devices.note(self._conn, self._notes)
        job_rows.set_versions(self._conn, self._firmware, self._software)
        job_rows.set_cards(self._conn, self._new_cards)
        for task_id, count in self._ends.items():
            self._tx.then(self._tx.effects.jobs_ended, task_id, count)
        for session in self._tell:
            self._tell_pending(session)
