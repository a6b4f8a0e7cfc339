"""What goes wrong at each point of a job: its faults, then the limits of the hardware.

Asked at hooks, and only for a device that has a plight. The answer says what happens; `job_ends` and the moves make
it so. Each fault that strikes, and each limit, is told as `Struck`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from device_sim.core import conditions
from device_sim.core.conditions import Lack
from device_sim.core.effects import Effect, Struck
from device_sim.core.faults import FAILURE_TEXTS, STRIKES, Fault, Strike, What
from device_sim.core.plight import Armed, Plight
from device_sim.core.state import Job, Point, State

MENDED_BY_TIME: Final = frozenset({104, 105, 106, 202})
"""Failures that the task's retries are for; so is a download that is cut again and again (107)."""

_STRIKE_AT: Mapping[Point, Strike] = MappingProxyType(
    {
        Point.TOLD: Strike.BEFORE_DOWNLOAD,
        Point.DOWNLOAD: Strike.AFTER_FIRST_RANGE,
        Point.INSTALL: Strike.BEFORE_INSTALL,
    }
)
_STOPS: Final = frozenset({"hang", "power_loss"})
_PLACES: Mapping[Point, str] = MappingProxyType(
    {
        Point.TOLD: "when it was told",
        Point.DOWNLOADED: "after the download",
        Point.INSTALL: "in the install",
        Point.REBOOT: "in the reboot",
        Point.UPDATED: "after the update",
    }
)


class Failure(NamedTuple):
    """The job fails with a step, unless the task lets it try again."""

    step: int
    why: str
    is_mendable: bool


class Hang(NamedTuple):
    """Nothing is done any more; None: until the power goes."""

    for_ms: int | None


class PowerLoss(NamedTuple):
    """The power goes, for so long."""

    for_ms: int


class Break(NamedTuple):
    """So many of the bytes still come; then it happens. None: the connection is lost."""

    come: int
    stop: Hang | PowerLoss | None
    what: What
    text: str


def failure_at(state: State, job: Job, point: Point, now_ms: int, out: list[Effect]) -> Failure | None:
    """Say whether the job fails here."""
    plight = state.plight
    if plight is None:
        return None
    strike = _STRIKE_AT.get(point)
    failure = None if strike is None else chosen_failure(plight, strike, out)
    if failure is not None:
        return failure
    lack = _lack_at(state, job, point, now_ms)
    if lack is None:
        return None
    out.append(Struck(lack.what, lack.text))
    return Failure(lack.step, lack.text, lack.step in MENDED_BY_TIME)


def chosen_failure(plight: Plight, strike: Strike, out: list[Effect]) -> Failure | None:
    """Let a `fails` strike here."""
    for each in plight.all_of("fails"):
        step = each.fault.step
        if step is not None and STRIKES[step] is strike:
            each.spend()
            out.append(Struck("fails", f"fails with {step}, {FAILURE_TEXTS[step]}"))
            return Failure(step, "", step in MENDED_BY_TIME)
    return None


def stop_at(plight: Plight, point: Point, out: list[Effect]) -> Hang | PowerLoss | None:
    """Say whether everything stops here; the download's place is `break_in`'s."""
    if point is Point.DOWNLOAD:
        return None
    for each in plight.armed:
        fault = each.fault
        if each.times and fault.what in _STOPS and fault.at == point.value:
            return _stop(each.spend(), _PLACES[point], out)
    return None


def break_in(plight: Plight, job: Job, length: int) -> Break | None:
    """Say whether something happens within the next bytes of the download, and after how many of them."""
    found: Armed | None = None
    position, first = job.download.position, job.download.position + length
    for each in plight.armed:
        at = _byte_of(each, job.download.size_bytes)
        if at is not None and each.times and at < first:
            found, first = each, max(at, position)
    if found is None:
        return None
    fault, text = found.spend(), f"at byte {first:,} of {job.download.size_bytes:,}"
    come = first - position
    if fault.what == "cut":
        return Break(come, None, "cut", f"the connection was lost {text}")
    if fault.what == "hang":
        return Break(come, Hang(fault.for_ms), "hang", f"hangs {text}")
    return Break(come, PowerLoss(fault.for_ms or 0), "power_loss", f"loses its power {text}")


def pause_of(plight: Plight, job: Job) -> int:
    """Say for how long a slow download waits before its next range."""
    position, each = job.download.position, plight.first("slow")
    since, plight.paced_at = plight.paced_at, position
    credit, plight.credit_bytes = plight.credit_bytes, 0
    if credit and position == since:  # it goes on after a leap
        plight.paced_at += credit
    if each is None or not each.fault.rate:
        return 0
    return max(position - since, 0) * 1_000 // each.fault.rate


def catch_up(state: State, plight: Plight, job: Job, late_ms: int) -> None:
    """Let a slow download take up at once what it could have had while its running time went on in a leap."""
    each = plight.first("slow")
    if each is None or not each.fault.rate:
        return
    late_bytes = late_ms // 1_000 * each.fault.rate
    job.download.chunk_bytes = min(state.profile.chunk_bytes, each.fault.rate + late_bytes)
    plight.credit_bytes = late_bytes


def begin_job(state: State, plight: Plight, job: Job, out: list[Effect]) -> None:
    """Arm what is about this job; a slow download asks for no more at once than it has a second for."""
    plight.begin_job(job.kind)
    each = plight.first("slow")
    if each is not None and each.fault.rate:
        job.download.chunk_bytes = min(state.profile.chunk_bytes, each.fault.rate)
        out.append(Struck("slow", f"downloads {each.fault.rate:,} bytes a second"))


def lateness(plight: Plight, step: int, out: list[Effect]) -> int:
    """Say how late a step is told."""
    fault = plight.strike_report("late_reports", step)
    if fault is None or fault.for_ms is None:
        return 0
    out.append(Struck("late_reports", f"step {step} is told {fault.for_ms:,} ms late"))
    return fault.for_ms


def _stop(fault: Fault, where: str, out: list[Effect]) -> Hang | PowerLoss:
    if fault.what == "hang":
        out.append(Struck("hang", f"hangs {where}"))
        return Hang(fault.for_ms)
    out.append(Struck("power_loss", f"loses its power {where}"))
    return PowerLoss(fault.for_ms or 0)


def _byte_of(each: Armed, size_bytes: int) -> int | None:
    """Say where in a download a fault strikes: half way, when it says nothing."""
    fault = each.fault
    if fault.what != "cut" and (fault.what not in _STOPS or fault.at != "download"):
        return None
    at = size_bytes // 2 if fault.at_byte is None else fault.at_byte
    return at if at < size_bytes else None


def _lack_at(state: State, job: Job, point: Point, now_ms: int) -> Lack | None:
    if point is Point.TOLD:
        return conditions.lack_of_space(state, job) or conditions.lack_to_download(state, job, now_ms)
    if point is Point.DOWNLOAD and not job.download.is_complete:
        return conditions.lack_to_download(state, job, now_ms)
    return conditions.lack_to_install(state, job, now_ms) if point is Point.INSTALL else None
