"""What every way of carrying MQTT gives the server that starts it."""

import errno
import os
from typing import Final, Protocol

from platform_stub.protocol.errors import EnvironmentFault
from platform_stub.service.ports import Downlink


class Broker(Downlink, Protocol):
    """A broker in this process: started once, stopped once."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""

    async def start(self) -> None:
        """Listen. Raises EnvironmentFault when it can't."""

    async def stop(self) -> None:
        """Close every connection and stop listening."""


_ADVICE: Final = {
    errno.EADDRINUSE: "something listens there already: stop it, or choose another port",
    errno.EACCES: "ports below 1024 need privileges: choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose one that it has, such as 127.0.0.1",
    errno.EMFILE: "too few file descriptors: raise the limit (ulimit -n)",
}


def bind_fault(host: str, port: int, exc: OSError, what: str = "MQTT") -> EnvironmentFault:
    """Say why something can't be served at an address, and what to do."""
    advice = _ADVICE.get(exc.errno or 0, "choose an address of this machine, such as 127.0.0.1")
    return EnvironmentFault(
        f"can't serve {what} at {host}:{port} ({os.strerror(exc.errno) if exc.errno else exc}): {advice}"
    )
