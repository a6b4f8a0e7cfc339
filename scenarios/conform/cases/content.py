"""Hostile cases: packages that are not what was announced. A device survives, and claims nothing it has not got."""

from typing import Final

from scenarios.conform import steps as s
from scenarios.conform import wants as w
from scenarios.conform.asked import Asked
from scenarios.conform.case import Case, Step
from scenarios.conform.http_relay import Spoil
from scenarios.conform.spoils import (
    Changed,
    CutAfter,
    Drip,
    Endless,
    Fewer,
    HalfUnder,
    HugeHead,
    More,
    Other,
    Raw,
)
from scenarios.conform.steps import SIZE_BYTES

_SHIFT: Final = 1_000


def _spoilt(body: bytes) -> bytes:
    """Turn one bit over."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


def _other_range(_: Asked, asked_range: str) -> str:
    """Ask for a thousand bytes from a little further on."""
    start = "".join(filter(str.isdigit, asked_range.partition("-")[0])) or "0"
    first = (int(start) + _SHIFT) % SIZE_BYTES
    return f"bytes={first}-{first + _SHIFT - 1}"


def _survives(spoil: Spoil, what: str, times: int | None = None) -> tuple[Step, ...]:
    """Let downloads be spoilt: no success comes of it, and the next job is done."""
    return (
        *w.get_in(),
        s.spoil("download", spoil, what, times),
        s.offer(),
        w.struck(),
        w.no_false_claim(),
        *w.still_well(),
        w.no_false_claim(for_s=0),
    )


CASES: Final = (
    Case(
        id="spoilt-content",
        title="A bit of the package is turned over: it is not installed",
        group="hostile",
        facts=("J-6", "R-5"),
        steps=_survives(Changed(_spoilt, "a bit turned over"), "every download has a bit turned over"),
    ),
    Case(
        id="content-range-nonsense",
        title="Half of what it asked for comes, and Content-Range is nonsense",
        group="hostile",
        facts=("R-5", "W-1"),
        steps=_survives(
            HalfUnder("bytes 99-3/x"), "every download gives half of it, with Content-Range bytes 99-3/x"
        ),
    ),
    Case(
        id="other-bytes",
        title="Other bytes come than it has asked for, and Content-Range says so",
        group="hostile",
        facts=("R-5",),
        steps=_survives(
            Other(_other_range, "other bytes"), "every download gives other bytes than asked for"
        ),
    ),
    Case(
        id="more-bytes",
        title="More bytes come than are announced",
        group="hostile",
        facts=("R-5",),
        steps=_survives(More(5_000), "every download has 5,000 bytes more than it announces"),
    ),
    Case(
        id="fewer-bytes",
        title="Fewer bytes come than are announced, twice",
        group="hostile",
        facts=("R-5",),
        steps=_survives(Fewer(500), "two downloads end 500 bytes early", 2),
    ),
    Case(
        id="longer-file",
        title="The file is longer than was announced",
        group="hostile",
        facts=("R-5", "R-11"),
        steps=_survives(
            Changed(lambda body: body + b"\xaa" * 777, "777 bytes added"),
            "every download has 777 bytes added to the package",
        ),
    ),
    Case(
        id="empty-file",
        title="Every download is empty, and says that all is well",
        group="hostile",
        facts=("R-5", "R-12"),
        steps=_survives(Changed(lambda _: b"", "emptied"), "every download is empty"),
    ),
    Case(
        id="endless-body",
        title="The package never ends",
        group="hostile",
        facts=("R-5",),
        steps=_survives(Endless(), "every download goes on and on, without a length"),
    ),
    Case(
        id="endless-length",
        title="The package is announced with a length of 2^62, and never ends",
        group="hostile",
        facts=("R-5",),
        steps=_survives(Endless(announces=True), "every download goes on and on, with such a length"),
    ),
    Case(
        id="closed-after-head",
        title="The connection ends after the head of the answer, three times",
        group="hostile",
        facts=("R-5",),
        steps=_survives(CutAfter(0), "three downloads end after their head", 3),
    ),
    Case(
        id="byte-by-byte",
        title="The package comes a byte at a time: the update is done",
        group="hostile",
        facts=("R-5", "W-9"),
        steps=(
            *w.get_in(),
            s.spoil("download", Drip(), "downloads come a byte at a time"),
            s.offer(size_bytes=600),
            w.updated(limit_s=20),
            w.no_false_claim(size_bytes=600, for_s=0),
        ),
    ),
    Case(
        id="no-http",
        title="A download is answered with what is no HTTP, twice",
        group="hostile",
        facts=("W-2",),
        steps=_survives(Raw(b"SSH-2.0-OpenSSH_9.6\r\n\x00\xff\xfe\r\n"), "two downloads are answered so", 2),
    ),
    Case(
        id="huge-head",
        title="A download's head is one megabyte, twice",
        group="hostile",
        facts=("W-6", "W-11"),
        steps=_survives(HugeHead(1_000_000), "two downloads are answered so", 2),
    ),
    Case(
        id="status-nonsense",
        title="A download is answered with HTTP status 999, twice",
        group="hostile",
        facts=("W-2",),
        steps=_survives(
            Raw(b"HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n"), "two downloads are answered so", 2
        ),
    ),
)
