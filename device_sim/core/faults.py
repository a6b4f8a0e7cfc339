"""What is made to go wrong with a device, as data: what, where in a job, how often, and in which of its jobs.

A fault is armed in a job as soon as the device takes the job up, or from then on where it is about no job. In a
download it strikes at `at_byte`, or half way where nothing is said. Spans are
milliseconds of the device's running time, which goes on when the account's clock is advanced; sizes are bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, get_args

from platform_stub.protocol.codes import DOWNLOAD_FAILURES, UPDATE_FAILURES
from platform_stub.protocol.errors import UsageFault

What = Literal[
    "silent",
    "refuse_inform",
    "check_fails",
    "cut",
    "slow",
    "fails",
    "wrong_version",
    "hang",
    "power_loss",
    "boot_fails",
    "lose_reports",
    "double_reports",
    "late_reports",
    "reorder_reports",
    "clock_skew",
    "expired_token",
    "reconnects",
]
At = Literal["told", "download", "downloaded", "install", "reboot", "updated"]
ALWAYS: Final = 2**53
"""For `times` and `attempts`: every time, until it is cleared."""
WHATS: Final[tuple[What, ...]] = get_args(What)
PLACES: Final[tuple[At, ...]] = get_args(At)


class Scope(Enum):
    """How long a fault counts."""

    JOB = "job"  # in `attempts` jobs after `after` others, in each `times` times
    DEVICE = "device"  # from now on, `times` times


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a fault of a kind does, and which values it takes besides `times`, and, in jobs, `attempts` and `after`."""

    text: str
    scope: Scope
    wants: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    flows: tuple[str, ...] = ()  # that have it; all when empty


_HTTP: Final = ("fuse", "studio", "south")

MEANINGS: Final[Mapping[What, Meaning]] = MappingProxyType(
    {
        "silent": Meaning(text="does not react when it is told, and does not ask", scope=Scope.DEVICE),
        "refuse_inform": Meaning(text="answers that it will not update", scope=Scope.DEVICE, flows=("mqtt",)),
        "check_fails": Meaning(
            text="asks in a way that the platform can't read", scope=Scope.DEVICE, flows=_HTTP
        ),
        "cut": Meaning(
            text="loses its connection in the download, once `at_byte` bytes are there",
            scope=Scope.JOB,
            wants=("at_byte",),
        ),
        "slow": Meaning(
            text="downloads no more than `rate` bytes a second", scope=Scope.JOB, wants=("rate",)
        ),
        "fails": Meaning(text="fails with `step`", scope=Scope.JOB, wants=("step",)),
        "wrong_version": Meaning(
            text="runs `version` after the install, finds that it is another one, and fails with 204",
            scope=Scope.JOB,
            wants=("version",),
        ),
        "hang": Meaning(
            text="does nothing any more, for `for_ms` or until it is switched off and on",
            scope=Scope.JOB,
            wants=("at",),
            takes=("for_ms", "at_byte"),
        ),
        "power_loss": Meaning(
            text="loses its power, and is back at once, or after `for_ms`: what was not flushed is gone",
            scope=Scope.JOB,
            wants=("at",),
            takes=("for_ms", "at_byte"),
        ),
        "boot_fails": Meaning(
            text="does not boot what was installed, the first `boots` times; too often, and it rolls back",
            scope=Scope.JOB,
            takes=("boots",),
        ),
        "lose_reports": Meaning(
            text="reports get lost on their way, all or those of `step`", scope=Scope.DEVICE, takes=("step",)
        ),
        "double_reports": Meaning(text="sends reports twice", scope=Scope.DEVICE, takes=("step",)),
        "late_reports": Meaning(
            text="sends reports `for_ms` late", scope=Scope.DEVICE, wants=("for_ms",), takes=("step",)
        ),
        "reorder_reports": Meaning(text="reports 201 before 101", scope=Scope.JOB),
        "clock_skew": Meaning(
            text="has a clock that is `skew_ms` off", scope=Scope.DEVICE, wants=("skew_ms",)
        ),
        "expired_token": Meaning(text="signs with a token that has expired", scope=Scope.DEVICE),
        "reconnects": Meaning(
            text="drops its connection every `for_ms`, and comes back at once",
            scope=Scope.DEVICE,
            wants=("for_ms",),
            flows=("mqtt",),
        ),
    }
)
"""Every kind of fault. Values that a kind neither wants nor takes are refused."""

