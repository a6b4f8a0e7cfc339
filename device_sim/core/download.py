"""One package on its way in: which range is next, whether an answer fits, and the digest of what arrived.

Nothing of the package is kept: bytes go into the MD5 in their order, and after a cut the next range begins where
the last byte ended. Source: onenet-protocol, "Range and download".
"""

import hashlib
import re
from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from device_sim.core.events import Answered
from platform_stub.protocol.codes import OtaErrno

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.ASCII)
_OK, _PARTIAL, _ERRORS, _SERVER_ERRORS = 200, 206, 400, 500


class Verdict(Enum):
    """What a device makes of an answer."""

    TAKE = auto()
    TRY_AGAIN = auto()
    ENDED = auto()  # the job is over for the platform: no failure is reported
    GIVE_UP = auto()


_ERRNO_VERDICTS: Mapping[str, Verdict] = MappingProxyType(
    {
        str(int(errno)): verdict
        for errno, verdict in {
            OtaErrno.DEVICE: Verdict.GIVE_UP,
            OtaErrno.FILE: Verdict.GIVE_UP,
            OtaErrno.STORAGE: Verdict.TRY_AGAIN,
            OtaErrno.SIZE: Verdict.GIVE_UP,
            OtaErrno.ENDED: Verdict.ENDED,
            OtaErrno.AUTHENTICATION: Verdict.TRY_AGAIN,  # with a token signed anew
        }.items()
    }
)


class Download:
    """The bookkeeping of one download."""

    __slots__ = ("_hasher", "_stop", "chunk_bytes", "furthest", "md5", "position", "size_bytes")

    def __init__(self, *, size_bytes: int, md5: str, chunk_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.md5 = md5.lower()
        self.chunk_bytes = chunk_bytes
        self.position = 0  # bytes taken, all from the beginning
        self.furthest = 0  # where it has been before it began anew
        self._stop = 0  # where the present answer has to end
        self._hasher = hashlib.md5(usedforsecurity=False)

    @property
    def is_complete(self) -> bool:
        """Whether every byte is there."""
        return self.position == self.size_bytes

    @property
    def is_answered(self) -> bool:
        """Whether the present answer has given all it announced."""
        return 0 < self._stop == self.position

    def next_range(self) -> tuple[int, int]:
        """Give the bytes to ask for, [start:stop]."""
        self._stop = 0
        return self.position, min(self.position + self.chunk_bytes, self.size_bytes)

    def judge(self, answer: Answered) -> tuple[Verdict, str]:
        """Say whether the answer's body is wanted, and why not. The whole file, unasked, begins the download anew."""
        if answer.ota_errno is None:
            again = answer.status >= _SERVER_ERRORS
            what = f"HTTP {answer.status}" if answer.status >= _ERRORS else "no Ota-Errno in the answer"
            return Verdict.TRY_AGAIN if again else Verdict.GIVE_UP, what
        if answer.ota_errno != "0":
            verdict = _ERRNO_VERDICTS.get(answer.ota_errno, Verdict.GIVE_UP)
            return verdict, f"Ota-Errno {answer.ota_errno}"
        if answer.status == _PARTIAL:
            fault = self._part_fault(answer)
        elif answer.status == _OK:
            fault = self._whole_fault(answer)
        else:
            fault = f"HTTP {answer.status} with Ota-Errno 0"
        return (Verdict.TRY_AGAIN, fault) if fault else (Verdict.TAKE, "")

    def take(self, data: bytes | memoryview) -> bool:
        """Take the next bytes; False, and nothing taken, when they are more than the answer announced."""
        position = self.position + len(data)
        if position > self._stop:
            return False
        self._hasher.update(data)
        self.position = position
        return True

    def gain(self) -> bool:
        """Whether bytes have come that were never there before; asked once after each answer."""
        gained = self.position > self.furthest
        if gained:
            self.furthest = self.position
        return gained

    def corrupt(self) -> None:
        """Let the digest see one bit that was not sent."""
        self._hasher.update(b"\x01")

    def digest_matches(self) -> bool:
        """Whether the bytes are those of the inform."""
        return self._hasher.hexdigest() == self.md5

    def _part_fault(self, answer: Answered) -> str:
        match = _CONTENT_RANGE.fullmatch(answer.content_range or "")
        if match is None:
            return f"206 with Content-Range {answer.content_range!r}"
        first, last, size_bytes = map(int, match.groups())
        if size_bytes != self.size_bytes:
            return f"the file has {size_bytes} bytes, the inform said {self.size_bytes}"
        stop = last + 1
        asked = min(self.position + self.chunk_bytes, self.size_bytes)
        if first != self.position or not first < stop <= asked:
            return f"asked for bytes {self.position}-{asked - 1}, got {first}-{last}"
        if answer.length is not None and answer.length != stop - first:
            return f"Content-Length {answer.length} for {stop - first} bytes"
        self._stop = stop
        return ""

    def _whole_fault(self, answer: Answered) -> str:
        if answer.length is not None and answer.length != self.size_bytes:
            return f"the file has {answer.length} bytes, the inform said {self.size_bytes}"
        if self.position:
            self.position = 0
            self._hasher = hashlib.md5(usedforsecurity=False)
        self._stop = self.size_bytes
        return ""
