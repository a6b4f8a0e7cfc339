"""What a play tells while it is on; who listens shows it."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from scenarios.results import PlayResult, Sample, StepResult

Doing = Literal["connecting", "jobs", "cards", "waiting"]


class PlayStarted(Struct, frozen=True, kw_only=True, tag="play_started"):
    """A play begins; `steps` is how many it has."""

    devices: int
    steps: int


class Progress(Struct, frozen=True, kw_only=True, tag="progress"):
    """Something takes its time: so many of so many. A total of 0: nobody knows how much it is."""

    doing: Doing
    step: str
    done: int
    total: int


class Sampled(Struct, frozen=True, kw_only=True, tag="sampled"):
    """How the account and the jobs stand; told a few times a second while something changes."""

    sample: Sample


class StepEnded(Struct, frozen=True, kw_only=True, tag="step_ended"):
    """A step is over, or one of what is done after the last one."""

    result: StepResult
    is_teardown: bool = False


class PlayEnded(Struct, frozen=True, kw_only=True, tag="play_ended"):
    """The play is over."""

    result: PlayResult


Event = PlayStarted | Progress | Sampled | StepEnded | PlayEnded
Listener = Callable[[Event], None]
