"""A shard as its owner has it: a process, given orders, asked, listened to, ended, and named when it dies.

It can be asked in two ways: awaited, or, where the owner's caller can't wait, in a round trip that blocks for as long
as the shard's loop takes to turn. Either way whatever else it says meanwhile is heard in its order.
"""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from device_sim.errors import FleetError, FleetFailed, ShardDied
from device_sim.shards import messages
from device_sim.shards.calls import CALLS
from device_sim.shards.lines import split
from device_sim.shards.messages import Answer, Call, Ended, Event, Failed, Order, Ready
from platform_stub.protocol.errors import EnvironmentFault, OtaSimError, UsageFault

ANSWER_S: Final = 60.0
"""A shard's loop turns in milliseconds; one that says nothing for so long is stuck."""
LEAVE_S: Final = 15.0
LAST_S: Final = 2.0  # from the end of its output to its own
WORDS_BYTES: Final = 8_192
_READ_BYTES: Final = 1 << 18
_MS_PER_S: Final = 1_000
_ROOT: Final = str(Path(__file__).resolve().parents[2])
_BOOT: Final = "import sys; sys.path.insert(0, sys.argv[1]); from device_sim.shards.shard import main; main()"
_FAULTS: Final[dict[str, type[OtaSimError]]] = {
    "usage": UsageFault,
    "environment": EnvironmentFault,
    "fleet": FleetError,
    "failed": FleetFailed,
}


def fault_of(what: str, kind: str) -> OtaSimError:
    """Make the error that a shard told of."""
    return _FAULTS.get(kind, FleetFailed)(what)


