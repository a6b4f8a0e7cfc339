"""An adapter at work, in a thread of its own, so that nothing it does can keep a run from going on.

Foreign code ends here: whatever it raises becomes a value, and whoever waits for it stops waiting in time. What it
answers is not looked at. An adapter may be synchronous: its calls block this thread, and nothing else.
"""

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Final

from msgspec import Struct

START_S: Final = 5.0
PING_S: Final = 1.0
"""How long the thread has to show that it is free again, after a call that did not end in time."""


class Raised(Struct, frozen=True):
    """What a call raised."""

    error: BaseException


class Late(Struct, frozen=True):
    """A call did not end in `limit_s`."""

    limit_s: float


class Blocked(Struct, frozen=True):
    """A call was not begun: an earlier one, `name`, has held the thread for `seconds`."""

    name: str
    seconds: float


Outcome = Raised | Late | Blocked | Any


class Host:
    """A thread with an event loop. Calls are begun in their order, and run beside each other where they await."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_up = threading.Event()
        self._late: tuple[str, float] | None = None  # the call that did not end in time, and when it began

    def start(self) -> None:
        """Start the thread. It is a daemon: an adapter that never comes back does not keep the process."""
        threading.Thread(target=self._serve, name=f"adapter {self._name}", daemon=True).start()
        self._is_up.wait(START_S)

    def stop(self) -> None:
        """Let the thread end, once it is free."""
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it has just closed
                self._loop.call_soon_threadsafe(self._loop.stop)

    async def call(self, name: str, work: Callable[[], Any], limit_s: float) -> Outcome:
        """Do `work` in the thread and give what it returned, awaited if need be; `name` is for who comes after it."""
        if self._late is not None and not await self._is_free():
            return Blocked(self._late[0], time.monotonic() - self._late[1])
        self._late = None
        began = time.monotonic()
        outcome = await self._wait(_outcome_of(work), limit_s)
        if isinstance(outcome, Late):
            self._late = (name, began)
        return outcome

    async def _is_free(self) -> bool:
        return not isinstance(await self._wait(_outcome_of(lambda: None), PING_S), Late)

    async def _wait(self, work: Awaitable[Outcome], limit_s: float) -> Outcome:
        assert self._loop is not None
        assert inspect.iscoroutine(work)
        future: Future[Outcome] = asyncio.run_coroutine_threadsafe(work, self._loop)
        waiting = asyncio.wrap_future(future)
        try:
            if (await asyncio.wait({waiting}, timeout=limit_s))[0]:
                return waiting.result()
        finally:
            waiting.cancel()
        return Late(limit_s)

    def _serve(self) -> None:
        """Run the loop until it is stopped; what is still under way then is cancelled, and given up."""
        loop = self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.call_soon(self._is_up.set)
        try:
            loop.run_forever()
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=PING_S))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


async def _outcome_of(work: Callable[[], Any]) -> Outcome:
    try:
        answer = work()
        return await answer if inspect.isawaitable(answer) else answer
    except BaseException as exc:  # noqa: BLE001 - foreign code: even SystemExit must end the step, not the thread
        return Raised(exc)
