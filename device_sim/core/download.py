"""One package on its way in: which range is next, whether an answer fits, and the digest of what arrived.

Nothing of the package is kept: bytes go into the MD5 in their order, and after a cut the next range begins where
the last byte ended. What a device has written to its flash, in steps of `flush_bytes`, outlives a loss of power: of
that the digest is kept as it was then. Source: onenet-protocol, "Range and download".
"""

import hashlib
import re
from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, Protocol

from device_sim.core.events import Answered
from device_sim.core.wheel import NEVER
from platform_stub.protocol.codes import OtaErrno

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.ASCII)
_OK, _PARTIAL, _ERRORS, _SERVER_ERRORS = 200, 206, 400, 500
_AGAIN: Final = frozenset({408, 429})  # too slow, too often: asked again


class Hasher(Protocol):
    """A digest under way."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more bytes."""

    def copy(self) -> "Hasher":
        """Give another one that has taken the same."""

    def hexdigest(self) -> str:
        """Give the digest of what was taken."""


class Verdict(Enum):
    """What a device makes of an answer."""

    TAKE = auto()
    TRY_AGAIN = auto()
    ENDED = auto()  # the job is over for the platform: no failure is reported
    GIVE_UP = auto()
    RENEW = auto()  # the job's token is not good any more; generation A


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


class Telling(Enum):
    """Where a download's answer says that it failed."""

    HEADER = auto()  # `Ota-Errno`, which every good answer has too: generation C
    BOTH = auto()  # generation B
    BODY = auto()  # one byte, without a Content-Length: generation A


BODY_VERDICTS: Mapping[bytes, tuple[Verdict, str]] = MappingProxyType(
    {
        b"1": (Verdict.GIVE_UP, "not found"),
        b"2": (Verdict.GIVE_UP, "size mismatch"),
        b"3": (Verdict.GIVE_UP, "bad token"),
        b"4": (Verdict.TRY_AGAIN, "storage"),
        b"5": (Verdict.GIVE_UP, "parameter"),
        b"6": (Verdict.GIVE_UP, "limit of an NB cell"),
    }
)
"""What the one byte of a failed download means, generations A and B; a device reports 107 on the first three."""


class Download:
    """The bookkeeping of one download."""

    __slots__ = (
        "_failure",
        "_flush_at",
        "_flush_bytes",
        "_flushed_hasher",
        "_hasher",
        "_stop",
        "chunk_bytes",
        "furthest",
        "md5",
        "position",
        "size_bytes",
        "telling",
    )

    def __init__(
        self,
        *,
        size_bytes: int,
        md5: str,
        chunk_bytes: int,
        telling: Telling = Telling.HEADER,
        flush_bytes: int = 0,
    ) -> None:
        self.telling = telling
        self._failure: bytes | None = None  # the body of an answer that can only be a failure
        self.size_bytes = size_bytes
        self.md5 = md5.lower()
        self.chunk_bytes = chunk_bytes
        self.position = 0  # bytes taken, all from the beginning
        self.furthest = 0  # where it has been before it began anew
        self._stop = 0  # where the present answer has to end
        self._hasher: Hasher = hashlib.md5(usedforsecurity=False)
        self._flush_bytes = flush_bytes  # 0: nothing is flushed
        self._flush_at = flush_bytes or NEVER
        self._flushed_hasher: Hasher | None = None  # of the steps before `_flush_at`; None: there are none

    @property
    def is_failing(self) -> bool:
        """Whether the present answer can only be a failure: its body is no part of the package."""
        return self._failure is not None

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
        self._failure = None
        return self.position, min(self.position + self.chunk_bytes, self.size_bytes)

    def judge(self, answer: Answered) -> tuple[Verdict, str]:
        """Say whether the answer's body is wanted, and why not. The whole file, unasked, begins the download anew."""
        if answer.ota_errno is None or self.telling is Telling.BODY:
            if answer.status >= _ERRORS:
                again = answer.status >= _SERVER_ERRORS or answer.status in _AGAIN
                return Verdict.TRY_AGAIN if again else Verdict.GIVE_UP, f"HTTP {answer.status}"
            if self.telling is not Telling.HEADER and self._is_failure(answer):
                self._failure = b""
                return Verdict.TAKE, ""
            if self.telling is not Telling.BODY:
                return Verdict.GIVE_UP, "no Ota-Errno in the answer"
        elif answer.ota_errno != "0":
            verdict = _ERRNO_VERDICTS.get(answer.ota_errno, Verdict.GIVE_UP)
            return verdict, f"Ota-Errno {answer.ota_errno}"
        if answer.status == _PARTIAL:
            fault = self._part_fault(answer)
        elif answer.status == _OK:
            fault = self._whole_fault(answer)
        else:
            fault = f"HTTP {answer.status} for a download"
        return (Verdict.TRY_AGAIN, fault) if fault else (Verdict.TAKE, "")

    def take(self, data: bytes | memoryview) -> bool:
        """Take the next bytes; False, and nothing taken, when they are more than the answer announced."""
        if self._failure is not None:
            self._failure += data
            return len(self._failure) <= 1
        position = self.position + len(data)
        if position > self._stop:
            return False
        if position >= self._flush_at:
            self._flush(data, position)
        else:
            self._hasher.update(data)
        self.position = position
        return True

    def rewind(self) -> None:
        """Be where a loss of power leaves it: at the last byte that was flushed."""
        self._stop, self._failure = 0, None
        if self._flushed_hasher is None:
            self.position = self.furthest = 0
            self._hasher = hashlib.md5(usedforsecurity=False)
        else:
            self.position = self.furthest = self._flush_at - self._flush_bytes
            self._hasher = self._flushed_hasher.copy()

    def conclude(self) -> tuple[Verdict, str]:
        """Say what an answer means that came to its end and did not give what was asked for."""
        if self._failure is None:
            return Verdict.TRY_AGAIN, "fewer bytes than announced"
        verdict, text = BODY_VERDICTS.get(self._failure, (Verdict.TRY_AGAIN, "neither a part nor an error"))
        if self._failure == b"3" and self.telling is Telling.BODY:
            verdict = Verdict.RENEW
        return verdict, f"{text} ({self._failure.decode('latin-1')!r} instead of the package)"

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

    def _flush(self, data: bytes | memoryview, position: int) -> None:
        """Take the bytes up to `position`, and keep the digest of those that fill the last step."""
        flushed, hasher = position - position % self._flush_bytes, self._hasher
        view, fill = memoryview(data), flushed - self.position
        hasher.update(view[:fill])
        self._flushed_hasher = hasher.copy()
        self._flush_at = flushed + self._flush_bytes
        hasher.update(view[fill:])

    @staticmethod
    def _is_failure(answer: Answered) -> bool:
        return answer.length is None and answer.content_range is None

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
            self._flush_at, self._flushed_hasher = self._flush_bytes or NEVER, None
        self._stop = self.size_bytes
        return ""
