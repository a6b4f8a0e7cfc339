"""Money, sizes, spans, moments, counts and levels as a scenario's author writes them, read and spelled back.

Money is in fen, spans and moments in milliseconds, sizes in bytes, levels in per cent. Only a level is ever a float,
and nothing reads a clock. Each reader raises ValueError with a text that says what is wanted.
"""

import re
from datetime import UTC, datetime
from typing import Final

FEN_PER_YUAN: Final = 100

YUAN_PATTERN: Final = r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?( yuan)?$|^-?(0|[1-9][0-9]{0,13}) fen$"
SIZE_PATTERN: Final = r"^[1-9][0-9]{0,9} ?(B|kB|KiB|MB|MiB)?$"
SPAN_PATTERN: Final = (
    r"^([0-9]{1,9}(\.[0-9]{1,3})? ?(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?) ?)+$"
)
SPAN_RANGE_PATTERN: Final = (
    r"^[0-9]{1,9}(\.[0-9]{1,3})? ?[a-z]+( ?[0-9]{1,9}(\.[0-9]{1,3})? ?[a-z]+)*"
    r"( ?- ?[0-9]{1,9}(\.[0-9]{1,3})? ?[a-z]+( ?[0-9]{1,9}(\.[0-9]{1,3})? ?[a-z]+)*)?$"
)
OFFSET_PATTERN: Final = rf"^[-+]?{SPAN_PATTERN.removeprefix('^')}"
BOUNDS_PATTERN: Final = r"^(>=|<=) ?[0-9]{1,8}$|^[0-9]{1,8} ?- ?[0-9]{1,8}$"
PERCENT_PATTERN: Final = r"^(100(\.0{1,2})?|[1-9]?[0-9](\.[0-9]{1,2})?)( ?%)?$"
RATE_PATTERN: Final = r"^[-+]?[0-9]{1,5}(\.[0-9]{1,3})?( ?%)?$"
_ZONE: Final = r"(Z| ?[+-][0-9]{2}:?[0-9]{2})"
MOMENT_PATTERN: Final = (
    rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,3}})?)?{_ZONE}$"
)

_SIZES: Final = {"": 1, "B": 1, "kB": 1_000, "KiB": 1_024, "MB": 1_000_000, "MiB": 1_048_576}
_SPANS_MS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN_PART: Final = re.compile(r"([0-9]+)(?:\.([0-9]{1,3}))? ?([a-z]+)")


def read_fen(text: str) -> int:
    """Read `1000`, `10.50`, `10.50 yuan` or `1050 fen`."""
    if not re.match(YUAN_PATTERN, text):
        raise ValueError(f"an amount is wanted, such as 1000 or 10.50 (yuan) or 1050 fen, not {text!r}")
    if text.endswith(" fen"):
        return int(text.removesuffix(" fen"))
    amount = text.removesuffix(" yuan")
    yuan, _, rest = amount.lstrip("-").partition(".")
    fen = int(yuan) * FEN_PER_YUAN + int(rest.ljust(2, "0"))
    return -fen if amount.startswith("-") else fen


def show_fen(fen: int) -> str:
    """Spell fen as yuan: `1,800`, or `0.50` when there are fen."""
    sign = "-" if fen < 0 else ""
    yuan, rest = divmod(abs(fen), FEN_PER_YUAN)
    return f"{sign}{yuan:,}.{rest:02}" if rest else f"{sign}{yuan:,}"


def read_size(text: str) -> int:
    """Read `560`, `64 KiB`, `2MB`."""
    if not re.match(SIZE_PATTERN, text):
        raise ValueError(f"a size is wanted, such as 560 or 64 KiB, not {text!r}")
    number, unit = re.fullmatch(r"([0-9]+) ?([A-Za-z]*)", text).groups()  # type: ignore[union-attr]
    return int(number) * _SIZES[unit]


