"""The base of every connection: one receive buffer for all of them.

What is read is taken apart before the next read, so a buffer each would only cost memory; and asyncio's ordinary
Protocol allocates 256 KiB for every read.
"""

import asyncio
from typing import Final, cast

RECEIVE_BYTES: Final = 256 * 1024
BUFFER: Final = memoryview(bytearray(RECEIVE_BYTES))


class Stream(asyncio.BufferedProtocol):
    """A client's end of one TCP connection. A subclass reads `BUFFER[:nbytes]` in `buffer_updated`."""

    __slots__ = ("transport",)

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the protocol's shape
        """Lend the shared buffer until `buffer_updated`."""
        return BUFFER

    def eof_received(self) -> bool:
        """Close: a server that has closed its half says nothing more."""
        return False
