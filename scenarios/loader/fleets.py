"""Fleets, those that steps register included: what can't be in one, and in the files that some come from."""

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from scenarios import model
from scenarios.loader.device_steps import judge_fault, judge_hardware
from scenarios.loader.document import Document
from scenarios.loader.fleet_file import FleetRows, read_fleet_file
from scenarios.loader.mistakes import Path
from scenarios.loader.names import Names
from scenarios.loader.task_steps import judge_product
from scenarios.selection import SELECTION_WORDS


def judge_fleets(document: Document, folder: FilePath) -> dict[str, FleetRows]:
    """Note every mistake in fleets, those that steps register included; answers what their files say."""
    files = _FleetFiles(document, folder)
    for name in document.fleets:
        judge_name(document, ("fleets", name), name)
    for path, name, fleet in _fleets(document):
        if isinstance(fleet, model.Register):
            judge_name(document, (*path, "fleet"), name, at_key=False)
        _judge_fleet(document, files, path, name, fleet)
    return files.rows


def judge_faults_of_fleets(document: Document, names: Names) -> None:
    """Note every mistake in what goes wrong with fleets from their start on."""
    for path, name, fleet in _fleets(document):
        for at, fault in enumerate(fleet.faults):
            judge_fault(document, (*path, "faults", at), fault, names.flows_of([name]))


def judge_name(document: Document, path: Path, name: str, *, at_key: bool = True) -> None:
    """Note it when a name would be read as a word of a selection."""
    if name in SELECTION_WORDS:
        document.blame(path, f"{name!r} is a word of selections; take another name", at_key=at_key)


def _fleets(document: Document) -> Iterator[tuple[Path, str, model.Fleet]]:
    """Give each fleet that can be read, with its place and name."""
    for name, fleet in document.fleets.items():
        if fleet is not None:
            yield ("fleets", name), name, fleet
    for entry in document.entries:
        if entry.step is not None and isinstance(entry.step.register, model.Register):
            yield (*entry.path, "register"), entry.step.register.fleet, entry.step.register


def _judge_fleet(document: Document, files: "_FleetFiles", path: Path, name: str, fleet: model.Fleet) -> None:
    judge_product(document, (*path, "product"), fleet.product)
    written = document.raw(path)
    _judge_maker(document, path, fleet, written)
    judge_hardware(document, (*path, "device"), fleet.device)
    if ("count" in written) == ("file" in written):
        document.blame(path, "a fleet has either a count or a file")
    elif isinstance(fleet.file, str):
        files.read(path, name, fleet, fleet.file)


class _FleetFiles:
    """Reads the files of fleets, and holds them against each other."""

    def __init__(self, document: Document, folder: FilePath) -> None:
        self.rows: dict[str, FleetRows] = {}
        self._document = document
        self._folder = folder
        self._keys: dict[str, str] = {}
        self._taken: dict[tuple[str, str], str] = {}

    def read(self, path: Path, name: str, fleet: model.Fleet, file: str) -> None:
        """Read a fleet's file, and note its mistakes."""
        place = (*path, "file")
        read, mistakes = read_fleet_file(self._folder / file, fleet)
        self._document.mistakes += mistakes
        if mistakes:
            many = f"{len(mistakes):,} mistakes" if len(mistakes) > 1 else "a mistake"
            self._document.blame(place, f"{file} has {many}")
            return
        self.rows[name] = read
        key = self._keys.setdefault(fleet.product, read.product_key) if read.product_key else ""
        if key != read.product_key:
            text = f"its product_key is another one than that of another fleet of product {fleet.product}"
            self._document.blame(place, text)
        for device in read.devices:
            other = self._taken.setdefault((fleet.product, device.name), name)
            if other != name:
                text = f"device {device.name} is in fleet {other} of the same product too"
                self._document.blame(place, text)
                break


def _judge_maker(document: Document, at: Path, fleet: model.Fleet, written: Mapping[str, Any]) -> None:
    """Hold that manufacturer and model are said where there is a field for them: in a check of generation A."""
    said = [field for field in ("manufacturer", "model") if field in written]
    path: Path = (*at, *said[:1])
    if said and fleet.flow != "south":
        text = f"only devices of flow south say their {said[0]}; write flow: south, or leave it out"
        document.blame(path, text, at_key=True)
    elif said and not fleet.connect:
        document.blame(
            path, f"none of them is there to say its {said[0]}; leave it out, or connect", at_key=True
        )