def read_span_ms(text: str) -> int:
    """Read `90s`, `10 min`, `1h 30m`, `30d`."""
    if not re.match(SPAN_PATTERN, text):
        raise ValueError(f"a span of time is wanted, such as 90s, 10 min or 30d, not {text!r}")
    total = 0
    for whole, thousandths, unit in _SPAN_PART.findall(text):
        factor = _SPANS_MS["ms" if unit == "ms" else unit[0]]
        total += int(whole) * factor + int((thousandths or "0").ljust(3, "0")) * factor // 1_000
    return total


def read_span_range_ms(text: str) -> tuple[int, int]:
    """Read `30s` or `10s-60s` as the least and the most."""
    low, dash, high = text.partition("-")
    least = read_span_ms(low.strip())
    most = read_span_ms(high.strip()) if dash else least
    if most < least:
        raise ValueError(f"{text!r} goes downwards; write the shorter span first, as in 10s-60s")
    return least, most


def read_offset_ms(text: str) -> int:
    """Read a span that may be backwards, such as `-2d`."""
    if not re.match(OFFSET_PATTERN, text):
        raise ValueError(f"a span of time is wanted, forwards or backwards, such as 90s or -2d, not {text!r}")
    span_ms = read_span_ms(text.lstrip("+-"))
    return -span_ms if text.startswith("-") else span_ms


def read_percent(text: str) -> float:
    """Read `80`, `80%` or `-1.5`; a level of a battery or of a signal, and how it changes."""
    return float(text.rstrip("% "))


def read_bounds(text: str) -> tuple[int | None, int | None]:
    """Read `>= 3`, `<= 2` or `2-5` as the least and the most that a count may be; None: no bound."""
    if not re.match(BOUNDS_PATTERN, text):
        raise ValueError(f"a count or bounds of one are wanted, such as 5, >= 3, <= 2 or 2-5, not {text!r}")
    if text[0] in "<>":
        bound = int(text[2:])
        return (bound, None) if text[0] == ">" else (None, bound)
    low, high = (int(part) for part in text.split("-"))
    if low > high:
        raise ValueError(f"{text!r} goes downwards; write the smaller count first")
    return low, high


def show_span(span_ms: int) -> str:
    """Spell a span by its two largest units: `30 d`, `1 h 30 min`."""
    parts = []
    for unit, name in (("d", "d"), ("h", "h"), ("m", "min"), ("s", "s"), ("ms", "ms")):
        count, span_ms = divmod(span_ms, _SPANS_MS[unit])
        if count:
            parts.append(f"{count:,} {name}")
    return " ".join(parts[:2]) or "0 s"


def read_moment_ms(text: str) -> int:
    """Read an ISO 8601 date and time with its zone, such as `2021-04-02T00:00:00+08:00`, as unix milliseconds."""
    if re.match(MOMENT_PATTERN, text):
        try:
            span = datetime.fromisoformat(re.sub(r" (?=[+-])", "", text)) - _EPOCH
        except ValueError:
            span = None
        if span is not None and span.days >= 0:
            return span.days * 86_400_000 + span.seconds * 1_000 + span.microseconds // 1_000
    raise ValueError(
        f"a moment with its zone is wanted, such as 2021-04-02T00:00:00+08:00, from 1970 on, not {text!r}"
    )


def show_moment_like(unix_ms: int, text: str) -> str:
    """Spell a moment as it reads in the zone of another one that an author wrote."""
    zone = re.search(rf"{_ZONE}$", text)
    try:
        written = datetime.fromisoformat(re.sub(r" (?=[+-])", "", text))
        moment = datetime.fromtimestamp(unix_ms // 1_000, written.tzinfo)
    except (ValueError, OverflowError, OSError):
        return show_moment(unix_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}{zone[0].strip() if zone else ''}"


def show_moment(unix_ms: int) -> str:
    """Spell a moment in UTC."""
    try:
        return datetime.fromtimestamp(unix_ms // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{unix_ms} ms after 1970"
