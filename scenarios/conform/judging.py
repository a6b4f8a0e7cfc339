"""What is right and wrong in what a device has said: the order of its steps, and success without the package. Pure.

Source: onenet-protocol, section 5.
"""

from collections.abc import Sequence
from typing import Final

from scenarios.conform.record import DONE_STEPS, UPDATED, Heard, Record

_PER_CENT_MAX: Final = 99
_KINDS: Final = {"FOTA": 1, "SOTA": 2}


def order_fault(steps: Sequence[int]) -> str:
    """Say what is wrong with the steps of a job in the order they were reported; a step said again is none."""
    last: int | None = None
    done: int | None = None
    for step in steps:
        if step == last:
            continue
        if last is not None and is_end(last):
            return f"step {step} follows step {last}, which ends a job"
        if step <= _PER_CENT_MAX:
            if done is not None:
                return f"{step} per cent is reported after step {done}: the download was done"
            if last is not None and step < last:
                return f"{step} per cent is reported after {last} per cent"
        elif step in DONE_STEPS:
            if done is not None:
                return (
                    f"step {step} is reported after step {done}: they say the same, and one of them is sent"
                )
            done = step
        last = step
    return ""


def is_end(step: int) -> bool:
    """Whether a step ends a job: an update, or a failure."""
    return step > max(DONE_STEPS)


def is_failure(step: int | None) -> bool:
    """Whether a step reports a failure."""
    return step is not None and is_end(step) and step != UPDATED


def claims(record: Record, target: str, kind: str) -> list[Heard]:
    """List where a device says that it has a package, or runs its version."""
    handles = record.handles(target)
    return [heard for heard in record.entries if heard.way == "up" and _claims(heard, handles, target, kind)]


def _claims(heard: Heard, handles: set[str], target: str, kind: str) -> bool:
    if heard.what == "step":
        return heard.handle in handles and heard.step in {*DONE_STEPS, UPDATED}
    if heard.what == "version":
        return target == (heard.f_version if kind == "FOTA" else heard.s_version)
    return heard.what == "check" and heard.kind == _KINDS[kind] and heard.version == target


def false_claim(record: Record, target: str, kind: str, size_bytes: int) -> str:
    """Say where a device claims a package of which it was not given every byte; empty where it does not."""
    for claim in claims(record, target, kind):
        given = record.given(target, claim)
        if given != [(0, size_bytes)]:
            had = sum(stop - start for start, stop in given)
            return f"{claim.text} claims {target}, of which {had} of {size_bytes} bytes were given rightly"
    return ""
