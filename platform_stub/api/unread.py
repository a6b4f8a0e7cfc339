"""A request that could not be read, and whose it was as far as its first bytes tell."""

import re
from typing import Final

from platform_stub.api.target import read_target
from platform_stub.protocol.calls import Generation

_REQUEST_LINE: Final = re.compile(rb"(?:^|\n)[A-Z]+ +(\S+)")


class Unread:
    """Stands in a connection's queue of requests for one that could not be read."""

    __slots__ = ("generation", "status", "text")

    def __init__(self, status: int, text: str, opening: bytes) -> None:
        self.status, self.text = status, text
        self.generation = _generation_told(opening)


def _generation_told(opening: bytes) -> Generation | None:
    lines = _REQUEST_LINE.findall(opening)
    return read_target(lines[-1].decode("latin-1")).generation if lines else None
