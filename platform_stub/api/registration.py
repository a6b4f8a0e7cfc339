"""Reading a list of devices to register: NDJSON, CSV, or one JSON object. All mistakes at once, by line."""

import csv
import io
from collections.abc import Iterator
from typing import Final

import msgspec

from platform_stub.protocol.operator import RegisterDevice
from platform_stub.service.answers import Rejection, malformed

MISTAKES_SHOWN: Final = 20
_COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(RegisterDevice))
# A fleet's CSV has these too; they say nothing new at a registration.
_PASSED_OVER: Final = frozenset({"device_id", "product_id"})


def read_devices(body: bytes, content_type: str) -> list[RegisterDevice] | Rejection:
    """Read devices by content type; a Rejection lists the lines that are wrong."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        return malformed(f"body: not UTF-8 at byte {exc.start}")
    if content_type == "text/csv":
        return _collect(_csv_rows(text))
    if content_type in {"application/x-ndjson", "application/ndjson"}:
        lines = ((at, line) for at, line in enumerate(text.split("\n"), start=1) if line.strip())
        return _collect((at, _from_json(line)) for at, line in lines)
    return _collect([(1, _from_json(text))])


def _collect(
    rows: "Iterator[tuple[int, RegisterDevice | str]] | list[tuple[int, RegisterDevice | str]]",
) -> list[RegisterDevice] | Rejection:
    good: list[RegisterDevice] = []
    mistakes: list[str] = []
    for line, row in rows:
        if isinstance(row, str):
            mistakes.append(f"line {line}: {row}")
        else:
            good.append(row)
    if mistakes:
        more = len(mistakes) - MISTAKES_SHOWN
        tail = f" and {more} more" if more > 0 else ""
        return malformed(
            f"{len(mistakes)} lines can't be read: {'; '.join(mistakes[:MISTAKES_SHOWN])}{tail}",
            mistakes=mistakes[:MISTAKES_SHOWN],
        )
    return good or malformed("the body names no device")


_DECODER = msgspec.json.Decoder(RegisterDevice)


def _from_json(text: str) -> RegisterDevice | str:
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        return str(exc)


def _csv_rows(text: str) -> Iterator[tuple[int, RegisterDevice | str]]:
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
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=True) if name not in _PASSED_OVER}
    try:
        return msgspec.convert({name: cell for name, cell in cells.items() if cell}, RegisterDevice)
    except msgspec.ValidationError as exc:
        return str(exc)
