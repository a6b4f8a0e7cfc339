"""The device program: started by a command in a process group of its own, and ended as a group.

What it is told stands in its environment (`OTA_...`) and in `{placeholders}` of the command. What it writes goes to
a file. No shell is between. Should this process be killed, a guard beside each program ends it. Times are seconds.
"""

import asyncio
import contextlib
import os
import re
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from platform_stub.protocol.errors import EnvironmentFault, UsageFault

LEAVE_S: Final = 3.0
"""How long a program has to end itself before it is killed."""
TAIL_BYTES: Final = 8_192
NAMES: Final = (
    "OTA_HTTP",
    "OTA_MQTT",
    "OTA_PRODUCT_ID",
    "OTA_DEVICE_NAME",
    "OTA_DEVICE_ID",
    "OTA_KEY",
    "OTA_PRODUCT_KEY",
    "OTA_F_VERSION",
    "OTA_S_VERSION",
    "OTA_ICCID",
    "OTA_IMSI",
    "OTA_FLOW",
    "OTA_POLL",
    "OTA_KEEPALIVE",
    "OTA_DIR",
)
"""What a program is told, in its environment and as placeholders."""

_GUARD: Final = ("sh", "-c", 'read -r _; kill -KILL "-$1"', "sh")
"""Ends a process group when its own input ends: whoever holds the other end has died."""
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_]+)\}")


def read_command(text: str) -> tuple[str, ...]:
    """Split a command into words, as a shell would, and check its placeholders. UsageFault: it can't be run so."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as exc:
        raise UsageFault(f"--entrypoint: {exc}: {text}") from exc
    if not words:
        raise UsageFault('--entrypoint: a command is wanted, such as "./my-device --http {http}"')
    for name in _PLACEHOLDER.findall(text):
        if _spelled(name) not in NAMES:
            known = " ".join(f"{{{known.removeprefix('OTA_').lower()}}}" for known in NAMES)
            raise UsageFault(f"--entrypoint: there is no placeholder {{{name}}}; there are {known}")
    return words


def fill_in(words: Sequence[str], told: Mapping[str, str]) -> list[str]:
    """Put values in for the placeholders of a command that `read_command` has read."""
    return [_PLACEHOLDER.sub(lambda found: told[_spelled(found[1])], word) for word in words]


def _spelled(name: str) -> str:
    upper = name.upper()
    return upper if upper.startswith("OTA_") else f"OTA_{upper}"


def _printable(line: str) -> str:
    """Show a line without what could steer a terminal."""
    text = line.rstrip().expandtabs()
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


class Program:
    """One device program. It may be started again after it has ended; its output goes on in the same file."""

    def __init__(self, words: Sequence[str], told: Mapping[str, str], output: Path) -> None:
        self._words = fill_in(words, told)
        self._told = told
        self.output = output
        self._process: asyncio.subprocess.Process | None = None
        self._guard: asyncio.subprocess.Process | None = None

    @property
    def ended(self) -> str:
        """Say how it has ended by itself; empty while it runs or where it was not started."""
        code = None if self._process is None else self._process.returncode
        if code is None:
            return ""
        return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"

    async def start(self) -> None:
        """Start it. UsageFault: there is no such program; EnvironmentFault: it can't be started."""
        with self.output.open("ab") as output:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._words,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.STDOUT,
                    env={**os.environ, **self._told},
                    start_new_session=True,
                )
            except (FileNotFoundError, PermissionError, NotADirectoryError) as exc:
                raise UsageFault(
                    f"--entrypoint: {self._words[0]} can't be started: {exc.strerror or exc}"
                ) from exc
            except (OSError, ValueError) as exc:
                raise EnvironmentFault(f"--entrypoint: {self._words[0]} can't be started: {exc}") from exc
        with contextlib.suppress(OSError):  # no shell, no guard
            self._guard = await asyncio.create_subprocess_exec(
                *_GUARD,
                str(self._process.pid),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )

    async def stop(self) -> None:
        """End it and all it has started: asked first, then killed."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """Kill it and all it has started, as a loss of power does."""
        if self._process is not None:
            await self._dismiss_guard()
            self._signal(signal.SIGKILL)
            await self._process.wait()
            self._process = None

    async def _dismiss_guard(self) -> None:
        """End the guard first: the group's number may be another's once the group is gone."""
        if self._guard is not None:
            with contextlib.suppress(ProcessLookupError):
                self._guard.kill()
            await self._guard.wait()
            self._guard = None

    def tail(self, lines: int = 12) -> list[str]:
        """Give the last lines it wrote."""
        try:
            with self.output.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - TAIL_BYTES, 0))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return [_printable(line) for line in text.splitlines() if line.strip()][-lines:]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "a program that was started"
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
