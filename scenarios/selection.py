"""Selections: a few words that name devices, such as `meters[1-1000]` or `first 50 licensed of meters`.

    selection = part { "but" part }                                 what the first names and no other
    part      = { filter } [ "of" ] base
    filter    = "first" N | "last" N | "licensed" | "unlicensed"
              | N | N "%"                                           so many, drawn by the seed
              | "failed" | "succeeded" | "cancelled" | "open" | "devices"    (of a step's task; right before its id)
    base      = a fleet, a group or a step, with 1-based ranges if wanted: name[1-10,15]

Filters are applied from right to left, and the order of devices is kept. Here a text becomes a `Selection`, and
devices are drawn from it; which devices that is, the roster knows.
"""

import hashlib
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, Literal

from msgspec import Struct

NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,39}"
SHARE_PATTERN: Final = r"(100|[1-9]?[0-9])(\.[0-9]{1,3})? ?%"
_PART_PATTERN: Final = (
    rf"(((first|last) +)?[1-9][0-9]{{0,6}} +|{SHARE_PATTERN} +"
    r"|(licensed|unlicensed|failed|succeeded|cancelled|open|devices|of) +)*"
    rf"{NAME_PATTERN}( ?\[ *[0-9]+( *- *[0-9]+)?( *, *[0-9]+( *- *[0-9]+)?)* *\])?"
)
SELECTION_PATTERN: Final = rf"^{_PART_PATTERN}( +but +{_PART_PATTERN})*$"
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
    "but",
)
WHOLE_SHARE: Final = 100_000
"""All, as a share in thousandths of a per cent."""

Outcome = Literal["failed", "succeeded", "cancelled", "open", "devices"]

_BASE: Final = re.compile(rf"({NAME_PATTERN})(?: ?\[(.*)\])?")
_PARTS: Final = re.compile(r" +but +")
_WORDS: Final = re.compile(r"[0-9.]+ %(?= )|\S+")
_COUNT: Final = re.compile(r"[1-9][0-9]{0,6}")
_SHARE: Final = re.compile(SHARE_PATTERN)


class Filter(Struct, frozen=True):
    """One narrowing. `count` is how many are left; of a `share` it is thousandths of a per cent.

    `first` and `last` take them as they stand, `some` and `share` draw them.
    """

    kind: Literal["first", "last", "some", "share", "licensed", "unlicensed"]
    count: int = 0

    @property
    def is_drawn(self) -> bool:
        """Whether the seed decides."""
        return self.kind in {"some", "share"}


class Selection(Struct, frozen=True, kw_only=True):
    """Devices of a fleet or group, or, when there is an `outcome`, of a step's task; without those of `but`.

    `where` is the step or group that it stands in, where something is drawn.
    """

    text: str
    base: str
    outcome: Outcome | None = None
    ranges: tuple[tuple[int, int], ...] = ()
    filters: tuple[Filter, ...] = ()
    but: "tuple[Selection, ...]" = ()
    where: str = ""

    @property
    def is_drawn(self) -> bool:
        """Whether the seed decides, here or in what is left out."""
        return any(f.is_drawn for f in self.filters) or any(each.is_drawn for each in self.but)

    @property
    def is_static(self) -> bool:
        """Whether its size can be told before anything has run (if its base's can)."""
        return (
            self.outcome is None
            and not self.but
            and not any(f.kind in {"licensed", "unlicensed"} for f in self.filters)
        )


class SelectionFault(ValueError):
    """A text that is no selection, or one that asks for what can't be."""


def parse_selection(text: str) -> Selection:
    """Read a selection; SelectionFault says what is wrong with it."""
    first, *others = parts = _PARTS.split(text.strip())
    if any("but" in (part.split()[:1] + part.split()[-1:]) for part in parts):
        raise SelectionFault(
            f"{text!r} is no selection; but stands between two, as in meters but failed of E1"
        )
    return _read_part(first, text, tuple(_read_part(part, part) for part in others))


