"""What went over the wire between a device program and the stub, in its order, and what can be asked about it.

Nothing here judges a device. Times are milliseconds since the case began, sizes bytes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

from msgspec import Struct

HEARD_MAX: Final = 20_000
"""Of one case; what a program says beyond that is counted, and not kept."""

CALLS: Final = frozenset({"version", "query", "check", "token", "state", "download", "step", "card"})
DONE_STEPS: Final = frozenset({100, 101})
UPDATED: Final = 201


class Heard(Struct, frozen=True, kw_only=True):
    """One thing on the wire. `up` is from the device, `down` to it, `note` what a relay says itself.

    `what` is a call (see `asked`), an MQTT packet (connect, connack, subscribe, ping ...), a message (inform,
    inform_reply, version_reply, status_reply ...), or opened, closed, unread. `good` are the bytes of the package
    [start:stop] that an answer really gave. `code` is an answer's own number, `status` HTTP's.
    """

    at_ms: int
    way: Literal["up", "down", "note"]
    protocol: Literal["http", "mqtt"]
    what: str
    connection: int
    handle: str = ""
    kind: int = 0
    step: int | None = None
    f_version: str | None = None
    s_version: str | None = None
    version: str | None = None
    message_id: str = ""
    target: str = ""
    start: int | None = None  # of the Range header; None: there is none
    status: int = 0
    code: int | None = None
    good: tuple[int, int] | None = None
    authorization: str = ""
    text: str = ""

    def line(self) -> str:
        """Show it to people."""
        arrow = {"up": "->", "down": "<-", "note": "  "}[self.way]
        return f"{self.at_ms / 1_000:8.3f} {self.protocol} {arrow} {self.what}  {self.text}".rstrip()


class Record:
    """All that was heard. `changed` is called after each entry."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.entries: list[Heard] = []
        self.left_out = 0
        self._changed = changed

    def add(self, heard: Heard) -> None:
        """Keep an entry."""
        if len(self.entries) < HEARD_MAX:
            self.entries.append(heard)
        else:
            self.left_out += 1
        self._changed()

    @property
    def mark(self) -> int:
        """Where the record ends now, for `since`."""
        return len(self.entries)

    def up(self, *whats: str, since: int = 0) -> list[Heard]:
        """List what the device has said, of these kinds."""
        return [heard for heard in self.entries[since:] if heard.way == "up" and heard.what in whats]

    def down(self, *whats: str, since: int = 0) -> list[Heard]:
        """List what it was told, of these kinds."""
        return [heard for heard in self.entries[since:] if heard.way == "down" and heard.what in whats]

    def calls(self, since: int = 0) -> list[Heard]:
        """List all that the device has asked or reported."""
        return self.up(*CALLS, since=since)

    def handles(self, target: str) -> set[str]:
        """Name a job, by the version it leads to, as the device was told of it."""
        return {heard.handle for heard in self.entries if heard.way == "down" and heard.target == target}

    def steps(self, target: str, since: int = 0) -> list[Heard]:
        """List the steps reported of the job that leads to a version, repeats included."""
        return self._of(target, self.up("step", since=since))

    def downloads(self, target: str, since: int = 0) -> list[Heard]:
        """List the requests for the package that leads to a version."""
        return self._of(target, self.up("download", since=since))

    def given(self, target: str, before: Heard | None = None) -> list[tuple[int, int]]:
        """List which bytes of a package the device was really given, joined; `before` an entry, or so far."""
        handles = self.handles(target)
        given = (heard.good for heard in self._until(before) if heard.handle in handles)
        return join(span for span in given if span is not None)

    def _of(self, target: str, entries: Iterable[Heard]) -> list[Heard]:
        handles = self.handles(target)
        return [heard for heard in entries if heard.handle in handles]

    def _until(self, end: Heard | None) -> Iterator[Heard]:
        for heard in self.entries:
            if heard is end:
                return
            yield heard


def join(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join spans [start:stop] that touch or overlap."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
