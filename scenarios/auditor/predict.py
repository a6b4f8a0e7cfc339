"""What the charging rules say must come back, worked out beforehand: a platform on paper.

A `Book` is told everything that is done to accounts and devices, and answers each action with the `Prediction` of
what the platform must answer. It changes itself as the platform must have changed, so it is used in step with a run,
or alone to plan one:

    book = Book()
    book.open_account("main", Policy(charging_date_ms=0))
    book.subscribe("main")
    book.top_up("main", 100_000)
    assert book.buy("main", 1_000, now_ms).accepted
    book.register("main", range(1_900))
    task = book.create_task("main", range(1_000), UpdateKind.FOTA, now_ms, target="2.0")
    assert (task.needed, task.deducted, task.left) == (1_000, 1_000, 100)
    book.job_succeeded(17, UpdateKind.FOTA, now_ms)

Accounts and devices have whatever hashable keys the caller likes. Devices count as registered in ascending order of
their device IDs (it decides who gets a purchased and who a free licence); a device that is created again needs a
new key. Packages and products are not modelled: the caller says `package_fault`. A card replacement (B9) needs no
call, as it changes nothing. Money is in fen, times are unix milliseconds of the account's clock.
Source: charging rules B1-B17, P1-P16. Deliberately ignorant of how the platform does any of it.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from platform_stub.protocol.codes import EntitlementSource, JobState, UpdateKind
from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.operator import ErrorCode, Licences, Policy
from scenarios.auditor.holder import Holder, Prediction
from scenarios.auditor.orders import Device, Right, Task, TaskState, Terms

DONE = Prediction()


class Book:
    """All accounts and devices of one platform, as the rules want them."""

    def __init__(self) -> None:
        self._accounts: dict[Hashable, Holder] = {}
        self._devices: dict[Hashable, Device] = {}
        self._tasks: list[Task] = []
        self._answered: dict[tuple[Hashable, str, str], tuple[object, Prediction]] = {}

    def open_account(self, account: Hashable, policy: Policy | None = None) -> None:
        """Open an account; the policy's charging date is in force until another is set."""
        policy = policy or Policy()
        self._accounts[account] = Holder(policy=policy, charging_date_ms=policy.charging_date_ms)

    def subscribe(self, account: Hashable) -> Prediction:
        """Subscribe (B5); a second time is a conflict, and changes nothing."""
        holder = self._account(account)
        if holder.subscribed:
            return Prediction(reason=ErrorCode.CONFLICT)
        holder.subscribed = True
        return DONE

    def post(self, account: Hashable, amount_fen: int, now_ms: int | None = None) -> Prediction:
        """Move money, in or out; a balance below 0 is arrears (P10). Without `now_ms` no job can be held by it."""
        self._account(account).balance_fen += amount_fen
        self._follow_hold(account, now_ms)
        return DONE

    def top_up(self, account: Hashable, amount_fen: int, now_ms: int | None = None) -> Prediction:
        """Pay money in."""
        return self.post(account, amount_fen, now_ms)

    def buy(self, account: Hashable, count: int, now_ms: int) -> Prediction:
        """Buy licences online (B2, B4): refused in arrears (P10), then for too small a balance (P11)."""
        holder = self._account(account)
        cost_fen = count * holder.policy.price_fen
        if count < 1:
            return Prediction(reason=ErrorCode.MALFORMED)
        if holder.is_stopped_by_arrears(now_ms):
            return Prediction(reason=ErrorCode.ARREARS)
        if holder.balance_fen < cost_fen:
            return Prediction(reason=ErrorCode.BALANCE_INSUFFICIENT)
        holder.balance_fen -= cost_fen
        holder.bought += count
        return DONE

    def grant(self, account: Hashable, count: int) -> Prediction:
        """Enter licences bought under a contract (B4): no balance is needed, arrears don't matter (P10, P11)."""
        if count < 1:
            return Prediction(reason=ErrorCode.MALFORMED)
        self._account(account).granted += count
        return DONE

    def cancel_licences(self, account: Hashable) -> Prediction:
        """Ask for money back: never (B15)."""
        self._account(account)
        return Prediction(reason=ErrorCode.NOT_REFUNDABLE)

    def set_charging_date(
        self, account: Hashable, at_ms: int | None, now_ms: int | None = None
    ) -> Prediction:
        """Announce, move or take off the charging date; rights given stay as they are (B1, P5)."""
        self._account(account).charging_date_ms = at_ms
        self._follow_hold(account, now_ms)
        return DONE

    def pass_time(self, account: Hashable, now_ms: int) -> list[tuple[int, Hashable]]:
        """Let the account's clock reach a moment; answers the jobs that failed by it, as (task, device).

        An open job fails at its task's expiry, later by as long as arrears held it (P10).
        """
        holder = self._account(account)
        failed: list[tuple[int, Hashable]] = []
        if holder.held_since_ms is None and self.holds_pending(account, now_ms):
            assert holder.charging_date_ms is not None  # the clock has reached it
            holder.held_since_ms = holder.charging_date_ms
        until_ms = now_ms if holder.held_since_ms is None else min(now_ms, holder.held_since_ms)
        for number, task in enumerate(self._tasks):
            for key in task.overdue(until_ms) if task.account == account else ():
                self._end_job(key, task.kind, JobState.FAILED)
                failed.append((number, key))
        return failed

    def _follow_hold(self, account: Hashable, now_ms: int | None) -> None:
        """Begin or end the hold of pending jobs by arrears (P10)."""
        if now_ms is None:
            return
        holder, holds = self._account(account), self.holds_pending(account, now_ms)
        if holds and holder.held_since_ms is None:
            holder.held_since_ms = now_ms
        elif not holds and holder.held_since_ms is not None:
            for task in self._tasks:
                if task.account == account:
                    task.hold(holder.held_since_ms, now_ms)
            holder.held_since_ms = None

    def register(
        self,
        account: Hashable,
        devices: Iterable[Hashable],
        f_version: str | None = None,
        s_version: str | None = None,
    ) -> Prediction:
        """Register devices in ascending order of their device IDs, after all that are known."""
        self._account(account)
        for key in devices:
            if key in self._devices:
                raise UsageFault(
                    f"the book has a device {key!r} already; one that is created again needs a new key"
                )
            versions = {UpdateKind.FOTA: f_version, UpdateKind.SOTA: s_version}
            self._devices[key] = Device(account=account, ordinal=len(self._devices), versions=versions)
        return DONE

    def report_version(self, device: Hashable, kind: UpdateKind, version: str, now_ms: int) -> None:
        """Note a version that the device reports; the target of its open job makes the job a success."""
        known = self._device(device)
        known.versions[kind] = version
        task = known.open_jobs.get(kind)
        if task is not None and self._tasks[task].target == version:
            self.job_succeeded(device, kind, now_ms)

    def create_task(
        self,
        account: Hashable,
        devices: Iterable[Hashable],
        kind: UpdateKind,
        now_ms: int,
        *,
        target: str | None = None,
        package_fault: ErrorCode | None = None,
        terms: Terms = Terms(),  # noqa: B008 - frozen
    ) -> Prediction:
        """Create a task, or refuse it whole for the first reason in the order of P16.

        `target`: devices that have this version are unusable (P7), and succeed with it; None skips both.
        `package_fault`: PACKAGE_UNKNOWN or PACKAGE_NOT_VERIFIED when that is how the package stands. A verification
        is a task of one device with `package_fault=None` (P15).
        """
        holder, wanted = self._account(account), list(dict.fromkeys(devices))  # P6: twice counts once
        refusal = self._refusal(account, wanted, kind, now_ms, target, package_fault, terms=terms)
        if refusal:
            return refusal
        wanted.sort(key=lambda key: self._devices[key].ordinal)
        unlicensed = [key for key in wanted if self._devices[key].right is None]  # B7, B14
        prediction = holder.cost(len(wanted), len(unlicensed), now_ms)
        if not prediction.accepted:
            return prediction
        if terms.lacks_webhook:
            return Prediction(reason=ErrorCode.CONFLICT)
        for key, source in zip(unlicensed, holder.sources(prediction), strict=False):
            self._entitle(account, key, source)
        self._tasks.append(
            Task(
                account=account,
                kind=kind,
                target=target,
                terms=terms,
                starts_ms=now_ms if terms.starts_ms is None else terms.starts_ms,
                created_free=not holder.charges(now_ms),
                jobs=dict.fromkeys(wanted, JobState.PENDING),
                freed=prediction.grandfathered,
            )
        )
        for key in wanted:
            self._devices[key].open_jobs[kind] = len(self._tasks) - 1
        return replace(prediction, task=len(self._tasks) - 1)

    def retry(self, task: int, now_ms: int, *, lacks_webhook: bool = False) -> Prediction:
        """Update a task's failed devices again, under its terms and from now on.

        It is a creation that passes every check (P15), normally free (B12).
        """
        old = self._tasks[task]
        failed = [key for key, state in old.jobs.items() if state is JobState.FAILED]
        if not failed:
            return Prediction(reason=ErrorCode.CONFLICT)
        terms = replace(old.terms, starts_ms=None, of_all=False, lacks_webhook=lacks_webhook)
        return self.create_task(old.account, failed, old.kind, now_ms, target=old.target, terms=terms)

    def cancel_task(self, task: int) -> Prediction:
        """End a task's open jobs; nothing comes back (P9). One that has none is a conflict."""
        known = self._tasks[task]
        open_jobs = list(known.open_jobs())
        if not open_jobs:
            return Prediction(reason=ErrorCode.CONFLICT)
        known.is_cancelled = True
        for key in open_jobs:
            self._end_job(key, known.kind, JobState.CANCELLED)
        return DONE

    def cancel_job(self, task: int, device: Hashable) -> Prediction:
        """End one open job; nothing comes back (P9). One that has ended is a conflict."""
        known = self._tasks[task]
        if not known.jobs[device].is_open:
            return Prediction(reason=ErrorCode.CONFLICT)
        self._end_job(device, known.kind, JobState.CANCELLED)
        return DONE

    def pause_task(self, task: int) -> Prediction:
        """Hold a task back; its jobs run out of time all the same. One that has ended or is paused is a conflict."""
        known = self._tasks[task]
        if known.is_paused or not any(True for _ in known.open_jobs()):
            return Prediction(reason=ErrorCode.CONFLICT)
        known.is_paused = True
        return DONE

    def resume_task(self, task: int) -> Prediction:
        """Let a paused task go on. One that has ended or is not paused is a conflict."""
        known = self._tasks[task]
        if not known.is_paused or not any(True for _ in known.open_jobs()):
            return Prediction(reason=ErrorCode.CONFLICT)
        known.is_paused = False
        return DONE

    def task_state(self, task: int, now_ms: int) -> TaskState:
        """Say how a task stands."""
        return self._tasks[task].state(now_ms)

    def may_run(self, task: int, now_ms: int) -> bool:
        """Whether devices may begin with a task now."""
        known = self._tasks[task]
        return known.state(now_ms) == "upgrading" and not self.holds_pending(known.account, now_ms)

    def may_free(self, task: int, device: Hashable) -> bool:
        """Whether the success of a device's job would make it free for life (P3), under `update_succeeded`."""
        known, holder = self._tasks[task], self._account(self._tasks[task].account)
        late = holder.policy.grandfathered_when == "update_succeeded"
        return late and known.created_free and self._device(device).right is None

    def freed(self, task: int) -> int:
        """Count the devices that a task has made free for life so far (B8, P3)."""
        return self._tasks[task].freed

    def starts_ms(self, task: int) -> int:
        """Give when devices may begin with a task."""
        return self._tasks[task].starts_ms

    def deadlines(self, task: int) -> set[int]:
        """Give when open jobs of a task run out of time, unless arrears hold them longer."""
        known = self._tasks[task]
        return {known.expires_ms + known.held_ms.get(key, 0) for key in known.open_jobs()}

    def version(self, device: Hashable, kind: UpdateKind) -> str | None:
        """The version that the platform knows of a device."""
        return self._device(device).versions[kind]

    def room_for(self, account: Hashable, devices: Sequence[Hashable], now_ms: int) -> int:
        """Count how many of these devices could be updated, each by a task of its own (P15)."""
        holder = self._account(account)
        if not holder.subscribed or holder.is_stopped_by_arrears(now_ms):
            return 0
        licensed = sum(self._device(key).right is not None for key in devices)
        left = holder.purchased_left + holder.free_left if holder.charges(now_ms) else len(devices)
        return licensed + min(left, len(devices) - licensed)

    def has_open_job(self, device: Hashable, kind: UpdateKind) -> bool:
        """Whether a device has an open job of a kind (P8)."""
        return kind in self._device(device).open_jobs

    def job_succeeded(self, device: Hashable, kind: UpdateKind, now_ms: int) -> None:
        """End the device's open job of this kind well; under `update_succeeded` this may make it free for life (P3)."""
        task = self._end_job(device, kind, JobState.SUCCESS)
        known, holder = self._device(device), self._account(task.account)
        known.versions[kind] = task.target or known.versions[kind]
        late = holder.policy.grandfathered_when == "update_succeeded"
        if late and known.right is None and task.created_free and not holder.charges(now_ms):
            self._entitle(task.account, device, EntitlementSource.GRANDFATHERED)
            task.freed += 1

    def job_failed(self, device: Hashable, kind: UpdateKind) -> None:
        """End the device's open job of this kind badly; nothing comes back (B12)."""
        self._end_job(device, kind, JobState.FAILED)

    def terminate(self, device: Hashable) -> Prediction:
        """End a device's life: its right is spent (B10), its open jobs are cancelled (P9)."""
        known = self._device(device)
        if known.terminated:
            return Prediction(reason=ErrorCode.CONFLICT)
        known.terminated = True
        for kind in tuple(known.open_jobs):
            self._end_job(device, kind, JobState.CANCELLED)
        return DONE

    def move(self, device: Hashable, account: Hashable) -> Prediction:
        """Move a device to an account; its right goes along and stays counted to the payer (P12)."""
        self._account(account)
        known = self._device(device)
        if known.terminated:
            return Prediction(reason=ErrorCode.CONFLICT)
        known.account = account
        return DONE

    def once(
        self, account: Hashable, call: str, key: str, body: object, act: Callable[[], Prediction]
    ) -> Prediction:
        """Do an action under an idempotency key (P13): an equal request gets the first answer, and does nothing.

        Another body is a conflict, first of all reasons (P16); a refusal is not kept.
        """
        seen = self._answered.get((account, call, key))
        if seen:
            return seen[1] if seen[0] == body else Prediction(reason=ErrorCode.IDEMPOTENCY_CONFLICT)
        prediction = act()
        if prediction.accepted:
            self._answered[account, call, key] = (body, prediction)
        return prediction

    def licences(self, account: Hashable) -> Licences:
        """What the account and its devices hold, in the operator API's words."""
        return self._account(account).licences()

    def balance_fen(self, account: Hashable) -> int:
        """Give the account's balance (I5)."""
        return self._account(account).balance_fen

    def right(self, device: Hashable) -> Right | None:
        """Give the device's entitlement; still there, if spent, after its termination (I3)."""
        return self._device(device).right

    def is_valid(self, device: Hashable) -> bool:
        """Whether the device has an entitlement that holds, and so after-sales support (B10, B17)."""
        known = self._device(device)
        return known.right is not None and not known.terminated

    def holds_pending(self, account: Hashable, now_ms: int) -> bool:
        """Whether the account's pending jobs stand still (P10)."""
        holder = self._account(account)
        return holder.policy.arrears_hold == "pending" and holder.is_stopped_by_arrears(now_ms)

    def open_job_count(self, account: Hashable) -> int:
        """Count the open jobs of an account's tasks."""
        return sum(
            state.is_open for task in self._tasks if task.account == account for state in task.jobs.values()
        )

    def _refusal(
        self,
        account: Hashable,
        wanted: Sequence[Hashable],
        kind: UpdateKind,
        now_ms: int,
        target: str | None,
        package_fault: ErrorCode | None,
        *,
        terms: Terms,
    ) -> Prediction | None:
        """Give the first reason before the licences, in the order of P16."""
        holder = self._account(account)
        is_past = terms.starts_ms is not None and terms.starts_ms < now_ms
        if is_past or not (wanted or terms.of_all):
            return Prediction(reason=ErrorCode.MALFORMED)
        if not holder.subscribed:
            return Prediction(reason=ErrorCode.NOT_SUBSCRIBED)
        if holder.is_stopped_by_arrears(now_ms):
            return Prediction(reason=ErrorCode.ARREARS)
        if package_fault:
            return Prediction(reason=package_fault)
        unusable = [key for key in wanted if not self._is_usable(account, key, kind, target, terms)]
        if unusable:
            return Prediction(reason=ErrorCode.DEVICES_UNUSABLE, offenders=self._ascending(unusable))
        if not wanted:
            return Prediction(reason=ErrorCode.CONFLICT)
        busy = [key for key in wanted if kind in self._devices[key].open_jobs]
        if busy:
            return Prediction(reason=ErrorCode.DEVICES_BUSY, offenders=self._ascending(busy))
        return None

    def _is_usable(
        self, account: Hashable, key: Hashable, kind: UpdateKind, target: str | None, terms: Terms
    ) -> bool:  # P7
        known = self._devices.get(key)
        if known is None or known.terminated or known.account != account:
            return False
        version = known.versions[kind]
        return (target is None or version != target) and terms.admit(version)

    def _entitle(self, account: Hashable, key: Hashable, source: EntitlementSource) -> None:
        self._devices[key].right = Right(source, account)
        self._account(account).entitled[source] += 1

    def _end_job(self, key: Hashable, kind: UpdateKind, state: JobState) -> Task:
        number = self._device(key).open_jobs.pop(kind, None)
        if number is None:
            raise UsageFault(f"the book has no open {kind.name} job of device {key!r}")
        self._tasks[number].jobs[key] = state
        return self._tasks[number]

    def _ascending(self, keys: Iterable[Hashable]) -> tuple[Hashable, ...]:
        known = self._devices
        return tuple(sorted(keys, key=lambda key: known[key].ordinal if key in known else len(known)))

    def _account(self, account: Hashable) -> Holder:
        try:
            return self._accounts[account]
        except KeyError:
            raise UsageFault(f"the book has no account {account!r}; open it first") from None

    def _device(self, device: Hashable) -> Device:
        try:
            return self._devices[device]
        except KeyError:
            raise UsageFault(f"the book has no device {device!r}; register it first") from None
