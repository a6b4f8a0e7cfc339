"""Finding scenario files and reading them: names of the library, files, folders; and values of Python instead.

A mistake never stops at the first file: all are read, and all mistakes answered together.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import structs

from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from scenarios import model
from scenarios.loader import tree
from scenarios.loader.document import make_document, spell
from scenarios.loader.fleet_file import FleetRows
from scenarios.loader.meaning import judge
from scenarios.loader.mistakes import Mark, Mistake, ScenarioFault, listing, nearest
from scenarios.loader.plays import make_plays
from scenarios.loader.scalars import Reading, read
from scenarios.loader.shape import Objection, objections
from scenarios.loader.values import tree_of
from scenarios.loader.variables import PART, Filled, fill_in
from scenarios.play import Play
from scenarios.schema import scenario_schema

LIBRARY: Final = Path(__file__).resolve().parents[1] / "library"
SUFFIXES: Final = (".yaml", ".yml")
_STEPS: Final = "steps"
NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


def find_files(names: Iterable[str]) -> list[Path]:
    """Give the files behind names: a file, a folder of files, `library`, or a scenario of the library by its name."""
    found: dict[Path, None] = {}
    for name in names:
        found |= dict.fromkeys(_find(name))
    return list(found)


def _find(name: str) -> list[Path]:
    if not name:
        raise UsageFault(
            "an empty name stands for no file; give a file, a folder or a scenario of the library"
        )
    path = Path(name)
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.exists():
            return [path]
    except (OSError, ValueError) as exc:
        raise UsageFault(f"{name[:200]!r}: no such file ({exc})") from exc
    if name == "library":
        return _in_folder(LIBRARY)
    shipped = {file.stem: file for file in _in_folder(LIBRARY)}
    if name in shipped:
        return [shipped[name]]
    by_id = [file for stem, file in shipped.items() if stem.partition("-")[0] == name.lower()]
    if len(by_id) == 1:
        return by_id
    hint = nearest(name, shipped) or f"; the library has {listing(shipped, 30)}"
    raise UsageFault(f"{name[:200]}: no such file or folder, and no scenario of the library{hint}")


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise UsageFault(f"{folder}: no scenario (*.yaml) in this folder")
    return files


def load_files(paths: Iterable[Path], variables: Mapping[str, str] = NO_VARIABLES) -> list[Play]:
    """Read files to plays; `variables` count instead of the files' own, where they have one of that name.

    ScenarioFault has the mistakes of all of them; UsageFault: no file has such a variable.
    """
    plays: list[Play] = []
    mistakes: list[Mistake] = []
    first: dict[str, str] = {}
    for path in paths:
        try:
            loaded = load_file(path, variables)
        except ScenarioFault as fault:
            mistakes += fault.mistakes
            continue
        name = loaded[0].scenario
        if name in first:
            mistakes.append(
                Mistake(str(path), _mark_of_name(path), "name", f"{first[name]} has the name {name} too")
            )
        first.setdefault(name, str(path))
        plays += loaded
    if mistakes:
        raise ScenarioFault(mistakes)
    _hold_known(variables, plays)
    return plays


def _hold_known(variables: Mapping[str, str], plays: Iterable[Play]) -> None:
    """Hold that each variable that was given is one of a scenario."""
    known = {name for play in plays for name in play.variables}
    for name in variables:
        if name not in known:
            hint = nearest(name, known) or (
                f"; there are {listing(sorted(known))}" if known else "; it has none"
            )
            raise UsageFault(f"--var {name}: no scenario has a variable of that name{hint}")


def _mark_of_name(path: Path) -> Mark:
    """Give the place of a file's name; the file was well formed when it was loaded."""
    root, _ = tree.compose(_read_bytes(path))
    _, name = root.items.get("name", (None, root)) if isinstance(root, tree.Mapping) else (None, root)
    return Mark(1, 1) if name is None else name.mark


