"""A fleet's CSV file to devices and what they speak; each mistake with its line and column name."""

import csv
import io
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.operator import RegisterDevice
from platform_stub.protocol.token import decode_key
from scenarios.loader.mistakes import Mark, Mistake, listing, nearest, shown
from scenarios.loader.shape import objections
from scenarios.model import CsvDevice, Fleet
from scenarios.play import Flow, Habits

SIZE_MAX_BYTES: Final = 256 * 2**20
_COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(CsvDevice))
# What an export has besides: the platform gives them anew.
_PASSED_OVER: Final = frozenset({"device_id", "product_id"})
_OWN: Final = frozenset({"flow", "product_key", "manufacturer", "model"})


class FleetRows(msgspec.Struct, frozen=True, kw_only=True):
    """A file's devices; `own` are their habits by name, `product_key` is the key of their product, where it is said."""

    devices: tuple[RegisterDevice, ...] = ()
    own: dict[str, Habits] = {}
    product_key: str = ""

    def flows(self) -> set[Flow]:
        """Give what they speak."""
        return {habits.flow for habits in self.own.values()}


def read_fleet_file(path: Path, fleet: Fleet) -> tuple[FleetRows, list[Mistake]]:
    """Read the devices of a file; what a row leaves out is the fleet's."""
    rows, mistakes = _read_rows(path)
    devices: list[RegisterDevice] = []
    own: dict[str, Habits] = {}
    key_on: tuple[str, int] = ("", 0)
    first_on: dict[str, int] = {}
    versions = {"f_version": fleet.f_version, "s_version": fleet.s_version}
    for line, cells in rows:
        device = _device(versions | {name: cell for name, cell in cells.items() if name not in _OWN})
        wrong = _objections(cells) or (
            [device] if isinstance(device, str) else _own_faults(cells, fleet, key_on)
        )
        mistakes += [_mistake(path, line, text) for text in wrong]
        if not wrong and not isinstance(device, str):
            devices.append(device)
            own[device.name] = _habits(cells, fleet)
            key_on = key_on if key_on[0] else (cells.get("product_key", ""), line)
        name = cells.get("name")
        if name in first_on:
            mistakes.append(_mistake(path, line, f"{name} stands on line {first_on[name]} already"))
        if name is not None:
            first_on.setdefault(name, line)
    if not rows and not mistakes:
        mistakes.append(_mistake(path, 1, "the file names no device"))
    return FleetRows(devices=tuple(devices), own=own, product_key=key_on[0]), mistakes


def _habits(cells: dict[str, str], fleet: Fleet) -> Habits:
    said = {name: getattr(fleet, name) or "" for name in ("manufacturer", "model")}
    said |= {"flow": fleet.flow} | {name: cells[name] for name in ("flow", *said) if name in cells}
    return msgspec.convert(said | {"has_product_key": "product_key" in cells}, Habits)


def _own_faults(cells: dict[str, str], fleet: Fleet, key_on: tuple[str, int]) -> list[str]:
    """Say what of a row the run could not honour."""
    faults = []
    key, flow = cells.get("product_key", ""), cells.get("flow", fleet.flow)
    if key and key_on[0] not in {"", key}:
        faults.append(
            f"product_key: another one than on line {key_on[1]}, and the devices are of one product"
        )
    if key:
        try:
            decode_key(key)
        except UsageFault as fault:
            faults.append(f"product_key: {fault}")
    faults += [
        f"{name}: only devices of flow south say theirs, and this one's is {flow}"
        for name in ("manufacturer", "model")
        if name in cells and flow != "south"
    ]
    return faults


def _device(cells: dict[str, str]) -> RegisterDevice | str:
    """Make a device, or say what stands against it."""
    try:
        device = msgspec.convert(cells, RegisterDevice)
        if device.key is not None:
            decode_key(device.key)
    except msgspec.ValidationError as exc:
        return str(exc)
    except UsageFault as fault:
        return f"key: {fault}"
    return device


def _objections(cells: dict[str, str]) -> list[str]:
    """Word what the schema objects to in a row; a cell that is empty is not there."""
    wrong = [o for o in objections(cells, _schema) if o.path]
    said = [f"{'.'.join(map(str, o.path))}: {o.text}" for o in wrong]
    return said if "name" in cells else ["name: it is empty; every device has a name", *said]


@cache
def _schema() -> dict[str, Any]:
    return msgspec.json.schema(CsvDevice)


def _read_rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[Mistake]]:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX_BYTES + 1)
    except OSError as exc:
        return [], [_mistake(path, 1, f"can't be read: {exc.strerror}")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        return [], [_mistake(path, data[: exc.start].count(b"\n") + 1, "the file is not UTF-8 text here")]
    if len(data) > SIZE_MAX_BYTES:
        return [], [_mistake(path, 1, f"the file is larger than {SIZE_MAX_BYTES:,} bytes")]
    reader = csv.reader(io.StringIO(text), strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    mistakes: list[Mistake] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        if wrong := _header_fault(header):
            return [], [_mistake(path, 1, wrong)]
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                mistakes.append(
                    _mistake(path, reader.line_num, f"{len(header)} columns are wanted, here are {len(row)}")
                )
                continue
            cells = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
            rows.append((reader.line_num, {n: c for n, c in cells.items() if c and n not in _PASSED_OVER}))
    except csv.Error as exc:
        mistakes.append(_mistake(path, reader.line_num, f"not CSV: {exc}"))
    return rows, mistakes


def _header_fault(header: list[str]) -> str | None:
    for name in header:
        if name not in _COLUMNS and name not in _PASSED_OVER:
            hint = nearest(name, _COLUMNS) or f"; there are {listing(_COLUMNS)}"
            return f"no column is named {shown(name)}{hint}"
    if "name" not in header or len(set(header)) != len(header):
        return f"the header row names each column once, and name among them; there are {listing(_COLUMNS)}"
    return None


def _mistake(path: Path, line: int, text: str) -> Mistake:
    return Mistake(str(path), Mark(line, 1), "", text)
