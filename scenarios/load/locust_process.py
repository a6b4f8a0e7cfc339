"""Locust in a process of its own, given one of our locustfiles: started, heard, and stopped in time.

What the locustfile counts comes as JSON lines on a pipe. gevent is never imported into the process that starts it.
"""

import importlib.util
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from scenarios.load.child import Child

PIPE: Final = "OTA_LOAD_PIPE"
INSTALL: Final = "load tests run on Locust, which is not installed: pip install 'ota-sim[load]'"
CLOSE_S: Final = 5.0
"""How long users have to end what they are doing."""
_OWNED: Final = ("-f", "--locustfile", "--headless", "--headful", "-u", "--users", "-H", "--host", "--worker")
PORT_MAX: Final = 65_535


def check_locust() -> None:
    """Say what is missing before anything is started. UsageFault: Locust is not installed."""
    if importlib.util.find_spec("locust") is None:
        raise UsageFault(INSTALL)


def check_words(words: Sequence[str]) -> None:
    """Refuse words for Locust that would take out of our hands what the command decides. UsageFault."""
    for word in words:
        name = word.partition("=")[0]
        if name in _OWNED:
            raise UsageFault(f"{name} behind -- : ota-sim decides that itself; leave it out")


def check_port(port: int, host: str = "127.0.0.1") -> None:
    """Try whether the web page's port is free. EnvironmentFault: it is not."""
    if not 0 < port <= PORT_MAX:
        raise UsageFault(f"--web {port}: a port from 1 to {PORT_MAX:,} is wanted")
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as exc:
        raise EnvironmentFault(
            f"--web {port}: the port is not free ({exc.strerror or exc}); choose another"
        ) from exc


def locust(
    locustfile: Path,
    arguments: Sequence[str],
    on_line: Callable[[bytes], None],
    *,
    environment: Mapping[str, str] | None = None,
    pipe_variable: str = PIPE,
) -> Child:
    """Make Locust's process, not started yet; `arguments` are Locust's own."""
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), *arguments]
    return Child("the Locust process", command, on_line, environment=environment, pipe_variable=pipe_variable)


async def close(child: Child, patience_s: float = CLOSE_S) -> int:
    """Let users end what they are doing and Locust write its reports; then end it in any case."""
    child.send(signal.SIGUSR1)
    return await child.stop(patience_s, signal.SIGUSR1, signal.SIGTERM)