def _read_part(part: str, text: str, but: tuple[Selection, ...] = ()) -> Selection:
    match = re.fullmatch(rf"(.*?)({NAME_PATTERN}(?: ?\[.*\])?)", part)
    base_match = _BASE.fullmatch(match[2]) if match else None
    if match is None or base_match is None:
        raise SelectionFault(f"{text!r} is no selection; write it like meters, meters[1-100] or failed of E1")
    outcome, filters = _read_words(_WORDS.findall(match[1]))
    return Selection(
        text=text,
        base=base_match[1],
        outcome=outcome,
        ranges=_read_ranges(base_match[2]) if base_match[2] is not None else (),
        filters=filters,
        but=but,
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
                if at == len(words) or not _COUNT.fullmatch(words[at]):
                    raise SelectionFault(f"{word!r} wants a number after it, as in {word} 50 of meters")
                filters.append(Filter(word, int(words[at])))
                at += 1
            case "licensed" | "unlicensed":
                filters.append(Filter(word))
            case "failed" | "succeeded" | "cancelled" | "open" | "devices":
                outcome = word
            case _:
                filters.append(_read_drawn(word))
    return outcome, tuple(filters)


def _read_drawn(word: str) -> Filter:
    """Read how many are drawn, or say which word was meant."""
    if _COUNT.fullmatch(word):
        return Filter("some", int(word))
    if _SHARE.fullmatch(word):
        share = read_share(word)
        if share == 0:
            raise SelectionFault(f"{word} is nobody; a share is more than 0 %")
        return Filter("share", share)
    if word.rstrip("%").replace(".", "").isdecimal():
        raise SelectionFault(f"{word!r} is neither a number of devices nor a share up to 100%")
    near = get_close_matches(word.casefold(), SELECTION_WORDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SELECTION_WORDS)}"
    raise SelectionFault(f"{word!r} is no word of a selection; {hint}")


def read_share(text: str) -> int:
    """Read a share in per cent, such as `2.5%`, as thousandths of a per cent."""
    whole, _, rest = text.rstrip("% ").partition(".")
    return min(int(whole) * 1_000 + int(rest.ljust(3, "0")), WHOLE_SHARE)


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
        if narrowing.kind == "share":
            count = share_of(count, narrowing.count)
        elif narrowing.count:
            if narrowing.count > count:
                name = "" if narrowing.is_drawn else f"{narrowing.kind} "
                raise SelectionFault(f"{name}{narrowing.count:,} of only {count:,} devices")
            count = narrowing.count
    return count


def share_of(size: int, share: int) -> int:
    """Count a share (thousandths of a per cent) of some devices: rounded, half upwards, and one at least of any."""
    return min(size, max(1, (size * share * 2 + WHOLE_SHARE) // (2 * WHOLE_SHARE)))


def drawn(device_ids: Sequence[int], narrowing: Filter, key: str) -> list[int]:
    """Draw so many or such a share of devices; their order stays. SelectionFault: there are not so many.

    Each device's lot is a hash of the key and its ID, so that the same key draws the same ones whatever else is
    there; one that is named twice is one.
    """
    among = list(dict.fromkeys(device_ids))
    count = share_of(len(among), narrowing.count) if narrowing.kind == "share" else narrowing.count
    if count > len(among):
        raise SelectionFault(f"there are only {len(among):,} to choose {count:,} from")
    chosen = set(sorted(among, key=lambda device_id: _lot(key, device_id))[:count])
    return [device_id for device_id in among if device_id in chosen]


def draw_key(seed: int, selection: Selection) -> str:
    """Say by what a selection draws: the seed, its words, and the group or step that it stands in.

    A group's draw is thus the same devices in every step; the same words in two steps draw twice.
    """
    return f"{seed}/{selection.where}/{selection.text}"


def _lot(key: str, device_id: int) -> bytes:
    return hashlib.blake2b(f"{key}/{device_id}".encode(), digest_size=8).digest()
