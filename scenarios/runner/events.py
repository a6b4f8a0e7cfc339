"""What a play tells while it is on; who listens shows it."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from scenarios.results import PlayResult, StepResult

Doing = Literal["connecting", "jobs", "cards"]


class PlayStarted(Struct, frozen=True, kw_only=True, tag="play_started"):
    """A play begins; `steps` is how many it has."""

    devices: int
    steps: int


class Progress(Struct, frozen=True, kw_only=True, tag="progress"):
    """Something takes its time: so many of so many."""

    doing: Doing
    step: str
    done: int
    total: int


class StepEnded(Struct, frozen=True, kw_only=True, tag="step_ended"):
    """A step is over."""

    result: StepResult


class PlayEnded(Struct, frozen=True, kw_only=True, tag="play_ended"):
    """The play is over."""

    result: PlayResult


Event = PlayStarted | Progress | StepEnded | PlayEnded
Listener = Callable[[Event], None]
