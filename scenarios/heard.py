"""What a play has told so far, kept for the case that it tells no more: its worker died, or it can't be stopped.

Light to import: the owner of workers has it, and needs no stub and no devices.
"""

import time
from collections.abc import Callable
from typing import Final

from msgspec import structs

from scenarios.play import Play
from scenarios.results import PlayResult, PlayVerdict, Sample, StepResult, Story, result_of
from scenarios.runner.events import Event, Sampled, StepEnded

SAMPLES_MAX: Final = 4_000
"""So many samples are kept at most; beyond, every second one goes."""


class Heard:
    """Passes a play's events on to `show`, and remembers the steps that ended and how the account stood."""

    def __init__(self, play: Play, broker: str, show: Callable[[Event], None]) -> None:
        self._play = play
        self._broker = broker
        self._show = show
        self._steps: list[StepResult] = []
        self._teardown: list[StepResult] = []
        self._samples: list[Sample] = []
        self._began = time.monotonic()
        self._started_ms = time.time_ns() // 1_000_000

    def __call__(self, event: Event) -> None:
        """Take an event."""
        match event:
            case StepEnded(result=result, is_teardown=is_teardown):
                (self._teardown if is_teardown else self._steps).append(result)
            case Sampled(sample=sample):
                self._samples.append(sample)
                if len(self._samples) > SAMPLES_MAX:
                    del self._samples[1:-1:2]
        self._show(event)

    def result(self, verdict: PlayVerdict, reason: str, exit_code: int) -> PlayResult:
        """Make the result of what was heard."""
        fees = [step.seen.fee_fen for step in self._steps if step.seen.fee_fen is not None]
        return structs.replace(
            result_of(
                self._play, self._broker, verdict, reason=reason, exit_code=exit_code, done=self._steps
            ),
            teardown=tuple(self._teardown),
            story=Story(samples=tuple(self._samples)),
            fee_fen=fees[-1] if fees else 0,
            started_ms=self._started_ms,
            seconds=time.monotonic() - self._began,
        )
