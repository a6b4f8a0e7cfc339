"""What makes life hard for one device: its faults, how often each may still strike, and its hardware's levels.

A device that lacks nothing and has no fault has no plight at all (`State.plight` is None), which is all that the
usual way of a job asks. Data and its bookkeeping only; what a fault does is in `mishaps` and in the flows.
"""

from collections.abc import Iterator, Sequence

from device_sim.core.faults import ALWAYS, MEANINGS, Fault, Scope, What
from device_sim.core.wheel import NEVER
from platform_stub.protocol.codes import UpdateKind


class Armed:
    """A fault of one device. `times` is how often it may strike now: in this job, if it is about jobs."""

    __slots__ = ("after", "attempts", "fault", "is_told", "times")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.after = fault.after  # jobs that still go well
        self.attempts = fault.attempts  # jobs in which it will be armed after that
        self.is_told = False  # of one that strikes at each poll, the first strike is told
        self.times = fault.times if MEANINGS[fault.what].scope is Scope.DEVICE else 0

    def spend(self) -> Fault:
        """Strike once."""
        if self.times < ALWAYS:
            self.times -= 1
        return self.fault


class Plight:
    """The faults of one device, and what was set of its hardware; None there is what the profile's world says."""

    __slots__ = (
        "armed",
        "battery",
        "boots",
        "credit_bytes",
        "drop_due_ms",
        "first_answer",
        "is_changed",
        "is_reordered",
        "mcu_storage_bytes",
        "paced_at",
        "signal",
        "skew_ms",
        "storage_bytes",
    )

    def __init__(self) -> None:
        self.armed: tuple[Armed, ...] = ()
        self.battery: float | None = None
        self.signal: float | None = None
        self.storage_bytes: int | None = None
        self.mcu_storage_bytes: int | None = None
        self.skew_ms = 0
        self.drop_due_ms = NEVER  # when it drops its connection; `reconnects`
        self.credit_bytes = 0  # that a slow download may have besides, as its running time went on in a leap
        self.paced_at = 0  # the byte up to which a slow download has had its pauses
        self.boots = 0  # of what was installed, that failed in a row
        self.is_changed = False  # the job has failed, and yet something else runs now, which has to be told
        self.is_reordered = False  # 201 goes before 101
        self.first_answer: object = None  # to a step that is told twice over HTTP

    def set_faults(self, faults: Sequence[Fault], now_ms: int) -> None:
        """Have these and no others; those about jobs wait for the next job."""
        self.armed = tuple(Armed(fault) for fault in faults)
        self.skew_ms = sum(fault.skew_ms or 0 for fault in faults if fault.what == "clock_skew")
        self.put_off_drop(now_ms)

    def put_off_drop(self, now_ms: int) -> None:
        """Say when it drops its connection next."""
        each = self.first("reconnects")
        for_ms = None if each is None else each.fault.for_ms
        self.drop_due_ms = NEVER if for_ms is None else now_ms + for_ms

    def begin_job(self, kind: UpdateKind) -> None:
        """Arm what is about this job."""
        self.paced_at, self.credit_bytes, self.boots, self.first_answer = 0, 0, 0, None
        self.is_changed = self.is_reordered = False
        for each in self.armed:
            fault = each.fault
            if MEANINGS[fault.what].scope is Scope.DEVICE:
                continue
            each.times = 0
            if fault.update is not None and fault.update != kind.name:
                continue
            if each.after:
                each.after -= 1
            elif each.attempts:
                each.attempts -= each.attempts < ALWAYS
                each.times = fault.times

    def all_of(self, what: What) -> Iterator[Armed]:
        """Give those of a kind that may strike."""
        return (each for each in self.armed if each.times and each.fault.what == what)

    def first(self, what: What) -> Armed | None:
        """Give the first of a kind that may strike."""
        return next(self.all_of(what), None)

    def strike(self, what: What) -> Fault | None:
        """Let the first of a kind strike; None when there is none."""
        each = self.first(what)
        return None if each is None else each.spend()

    def strike_report(self, what: What, step: int) -> Fault | None:
        """Let the first of a kind strike that is about this step, or about any."""
        for each in self.all_of(what):
            if each.fault.step in {None, step}:
                return each.spend()
        return None
