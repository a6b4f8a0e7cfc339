"""What a job needs of the flow that it runs over: where its reports go, and what comes before and after it.

The job itself is in `job_moves`; the flows are `mqtt_device` and `http_device` (generations A, B and C).
"""

from abc import ABC, abstractmethod

from device_sim.core.effects import Effect, Outcome
from device_sim.core.events import Event
from device_sim.core.state import Job, State


class ContractViolation(Exception):
    """The shell sent an event that can't happen in this state."""


class Actor(State, ABC):
    """What has a connection's state, and acts on events."""

    __slots__ = ()

    @abstractmethod
    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Take an event; returns what the shell has to do, in order. ContractViolation for one that can't be."""


class Talker(Actor):
    """A device that can tell the platform something."""

    __slots__ = ()

    @abstractmethod
    def tell_step(self, job: Job, step: int, now_ms: int, out: list[Effect]) -> None:
        """Report where the job stands, until it is answered; `job_moves.Replied` follows."""

    @abstractmethod
    def tell_version(self, now_ms: int, out: list[Effect]) -> None:
        """Report what the device runs, until it is answered."""

    @abstractmethod
    def sleep(self, out: list[Effect]) -> None:
        """Be offline until `wake`."""

    @abstractmethod
    def wake(self, now_ms: int, out: list[Effect]) -> None:
        """Be in touch again; `LinkUp` is given to the job when it is."""

    @abstractmethod
    def freeze(self, out: list[Effect]) -> None:
        """Do nothing any more until `thaw`; a connection that is there stays."""

    @abstractmethod
    def thaw(self, now_ms: int, out: list[Effect]) -> None:
        """Go on with everything."""

    @abstractmethod
    def lose_link(self, now_ms: int, out: list[Effect]) -> None:
        """Lose the connection, and come back after a while."""

    @abstractmethod
    def lose_power(self, for_ms: int | None, now_ms: int, out: list[Effect]) -> None:
        """Be off, for so long or until the power is back; what is in the flash stays."""

    @abstractmethod
    def asks_first(self, now_ms: int, out: list[Effect]) -> bool:
        """Whether something is asked before the download; `job_moves.Replied` follows then."""

    @abstractmethod
    def renew(self, job: Job, why: str, now_ms: int, out: list[Effect]) -> None:
        """Ask for another token of the job, and go on with it."""

    @abstractmethod
    def job_over(self, outcome: Outcome, now_ms: int, out: list[Effect]) -> None:
        """See what there is to do next."""
