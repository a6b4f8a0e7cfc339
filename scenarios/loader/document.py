"""A file as far as it could be read: each part typed, or known by name only where the schema objects to it.

So one mistake doesn't hide the others: a field that is wrong is left out and the rest of its step is still judged;
a step that can't do without it is known by its id, so that who refers to it is not blamed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from scenarios import model
from scenarios.loader.mistakes import Mark, Mistake, Path
from scenarios.loader.scalars import Reading

S = TypeVar("S", bound=msgspec.Struct)

STEPS: Final = ("steps", "teardown")
"""The parts that are lists of steps."""
PARALLEL: Final = "parallel"


@dataclass(frozen=True, slots=True)
class Sight:
    """What has been done when a name is used: all steps before a number, and perhaps the step itself."""

    before: int
    own: int | None = None

    def sees(self, entry: "Entry") -> bool:
        """Whether a step has been done by then."""
        return entry.at < self.before or entry.at == self.own


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A step: its number in the order of doing, its place, its id as far as it has one, itself if it could be read.

    What is done at once in it comes before it. `since` is the number of the first step that is done beside it.
    """

    at: int
    since: int
    path: Path
    id: str | None
    step: model.Step | None
    inner: "tuple[Entry, ...]" = ()

    @property
    def before(self) -> Sight:
        """What has been done when it begins."""
        return Sight(self.since)

    @property
    def after(self) -> Sight:
        """What has been done when it is judged."""
        return Sight(self.since, self.at)

    @property
    def is_beside_others(self) -> bool:
        """Whether other steps are done at the same time."""
        return self.path[-2:-1] == (PARALLEL,)


@dataclass(slots=True)
class Document:
    """A scenario file's parts; None stands for one that can't be read."""

    file: str
    reading: Reading
    policy: model.Policy
    account: model.Account
    variants: dict[str, model.Variant | None]
    products: dict[str, model.Product | None]
    fleets: dict[str, model.Fleet | None]
    groups: dict[str, list[str] | None]
    steps: list[Entry]
    teardown: list[Entry]
    never: list[model.Never | None]
    covers: list[str]
    clock: str | None
    bad: frozenset[Path]
    is_whole: bool  # else more steps are to come
    mistakes: list[Mistake] = field(default_factory=list)
    entries: list[Entry] = field(
        init=False
    )  # all steps in the order of doing, what is done at once in one before it
    ids: dict[Path, str | None] = field(init=False)

    def __post_init__(self) -> None:
        """Number the steps that are done at once among the others, and name all."""
        self.entries = [each for entry in (*self.steps, *self.teardown) for each in (*entry.inner, entry)]
        self.ids = {entry.path: entry.id for entry in self.entries}

    def has_mistakes_below(self, path: Path) -> bool:
        """Whether the schema objects to something at or below a path."""
        return any(at[: len(path)] == path for at in self.bad)

    def raw(self, path: Path) -> Any:
        """Give what is written at a path; None when there is nothing."""
        value = self.reading.value
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def where(self, path: Path) -> str:
        """Say where something stands, within a mistake about something else."""
        mark = self.reading.marks.get(path)
        return (
            f"on line {mark.line}" if mark is not None and mark.line else f"at {self.spell(path, ids=False)}"
        )

    def has_mistakes_in(self, *parts: str) -> bool:
        """Whether the schema objects to something in one of these parts."""
        return any(path[:1] == (part,) for path in self.bad for part in parts)

    def blame(self, path: Path, text: str, *, at_key: bool = False) -> None:
        """Note a mistake at a path, or at the nearest place above it that is known."""
        marks = self.reading.keys if at_key else self.reading.marks
        at = path
        while at not in marks and at:
            at = at[:-1]
        mark = marks.get(at) or self.reading.marks.get(at) or Mark(1, 1)
        self.mistakes.append(Mistake(self.file, mark, self.spell(path), text))

    def spell(self, path: Path, *, ids: bool = True) -> str:
        """Spell a path; a step by its id."""
        return spell(path, self.ids if ids else {})


def spell(path: Path, ids: Mapping[Path, str | None] = MappingProxyType({})) -> str:
    """Spell a path; what has an id by that."""
    parts: list[str] = []
    for at, part in enumerate(path):
        if isinstance(part, str):
            parts.append(f".{part}" if parts else part)
            continue
        name = ids.get(path[: at + 1])
        parts.append(f".{name}" if name else f"[{part}]")
    return "".join(parts)


