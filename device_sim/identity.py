"""Who a device is, and the CSV in which fleets are kept.

Columns: device_id, product_id, name, key, iccid, imsi, f_version, s_version, flow, product_key, manufacturer, model.
The first four must be there; every cell is text, so leading zeros stay. A file's mistakes are told all at once, as
`file:line: column: ...`.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import msgspec
from msgspec import Struct

from device_sim.core.profile import FLOWS, Flow
from device_sim.errors import DeviceFileFault
from platform_stub.protocol import messages, operator
from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.token import decode_key


class Identity(Struct, frozen=True, kw_only=True, gc=False):
    """What a device is made of before it does anything. `key` is base64 and signs its tokens.

    `flow` None: the profile's. `product_key` signs instead of `key` in flow south, where it is given, and only there
    `manufacturer` and `model` are said.
    """

    device_id: int
    product_id: str
    name: str
    key: str
    iccid: str = ""
    imsi: str = ""
    f_version: str | None = None
    s_version: str | None = None
    flow: Flow | None = None
    product_key: str = ""
    manufacturer: str = ""
    model: str = ""

    @classmethod
    def of(cls, device: operator.Device) -> Self:
        """Take over a device as the operator API shows it."""
        return cls(**{name: getattr(device, name) for name in cls.__struct_fields__ if name not in OWN})

    def __repr__(self) -> str:
        # The key opens connections: it stays out of logs.
        return f"Identity(device_id={self.device_id}, product_id={self.product_id!r}, name={self.name!r})"


OWN: Final = ("flow", "product_key", "manufacturer", "model")
"""What the platform does not know of a device, or does not show; columns that a file need not have."""

COLUMNS: Final = (
    "device_id",
    "product_id",
    "name",
    "key",
    "iccid",
    "imsi",
    "f_version",
    "s_version",
    *OWN,
)
REQUIRED: Final = COLUMNS[:4]
_NUMBER_DIGITS_MAX: Final = 18
_FLOWS: Final[Mapping[str, Flow]] = MappingProxyType({flow: flow for flow in FLOWS})


def read_devices_csv(source: Path | str, text: str | None = None) -> list[Identity]:
    """Read a fleet from the file `source`, or from `text`, which then is called `source` in errors.

    DeviceFileFault lists all mistakes; UsageFault when the file can't be read at all.
    """
    name = str(source)
    rows = list(_numbered_rows(name, _load(Path(source)) if text is None else text))
    if not rows:
        raise DeviceFileFault([f"{name}:1: the file is empty; a header row is wanted: {','.join(COLUMNS)}"])
    header_line, header = rows[0]
    header = [cell.strip() for cell in header]
    if faults := [f"{name}:{header_line}: {fault}" for fault in _header_faults(header)]:
        raise DeviceFileFault(faults)
    if len(rows) == 1:
        raise DeviceFileFault([f"{name}:{header_line}: there is no device below the header"])
    mistakes: list[str] = []
    found: list[Identity] = []
    seen: dict[object, int] = {}
    for line, row in rows[1:]:
        faults = []
        identity = _read_row(header, row, faults)
        if identity is not None:
            faults += _duplicates(identity, line, seen)
            found.append(identity)
        mistakes += (f"{name}:{line}: {fault}" for fault in faults)
    if mistakes:
        raise DeviceFileFault(mistakes)
    return found


def write_devices_csv(path: Path | str, identities: Iterable[Identity]) -> None:
    """Write a fleet; `read_devices_csv` gives the same identities back."""
    devices = list(identities)
    columns = [
        column
        for column in COLUMNS
        if column not in OWN or any(getattr(identity, column) for identity in devices)
    ]
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for identity in devices:
            cells = (getattr(identity, column) for column in columns)
            writer.writerow(["" if cell is None else cell for cell in cells])


def check_identities(identities: Iterable[Identity]) -> None:
    """Refuse keys that are no base64, and devices that are there twice; UsageFault names the first of them."""
    seen: dict[object, int] = {}
    for at, identity in enumerate(identities, start=1):
        faults = _duplicates(identity, at, seen, "device")
        faults += _value_faults(identity)
        if faults:
            raise UsageFault(f"device {identity.device_id} ({at}. of the list): {faults[0]}")


def value_fault(column: str, text: str) -> str:
    """Say what is wrong with the value of a column; an empty text when nothing is."""
    return _CHECKS[column](text)


def _value_faults(identity: Identity) -> Iterator[str]:
    """What can't be used of an identity that did not come out of a CSV: keys, and what stands in an HTTP request."""
    checked = ["key", "product_key", "flow"]
    if identity.flow != "mqtt":
        checked += ["product_id", "name", "f_version", "s_version", "manufacturer", "model"]
    for column in checked:
        value = getattr(identity, column)
        if (value or column == "key") and (fault := _CHECKS[column](value)):
            yield f"{column}: {fault}"