FAILURE_TEXTS: Mapping[int, str] = MappingProxyType({**DOWNLOAD_FAILURES, **UPDATE_FAILURES})


class Strike(Enum):
    """Where in a job a failing step strikes."""

    BEFORE_DOWNLOAD = "before_download"
    AFTER_FIRST_RANGE = "after_first_range"
    IN_DIGEST = "in_digest"
    BEFORE_INSTALL = "before_install"
    AFTER_INSTALL = "after_install"


STRIKES: Mapping[int, Strike] = MappingProxyType(
    {
        102: Strike.BEFORE_DOWNLOAD,  # the size is known from the inform
        103: Strike.AFTER_FIRST_RANGE,
        104: Strike.AFTER_FIRST_RANGE,
        105: Strike.AFTER_FIRST_RANGE,
        106: Strike.AFTER_FIRST_RANGE,
        107: Strike.AFTER_FIRST_RANGE,
        202: Strike.BEFORE_INSTALL,
        203: Strike.BEFORE_INSTALL,
        204: Strike.AFTER_INSTALL,
        205: Strike.IN_DIGEST,  # one bit of what arrived is another, and the comparison really fails
        206: Strike.AFTER_INSTALL,
        207: Strike.AFTER_INSTALL,
    }
)
"""Where each failing step comes from; 208 is generation A's own and can't be chosen here."""

_LEAST: Final[Mapping[str, int]] = MappingProxyType(
    {"times": 1, "attempts": 1, "after": 0, "at_byte": 0, "rate": 1, "for_ms": 1, "boots": 1}
)
_OPTIONAL: Final = ("at", "at_byte", "rate", "step", "version", "for_ms", "skew_ms", "boots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `update` limits it to jobs of a kind; `times` counts its strikes, in each job if it is about jobs."""

    what: What
    times: int = 1
    attempts: int = 1  # jobs in which it is armed
    after: int = 0  # jobs that go well before
    update: Literal["FOTA", "SOTA"] | None = None
    at: At | None = None
    at_byte: int | None = None
    rate: int | None = None
    step: int | None = None
    version: str | None = None
    for_ms: int | None = None
    skew_ms: int | None = None
    boots: int | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be: UsageFault names it."""
        if fault := self._mistake():
            raise UsageFault(f"fault: {fault}")

    def _mistake(self) -> str:
        meaning = MEANINGS.get(self.what)
        if meaning is None:
            return f"what = {self.what!r}: there are {', '.join(WHATS)}"
        for name in meaning.wants:
            if getattr(self, name) is None:
                return f"{self.what} wants {name}"
        for name in _OPTIONAL:
            if getattr(self, name) is not None and name not in (*meaning.wants, *meaning.takes):
                return f"{self.what} takes no {name}"
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                return f"{name} = {value}: at least {least} is wanted"
        if meaning.scope is Scope.DEVICE and (self.attempts, self.after, self.update) != (1, 0, None):
            return f"{self.what} is about no job in particular, so it takes no attempts, after or update"
        if self.what == "fails" and self.step not in STRIKES:
            return f"step {self.step} is no failure to choose; there are 102-107 and 202-207"
        if self.at is not None and self.at not in PLACES:
            return f"at = {self.at!r}: there are {', '.join(PLACES)}"
        if self.at_byte is not None and self.at not in {None, "download"}:
            return f"at_byte goes with at = 'download', not with {self.at!r}"
        return ""
