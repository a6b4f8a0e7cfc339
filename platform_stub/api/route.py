"""A row of a generation's table of calls: method and pattern, who is let in, and what is done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from platform_stub.api.device_request import DeviceRequest
from platform_stub.api.dialect import Dialect
from platform_stub.api.reply import Reply
from platform_stub.service.device_calls import Caller, DeviceCalls, Refused

Enter = Callable[[DeviceCalls, Dialect, DeviceRequest], Caller | Refused]
Run = Callable[[DeviceCalls, Dialect, DeviceRequest], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call. A None in `pattern` stands for any segment; `call` is its name for injected faults, "" for none.

    `enter` is None for a call that has no caller; `wants_body` has a body waited for.
    """

    method: str
    pattern: tuple[str | None, ...]
    run: Run
    enter: Enter | None
    call: str = ""
    wants_body: bool = False

    @property
    def is_download(self) -> bool:
        """Whether a refusal is a failed download and no envelope."""
        return self.call == "download"


class RouteTable:
    """Finds the calls behind a path."""

    def __init__(self, routes: Sequence[Route]) -> None:
        by_pattern: dict[tuple[str | None, ...], dict[str, Route]] = {}
        for route in routes:
            by_pattern.setdefault(route.pattern, {})[route.method] = route
        self._by_length: dict[int, list[tuple[tuple[str | None, ...], Mapping[str, Route]]]] = {}
        for pattern, methods in by_pattern.items():
            self._by_length.setdefault(len(pattern), []).append((pattern, methods))

    def find(self, tail: tuple[str, ...]) -> Mapping[str, Route] | None:
        """Find the calls at a path by method; None when there is none."""
        for pattern, methods in self._by_length.get(len(tail), ()):
            for wanted, there in zip(pattern, tail, strict=True):
                if wanted is not None and wanted != there:
                    break
            else:
                return methods
        return None
