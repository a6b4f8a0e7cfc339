"""A request that could not be read, and whose it was as far as its first bytes tell."""

import re
from typing import Final

from platform_stub.api.target import read_target
from platform_stub.protocol.calls import Generation

_REQUEST_LINE: Final = re.compile(rb"(?:^|\n)[A-Z]+ +(\S+)")
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


class Unread:
    """Stands in a connection's queue of requests for one that could not be read."""

    __slots__ = ("generation", "opening", "status", "text")

    def __init__(self, status: int, text: str, opening: bytes) -> None:
        self.status, self.text = status, text
        self.opening = opening.partition(b"\n")[0]
        self.generation = _generation_told(opening)


def has_bare_lf(opening: bytes) -> bool:
    """Whether a line of the head ends in LF alone: what printf and hand-written clients send."""
    return _BARE_LF.search(opening.partition(b"\r\n\r\n")[0]) is not None


def _generation_told(opening: bytes) -> Generation | None:
    lines = _REQUEST_LINE.findall(opening)
    return read_target(lines[-1].decode("latin-1")).generation if lines else None
