"""A mistake of a scenario's author: where it is, what was expected, and the nearest right name."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from platform_stub.protocol.errors import UsageFault

MISTAKES_SHOWN = 50

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file, both counted from 1; in values of Python there are no lines, and it is (0, its number)."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake; `path` names the place in the scenario, such as `steps.E4.expect.left`, or is empty."""

    file: str
    mark: Mark
    path: str
    text: str

    def __str__(self) -> str:
        """Give `file:line:column: path: text`, without the place where there are no lines."""
        where = f"{self.path}: " if self.path else ""
        if not self.mark.line:
            return f"{self.file}: {where}{self.text}"
        return f"{self.file}:{self.mark.line}:{self.mark.column}: {where}{self.text}"


class ScenarioFault(UsageFault):
    """One or more files can't be played as they are written; nothing was started."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        shown = [str(mistake) for mistake in self.mistakes[:MISTAKES_SHOWN]]
        if (more := len(self.mistakes) - MISTAKES_SHOWN) > 0:
            shown.append(f"... and {more} more")
        super().__init__("\n".join(shown))


def nearest(name: str, names: Iterable[str]) -> str:
    """Give `; did you mean X?` when a right name is near, whatever its case; a number has none that is near."""
    if name.removeprefix("-").isdecimal():
        return ""
    folded = {known.casefold(): known for known in names}
    near = get_close_matches(name[:80].casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[near[0]]}?" if near else ""


def listing(names: Iterable[str], most: int = 12) -> str:
    """List names, the first ones when there are many."""
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more if known else "none"


def shown(value: object, most: int = 40) -> str:
    """Spell what was found, cut short."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= most else value[:most] + "...")
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return str(value)[:most]
