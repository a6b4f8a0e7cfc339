"""The `Range` of a download, as the platform reads it: it never refuses one.

`a-`, `a-b` and `-n`, with or without `bytes=`. Bounds are bytes; `stop` is exclusive as in a slice, while the
wire's last byte is inclusive. Source: onenet-protocol, "Range and download".
"""

import re
from typing import Final, NamedTuple

_RANGE: Final = re.compile(r"(?:bytes=[ \t]*)?([0-9]*)-([0-9]*)", re.IGNORECASE | re.ASCII)
_DIGITS_MAX: Final = 18  # more is past the end of any file, and int() would refuse thousands


class ByteRange(NamedTuple):
    """The bytes `[start:stop]` of a file; `is_whole` when that is all of it (answered 200, not 206)."""

    start: int
    stop: int
    is_whole: bool


def parse_range(header: str | None, size_bytes: int) -> ByteRange:
    """Read a `Range` header for a file of this size; a missing or malformed one means the whole file."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None:
        return ByteRange(0, size_bytes, is_whole=True)
    first, last = match.groups()
    if first:
        start = _number(first)
        stop = min(_number(last) + 1, size_bytes) if last else size_bytes
        if start >= stop:  # past the end of the file, or after the end of the range: from 0, never 416
            start = 0
    else:
        start, stop = max(size_bytes - _number(last), 0) if last else 0, size_bytes
        if start == stop:  # the last 0 bytes: again a start past the end
            start = 0
    return ByteRange(start, stop, is_whole=start == 0 and stop == size_bytes)


def content_range(start: int, stop: int, size_bytes: int) -> str:
    """Spell `Content-Range` for the bytes `[start:stop]` of a file of this size."""
    return f"bytes {start}-{stop - 1}/{size_bytes}"


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS_MAX else 10**_DIGITS_MAX