def load_file(path: Path, variables: Mapping[str, str] = NO_VARIABLES) -> list[Play]:
    """Read one file to its plays. ScenarioFault: its mistakes; EnvironmentFault: it can't be read."""
    return load_bytes(_read_bytes(path), str(path), path.parent, variables)


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(tree.SIZE_MAX_BYTES + 1)
    except OSError as exc:
        raise EnvironmentFault(f"{path}: can't be read: {exc.strerror}") from exc


def load_bytes(
    data: bytes, name: str, folder: Path, variables: Mapping[str, str] = NO_VARIABLES
) -> list[Play]:
    """Read a file's bytes to its plays; `name` stands in mistakes, `folder` is where its fleets' files lie."""
    root, faults = tree.compose(data)
    mistakes = [Mistake(name, mark, "", text) for mark, text in faults]
    if root is None:
        raise ScenarioFault(mistakes)
    return _load(root, name, folder, variables, mistakes)


def load_value(
    value: Mapping[str, Any], file: str = "<python>", folder: Path = Path(), *, is_whole: bool = False
) -> list[Play]:
    """Make plays of Python values in the structure of a file; ScenarioFault has all mistakes.

    Texts are texts; numbers, booleans and None are read as in a file, a timedelta is a span, a datetime a moment.
    `file` stands in mistakes, which name a path instead of a line; `folder` is where the fleets' files lie. Unless it
    is whole, more steps are to come: it may have none yet, and nothing is said that a later step could set right.
    """
    root, faults = tree_of(value)
    if faults:
        raise ScenarioFault(Mistake(file, Mark(0, 0), spell(path), text) for path, text in faults)
    if isinstance(root, tree.Mapping) and not is_whole:
        root.items.setdefault(_STEPS, (root.mark, tree.Sequence(root.mark)))
    return _load(root, file, folder, NO_VARIABLES, [], is_whole=is_whole)


def _load(
    root: tree.Node,
    name: str,
    folder: Path,
    variables: Mapping[str, str],
    mistakes: list[Mistake],
    *,
    is_whole: bool = True,
) -> list[Play]:
    filled = fill_in(root, variables)
    reading = read(filled.root, scenario_schema())
    mistakes += [Mistake(name, mark, "", text) for mark, text in reading.faults]
    found = objections(reading.value, scenario_schema)
    if not is_whole:
        found = [each for each in found if each.path != (_STEPS,) or reading.value[_STEPS]]
    rows = _judge(reading, found, filled, name, folder, mistakes, is_whole=is_whole)
    if mistakes:
        raise ScenarioFault(mistakes)
    if not reading.value[_STEPS]:  # none by leave; the model has one at least
        reading.value[_STEPS] = [{"id": "none", "check": {}}]
        return [structs.replace(play, steps=()) for play in _plays(reading, name, rows, filled)]
    return _plays(reading, name, rows, filled)


def _plays(reading: Reading, name: str, rows: Mapping[str, FleetRows], filled: Filled) -> list[Play]:
    plays = make_plays(msgspec.convert(reading.value, model.Scenario), name, rows)
    return [structs.replace(play, variables=filled.values, given=filled.given) for play in plays]


def _judge(
    reading: Reading,
    found: list[Objection],
    filled: Filled,
    name: str,
    folder: Path,
    mistakes: list[Mistake],
    *,
    is_whole: bool,
) -> dict[str, FleetRows]:
    # Where a variable's use is at fault, the schema's objection to what is left there would be a second mistake.
    at_fault = {path for path, _, at_key in filled.faults if not (at_key and path[0] == PART)}
    found = [each for each in found if each.path not in at_fault]
    bad = [*at_fault, *(objection.path for objection in found)]
    document = make_document(name, reading, bad, is_whole=is_whole)
    for path, text, at_key in filled.faults:
        document.blame(path, text, at_key=at_key)
    for objection in found:
        document.blame(objection.path, objection.text, at_key=objection.at_key)
    rows: dict[str, FleetRows] = {}
    if isinstance(reading.value, dict):
        rows = judge(document, folder)
    mistakes += document.mistakes
    return rows
