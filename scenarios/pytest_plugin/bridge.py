"""An event loop in a thread of its own, and objects that live there as a test sees them. No pytest in here.

In a test that runs in an event loop of its own, whatever plugin gave it one, a call is awaited; in a plain test it is
not, and blocks. So a test needs neither a certain mode of pytest-asyncio nor pytest-asyncio at all.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, Final, TypeVar

T = TypeVar("T")

STOP_S: Final = 10.0
ALIVE: Final = ("Session", "Fleet", "HttpOperator", "Guarded")
"""Classes whose objects belong to their loop: they are not handed out, but `Remote`s of them."""


class Bridge:
    """A loop in a thread, started when it is first used."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def begin(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin to do something there."""
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something there, and wait for it; when the wait is broken off, so is the work."""
        __tracebackhide__ = True
        future = self.begin(work)
        try:
            return future.result()
        except BaseException as exc:  # noqa: BLE001 - Ctrl-C and pytest's own too; raised again
            future.cancel()
            raise exc.with_traceback(None) from exc.__cause__

    def call(self, function: Callable[[], T]) -> T:
        """Call something there, as whatever belongs to a loop must be called, and wait for its answer."""
        __tracebackhide__ = True

        async def answer() -> T:
            return function()

        return self.wait(answer())

    def hand(self, work: Coroutine[Any, Any, T]) -> Any:
        """Do something there: for a caller in a loop of its own an awaitable, for any other the answer."""
        __tracebackhide__ = True
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self.wait(work)
        return _awaited(self.begin(work))

    def close(self) -> None:
        """Stop the loop, and wait for its thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_S)
        self._loop = self._thread = None

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="ota-sim", daemon=True)
            self._thread.start()
        return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=STOP_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _awaited(future: "Future[T]") -> T:
    __tracebackhide__ = True
    try:
        return await asyncio.wrap_future(future)
    except Exception as exc:  # noqa: BLE001 - raised again, without the frames of the other thread
        raise exc.with_traceback(None) from exc.__cause__


class Remote:
    """An object of another loop: what it has can be read and called, and is there done where it belongs."""

    def __init__(self, bridge: Bridge, target: object) -> None:
        self._bridge = bridge
        self._target = target

    def __repr__(self) -> str:
        return f"<{self._target!r} in a loop of its own>"

    def __dir__(self) -> list[str]:
        return dir(self._target)

    def __getattr__(self, name: str) -> Any:
        __tracebackhide__ = True
        bridge = self._bridge
        value = bridge.call(lambda: getattr(self._target, name))
        if not inspect.isroutine(value):
            return Remote(bridge, value) if type(value).__name__ in ALIVE else value

        def call(*args: Any, **words: Any) -> Any:
            __tracebackhide__ = True
            from scenarios.session.place import CALLER, caller  # noqa: PLC0415 - it loads all that sessions need

            context = copy_context()
            context.run(CALLER.set, caller())
            answer = context.run(bridge.call, lambda: value(*args, **words))
            return context.run(bridge.hand, answer) if inspect.iscoroutine(answer) else answer

        call.__name__, call.__doc__ = name, getattr(value, "__doc__", None)
        return call
