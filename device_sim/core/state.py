"""What a device knows: its link, its job, its reports without a reply, its versions and its card.

Data only; the moves are in `link` and `job_moves`. An idle device holds no container of its own.
"""

from enum import IntEnum
from typing import Final

from device_sim.core.download import Download
from device_sim.core.effects import JobEnded
from device_sim.core.faults import Fault
from device_sim.core.profile import Profile
from device_sim.core.wheel import NEVER
from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.messages import InformParams

JOBS_WAITING_MAX: Final = 4
NOTHING_FINISHED: Final = (0, 0)
"""The last job that was done, as FOTA and as SOTA."""


class Link(IntEnum):
    """Where the MQTT connection stands, or, over HTTP, where the device stands with the platform."""

    OFF = 0
    WAITING = 1  # for the time to connect, or to call
    CONNECTING = 2  # MQTT only
    REPORTING = 3  # connected, its version report has no reply yet; over HTTP: no call was answered yet
    PRESENT = 4


class Stage(IntEnum):
    """Where the job stands."""

    IDLE = 0
    FETCHING = 1  # a range is asked for
    RETRYING = 2  # waiting to ask again
    PROGRESSING = 3  # a per cent has no reply yet
    DOWNLOADED = 4  # 101 has no reply yet
    INSTALLING = 5
    REBOOTING = 6
    UPDATED = 7  # 201 has no reply yet
    FAILING = 8  # a failing step has no reply yet
    CHECKING = 9  # the job's token is being checked; generation A


class Report:
    """A message that is sent again, with the same id, until its reply comes."""

    __slots__ = ("due_ms", "interval_ms", "message_id", "payload", "suffix")

    def __init__(self, suffix: str, message_id: str, payload: bytes) -> None:
        self.suffix = suffix
        self.message_id = message_id
        self.payload = payload
        self.due_ms = NEVER  # not sent on this connection
        self.interval_ms = 0


class Job:
    """The job a device works on."""

    __slots__ = (
        "download",
        "due_ms",
        "fault_step",
        "kind",
        "path",
        "reason",
        "step",
        "target",
        "tid",
        "token",
        "tries",
    )

    def __init__(
        self, tid: int, kind: UpdateKind, target: str, path: str, download: Download, token: str = ""
    ) -> None:
        self.tid = tid
        self.token = token  # generation A's handle of a job; tid is 0 there
        self.kind = kind
        self.target = target
        self.path = path
        self.download = download
        self.fault_step = 0
        self.step = 0  # the last one reported
        self.reason = ""
        self.tries = 0
        self.due_ms = NEVER


class State:
    """Everything about one device. `seed`, `profile` and the texts are shared or the identity's own."""

    __slots__ = (
        "attempts",
        "card_report",
        "card_unposted",
        "device_id",
        "draws",
        "f_version",
        "fault_step",
        "fault_times",
        "finished",
        "iccid",
        "imsi",
        "job",
        "last_job",
        "link",
        "link_due_ms",
        "present_since_ms",
        "profile",
        "s_version",
        "seed",
        "serial",
        "stage",
        "status_report",
        "version_report",
        "waiting",
    )

    def __init__(
        self,
        *,
        device_id: int,
        seed: int,
        profile: Profile,
        f_version: str | None,
        s_version: str | None,
        iccid: str,
        imsi: str,
    ) -> None:
        self.device_id = device_id
        self.seed = seed
        self.profile = profile
        self.f_version = f_version
        self.s_version = s_version
        self.iccid = iccid
        self.imsi = imsi
        self.card_unposted = False
        self.link = Link.OFF
        self.link_due_ms = NEVER
        self.present_since_ms = NEVER
        self.attempts = 0  # to connect, that came to nothing
        self.draws = 0
        self.serial = 0  # of the last message id
        self.version_report: Report | None = None
        self.status_report: Report | None = None
        self.card_report: Report | None = None
        self.stage = Stage.IDLE
        self.job: Job | None = None
        self.waiting: tuple[InformParams, ...] = ()
        self.finished = NOTHING_FINISHED
        self.last_job: JobEnded | None = None
        self.fault_step = 0
        self.fault_times = 0

    @property
    def is_present(self) -> bool:
        """Whether its version report was answered, and the platform has not been lost since."""
        return self.link is Link.PRESENT

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way or anything is unanswered."""
        return (
            self.job is not None
            or self.status_report is not None
            or self.version_report is not None
            or self.card_unposted
        )

    @property
    def due_ms(self) -> int:
        """When it wants a `Tick`; NEVER for not at all."""
        due_ms = self.link_due_ms
        if self.job is not None and self.job.due_ms < due_ms:
            due_ms = self.job.due_ms
        for report in (self.status_report, self.version_report, self.card_report):
            if report is not None and report.due_ms < due_ms:
                due_ms = report.due_ms
        return due_ms

    def note_finished(self, kind: UpdateKind, tid: int) -> None:
        """Remember that a job was done: told again, it is not done twice."""
        fota, sota = self.finished
        self.finished = (tid, sota) if kind is UpdateKind.FOTA else (fota, tid)

    def set_fault(self, fault: Fault | None) -> None:
        """Let the next jobs fail; None takes it back."""
        self.fault_step = 0 if fault is None or fault.step is None else fault.step
        self.fault_times = 0 if fault is None else fault.attempts

    def set_version(self, kind: UpdateKind, version: str) -> None:
        """Run something else from now on."""
        if kind is UpdateKind.FOTA:
            self.f_version = version
        else:
            self.s_version = version
