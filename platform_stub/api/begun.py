"""A coroutine that is begun where it is made, outside of any task, and awaited later if it has to wait.

What asyncio's eager tasks do from Python 3.12 on, for a single call. It must not ask for the current task before
it waits for the first time: `asyncio.timeout` and task groups do.
"""

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """A coroutine's run so far: over with a result or an error, or waiting for a future."""

    __slots__ = ("_error", "_is_over", "_rest", "_result", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        """Run it up to its first wait."""
        self._result: T | None = None
        self._error: BaseException | None = None
        self._rest = coroutine
        self._waits_for: Any = None
        self._is_over = True
        try:
            self._waits_for = coroutine.send(None)
        except StopIteration as end:
            self._result = end.value
        except Exception as exc:  # noqa: BLE001 - raised where it is awaited
            self._error = exc
        else:
            self._is_over = False

    def has_given(self, result: T) -> bool:
        """Whether it is over without an error, and with this result."""
        return self._is_over and self._error is None and self._result == result

    def __await__(self) -> Generator[Any, Any, T]:
        """Let it go on in the task that awaits this."""
        if self._error is not None:
            raise self._error
        if self._is_over:
            return self._result  # type: ignore[return-value]  # it is over: the result is there
        waits_for = self._waits_for
        try:
            while True:
                try:
                    value = yield waits_for
                except BaseException as exc:  # noqa: BLE001 - it is the coroutine's to judge
                    waits_for = self._rest.throw(exc)
                else:
                    waits_for = self._rest.send(value)
        except StopIteration as end:
            result: T = end.value
            return result