def make_document(file: str, reading: Reading, bad: Iterable[Path], *, is_whole: bool = True) -> Document:
    """Type what the schema has nothing against; `bad` are the paths it objects to."""
    bad = frozenset(bad)
    raw = _without(reading.value, bad)
    top = raw if isinstance(raw, dict) else {}
    written = reading.value if isinstance(reading.value, dict) else {}
    steps = _entries(top, written, "steps", 0)
    return Document(
        file=file,
        reading=reading,
        policy=_typed(top.get("policy", {}), model.Policy) or model.Policy(),
        account=_typed(top.get("account", {}), model.Account) or model.Account(),
        variants=_named(top, written, "variants", lambda value: _typed(value, model.Variant)),
        products=_named(top, written, "products", lambda value: _typed(value, model.Product)),
        fleets=_named(top, written, "fleets", lambda value: _typed(value, model.Fleet)),
        groups=_named(top, written, "groups", _texts),
        steps=steps,
        teardown=_entries(top, written, "teardown", steps[-1].at + 1 if steps else 0),
        never=[_typed(part, model.Never) for part in _list(top.get("never"))],
        covers=_texts(top.get("covers")) or [],
        clock=top.get("clock") if isinstance(top.get("clock"), str) else None,
        bad=bad,
        is_whole=is_whole,
    )


def _without(value: Any, bad: Iterable[Path]) -> Any:
    """Copy a value without what is wrong in it: a wrong field goes, a wrong entry of a list takes the list along."""
    copied = _copy(value)
    for path in sorted(bad, key=len, reverse=True):
        at = _removable(path)
        here = copied
        for part in at[:-1]:
            try:
                here = here[part]
            except (KeyError, IndexError, TypeError):
                here = None
                break
        if at and isinstance(here, dict):
            here.pop(at[-1], None)
        elif at and isinstance(here, list) and isinstance(at[-1], int) and at[-1] < len(here):
            here[at[-1]] = None  # a step
    return copied


def _removable(path: Path) -> Path:
    for at, part in enumerate(path):
        if isinstance(part, int) and not is_step(path[: at + 1]) and not _is_never(path[: at + 1]):
            return path[:at]
    return path


def is_step(path: Path) -> bool:
    """Whether a path is a step's, also of one that is done at once with others."""
    while len(path) > 2 and path[-2] == PARALLEL:  # noqa: PLR2004 - the list and the place in it
        path = path[:-2]
    return len(path) == 2 and path[0] in STEPS and isinstance(path[1], int)  # noqa: PLR2004 - the same


def _is_never(path: Path) -> bool:
    return len(path) == 2 and path[0] == "never"  # noqa: PLR2004 - the list and the place in it


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    return [_copy(part) for part in value] if isinstance(value, list) else value


def _typed(value: Any, kind: type[S]) -> S | None:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


V = TypeVar("V")


def _named(
    top: dict[str, Any], written: dict[str, Any], part: str, convert: Callable[[Any], V | None]
) -> dict[str, V | None]:
    left, all_of_it = top.get(part), written.get(part)
    if not isinstance(all_of_it, dict):
        return {}
    kept = left if isinstance(left, dict) else {}
    return {name: convert(kept[name]) if name in kept else None for name in all_of_it}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) and all(isinstance(text, str) for text in value) else None


def _entries(top: dict[str, Any], written: dict[str, Any], part: str, first: int) -> list[Entry]:
    """Make the steps of a list, numbered from `first` on."""
    found: list[Entry] = []
    left = _list(top.get(part))
    for at, raw in enumerate(_list(written.get(part))):
        found.append(_entry((part, at), raw, left[at] if at < len(left) else None, first))
        first = found[-1].at + 1
    return found


def _entry(path: Path, raw: Any, left: Any, at: int) -> Entry:
    """Make a step of what is written and of what is left of it without its mistakes."""
    written = raw if isinstance(raw, dict) else {}
    kept = left if isinstance(left, dict) else {}
    beside, inner = _list(kept.get(PARALLEL)), []
    for place, each in enumerate(_list(written.get(PARALLEL))):
        rest = beside[place] if place < len(beside) else None
        inner.append(_single((*path, PARALLEL, place), each, rest, at + place, at))
    return _single(path, raw, left, at + len(inner), at + len(inner), tuple(inner))


def _single(path: Path, raw: Any, left: Any, at: int, since: int, inner: tuple[Entry, ...] = ()) -> Entry:
    step_id = raw.get("id") if isinstance(raw, dict) else None
    own = {key: part for key, part in left.items() if key != PARALLEL} if isinstance(left, dict) else left
    step = _typed(own, model.Step)
    if step is None and isinstance(own, dict):  # its expectations can be judged all the same
        step = _typed({key: part for key, part in own.items() if key not in model.ACTIONS}, model.Step)
    id_ = step_id if isinstance(step_id, str) else None
    return Entry(at=at, since=since, path=path, id=id_, step=step, inner=inner)
