"""What a device asks over HTTP, whatever its generation: each call judged, written and answered as a value.

Not here: paths, JSON and envelopes (`api`), numbers and texts (`protocol.calls`). A call that changes nothing is
one look-up; one that does goes through the writer with everybody's reports (`batch`), where it is decided anew.
StoreUnavailable comes out of any of them: nothing has changed. Times are the account's.
Source: onenet-protocol, sections 2, 4 and 5; P10, P15.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from platform_stub.protocol.calls import CallRefusal, Generation, Refused
from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.rules.jobs import StepRefusal, ending
from platform_stub.rules.offers import Asked, Terms, find_mismatch
from platform_stub.service import job_tokens
from platform_stub.service.auto_add import AutoAdds
from platform_stub.service.casebook import Casebook
from platform_stub.service.contents import Contents, PackageFile
from platform_stub.service.credentials import Caller, Credentials
from platform_stub.service.reports import (
    STATE_REFUSALS,
    Call,
    Check,
    Report,
    Started,
    Status,
    Versions,
)
from platform_stub.service.standing import Standing, standing_in_book, standing_of
from platform_stub.service.writer import Writer
from platform_stub.store import jobs
from platform_stub.store.engine import Store
from platform_stub.store.errors import StoreUnavailable
from platform_stub.store.schema import AnyRow

__all__ = ["Caller", "DeviceCalls", "Offer", "PackageFile", "Refused"]

_NO_TASK: Final = Refused(CallRefusal.NO_TASK)
_NOT_FOUND: Final = Refused(CallRefusal.NOT_FOUND)
_UNDER_WAY: Final = (JobState.DOWNLOADING, JobState.UPGRADING)


class Offer(Struct, frozen=True, kw_only=True, gc=False):
    """A job as a check shows it; `token` is generation A's handle and empty in B and C."""

    tid: int
    token: str
    target: str
    size_bytes: int
    md5: str
    state: JobState
    is_differential: bool
    signal: int
    battery: int
    retry_count: int
    retry_interval_s: int


