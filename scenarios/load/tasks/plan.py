"""What creators of tasks do, as a plan: its options, from the command line or from Locust's, and what it needs. Pure.

Durations are in seconds, shares from 0 to 1.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from platform_stub.protocol.errors import UsageFault
from scenarios.load.thresholds import read_rate
from scenarios.units import read_span_ms

DEVICES_PER_TASK_MAX: Final = 1_000_000
DEVICES_MAX: Final = 2_000_000
"""So many devices are registered for a run at most."""
CREATORS_MAX: Final = 10_000
ACCOUNTS_MAX: Final = 1_000
SPARE: Final = 1.2
"""Creators don't draw on their new devices evenly; so much more is registered."""
TASKS_UNKNOWN: Final = 100
"""For so many tasks a creator has new devices where nobody can tell how many it will create."""

OPTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "devices": ("1000", "Devices of a task, such as 1000, or 100-1000 for sizes in between."),
    "licensed": (
        "",
        (
            "Share of each task's devices that have their licence, such as 90%; the others are new ones, and deduct. "
            "Default: a creator's devices are all without at first, and have it from its first task on."
        ),
    ),
    "accounts": ("1", "Accounts that the creators share out among themselves."),
    "again": (
        "0%",
        (
            "Share of creations that are sent a second time with the same Idempotency-Key: the same task "
            "must come back (P13)."
        ),
    ),
    "reads": (
        "0",
        "How many times a task, its account or its jobs are read for each creation, such as 0.5 or 3.",
    ),
    "purchases": ("0%", "Share of creations after which a licence is bought."),
    "rate": (
        "",
        (
            "Creations a second over all creators, such as 50/s or 120/min, each timed from when it should have begun. "
            "Default: as fast as they go, each creator one after the other."
        ),
    ),
    "duration": ("", "How long tasks are created, such as 60s."),
    "count": ("", "How many tasks are created in all."),
    "warm-up": ("0s", "How long tasks are created before anything is counted."),
    "timeout": ("60s", "How long an answer may take."),
    "seed": ("0", "Of sizes, and of who reads, buys and asks again."),
}
"""Each option's default and its help; `open` is a flag beside them."""
OPEN_HELP: Final = (
    "Keep tasks open, each with devices of its own, instead of cancelling each once it was timed (P8)."
)

_SIZES: Final = re.compile(r"(?P<low>[1-9][0-9,]{0,9})(?: ?- ?(?P<high>[1-9][0-9,]{0,9}))?")
_SHARE: Final = re.compile(r"(?P<number>[0-9]{1,3}(\.[0-9]{1,3})?) ?%")
_NUMBER: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")
_WHOLE: Final = re.compile(r"[0-9][0-9,]{0,11}")


class TaskPlan(Struct, frozen=True, kw_only=True):
    """What creators do. None: no limit of that kind; `licensed` None: as the help of its option says."""

    devices_min: int = 1_000
    devices_max: int = 1_000
    licensed: float | None = None
    accounts: int = 1
    again: float = 0.0
    reads: float = 0.0
    purchases: float = 0.0
    rate: float | None = None
    duration_s: float | None = None
    count: int | None = None
    warm_up_s: float = 0.0
    timeout_s: float = 60.0
    seed: int = 0
    keeps_open: bool = False

    def fresh_of(self, size: int) -> int:
        """How many devices of a task of this size were never in one."""
        if self.keeps_open:
            return size
        return 0 if self.licensed is None else size - round(size * self.licensed)

    @property
    def own_each(self) -> int:
        """How many devices a creator uses again and again."""
        return 0 if self.keeps_open else self.devices_max

    def fresh_each(self, creators: int) -> int:
        """How many new devices a creator brings along."""
        of_task = self.fresh_of(self.devices_max)
        if not of_task:
            return 0
        known = [] if self.count is None else [float(self.count)]
        if self.rate is not None and self.duration_s is not None:
            known.append(self.rate * (self.duration_s + self.warm_up_s))
        tasks = math.ceil(min(known) * SPARE / creators) + 1 if known else TASKS_UNKNOWN
        return tasks * of_task

    def check(self, creators: int) -> None:
        """Hold it against what can be. UsageFault: it can't, and why."""
        if not 1 <= creators <= CREATORS_MAX:
            raise UsageFault(f"--creators: 1 to {CREATORS_MAX:,} are wanted, not {creators:,}")
        if self.accounts > creators:
            raise UsageFault(
                f"--accounts: {self.accounts:,} for {creators:,} creators; each needs its own account's"
            )
        each = self.own_each + self.fresh_each(creators)
        if each * creators > DEVICES_MAX:
            raise UsageFault(
                f"{creators:,} creators need {each:,} devices each, {each * creators:,} in all, and at most "
                f"{DEVICES_MAX:,} are registered for a run: take smaller tasks, fewer creators or a shorter run"
            )


