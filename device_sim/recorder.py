"""What happened to each device of a fleet, what it sent and got, and how often: kept for whoever asks afterwards.

A story is a device's entries, oldest first; a wire trace its messages and calls. Both are bounded a device: the newest
stay. Counts are of all messages, kept or not, and can be asked for since a mark. Times are milliseconds since the fleet
began. Nothing is decided here. Packages are never kept, and a payload is cut at `PAYLOAD_BYTES_MAX`.

While devices run, what happens to one is put down as it is (`Record.keep`); it is read for what it says when somebody
asks, or when there is much of it. What can be put down is in `kept`.

    recorder = Recorder(wire=True)
    async with Fleet(stub, identities, recorder=recorder) as fleet:
        before = recorder.mark()
        ...
        recorder.count([7], way="sent", what="ota/status", step=101, since=before)
        recorder.story(7)
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal
from typing import Protocol as Interface

from msgspec import Struct

from platform_stub.protocol.errors import UsageFault

ONLINE: Final = "online"  # the platform has it in
OFFLINE: Final = "offline"
TOLD: Final = "told"  # an inform came; the step is 0
JOB: Final = "job"  # it took a job up
STAGE: Final = "stage"  # where the job stands now; the text is a name of `core.state.Stage`
REPORT: Final = "report"  # it said a step, its versions or its card
ANSWER: Final = "answer"  # the platform's answer to that
STRUCK: Final = "struck"  # a fault struck, or a limit holds the job back; the text says which
ENDED: Final = "ended"  # the job is over; the text begins with the outcome
POWER_OFF: Final = "power_off"
POWER_ON: Final = "power_on"
CARD: Final = "card"  # another card was put in
KEY: Final = "key"  # it signs with another key from now on
NOTE: Final = "note"  # something went wrong that the device lives with
WORDS: Final = (
    ONLINE,
    OFFLINE,
    TOLD,
    JOB,
    STAGE,
    REPORT,
    ANSWER,
    STRUCK,
    ENDED,
    POWER_OFF,
    POWER_ON,
    CARD,
    KEY,
    NOTE,
)
"""Every `what` of an entry."""

Way = Literal["sent", "received"]
Protocol = Literal["mqtt", "http"]

STORY_MAX: Final = 200
WIRE_MAX: Final = 100
PAYLOAD_BYTES_MAX: Final = 2_048
UNREAD_MAX: Final = 64
"""Of what is put down about a device before it is read."""
OTHER: Final = "other"
"""What a message is counted as when a peer has made up more kinds of them than there can be."""
_KINDS_MAX: Final = 4_096
_KINDS_BITS: Final = 16
_KINDS_MASK: Final = 2**_KINDS_BITS - 1


class Entry(Struct, frozen=True, gc=False):
    """Something that happened to a device. `step` is 0 where there is none, `tid` where there is no job or number."""

    at_ms: int
    what: str
    tid: int = 0
    step: int = 0
    text: str = ""


class Wire(Struct, frozen=True, gc=False):
    """A message, a call, or an answer. `name` is the topic's suffix, or method and path; `status` is HTTP's, or 0.

    `size_bytes` is the payload's before it was cut; of a package, which is not kept, the announced length.
    """

    at_ms: int
    way: Way
    protocol: Protocol
    name: str
    payload: bytes
    size_bytes: int
    status: int = 0


class Kept(Interface):
    """What happened, as it was put down. Made with the time, the last mark, and what there is to say."""

    def read(self, record: "Record") -> None:
        """Say what it was: `Record.tell`, `Record.tally`, `Record.trace`."""

    def wire(self) -> Wire:
        """Give it as a message; asked of what was given to `Record.trace`."""


class Record:
    """What is kept of one device. Written by its agent."""

    __slots__ = ("_counts", "_entries", "_is_cut", "_recorder", "_traced", "_unread", "device_id")

    def __init__(self, recorder: "Recorder", device_id: int) -> None:
        self._recorder = recorder
        self.device_id = device_id
        self._is_cut = False
        self._unread: list[Kept] = []
        self._entries: list[Entry] = []
        self._traced: list[Kept | Wire] = []
        self._counts: dict[int, int] = {}

    def keep(self, kind: Callable[..., Kept], *said: Any) -> None:
        """Put down what happened, to be read later; where somebody listens, now."""
        recorder, unread = self._recorder, self._unread
        unread.append(kind(recorder.now_ms(), recorder.marks, *said))
        if len(unread) >= recorder.unread_max:
            self.read()

    def keep_payload(self, kind: Callable[..., Kept], payload: bytes, *said: Any) -> None:
        """Put down what a peer said; where it says too much for a trace, that is not held on to."""
        self.keep(kind, payload, *said)
        if len(payload) > PAYLOAD_BYTES_MAX:
            self.read()

    def add(self, what: str, tid: int = 0, step: int = 0, text: str = "") -> None:
        """Put down an entry."""
        self.keep(_Said, what, tid, step, text)

    # for what is read

    def tell(self, at_ms: int, what: str, tid: int = 0, step: int = 0, text: str = "") -> None:
        """Have an entry."""
        entry = Entry(at_ms, what, tid, step, text)
        self._entries.append(entry)
        if self._recorder.heard is not None:
            self._recorder.heard(self.device_id, entry)

    def tally(self, mark: int, way: Way, what: str, step: int = 0) -> None:
        """Count a message: `what` is a topic's suffix or the name of a call."""
        key = mark << _KINDS_BITS | self._recorder.number_of(way, what, step)
        self._counts[key] = self._counts.get(key, 0) + 1

    def trace(self, kept: Kept, size_bytes: int = 0) -> None:
        """Have a message, where messages are kept; one whose payload is too large is cut now."""
        recorder = self._recorder
        if recorder.keeps_wire:
            self._traced.append(kept.wire() if size_bytes > PAYLOAD_BYTES_MAX else kept)
            if recorder.heard_wire is not None:
                recorder.heard_wire(self.device_id, kept.wire())

    # what there is to see

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The newest entries, oldest first."""
        self.read()
        return tuple(self._entries)

    @property
    def is_cut(self) -> bool:
        """Whether older entries were dropped."""
        self.read()
        return self._is_cut

    @property
    def wire(self) -> tuple[Wire, ...]:
        """The newest messages, oldest first."""
        self.read()
        return tuple(each if isinstance(each, Wire) else each.wire() for each in self._traced)

    def sum_of(self, kinds: set[int], since: int) -> int:
        """Add up the counts of these kinds since a mark, as far as they are read."""
        least = since << _KINDS_BITS
        return sum(n for key, n in self._counts.items() if key >= least and key & _KINDS_MASK in kinds)

    def read(self) -> None:
        """Read what was put down; the oldest goes where there is too much."""
        if not self._unread:
            return
        unread, self._unread = self._unread, []
        for kept in unread:
            kept.read(self)
        recorder = self._recorder
        if len(self._entries) > recorder.story_max:
            del self._entries[: -recorder.story_max]
            self._is_cut = True
        del self._traced[: -recorder.wire_max]


class _Said(Struct, frozen=True, gc=False):
    """An entry that is put down as one."""

    at_ms: int
    mark: int
    what: str
    tid: int
    step: int
    text: str

    def read(self, record: Record) -> None:
        record.tell(self.at_ms, self.what, self.tid, self.step, self.text)

    def wire(self) -> Wire:
        raise AssertionError("an entry is no message")


class Recorder:
    """The records of a fleet's devices. A device that leaves keeps its record.

    `story_max` and `wire_max` bound what is kept a device. `heard` is told of each entry as it is made, `heard_wire` of
    each message where `wire` keeps them; an exception of theirs stops the fleet. `now_ms` is the entries' clock, else
    the fleet's time since it began.
    """

    def __init__(
        self,
        *,
        story_max: int = STORY_MAX,
        wire: bool = False,
        wire_max: int = WIRE_MAX,
        heard: Callable[[int, Entry], None] | None = None,
        heard_wire: Callable[[int, Wire], None] | None = None,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        if min(story_max, wire_max) < 1:
            raise UsageFault(
                f"recorder: story_max = {story_max}, wire_max = {wire_max}: at least 1 is wanted"
            )
        self.story_max = story_max
        self.wire_max = wire_max
        self.keeps_wire = wire
        self.heard = heard
        self.heard_wire = heard_wire
        self.unread_max = UNREAD_MAX if heard is None and heard_wire is None else 1
        self.now_ms: Callable[[], int] = now_ms if now_ms is not None else _no_time
        self._has_clock = now_ms is not None
        self._records: dict[int, Record] = {}
        self._kinds: dict[tuple[Way, str, int], int] = {}
        self.marks = 0  # the last one given

    def begin(self, now_ms: Callable[[], int]) -> None:
        """Take a fleet's clock, unless there is one of its own."""
        if not self._has_clock:
            self.now_ms = now_ms

    def record_of(self, device_id: int) -> Record:
        """Give a device's record, made when it is first asked for."""
        record = self._records.get(device_id)
        if record is None:
            record = self._records[device_id] = Record(self, device_id)
        return record

    def story(self, device_id: int) -> tuple[Entry, ...]:
        """Give what happened to a device, oldest first; nothing for one that was never there."""
        record = self._records.get(device_id)
        return record.entries if record is not None else ()

    def is_cut(self, device_id: int) -> bool:
        """Whether older entries of a device's story were dropped."""
        record = self._records.get(device_id)
        return record is not None and record.is_cut

    def wire(self, device_id: int) -> tuple[Wire, ...]:
        """Give the newest messages and calls of a device, oldest first."""
        record = self._records.get(device_id)
        return record.wire if record is not None else ()

    def mark(self) -> int:
        """Begin to count anew for whoever gives this to `count` as `since`; older marks stay good."""
        self.marks += 1
        return self.marks

    def count(
        self,
        device_ids: Iterable[int] | None,
        *,
        way: Way,
        what: str | None,
        step: int | None = None,
        since: int = 0,
    ) -> int:
        """Count messages of these devices, or of all; `since` a mark, `step` None for any."""
        return sum(self.counts(device_ids, way=way, what=what, step=step, since=since).values())

    def counts(
        self,
        device_ids: Iterable[int] | None,
        *,
        way: Way,
        what: str | None,
        step: int | None = None,
        since: int = 0,
    ) -> dict[int, int]:
        """Count the same for each device; 0 for one that was never there.

        `what` is a topic's suffix, with or without its leading slash, or the name of a call: version, check, token,
        status, download; None is any.
        """
        records = self._records
        counted = {at: records.get(at) for at in (records if device_ids is None else device_ids)}
        for record in counted.values():
            if record is not None:
                record.read()
        kinds = {
            number
            for (one, named, at), number in self._kinds.items()
            if one == way and (what is None or named == what.removeprefix("/")) and step in {None, at}
        }
        return {at: 0 if record is None else record.sum_of(kinds, since) for at, record in counted.items()}

    def number_of(self, way: Way, what: str, step: int) -> int:
        """Give the number of a kind of message, made when it is first asked for."""
        kinds = self._kinds
        number = kinds.get((way, what, step))
        if number is None:
            kind = (way, what, step) if len(kinds) < _KINDS_MAX else (way, OTHER, 0)
            number = kinds.setdefault(kind, len(kinds))
        return number


def _no_time() -> int:
    return 0
