"""Reading a list of devices to register: JSON, NDJSON or CSV. All mistakes at once, each with its line or entry."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from platform_stub.protocol.operator import RegisterDevice
from platform_stub.protocol.wording import word_mistake
from platform_stub.service.answers import Rejection, malformed

MISTAKES_SHOWN: Final = 20
_COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(RegisterDevice))
# A fleet's CSV has these too; they say nothing at a registration.
_PASSED_OVER: Final = frozenset({"product_id", "flow", "product_key", "manufacturer", "model"})
_POSSIBLE: Final = (
    'a device is an object such as {"name": "meter-1"}; several are a JSON list of them, one a line '
    "(Content-Type application/x-ndjson), or CSV (text/csv)"
)

_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)  # fits 64 bits

Row = tuple[int, RegisterDevice | str]


class Listed(NamedTuple):
    """Devices in the order given, and where each of them stands: `unit` and number."""

    devices: list[RegisterDevice]
    places: list[int]
    unit: str

    def place(self, at: int) -> str:
        """Say where the device at an index stands."""
        return f"{self.unit} {self.places[at]}"


def read_devices(body: bytes, content_type: str) -> Listed | Rejection:
    """Read devices by content type; a Rejection lists what is wrong, line by line or entry by entry."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        return malformed(f"body: not UTF-8 at byte {exc.start}")
    if content_type == "text/csv":
        return _collect(_csv_rows(text), "line")
    if content_type in {"application/x-ndjson", "application/ndjson"}:
        lines = ((at, line) for at, line in enumerate(text.split("\n"), start=1) if line.strip())
        return _collect(((at, _from_json(line)) for at, line in lines), "line")
    return _from_array(text) if text.lstrip().startswith("[") else _from_object(text)


def _from_array(text: str) -> Listed | Rejection:
    try:
        entries = msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as exc:
        return malformed(f"body: {exc}; {_POSSIBLE}")
    return _collect(((at, _from_json(entry)) for at, entry in enumerate(entries, start=1)), "entry")


def _from_object(text: str) -> Listed | Rejection:
    device = _from_json(text)
    if isinstance(device, str):
        return malformed(f"body: {device}; {_POSSIBLE}")
    return Listed([device], [1], "entry")


def _collect(rows: Iterable[Row], unit: str) -> Listed | Rejection:
    good: list[RegisterDevice] = []
    places: list[int] = []
    mistakes: list[str] = []
    for place, row in rows:
        if isinstance(row, str):
            mistakes.append(f"{unit} {place}: {row}")
        else:
            good.append(row)
            places.append(place)
    if mistakes:
        more = len(mistakes) - MISTAKES_SHOWN
        tail = f" and {more} more" if more > 0 else ""
        return malformed(
            f"{_counted(len(mistakes), unit)} can't be read: {'; '.join(mistakes[:MISTAKES_SHOWN])}{tail}",
            mistakes=mistakes[:MISTAKES_SHOWN],
        )
    return Listed(good, places, unit) if good else malformed(f"the body names no device; {_POSSIBLE}")


def _counted(count: int, unit: str) -> str:
    several = {"line": "lines", "entry": "entries"}
    return f"{count} {unit if count == 1 else several[unit]}"


_DECODER = msgspec.json.Decoder(RegisterDevice)


def _from_json(text: str | msgspec.Raw) -> RegisterDevice | str:
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError as exc:
        return word_mistake(exc, RegisterDevice)
    except RecursionError as exc:
        return str(exc)


def _csv_rows(text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if wrong := [name for name in header if name not in _COLUMNS and name not in _PASSED_OVER]:
            yield 1, f"no column is named {', '.join(map(repr, wrong))}; there are {', '.join(_COLUMNS)}"
            return
        if "name" not in header or len(set(header)) != len(header):
            yield (
                1,
                f"the header names each column once, and `name` among them; there are {', '.join(_COLUMNS)}",
            )
            return
        for row in reader:
            if row:
                yield reader.line_num, _from_row(header, row)
    except csv.Error as exc:
        yield reader.line_num, str(exc)


def _from_row(header: list[str], row: list[str]) -> RegisterDevice | str:
    if len(row) != len(header):
        return f"{len(header)} columns are wanted, here are {len(row)}"
    cells: dict[str, str | int] = {}
    for name, cell in zip(header, map(str.strip, row), strict=True):
        if cell and name not in _PASSED_OVER:
            cells[name] = int(cell) if name == "device_id" and _NUMBER.fullmatch(cell) else cell
    try:
        return msgspec.convert(cells, RegisterDevice)
    except msgspec.ValidationError as exc:
        return word_mistake(exc, RegisterDevice)