def read_plan(said: Mapping[str, str], *, keeps_open: bool, prefix: str = "--") -> TaskPlan:
    """Read the options by their names in OPTIONS; UsageFault names the option, with its prefix, and what is wanted."""
    reader = _Reader(said, prefix)
    low, high = reader.sizes("devices")
    return TaskPlan(
        devices_min=low,
        devices_max=high,
        licensed=reader.share("licensed") if said.get("licensed") else None,
        accounts=reader.whole("accounts", 1, ACCOUNTS_MAX),
        again=reader.share("again"),
        reads=reader.number("reads"),
        purchases=reader.share("purchases"),
        rate=read_rate(said["rate"], f"{prefix}rate") if said.get("rate") else None,
        duration_s=reader.span("duration") if said.get("duration") else None,
        count=reader.whole("count", 1, 10**9) if said.get("count") else None,
        warm_up_s=reader.span("warm-up", least_s=0),
        timeout_s=reader.span("timeout"),
        seed=reader.whole("seed", 0, 2**53),
        keeps_open=keeps_open,
    )


class _Reader:
    """Reads what was said of an option, or its default."""

    def __init__(self, said: Mapping[str, str], prefix: str) -> None:
        self._said, self._prefix = said, prefix

    def _text(self, name: str) -> str:
        return (self._said.get(name) or OPTIONS[name][0]).strip()

    def _fault(self, name: str, wanted: str) -> UsageFault:
        return UsageFault(f"{self._prefix}{name}: {wanted}, not {self._text(name)!r}")

    def sizes(self, name: str) -> tuple[int, int]:
        match = _SIZES.fullmatch(self._text(name))
        if match is None:
            raise self._fault(name, "a count or a range of them is wanted, such as 1000 or 100-1000")
        low = int(match["low"].replace(",", ""))
        high = int((match["high"] or match["low"]).replace(",", ""))
        if low > high or high > DEVICES_PER_TASK_MAX:
            raise self._fault(
                name, f"the smaller count comes first, and the larger is at most {DEVICES_PER_TASK_MAX:,}"
            )
        return low, high

    def share(self, name: str) -> float:
        match = _SHARE.fullmatch(self._text(name))
        if match is None or float(match["number"]) > 100:  # noqa: PLR2004 - per cent
            raise self._fault(name, "a share from 0% to 100% is wanted, such as 10%")
        return float(match["number"]) / 100

    def number(self, name: str) -> float:
        if not _NUMBER.fullmatch(self._text(name)):
            raise self._fault(name, "a number is wanted, such as 0.5 or 3")
        return float(self._text(name))

    def whole(self, name: str, least: int, most: int) -> int:
        text = self._text(name)
        number = int(text.replace(",", "")) if _WHOLE.fullmatch(text) else least - 1
        if not least <= number <= most:
            raise self._fault(name, f"a whole number from {least:,} to {most:,} is wanted")
        return number

    def span(self, name: str, least_s: float = 0.001) -> float:
        try:
            span_s = read_span_ms(self._text(name)) / 1_000
        except ValueError as exc:
            raise UsageFault(f"{self._prefix}{name}: {exc}") from exc
        if span_s < least_s:
            raise self._fault(name, "a span of time longer than nothing is wanted, such as 60s")
        return span_s