class ShardProcess:
    """One process. `heard` is told of its events but answers, `died` once, when it ends without being told to."""

    def __init__(
        self, name: str, heard: Callable[[Event], None], died: Callable[[OtaSimError], None]
    ) -> None:
        self.name = name
        self.failure: OtaSimError | None = None
        self.ended: Ended | None = None
        self._heard = heard
        self._died = died
        self._next_id = 0
        self._answers: dict[int, Callable[[Answer], None]] = {}
        self._in = bytearray()
        self._out = bytearray()
        self._words = b""
        self._is_leaving = False
        self._is_writing = False
        self._loop = asyncio.get_running_loop()
        self._is_ready = self._loop.create_future()
        self._has_gone = asyncio.Event()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this Python, on a module of ours
                [sys.executable, "-P", "-c", _BOOT, _ROOT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C comes to the owner alone, who lets it leave
            )
        except OSError as exc:
            raise EnvironmentFault(f"{name} can't be started: {exc.strerror or exc}") from exc
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdin = self._process.stdin.fileno()
        self._stdout = self._process.stdout.fileno()
        self._stderr = self._process.stderr.fileno()
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        self._loop.add_reader(self._stdout, self._read)
        self._loop.add_reader(self._stderr, self._read_words)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    # telling and asking

    def tell(self, order: Order) -> None:
        """Give it an order. Raises what it failed with."""
        if self.failure is not None:
            raise self.failure
        self._out += messages.line_of(order)
        self._push()

    async def ready(self) -> Ready:
        """Wait until it has taken its start. Raises what it failed with."""
        ready: Ready = await self._is_ready
        return ready

    def ask(self, method: str, *args: Any) -> Any:
        """Ask it, and block for its answer. Raises what it refuses with, or has failed with."""
        return self.answer(method, self.put(method, *args))

    def put(self, method: str, *args: Any) -> list[Answer]:
        """Ask it; the answer will be in the list."""
        found: list[Answer] = []
        self._call(method, args, found.append)
        return found

    def answer(self, method: str, found: list[Answer]) -> Any:
        """Block until the answer to what was put is there."""
        deadline = time.monotonic() + ANSWER_S
        while not found:
            if self.failure is not None:
                raise self.failure
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise self._stuck(method)
            self._turn(left_s)
        return _read_answer(method, found[0])

    async def call(self, method: str, *args: Any, limit_s: float = 0.0) -> Any:
        """Ask it, and wait for its answer, which may itself wait for `limit_s`. Raises as `ask` does."""
        future: asyncio.Future[Answer] = self._loop.create_future()

        def answered(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        number = self._call(method, args, answered)
        try:
            async with asyncio.timeout(limit_s + ANSWER_S):
                answer = await future
        except TimeoutError:
            raise self._stuck(method) from None
        finally:
            self._answers.pop(number, None)
        if self.failure is not None:
            raise self.failure
        return _read_answer(method, answer)

    # the end

    def stop(self) -> None:
        """Let its devices leave, and end; `gone` waits for that."""
        self._is_leaving = True
        if not self._has_gone.is_set():
            self._out += messages.line_of(messages.Stop())
            self._push()

    def give_up(self, fault: OtaSimError) -> None:
        """Let nobody wait for it any longer: the fleet has failed elsewhere."""
        if self.failure is None:
            self.failure = fault
            self._release(fault)

    async def gone(self, limit_s: float = LEAVE_S) -> None:
        """Wait for its end, and make one if it takes too long."""
        self._is_leaving = True
        try:
            async with asyncio.timeout(limit_s):
                await self._has_gone.wait()
        except TimeoutError:
            self._process.kill()
            await self._has_gone.wait()
        finally:
            if not self._has_gone.is_set():  # whoever waits was cancelled
                self._process.kill()
                self._process.wait()
                self._close()

    # the wire

    def _call(self, method: str, args: tuple[Any, ...], answered: Callable[[Answer], None]) -> int:
        self._next_id += 1
        self._answers[self._next_id] = answered
        try:
            self.tell(Call(id=self._next_id, method=method, args=msgspec.Raw(msgspec.json.encode(args))))
        except OtaSimError:
            del self._answers[self._next_id]
            raise
        return self._next_id

    def _turn(self, timeout_s: float) -> None:
        """Wait until it takes or says something, and see to that."""
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        poll.register(self._stderr, select.POLLIN)
        if self._out:
            poll.register(self._stdin, select.POLLOUT)
        for descriptor, _ in poll.poll(timeout_s * _MS_PER_S):
            if descriptor == self._stdout:
                self._read()
            elif descriptor == self._stderr:
                self._read_words()
            else:
                self._push()

    def _push(self) -> None:
        """Write what it takes now; the loop goes on with the rest."""
        try:
            while self._out:
                del self._out[: os.write(self._stdin, self._out)]
        except BlockingIOError:
            pass
        except OSError:  # it has ended; its output says so too
            self._out.clear()
        if bool(self._out) is not self._is_writing:
            self._is_writing = bool(self._out)
            if self._is_writing:
                self._loop.add_writer(self._stdin, self._push)
            else:
                self._loop.remove_writer(self._stdin)

    def _read(self) -> None:
        try:
            data = os.read(self._stdout, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._output_ended()
            return
        self._in += data
        if b"\n" in data:
            for line in split(self._in):
                try:
                    event = messages.event_of(line)
                except msgspec.DecodeError as exc:
                    self._fail(FleetFailed(f"{self.name} said what can't be read: {exc}"))
                    return
                self._hear(event)

    def _hear(self, event: Event) -> None:
        match event:
            case Answer():
                if answered := self._answers.pop(event.id, None):
                    answered(event)
                return
            case Failed():
                self._fail(fault_of(f"{self.name}: {event.what}", event.kind))
            case Ready():
                if not self._is_ready.done():
                    self._is_ready.set_result(event)
            case Ended():
                self.ended = event
            case _:
                pass
        self._heard(event)

    def _read_words(self) -> None:
        try:
            data = os.read(self._stderr, _READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._words = (self._words + data)[-WORDS_BYTES:]
        else:
            self._loop.remove_reader(self._stderr)

    def _output_ended(self) -> None:
        """It says no more: see how it ended. One that closes its output and lives on is none of ours."""
        self._loop.remove_reader(self._stdout)
        try:
            code = self._process.wait(LAST_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        with contextlib.suppress(OSError):
            self._read_words()
        if not self._is_leaving:
            self._fail(ShardDied(self._epitaph(code)))
        self._close()

    def _close(self) -> None:
        for descriptor in (self._stdin, self._stdout, self._stderr):
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        self._has_gone.set()
        self.give_up(ShardDied(f"{self.name} has left"))

    def _epitaph(self, code: int) -> str:
        words = self._words.decode("utf-8", "replace").strip().rpartition("\n")[2]
        how = f"signal {_signal_name(-code)}" if code < 0 else f"exit code {code}"
        return f"{self.name} (process {self.pid}) died: {how}{f': {words}' if words else ''}"

    def _stuck(self, method: str) -> OtaSimError:
        fault = ShardDied(
            f"{self.name} (process {self.pid}) does not answer: `{method}` took over {ANSWER_S:.0f} s"
        )
        self._fail(fault)
        return fault

    def _fail(self, fault: OtaSimError) -> None:
        if self.failure is None:
            self.failure = fault
            self._release(fault)
            self._died(fault)

    def _release(self, fault: OtaSimError) -> None:
        """Let those who wait know."""
        if not self._is_ready.done():
            self._is_ready.set_exception(fault)
            self._is_ready.exception()  # it is seen, also where nobody waits
        answers, self._answers = self._answers, {}
        for number, answered in answers.items():
            answered(Answer(id=number, error=str(fault), kind="failed"))


def _read_answer(method: str, answer: Answer) -> Any:
    if answer.error:
        raise fault_of(answer.error, answer.kind)
    return msgspec.json.decode(answer.value, type=CALLS[method].answer)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
