"""What the Locust process of creators tells the command: JSON lines, one value each; and what it finds at its start.

Seconds count from when counting began, after the warm-up; counts are since the line before, totals since the start.
"""

from typing import Final

import msgspec
from msgspec import Struct

GROUND_FILE: Final = "OTA_LOAD_GROUND"
"""Names the file with the `Ground` that the command has made."""
CREATE: Final = "create task"
AGAIN: Final = "create task (again)"
CANCEL: Final = "cancel task"
READ: Final = "read task"
BUY: Final = "buy"
DELAY: Final = "late start"
NAMES: Final = (CREATE, AGAIN, CANCEL, READ, BUY)
ABOUTS: Final = {
    CREATE: "from its intended start, where there is one, to its answer",
    AGAIN: "the same request with the same key (P13)",
    CANCEL: "between two creations, not part of them (P8)",
    READ: "a task, its jobs or its account",
    BUY: "a licence",
    DELAY: "from the intended start until it was begun: a creator was not free, or Locust too busy",
}


class Sample(Struct, frozen=True, kw_only=True):
    """What ended of a name in a second: durations in µs and how often each, errors and how often each."""

    second: int
    name: str
    counts: dict[int, int]
    errors: dict[str, int] = {}


class Totals(Struct, kw_only=True):
    """Counts since the start, the warm-up included.

    `unsure`: creations without an answer, which may be done or not. `unreachable`: calls that nobody answered.
    `dry`: tasks that had to do with licensed devices, as the new ones were used up. `wrong`: answers against the rules.
    """

    created: int = 0
    refused: int = 0
    deducted: int = 0
    bought: int = 0
    unsure: int = 0
    unreachable: int = 0
    answered: int = 0
    dry: int = 0
    wrong: int = 0
    begun: int = 0
    due: int = 0

    def add(self, other: "Totals") -> None:
        """Add another process's."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Counted(Struct, frozen=True, kw_only=True, tag="counted"):
    """Where it stands. `at_s` is below 0 during the warm-up, None before it."""

    at_s: float | None
    creators: int
    totals: Totals
    samples: list[Sample] = []


class Over(Struct, frozen=True, kw_only=True, tag="over"):
    """Nothing begins any more and all has ended; `seconds` is how long it was counted."""

    seconds: float
    why: str = ""


class Broken(Struct, frozen=True, kw_only=True, tag="broken"):
    """It can't go on."""

    why: str


Said = Counted | Over | Broken
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Said).decode


def line_of(said: Said) -> bytes:
    """Spell it as a line."""
    return _encode(said) + b"\n"


def said_of(line: bytes) -> Said:
    """Read a line; msgspec's error: it is none of ours."""
    said: Said = _decode(line)
    return said
