"""A process of ours beside the command: started, listened to, stopped in time, and named when it dies.

Its standard input is its lifeline: when it closes, whoever started it is done or gone. Ctrl-C does not reach it: that
comes to us alone, and we stop our processes.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from platform_stub.protocol.errors import EnvironmentFault

LINE_BYTES_MAX: Final = 2**26
WORDS_KEPT: Final = 16_384
LAST_S: Final = 1.0
"""From its last word to its end."""
LOOK_S: Final = 0.1
WORDS_MAX: Final = 300
ROOT: Final = Path(__file__).resolve().parents[2]
_COLOURS: Final = re.compile("\x1b\\[[0-9;]*m")
_LOGGED: Final = re.compile(r"^\[[^\]]*\] [^ ]+/(?P<level>[A-Z]+)/[^:]*: (?P<text>.*)$")


class LoadFault(EnvironmentFault):
    """What a load run stands on is not there, or is there no more."""


class Child:
    """One process. `name` is what it is called in messages, such as `the stub`.

    Lines on its standard output go to `on_line`, or those on the pipe whose descriptor it finds in `pipe_variable`.
    Variables of the environment that begin with one of `unheard` are kept from it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        on_line: Callable[[bytes], None],
        *,
        environment: Mapping[str, str] | None = None,
        pipe_variable: str | None = None,
        unheard: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self._command, self._on_line = list(command), on_line
        self._unheard = unheard
        self._environment = dict(environment or {})
        self._pipe_variable = pipe_variable
        self._process: asyncio.subprocess.Process | None = None
        self._words = b""
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it. LoadFault: the system can't."""
        piped = None if self._pipe_variable is None else os.pipe()
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(self._unheard)}
        env = {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONPATH": _python_path(), **self._environment}
        if piped is not None:
            assert self._pipe_variable is not None
            env[self._pipe_variable] = str(piped[1])
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE if piped is None else asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                limit=LINE_BYTES_MAX,
                start_new_session=True,
                env=env,
                pass_fds=() if piped is None else (piped[1],),
            )
        except OSError as exc:
            if piped is not None:
                os.close(piped[0])
            raise LoadFault(f"{self.name} can't be started: {exc.strerror or exc}") from exc
        finally:
            if piped is not None:
                os.close(piped[1])
        assert self._process.stderr is not None
        said = self._process.stdout if piped is None else await _reader_of(piped[0])
        assert said is not None
        self._tasks = [
            asyncio.create_task(self._listen(said), name=f"lines of {self.name}"),
            asyncio.create_task(self._keep_words(self._process.stderr), name=f"stderr of {self.name}"),
        ]

    def tell(self, line: bytes) -> None:
        """Write a line to its standard input; nobody reads it when it has ended."""
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(line)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait until it has ended and all that it said was heard; answers its exit code, or minus its signal."""
        process = self._process
        assert process is not None
        # wait() is its pipes' end too, and what it started may hold them open
        closed = asyncio.ensure_future(process.wait())
        try:
            while process.returncode is None:
                await asyncio.wait({closed}, timeout=LOOK_S)
        finally:
            closed.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_S)
        self._kill_group()
        return process.returncode

    async def stop(self, patience_s: float, *signals: signal.Signals) -> int:
        """Close its standard input and send the signals, each after `patience_s`; kill it when none helps."""
        if self._process is None:
            return 0
        self._is_stopping = True
        if self._process.stdin is not None:
            self._process.stdin.close()
        for number in (*signals, None):
            if number is not None:
                self.send(number)
            elif signals:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    return await self.ended()
        self.kill_group()
        return await self.ended()

    def kill_group(self) -> None:
        """Kill it, with what it started."""
        if self._process is not None and self._process.returncode is None:
            self._kill_group()

    def _kill_group(self) -> None:
        """Kill what is left of it, also when it is gone itself: what it started must not outlive it."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def epitaph(self, code: int) -> str:
        """Say that it died, how, and its last words."""
        how = f"signal {signal_name(-code)}" if code < 0 else f"exit code {code}"
        words = self.words()
        return f"{self.name} died ({how}){f': {words}' if words else ''}"

    def words(self) -> str:
        """Give the line of its standard error that says most: the last not logged, or the last error that is."""
        lines = [
            line.strip()
            for line in _COLOURS.sub("", self._words.decode("utf-8", "replace")).splitlines()
            if line.strip()
        ]
        logged = [_LOGGED.match(line) for line in lines]
        errors = [match["text"] for match in logged if match and match["level"] in {"ERROR", "CRITICAL"}]
        own = [line for line, match in zip(lines, logged, strict=True) if match is None]
        said = (own or errors or [""])[-1]
        return "".join(each if each.isprintable() else " " for each in said)[:WORDS_MAX]

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError as exc:  # longer than any of ours
                raise LoadFault(f"{self.name} said a line of more than {LINE_BYTES_MAX:,} bytes") from exc
            if not line:
                return
            self._on_line(line)

    async def _keep_words(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(4_096):
            self._words = (self._words + data)[-WORDS_KEPT:]


def python(module: str, *arguments: str) -> list[str]:
    """Give the command that runs a module of ours, wherever the caller stands."""
    boot = "import runpy, sys; sys.path.insert(0, sys.argv[1]); sys.argv = sys.argv[2:]; "
    run = "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
    return [sys.executable, "-P", "-c", boot + run, str(ROOT), module, *arguments]


def children_of(pid: int) -> list[int]:
    """Give the processes that a process has started; none where the system does not tell."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []


def signal_name(number: int) -> str:
    """Name a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


async def _reader_of(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    protocol = asyncio.StreamReaderProtocol(reader)
    file = os.fdopen(descriptor, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, file)
    return reader


def _python_path() -> str:
    """Let a process of another program, such as Locust, find our packages too."""
    known = os.environ.get("PYTHONPATH", "")
    return f"{ROOT}{os.pathsep}{known}" if known else str(ROOT)
