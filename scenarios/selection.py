"""Selections: a few words that name devices, such as `meters[1-1000]` or `first 50 licensed of meters`.

    selection = { filter } [ "of" ] base
    filter    = "first" N | "last" N | "licensed" | "unlicensed"
              | "failed" | "succeeded" | "cancelled" | "open" | "devices"    (of a step's task; right before its id)
    base      = a fleet, a group or a step, with 1-based ranges if wanted: name[1-10,15]

Filters are applied from right to left, and the order of devices is kept. Here a text becomes a `Selection`; which
devices that is, the roster knows.
"""

import re
from difflib import get_close_matches
from typing import Final, Literal

from msgspec import Struct

NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,39}"
SELECTION_PATTERN: Final = (
    r"^((first|last) +[1-9][0-9]{0,6} +|(licensed|unlicensed|failed|succeeded|cancelled|open|devices|of) +)*"
    rf"{NAME_PATTERN}( ?\[ *[0-9]+( *- *[0-9]+)?( *, *[0-9]+( *- *[0-9]+)?)* *\])?$"
)
SELECTION_WORDS: Final = (
    "first",
    "last",
    "licensed",
    "unlicensed",
    "failed",
    "succeeded",
    "cancelled",
    "open",
    "devices",
    "of",
)

Outcome = Literal["failed", "succeeded", "cancelled", "open", "devices"]

_BASE: Final = re.compile(rf"({NAME_PATTERN})(?: ?\[(.*)\])?")


class Filter(Struct, frozen=True):
    """One narrowing; `count` belongs to `first` and `last`."""

    kind: Literal["first", "last", "licensed", "unlicensed"]
    count: int = 0


class Selection(Struct, frozen=True, kw_only=True):
    """Devices of a fleet or group, or, when there is an `outcome`, of a step's task."""

    text: str
    base: str
    outcome: Outcome | None = None
    ranges: tuple[tuple[int, int], ...] = ()
    filters: tuple[Filter, ...] = ()

    @property
    def is_static(self) -> bool:
        """Whether its size can be told before anything has run (if its base's can)."""
        return self.outcome is None and not any(f.kind in {"licensed", "unlicensed"} for f in self.filters)


class SelectionFault(ValueError):
    """A text that is no selection, or one that asks for what can't be."""


def parse_selection(text: str) -> Selection:
    """Read a selection; SelectionFault says what is wrong with it."""
    match = re.fullmatch(rf"(.*?)({NAME_PATTERN}(?: ?\[.*\])?)", text.strip())
    base_match = _BASE.fullmatch(match[2]) if match else None
    if match is None or base_match is None:
        raise SelectionFault(f"{text!r} is no selection; write it like meters, meters[1-100] or failed of E1")
    words = match[1].split()
    outcome, filters = _read_words(words)
    return Selection(
        text=text,
        base=base_match[1],
        outcome=outcome,
        ranges=_read_ranges(base_match[2]) if base_match[2] is not None else (),
        filters=filters,
    )


def _read_words(words: list[str]) -> tuple[Outcome | None, tuple[Filter, ...]]:
    outcome: Outcome | None = None
    filters: list[Filter] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if outcome is not None and word != "of":
            raise SelectionFault(
                f"{outcome!r} stands right before the step that it is about, not before {word!r}"
            )
        match word:
            case "of":
                continue
            case "first" | "last":
                if at == len(words) or not re.fullmatch(r"[1-9][0-9]{0,6}", words[at]):
                    raise SelectionFault(f"{word!r} wants a number after it, as in {word} 50 of meters")
                filters.append(Filter(word, int(words[at])))
                at += 1
            case "licensed" | "unlicensed":
                filters.append(Filter(word))
            case "failed" | "succeeded" | "cancelled" | "open" | "devices":
                outcome = word
            case _:
                near = get_close_matches(word.casefold(), SELECTION_WORDS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SELECTION_WORDS)}"
                raise SelectionFault(f"{word!r} is no word of a selection; {hint}")
    return outcome, tuple(filters)


def _read_ranges(text: str) -> tuple[tuple[int, int], ...]:
    ranges = []
    for part in text.split(","):
        match = re.fullmatch(r" *([0-9]{1,7})(?: *- *([0-9]{1,7}))? *", part)
        if match is None:
            raise SelectionFault(f"[{text}] is no list of ranges; write it like [1-100] or [1-10,15]")
        low, high = int(match[1]), int(match[2] or match[1])
        if low < 1 or high < low:
            raise SelectionFault(f"[{text}]: devices are counted from 1, and a range goes upwards")
        ranges.append((low, high))
    return tuple(ranges)


def size_of(selection: Selection, base_size: int) -> int:
    """Count a static selection; SelectionFault when it reaches past its base."""
    count = base_size
    if selection.ranges:
        highest = max(high for _, high in selection.ranges)
        if highest > base_size:
            raise SelectionFault(
                f"{selection.base} has {base_size:,} devices, so there is no number {highest:,}"
            )
        count = sum(high - low + 1 for low, high in selection.ranges)
    for narrowing in reversed(selection.filters):
        if narrowing.kind in {"first", "last"}:
            if narrowing.count > count:
                raise SelectionFault(f"{narrowing.kind} {narrowing.count:,} of only {count:,} devices")
            count = narrowing.count
    return count
