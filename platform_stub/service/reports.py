"""What devices report, as values: over MQTT, or over HTTP by a call that waits for what comes of it.

`batch` decides and writes them. Source: onenet-protocol, sections 3 to 5.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from platform_stub.protocol.calls import CallRefusal, Generation
from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.rules.jobs import StepRefusal
from platform_stub.rules.offers import Asked
from platform_stub.service.ports import Session


class Call(Struct, eq=False):
    """An HTTP call that waits for its report: the batch fills in what came of it, and settles after the commit."""

    device_id: int
    account_id: int
    generation: Generation
    refusal: CallRefusal | None = None
    note: str | None = None  # why, for people
    state: JobState | None = None  # the job's, where the call is about one


Origin = Session | Call
"""Who reported: a device on its MQTT session, or an HTTP call."""


class Status(Struct, frozen=True):
    """A device reported a step. `message_id` is MQTT's, empty over HTTP."""

    origin: Origin
    message_id: str
    tid: int
    step: int


class Versions(Struct, frozen=True):
    """A device reported what it runs; None is not reported."""

    origin: Origin
    message_id: str
    f_version: str | None
    s_version: str | None


class Check(Struct, frozen=True):
    """A device asks for its job of a kind. Without `asked` it only wants a token for what is under way (A)."""

    origin: Call
    kind: UpdateKind
    asked: Asked | None


class Started(Struct, frozen=True):
    """A device's download begins, or its job's state or token is checked."""

    origin: Call
    tid: int


class Card(Struct, frozen=True):
    """A device reported its card; None is not reported."""

    origin: Session
    message_id: str
    iccid: str | None
    imsi: str | None


class InformAnswer(Struct, frozen=True):
    """A device answered an inform; `tid` is 0 when the inform was an empty one."""

    origin: Session
    tid: int
    code: int


class Listening(Struct, frozen=True):
    """A device subscribed to informs: it is told of its pending jobs."""

    origin: Session


Report = Status | Versions | Check | Started | Card | InformAnswer | Listening

STEP_REFUSALS: Final[Mapping[StepRefusal, CallRefusal]] = MappingProxyType(
    {
        StepRefusal.NOT_A_STEP: CallRefusal.BAD_RESULT,
        StepRefusal.OUT_OF_PLACE: CallRefusal.BAD_STEP,
        StepRefusal.FINISHED: CallRefusal.FINISHED,
        StepRefusal.AT_TARGET: CallRefusal.FINISHED,  # a device takes it as the success of its own 201
        StepRefusal.EXPIRED: CallRefusal.JOB_EXPIRED,
        StepRefusal.CANCELLED: CallRefusal.CANCELLED,
        StepRefusal.NOT_STARTED: CallRefusal.NOT_FOUND,  # invisible until its task starts
        StepRefusal.HELD: CallRefusal.NO_TASK,  # P10
        StepRefusal.PAUSED: CallRefusal.PAUSED,
    }
)
"""What a step is answered that moves nothing."""

STATE_REFUSALS: Final[Mapping[StepRefusal, CallRefusal]] = MappingProxyType(
    {**STEP_REFUSALS, StepRefusal.AT_TARGET: CallRefusal.AT_TARGET}
)
"""What every other call about a job is answered that is stopped or has ended."""
