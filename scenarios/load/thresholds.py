"""Thresholds: what a load run must keep to, as options say it, and the verdict over it. Pure.

`--max-p99 300ms` is about what the run is for; `--max-connect-p99 2s` about another of its measurements.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from platform_stub.protocol.errors import UsageFault
from scenarios.load.histogram import Histogram
from scenarios.units import read_span_ms

FORMS: Final = (
    "a threshold is --max-p99 300ms (also p50, p90, p95, p99.9, mean, or --max-NAME-p99), --max-errors 0 or 1%, "
    "or --min-rate 40/s"
)
Statistic = Literal["p50", "p90", "p95", "p99", "p99.9", "mean", "max", "errors", "errors_share", "rate"]
_OPTION: Final = re.compile(
    r"--max-(?:(?P<about>[a-z]+)-)?(?P<statistic>p50|p90|p95|p99(?:\.9)?|mean|max)|--max-errors|--min-rate"
)
_COUNT: Final = re.compile(r"[0-9]{1,12}")
_SHARE: Final = re.compile(r"(?P<number>[0-9]{1,3}(\.[0-9]{1,4})?) ?%")
_RATE: Final = re.compile(r"(?P<number>[0-9]{1,7}(\.[0-9]{1,3})?) ?(/ ?(?P<unit>s|min|h))?")
_PER_S: Final = {None: 1.0, "s": 1.0, "min": 60.0, "h": 3_600.0}
_FINE: Final = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,6})?) ?(?P<unit>us|µs|ms|s)")
_UNITS_US: Final = {"us": 1, "µs": 1, "ms": 1_000, "s": 1_000_000}
_US_PER_MS: Final = 1_000
_WHOLE: Final = 100.0


class Seen(Struct, frozen=True, kw_only=True):
    """What was measured of one thing, as far as a threshold may ask: durations, errors, and how many a second."""

    durations: Histogram
    errors: int
    rate: float


class Verdict(Struct, frozen=True, kw_only=True):
    """A threshold and whether it was kept; `seen` and `wanted` are texts such as `287 ms` and `at most 300 ms`."""

    option: str
    wanted: str
    seen: str
    held: bool


class Threshold(Struct, frozen=True, kw_only=True):
    """A bound: of durations in microseconds, of errors as a count or a share of 100, of a rate in one second.

    `about` is the measurement's name, "" for what the run is for. `bound` is a microsecond, a count, a per cent, or a
    number a second, as `statistic` says.
    """

    option: str
    about: str
    statistic: Statistic
    bound: float

    @classmethod
    def parse(cls, said: str) -> "Threshold":
        """Read `--max-p99 300ms`; UsageFault: it is not one, with the forms there are."""
        option, _, text = said.replace("=", " ", 1).strip().partition(" ")
        text = text.strip()
        match = _OPTION.fullmatch(option)
        if match is None:
            raise UsageFault(f"{option}: {FORMS}")
        if option == "--max-errors":
            return cls._errors(option, text)
        if option == "--min-rate":
            return cls(option=f"{option} {text}", about="", statistic="rate", bound=read_rate(text, option))
        bound = _read_us(text, option)
        statistic: Statistic = match["statistic"]  # type: ignore[assignment] # the pattern has these names alone
        return cls(option=f"{option} {text}", about=match["about"] or "", statistic=statistic, bound=bound)

    @classmethod
    def _errors(cls, option: str, text: str) -> "Threshold":
        share = _SHARE.fullmatch(text)
        if share is not None and float(share["number"]) <= _WHOLE:
            return cls(
                option=f"{option} {text}", about="", statistic="errors_share", bound=float(share["number"])
            )
        if not _COUNT.fullmatch(text):
            raise UsageFault(f"{option}: a count or a share is wanted, such as 0 or 1%, not {text!r}")
        return cls(option=f"{option} {text}", about="", statistic="errors", bound=int(text))

    @property
    def is_about_all(self) -> bool:
        """Whether it is about all measurements together."""
        return self.statistic in {"errors", "errors_share"}

    def judge(self, seen: Seen | None) -> Verdict:
        """Hold it against what was seen; what was never measured does not hold."""
        if self.statistic == "rate":
            rate = 0.0 if seen is None else seen.rate
            return self._verdict(f"at least {self.bound:,g}/s", f"{rate:,.1f}/s", held=rate >= self.bound)
        if seen is None:
            return self._verdict(self._wanted(), "nothing was measured", held=False)
        if self.statistic == "errors":
            return self._verdict(self._wanted(), f"{seen.errors:,}", held=seen.errors <= self.bound)
        if self.statistic == "errors_share":
            asked = seen.durations.count + seen.errors
            share = _WHOLE * seen.errors / asked if asked else 0.0
            return self._verdict(self._wanted(), f"{share:.2f} %", held=share <= self.bound)
        us = _statistic(seen.durations, self.statistic)
        if us is None:
            return self._verdict(self._wanted(), "nothing was measured", held=False)
        return self._verdict(self._wanted(), show_us(us), held=us <= self.bound)

    def _wanted(self) -> str:
        if self.statistic == "errors":
            return f"at most {self.bound:,.0f}"
        if self.statistic == "errors_share":
            return f"at most {self.bound:g} %"
        return f"at most {show_us(self.bound)}"

    def _verdict(self, wanted: str, seen: str, *, held: bool) -> Verdict:
        return Verdict(option=self.option, wanted=wanted, seen=seen, held=held)


def judge_all(
    thresholds: "tuple[Threshold, ...] | list[Threshold]", seen: Mapping[str, Seen], main: str
) -> tuple[Verdict, ...]:
    """Judge each against the measurement it is about; one that names none is about `main`, errors about all."""
    return tuple(
        each.judge(_together(seen) if each.is_about_all else seen.get(each.about or main))
        for each in thresholds
    )


def _together(seen: Mapping[str, Seen]) -> Seen:
    durations = Histogram()
    for each in seen.values():
        durations.merge(each.durations)
    return Seen(durations=durations, errors=sum(each.errors for each in seen.values()), rate=0.0)


def read_rate(text: str, option: str) -> float:
    """Read `50/s`, `120/min` or `50` as a number a second; UsageFault: it is none, or 0."""
    match = _RATE.fullmatch(text.strip())
    rate = 0.0 if match is None else float(match["number"]) / _PER_S[match["unit"]]
    if rate <= 0:
        raise UsageFault(f"{option}: a rate is wanted, such as 50/s, 0.5/s or 120/min, not {text!r}")
    return rate


def _read_us(text: str, option: str) -> float:
    """Read a span down to a microsecond."""
    fine = _FINE.fullmatch(text)
    try:
        us = float(fine["number"]) * _UNITS_US[fine["unit"]] if fine else read_span_ms(text) * _US_PER_MS
    except ValueError as exc:
        raise UsageFault(f"{option}: {exc}; {FORMS}") from exc
    if us <= 0:
        raise UsageFault(f"{option}: a span longer than nothing is wanted, not {text!r}; {FORMS}")
    return us


def show_us(us: float) -> str:
    """Spell microseconds as a reader wants them: `840 µs`, `12.3 ms`, `287 ms`, `1.25 s`."""
    for unit, factor in (("s", 1_000_000), ("ms", 1_000)):
        if us >= factor:
            number = us / factor
            digits = 2 if number < 10 else 1 if number < 100 else 0  # noqa: PLR2004 - three digits in all
            return f"{number:,.{digits}f} {unit}"
    return f"{us:,.0f} µs"


def _statistic(durations: Histogram, statistic: str) -> float | None:
    if statistic == "mean":
        return durations.mean_us
    if statistic == "max":
        return durations.max_us
    return durations.percentile(float(statistic.removeprefix("p")))