class DeviceCalls:
    """The devices' calls on the store and the writer. `real_ms` is the wall clock."""

    def __init__(
        self,
        store: Store,
        writer: Writer[Report],
        credentials: Credentials,
        auto_adds: AutoAdds,
        casebook: Casebook,
        real_ms: Callable[[], int],
        *,
        strict: bool = False,
    ) -> None:
        self._store = store
        self._writer = writer
        self._credentials = credentials
        self._auto_adds = auto_adds
        self._casebook = casebook
        self._real_ms = real_ms
        self._strict = strict
        self.authenticate = credentials.authenticate  # the device of an address (B, C), or of an ID (A)
        self.contents = Contents(store)

    def enter_by_token(self, token: str, authorization: str = "") -> tuple[Caller, int] | Refused:
        """Find the device and job (tid) of generation A's job token, which a download names alone.

        An authorization that is given is judged as well; none is asked for.
        """
        with self._store.glance() as conn:
            issued = _find_token(conn, token)
            row = None if issued is None else jobs.find_caller_by_id(conn, issued.device_id)
        if issued is None:
            return Refused(CallRefusal.JOB_TOKEN_MISSING)
        if authorization or row is None:
            refusal = self._credentials.refusal(Generation.SOUTH, authorization, row)
            if refusal is not None:
                return refusal
        assert row is not None, "a device that is not there is refused"
        caller = self._credentials.admit(Generation.SOUTH, row)
        if job_tokens.is_expired(issued.issued_ms, caller.now_ms):
            return Refused(CallRefusal.JOB_TOKEN_EXPIRED)
        return caller, issued.tid

    async def report_versions(
        self, caller: Caller, f_version: str | None, s_version: str | None
    ) -> Refused | None:
        """Take what a device runs; None is not reported. Informs are woken as by a report over MQTT."""
        return await self._send(Versions(_call(caller), "", f_version, s_version))

    def show_versions(self, caller: Caller) -> tuple[str | None, str | None] | Refused:
        """Show the (firmware, software) versions that were last reported."""
        with self._store.glance() as conn:
            row = jobs.find_versions(conn, caller.device_id)
        return Refused(CallRefusal.NO_SUCH_DEVICE) if row is None else (row.f_version, row.s_version)

    async def check(
        self,
        caller: Caller,
        kind: UpdateKind,
        version: str,
        manufacturer: str | None = None,
        model: str | None = None,
    ) -> Offer | Refused:
        """Say which job of a kind the device has; `version` is what it runs, and is kept.

        Without a job an auto-add policy may make one (P15).
        """
        asked = Asked(version=version, manufacturer=manufacturer, model=model)
        answer = await self._check(caller, kind, asked)
        if answer is None:
            answer = await self._join(caller, kind, asked)
        return self._last_word(caller, kind) if answer is None else answer

    async def _join(self, caller: Caller, kind: UpdateKind, asked: Asked) -> Offer | Refused | None:
        """Let an auto-add policy make a job (P15); None when none wants the device."""
        added = await self._auto_adds.judge(caller.device_id, kind, asked.version)
        if isinstance(added, Refused):
            return added
        return await self._check(caller, kind, asked) if added else None

    async def _check(self, caller: Caller, kind: UpdateKind, asked: Asked) -> Offer | Refused | None:
        """Check once; None when there is no open job."""
        row = self._find_open(caller, kind)
        if self._must_write(caller, kind, row, asked):
            refusal = await self._send(Check(_call(caller), kind, asked))
            if refusal is not None:
                return refusal
            row = self._find_open(caller, kind)
        if row.tid is None:
            return None
        stop = standing_of(row, self._real_ms()).stop
        if stop is None:
            return _offer(row)
        return _NO_TASK if stop is StepRefusal.NOT_STARTED else Refused(STATE_REFUSALS[stop])

    def _must_write(self, caller: Caller, kind: UpdateKind, row: AnyRow, asked: Asked) -> bool:
        """Whether a check changes anything: the version, the job, or a token to be made."""
        if asked.version != (row.f_version if kind is UpdateKind.FOTA else row.s_version):
            return True
        if row.tid is None:
            return False
        standing = standing_of(row, self._real_ms())
        return standing.is_overdue or find_mismatch(standing.state, _terms(row), asked) is not None or (
            caller.generation is Generation.SOUTH and row.token is None and standing.stop is None
        )  # fmt: skip

    def _last_word(self, caller: Caller, kind: UpdateKind) -> Refused:
        """Say that there is nothing to do; C also says how the last job ended, if not by a step of the device."""
        if caller.generation is not Generation.FUSE:
            return _NO_TASK
        with self._store.glance() as conn:
            last = jobs.find_last(conn, caller.device_id, kind)
        end = None if last is None else ending(JobState(last.state), last.step)
        return _NO_TASK if end is None or end is StepRefusal.FINISHED else Refused(STATE_REFUSALS[end])

    async def tasking(self, caller: Caller, kind: UpdateKind) -> Offer | Refused:
        """Say which job of a kind is downloading or upgrading (A)."""
        row = self._find_open(caller, kind)
        if _is_under_way(row) and row.token is None:
            refusal = await self._send(Check(_call(caller), kind, None))
            if refusal is not None:
                return refusal
            row = self._find_open(caller, kind)
        if not _is_under_way(row):
            return _NOT_FOUND
        standing = standing_of(row, self._real_ms())
        if standing.is_overdue:
            return _NOT_FOUND
        return _offer(row) if standing.stop is None else Refused(STATE_REFUSALS[standing.stop])

    def resolve_token(self, caller: Caller, token: str) -> int | Refused:
        """Find the tid of a job token of generation A; another device's is as good as none."""
        with self._store.glance() as conn:
            issued = _find_token(conn, token)
        if issued is None or issued.device_id != caller.device_id:
            return Refused(CallRefusal.JOB_TOKEN_MISSING)
        if job_tokens.is_expired(issued.issued_ms, caller.now_ms):
            return Refused(CallRefusal.JOB_TOKEN_EXPIRED)
        return int(issued.tid)

    async def check_token(self, caller: Caller, token: str) -> Refused | None:
        """Judge a job token before the download (A): a pending job becomes downloading.

        Repeated while the job downloads it is good again, since a device repeats what it got no answer to; the
        narrower reading takes it from a pending job only.
        """
        tid = self.resolve_token(caller, token)
        if isinstance(tid, Refused):
            return tid
        found = self._find_job(caller, tid)
        if isinstance(found, Refused):
            return found
        _, standing = found
        if standing.moves_when_asked:
            return await self._send(Started(_call(caller), tid))
        end = ending(standing.state, standing.step)
        if end in {StepRefusal.CANCELLED, StepRefusal.EXPIRED}:
            return Refused(STATE_REFUSALS[end])
        if standing.state is JobState.DOWNLOADING and not self._strict:
            return None
        return Refused(CallRefusal.WRONG_STATE)

    async def job_state(self, caller: Caller, tid: int) -> JobState | Refused:
        """Say where a job stands (B, C): a pending one becomes downloading first.

        One that ended by a step of the device shows its state, one that ended otherwise says how.
        """
        found = self._find_job(caller, tid)
        if isinstance(found, Refused):
            return found
        _, standing = found
        if standing.moves_when_asked:
            call = _call(caller)
            refusal = await self._send(Started(call, tid))
            if refusal is not None:
                return refusal
            assert call.state is not None, "a start that is not refused names the state"
            return call.state
        end = ending(standing.state, standing.step)
        return standing.state if end in {None, StepRefusal.FINISHED} else Refused(STATE_REFUSALS[end])

    async def open_download(self, caller: Caller, tid: int) -> PackageFile | Refused:
        """Let a device read its job's package; a pending job becomes downloading first."""
        found = self._find_job(caller, tid)
        if isinstance(found, Refused):
            return found
        package_id, standing = found
        if standing.moves_when_asked:
            refusal = await self._send(Started(_call(caller), tid))
            if refusal is not None:
                return refusal
        else:
            end = ending(standing.state, standing.step)
            if end is not None:
                return Refused(STATE_REFUSALS[end])
        return await self.contents.read(package_id)

    async def report_step(self, caller: Caller, tid: int, step: int) -> Refused | None:
        """Take a step of a job."""
        return await self._send(Status(_call(caller), "", tid, step))

    def _find_open(self, caller: Caller, kind: UpdateKind) -> AnyRow:
        with self._store.glance() as conn:
            row = jobs.find_open(conn, caller.device_id, kind, _tokens_of(caller))
        assert row is not None, "devices are never removed"
        return row

    def _find_job(self, caller: Caller, tid: int) -> tuple[int, Standing] | Refused:
        """Look up the package and the standing of a job of the caller's; another device's is not found."""
        known = self._casebook.find(tid, caller.device_id)
        if known is not None:
            job, account = known
            return job.task.package_id, standing_in_book(job, account, self._real_ms())
        with self._store.glance() as conn:
            row = jobs.find_job(conn, tid)
        if row is None or row.device_id != caller.device_id:
            return _NOT_FOUND
        return row.package_id, standing_of(row, self._real_ms())

    async def _send(self, report: Status | Versions | Check | Started) -> Refused | None:
        """Put a report into the writer's next group and wait for its commit; say why it was refused."""
        settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def settle(committed: bool) -> None:  # noqa: FBT001 - the port's shape
            if not settled.done():
                settled.set_result(committed)

        self._writer.report(report, settle)
        if not await settled:
            raise StoreUnavailable("the report was not committed")
        call = report.origin
        assert isinstance(call, Call)
        return None if call.refusal is None else Refused(call.refusal, note=call.note)


def _find_token(conn: Connection, token: str) -> AnyRow | None:
    return jobs.find_token(conn, token) if job_tokens.is_token(token) else None


def _call(caller: Caller) -> Call:
    return Call(caller.device_id, caller.account_id, caller.generation)


def _tokens_of(caller: Caller) -> int | None:
    """Since when a good token was issued; None where tokens are no concern (B, C)."""
    return job_tokens.issued_after(caller.now_ms) if caller.generation is Generation.SOUTH else None


def _is_under_way(row: AnyRow) -> bool:
    return row.tid is not None and row.state in _UNDER_WAY


def _terms(row: AnyRow) -> Terms:
    return Terms(
        target=row.target, start_version=row.start_version, manufacturer=row.manufacturer, model=row.model
    )


def _offer(row: AnyRow) -> Offer:
    return Offer(
        tid=row.tid,
        token=row.token or "",
        target=row.target,
        size_bytes=row.size_bytes,
        md5=row.md5,
        state=JobState(row.state),
        is_differential=row.start_version is not None,
        signal=row.signal_min,
        battery=row.battery_min,
        retry_count=row.retry_count,
        retry_interval_s=row.retry_interval_s,
    )
