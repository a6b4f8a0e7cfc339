"""Finding scenario files and reading them: names of the library, files, folders.

A mistake never stops at the first file: all are read, and all mistakes answered together.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from scenarios import model
from scenarios.loader.document import make_document
from scenarios.loader.fleet_file import FleetRows
from scenarios.loader.meaning import judge
from scenarios.loader.mistakes import Mark, Mistake, ScenarioFault, listing, nearest
from scenarios.loader.plays import make_plays
from scenarios.loader.scalars import Reading, read
from scenarios.loader.shape import objections
from scenarios.loader.tree import SIZE_MAX_BYTES, Mapping, compose
from scenarios.play import Play
from scenarios.schema import scenario_schema

LIBRARY: Final = Path(__file__).resolve().parents[1] / "library"
SUFFIXES: Final = (".yaml", ".yml")


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


def load_files(paths: Iterable[Path]) -> list[Play]:
    """Read files to plays; ScenarioFault has the mistakes of all of them."""
    plays: list[Play] = []
    mistakes: list[Mistake] = []
    first: dict[str, str] = {}
    for path in paths:
        try:
            loaded = load_file(path)
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
    return plays


def _mark_of_name(path: Path) -> Mark:
    """Give the place of a file's name; the file was well formed when it was loaded."""
    root, _ = compose(_read_bytes(path))
    _, name = root.items.get("name", (None, root)) if isinstance(root, Mapping) else (None, root)
    return Mark(1, 1) if name is None else name.mark


def load_file(path: Path) -> list[Play]:
    """Read one file to its plays. ScenarioFault: its mistakes; EnvironmentFault: it can't be read."""
    return load_bytes(_read_bytes(path), str(path), path.parent)


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(SIZE_MAX_BYTES + 1)
    except OSError as exc:
        raise EnvironmentFault(f"{path}: can't be read: {exc.strerror}") from exc


def load_bytes(data: bytes, name: str, folder: Path) -> list[Play]:
    """Read a file's bytes to its plays; `name` stands in mistakes, `folder` is where its fleets' files lie."""
    root, faults = compose(data)
    mistakes = [Mistake(name, mark, "", text) for mark, text in faults]
    if root is None:
        raise ScenarioFault(mistakes)
    reading = read(root, scenario_schema())
    mistakes += [Mistake(name, mark, "", text) for mark, text in reading.faults]
    rows = _judge(reading, name, folder, mistakes)
    if mistakes:
        raise ScenarioFault(mistakes)
    return make_plays(msgspec.convert(reading.value, model.Scenario), name, rows)


def _judge(reading: Reading, name: str, folder: Path, mistakes: list[Mistake]) -> dict[str, FleetRows]:
    found = objections(reading.value, scenario_schema)
    document = make_document(name, reading, (objection.path for objection in found))
    for objection in found:
        document.blame(objection.path, objection.text, at_key=objection.at_key)
    rows: dict[str, FleetRows] = {}
    if isinstance(reading.value, dict):
        rows = judge(document, folder)
    mistakes += document.mistakes
    return rows
