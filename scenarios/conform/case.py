"""A case as data: what it is about, what it rests on, and its steps. How steps are played is in `playing`.

A step does something (`Do`), waits for something to come (`Want`), or makes sure that something does not (`Never`).
What is not as wanted is said as text: an empty text is "as wanted". Limits are seconds, before `--patience`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from device_sim import FLOWS, Flow
from scenarios.conform.bench import Bench

Group = Literal["good", "failing", "hostile"]
LIMIT_S: Final = 10.0
QUIET_S: Final = 1.5
HTTP_FLOWS: Final[tuple[Flow, ...]] = ("fuse", "studio", "south")
MQTT_FLOW: Final[tuple[Flow, ...]] = ("mqtt",)


class Skip(Exception):
    """Raised by a step: the case says nothing about this program, and why."""


@dataclass(frozen=True, slots=True)
class Do:
    """Do something at the stub, on the wire, or to the program."""

    text: str
    act: Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Want:
    """Something must come; `lacks` says what is there instead."""

    text: str
    lacks: Callable[[Bench], str]
    limit_s: float = LIMIT_S


@dataclass(frozen=True, slots=True)
class Never:
    """Something must not come for so long, nor have come before; `found` says what came."""

    text: str
    found: Callable[[Bench], str]
    for_s: float = 0.0


Step = Do | Want | Never


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case. `facts` are ids of docs/protocol.md; `optional`: not to do so is no failure."""

    id: str
    title: str
    group: Group
    facts: tuple[str, ...]
    steps: tuple[Step, ...]
    flows: tuple[Flow, ...] = FLOWS
    optional: bool = False
