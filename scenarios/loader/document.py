"""A file as far as it could be read: each part typed, or known by name only where the schema objects to it.

So one mistake doesn't hide the others: a field that is wrong is left out and the rest of its step is still judged;
a step that can't do without it is known by its id, so that who refers to it is not blamed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from scenarios import model
from scenarios.loader.mistakes import Mark, Mistake, Path
from scenarios.loader.scalars import Reading

S = TypeVar("S", bound=msgspec.Struct)

_STEPS: Final = "steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A step: its place in the list, its id as far as it has one, and itself if it could be read."""

    at: int
    id: str | None
    step: model.Step | None

    @property
    def path(self) -> Path:
        """Where it stands."""
        return (_STEPS, self.at)


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
    covers: list[str]
    clock: str | None
    bad: frozenset[Path]
    mistakes: list[Mistake] = field(default_factory=list)

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

    def spell(self, path: Path) -> str:
        """Spell a path; a step by its id."""
        parts: list[str] = []
        for at, part in enumerate(path):
            if isinstance(part, str):
                parts.append(f".{part}" if parts else part)
                continue
            is_step = at == 1 and path[0] == _STEPS
            name = self.steps[part].id if is_step and part < len(self.steps) else None
            parts.append(f".{name}" if name else f"[{part}]")
        return "".join(parts)


def make_document(file: str, reading: Reading, bad: Iterable[Path]) -> Document:
    """Type what the schema has nothing against; `bad` are the paths it objects to."""
    bad = frozenset(bad)
    raw = _without(reading.value, bad)
    top = raw if isinstance(raw, dict) else {}
    written = reading.value if isinstance(reading.value, dict) else {}
    return Document(
        file=file,
        reading=reading,
        policy=_typed(top.get("policy", {}), model.Policy) or model.Policy(),
        account=_typed(top.get("account", {}), model.Account) or model.Account(),
        variants=_named(top, written, "variants", lambda value: _typed(value, model.Variant)),
        products=_named(top, written, "products", lambda value: _typed(value, model.Product)),
        fleets=_named(top, written, "fleets", lambda value: _typed(value, model.Fleet)),
        groups=_named(top, written, "groups", _texts),
        steps=list(_entries(_list(top.get(_STEPS)), _list(written.get(_STEPS)))),
        covers=_texts(top.get("covers")) or [],
        clock=top.get("clock") if isinstance(top.get("clock"), str) else None,
        bad=bad,
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
        if isinstance(part, int) and not (at == 1 and path[0] == _STEPS):
            return path[:at]
    return path


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


def _entries(steps: list[Any], written: list[Any]) -> Iterator[Entry]:
    for at, raw in enumerate(written):
        step_id = raw.get("id") if isinstance(raw, dict) else None
        left = steps[at] if at < len(steps) else None
        step = _typed(left, model.Step)
        if step is None and isinstance(left, dict):  # its expectations can be judged all the same
            step = _typed({key: part for key, part in left.items() if key not in model.ACTIONS}, model.Step)
        yield Entry(at=at, id=step_id if isinstance(step_id, str) else None, step=step)
