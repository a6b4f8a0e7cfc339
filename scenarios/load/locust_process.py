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
PORT_MAX: Final = 65_535
LOOPBACK: Final = "127.0.0.1"
_OWNED: Final = ("--locustfile", "--headless", "--headful", "--users", "--host", "--worker")
_OWNED_SHORT: Final = "fuH"
_ENDS_IT: Final = ("--run-time",)
_TALK: Final = (
    "--help",
    "--version",
    "--list",
    "--show-task-ratio",
    "--show-task-ratio-json",
    "--config-users",
)
_TALK_SHORT: Final = "hVl"
_TAGS: Final = ("--tags",)
_TAKES_OURS: Final = ("--task-", "--fleet-")
SHORTEST: Final = 3
"""Of `--h` and the like Locust itself says that they may be several."""
_UNHEARD: Final = ("LOCUST_", "OTA_TASK_", "OTA_FLEET_")
"""What would change the load from the environment, unsaid in the command and its reports."""


def check_locust() -> None:
    """Say what is missing before anything is started. UsageFault: Locust is not installed."""
    if importlib.util.find_spec("locust") is None:
        raise UsageFault(INSTALL)


def check_words(words: Sequence[str]) -> None:
    """Refuse words for Locust that would take out of our hands what the command decides. UsageFault."""
    for word in words:
        why = _objection(word.partition("=")[0])
        if why:
            raise UsageFault(f"{word} behind -- : {why}")


def _objection(name: str) -> str:
    """Say why Locust must not get an option, however it is spelled: it takes beginnings of names, and -u4."""
    if _is(name, _OWNED, _OWNED_SHORT):
        return "ota-sim decides that itself; leave it out"
    if _is(name, _ENDS_IT, "t"):
        return "how long it goes on is said before the --"
    if _is(name, _TALK, _TALK_SHORT):
        return "that is shown without a load, by locust itself"
    if _is(name, _TAGS, "T"):
        return "what creators and devices do has no tags"
    if name.startswith(_TAKES_OURS):
        return "what it says is said by the options before the --"
    return ""


def _is(name: str, options: Sequence[str], short: str) -> bool:
    if name.startswith("--"):
        return len(name) > SHORTEST and any(each.startswith(name) for each in options)
    return name.startswith("-") and name[1:2] != "" and name[1] in short


def own_ports(words: Sequence[str]) -> tuple[str, ...]:
    """Give a master and its workers on this machine a port of their own, so that no other load's workers join."""
    names = [word.partition("=")[0] for word in words]
    if "--processes" not in names or any(name.startswith("--master") for name in names):
        return ()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    return ("--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port)


def check_port(port: int, host: str = LOOPBACK) -> None:
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
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), *arguments, *own_ports(arguments)]
    return Child(
        "the Locust process",
        command,
        on_line,
        environment=environment,
        pipe_variable=pipe_variable,
        unheard=_UNHEARD,
    )


def meeting_words(words: Sequence[str]) -> list[str]:
    """Let a master and workers meet at a free port of this machine: at Locust's usual one two loads would meet."""
    names = {word.partition("=")[0] for word in words}
    if "--processes" not in names or names & {"--master-bind-port", "--master-port"}:
        return []
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = str(probe.getsockname()[1])
    return [
        "--master-bind-host",
        LOOPBACK,
        "--master-bind-port",
        port,
        "--master-host",
        LOOPBACK,
        "--master-port",
        port,
    ]


async def close(child: Child, patience_s: float = CLOSE_S) -> int:
    """Let users end what they are doing and Locust write its reports; then end it in any case."""
    child.send(signal.SIGUSR1)
    return await child.stop(patience_s, signal.SIGUSR1, signal.SIGTERM)