def _load(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise UsageFault(f"{path}: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise UsageFault(f"{path}: not UTF-8 at byte {exc.start}; save it as UTF-8") from exc


def _numbered_rows(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Give each row that is not blank with the line it begins in."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as exc:
        raise DeviceFileFault([f'{name}:{line}: {exc}; cells are separated by commas, quoted by "']) from exc


def _header_faults(header: list[str]) -> Iterator[str]:
    for column in REQUIRED:
        if column not in header:
            yield f"column {column} is missing; the header is {','.join(COLUMNS)}"
    for at, column in enumerate(header):
        if column not in COLUMNS:
            yield f"no column is named {column!r}; there are {', '.join(COLUMNS)}"
        elif column in header[:at]:
            yield f"column {column} is there twice"


def _read_row(header: list[str], row: list[str], faults: list[str]) -> Identity | None:
    if len(row) != len(header):
        faults.append(f"{len(header)} cells are wanted, as in the header; here are {len(row)}")
        return None
    cells = {column: cell.strip() for column, cell in zip(header, row, strict=True)}
    for column, cell in cells.items():
        fault = _CHECKS[column](cell) if cell else ("is empty" if column in REQUIRED else "")
        if fault:
            faults.append(f"{column}: {fault}")
    if faults:
        return None
    return Identity(
        device_id=int(cells["device_id"]),
        product_id=cells["product_id"],
        name=cells["name"],
        key=cells["key"],
        iccid=cells.get("iccid", ""),
        imsi=cells.get("imsi", ""),
        f_version=cells.get("f_version") or None,
        s_version=cells.get("s_version") or None,
        flow=_FLOWS.get(cells.get("flow", "")),
        product_key=cells.get("product_key", ""),
        manufacturer=cells.get("manufacturer", ""),
        model=cells.get("model", ""),
    )


def _duplicates(identity: Identity, at: int, seen: dict[object, int], place: str = "line") -> list[str]:
    faults = []
    keys = {
        f"device_id: {identity.device_id}": identity.device_id,
        f"name: {identity.product_id}/{identity.name}": (identity.product_id, identity.name),
    }
    for what, key in keys.items():
        first = seen.setdefault(key, at)
        if first != at:
            faults.append(f"{what} is there already, at {place} {first}")
    return faults


def _number_fault(cell: str) -> str:
    if cell.isascii() and cell.isdecimal() and len(cell) <= _NUMBER_DIGITS_MAX and int(cell) > 0:
        return ""
    return f"{cell!r} is no device ID: a whole number from 1 is wanted"


def _key_fault(cell: str) -> str:
    try:
        decode_key(cell)
    except UsageFault as exc:
        return str(exc)
    return ""


def _flow_fault(cell: str) -> str:
    return "" if cell in _FLOWS else f"{cell!r} is none of {', '.join(FLOWS)}"


def _as(kind: object, expected: str) -> Callable[[str], str]:
    def check(cell: str) -> str:
        try:
            msgspec.convert(cell, kind)
        except msgspec.ValidationError:
            return f"{cell!r} is not {expected}"
        return ""

    return check


_CHECKS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "device_id": _number_fault,
        "product_id": _as(operator.ProductKey, "1-32 letters and digits"),
        "name": _as(operator.Name, "1-64 of A-Z a-z 0-9 _ -"),
        "key": _key_fault,
        "iccid": _as(messages.CardNumber, "up to 32 letters and digits"),
        "imsi": _as(messages.CardNumber, "up to 32 letters and digits"),
        "f_version": _as(messages.Version, "1-20 of A-Z a-z 0-9 _ . -"),
        "s_version": _as(messages.Version, "1-20 of A-Z a-z 0-9 _ . -"),
        "flow": _flow_fault,
        "product_key": _key_fault,
        "manufacturer": _as(operator.ModelCode, "1-32 of A-Z a-z 0-9 _ . -"),
        "model": _as(operator.ModelCode, "1-32 of A-Z a-z 0-9 _ . -"),
    }
)
