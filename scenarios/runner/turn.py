"""A step while it is on, as a value that is filled in: whom it is about, what came of it, what should have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from scenarios import play as p
from scenarios.results import Difference, Seen
from scenarios.runner.awaited import Awaited

WAIT_ALL_MS: Final = 60_000
"""How long a step may wait that does not say so."""


@dataclass(slots=True, kw_only=True)
class Turn:
    """What is known of a step while it is on. `running` are the devices that could run before it."""

    step: p.PlayStep
    device_ids: Sequence[int] = ()
    running: Awaited = field(default_factory=dict)
    opened: Sequence[str] = ()
    listed: Mapping[str, int] = field(default_factory=dict)
    ended: int = 0
    seen: Seen = field(default_factory=lambda: Seen(outcome="not done"))
    predicted: Seen | None = None
    note: str = ""
    is_stuck: bool = False
    differences: Sequence[Difference] = ()  # of other steps' tasks, and of what a step waited for
    awaited: Awaited = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether it could be done at all."""
        return self.seen.outcome != "not done"

    @property
    def of(self) -> str | None:
        """The step that it is about."""
        of: str | None = getattr(self.step.action, "of", None)
        return of

    @property
    def limit_ms(self) -> int:
        """How long it may wait."""
        return WAIT_ALL_MS if self.step.wait_ms is None else self.step.wait_ms
