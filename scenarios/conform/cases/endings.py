"""Good cases: the operator cancels, pauses and resumes, a task expires, and how a device takes it."""

from typing import Final

from scenarios.conform import steps as s
from scenarios.conform import wants as w
from scenarios.conform.bench import EXPIRES_MS, Bench
from scenarios.conform.case import Case, Never
from scenarios.conform.spoils import CutAfter, Held
from scenarios.conform.steps import SIZE_BYTES

_PART: Final = SIZE_BYTES // 3
_PAST_EXPIRY_MS: Final = EXPIRES_MS + 60_000
_HELD: Final = (
    s.spoil("download", CutAfter(_PART), f"the download is cut after {_PART:,} bytes, once", 1),
    s.spoil("download", Held(), "and what it asks for next is held up", 1),
    s.offer(),
    w.struck(2),
)
"""A job in the middle of its download."""


def _fetched(bench: Bench) -> str:
    downloads = bench.record.downloads(s.FIRST)
    return f"it asks for the package: {downloads[0].text}" if downloads else ""


def _steps_paused(bench: Bench) -> str:
    job = bench.jobs.get(s.FIRST)
    return f"the job is {job.state}" if job is not None and job.state in {"success", "failed"} else ""


CASES: Final = (
    Case(
        id="cancelled-before",
        title="A task cancelled before it was told is not done",
        group="good",
        facts=("J-15", "O-15"),
        steps=(
            *w.get_in(),
            s.shut(),
            s.offer(),
            s.cancel(),
            s.let_in(),
            Never("the package is not fetched", _fetched, 2.0),
            s.offer(target=s.AFTERWARDS),
            w.updated(target=s.AFTERWARDS, limit_s=20),
        ),
    ),
    Case(
        id="cancelled-in-download",
        title="A task is cancelled in the middle of its download: it lets go, and reports no failure",
        group="good",
        facts=("J-15", "O-15", "S-17", "R-11"),
        steps=(
            *w.get_in(),
            *_HELD,
            s.cancel(),
            s.let_go(),
            w.no_failure(for_s=2.5),
            w.not_updated(),
            w.ended("cancelled"),
            s.offer(target=s.AFTERWARDS),
            w.updated(target=s.AFTERWARDS, limit_s=15),
        ),
    ),
    Case(
        id="expired-in-download",
        title="A task expires in the middle of its download: it lets go, and reports no failure",
        group="good",
        facts=("J-14", "O-11", "R-11"),
        steps=(
            *w.get_in(),
            *_HELD,
            s.let_time_pass(_PAST_EXPIRY_MS, "21 minutes"),
            w.ended("failed", 208),
            s.let_go(),
            w.no_failure(for_s=2.5),
            w.not_updated(),
            s.offer(target=s.AFTERWARDS),
            w.updated(target=s.AFTERWARDS, limit_s=15),
        ),
    ),
    Case(
        id="paused-before",
        title="A task paused before it was told waits, and is done after it is resumed",
        group="good",
        facts=("O-14", "J-10"),
        steps=(
            *w.get_in(),
            s.shut(),
            s.offer(),
            s.pause(),
            s.let_in(),
            Never("the job does not end while it is paused", _steps_paused, 2.0),
            s.resume(),
            w.updated(limit_s=20),
        ),
    ),
    Case(
        id="paused-in-download",
        title="A task paused in the middle of its download is done after it is resumed",
        group="good",
        facts=("O-14", "J-10"),
        steps=(
            *w.get_in(),
            *_HELD,
            s.pause(),
            s.let_go(),
            Never("the job does not end while it is paused", _steps_paused, 2.0),
            s.resume(),
            w.updated(limit_s=20),
        ),
    ),
)
