"""Python's values in the words of the scenario language; nothing is judged here, that is the loader's.

A span may be a `timedelta`, a moment a `datetime` with its zone, an amount a `Decimal`; a step may be named by what it
returned. Everything else is written as in YAML.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from scenarios.results import Seen

Selection = str | Sequence[str]
Span = str | timedelta
Moment = str | datetime
Amount = int | str | Decimal
Size = int | str
Tally = int | str | Mapping[str, int]
"""A count; with bounds it is a text such as `>= 3`."""
Expect = Mapping[str, Any]
Body = Mapping[str, Any]


class Did(Seen, frozen=True, kw_only=True):
    """What a step came to; stands for the step where one is named, as in `retry_task(of=did)`."""

    id: str


StepName = str | Did


def body(**words: Any) -> dict[str, Any]:
    """Put the words of an action together; None stands for left out, `from_` for `from`."""
    return {name.rstrip("_"): spell(value) for name, value in words.items() if value is not None}


def spell(value: Any) -> Any:
    """Spell a value as YAML would hold it."""
    match value:
        case Did():
            return value.id
        case timedelta():
            return f"{value // timedelta(milliseconds=1)} ms"
        case datetime():
            return value.isoformat(timespec="milliseconds")
        case Decimal() | Path():
            return str(value)
        case Mapping():
            return {str(name): spell(part) for name, part in value.items()}
        case str() | int() | float() | None:
            return value
        case Sequence():
            return [spell(part) for part in value]
        case _:
            return value
