"""What a device knows: its link, its job, its reports without a reply, its versions and its card.

Data only; the moves are in `link` and `job_moves`. An idle device holds no container of its own. Running time is the
shell's clock and what was added to it by `TimePassed`.
"""

from enum import Enum, IntEnum
from typing import Final, NamedTuple

from device_sim.core.download import Download
from device_sim.core.effects import JobEnded
from device_sim.core.plight import Plight
from device_sim.core.profile import Profile
from device_sim.core.wheel import NEVER
from device_sim.core.world import STURDY
from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.messages import InformParams

JOBS_WAITING_MAX: Final = 4
_STURDY: Final = (STURDY,)
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
    HELD = (
        10  # waiting to try again what the hardware, or the network, did not allow: the task's retry interval
    )
    PAUSING = 11  # between the ranges of a slow download
    HANGING = 12  # doing nothing at all
    RETURNING = 13  # it runs again, and goes on with the job once it is in touch


class Point(Enum):
    """Where a job can be taken up again. `faults.At` has the same words, but for the last."""

    TOLD = "told"
    DOWNLOAD = "download"
    DOWNLOADED = "downloaded"
    INSTALL = "install"
    REBOOT = "reboot"
    UPDATED = "updated"
    FAILED = "failed"


class Terms(NamedTuple):
    """What a task passes on to its devices, where the platform does so; levels are per cent."""

    battery_min: int = 0
    signal_min: int = 0
    retries: int = 0  # how often a job may try again what time may mend
    interval_ms: int = 0  # before each of these


NO_TERMS: Final = Terms()


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
        "kind",
        "path",
        "point",
        "reason",
        "retries_left",
        "step",
        "target",
        "terms",
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
        self.terms = NO_TERMS
        self.retries_left = 0
        self.point = Point.TOLD  # where it goes on after a stage that says nothing of that
        self.step = 0  # the last one reported
        self.reason = ""
        self.tries = 0
        self.due_ms = NEVER


class Kept:
    """What is in the flash of a device without power: its job, and where that goes on."""

    __slots__ = ("job", "point")

    def __init__(self, job: Job, point: Point) -> None:
        self.job = job
        self.point = point


class State:
    """Everything about one device. `seed`, `profile` and the texts are shared or the identity's own."""

    __slots__ = (
        "attempts",
        "born_ms",
        "card_is_new",
        "card_report",
        "card_unposted",
        "device_id",
        "draws",
        "f_version",
        "finished",
        "iccid",
        "imsi",
        "job",
        "kept",
        "last_job",
        "link",
        "link_due_ms",
        "passed_ms",
        "plight",
        "present_since_ms",
        "profile",
        "s_version",
        "seed",
        "serial",
        "spare",
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
        self.spare: str | None = None  # what is in the module's other slot; see `slots`
        self.card_unposted = False
        self.card_is_new = (
            False  # put in, or not posted yet, when the power went: it is posted when that is back
        )
        self.born_ms = NEVER  # when it was first switched on: its levels are told from then on
        self.passed_ms = 0  # running time beyond the shell's clock
        self.plight: Plight | None = None if profile.world in _STURDY else Plight()
        self.kept: Kept | None = None
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

    @property
    def is_present(self) -> bool:
        """Whether its version report was answered, and the platform has not been lost since."""
        return self.link is Link.PRESENT

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way, anything is unanswered, or the power will be back by itself.

        A device that hangs until it is switched off and on is not: nothing happens there by itself.
        """
        if self.job is not None:
            return self.stage is not Stage.HANGING or self.job.due_ms != NEVER
        return (
            self.status_report is not None
            or self.version_report is not None
            or self.card_unposted
            or (self.link is Link.OFF and self.link_due_ms != NEVER)
        )

    @property
    def is_unanswered(self) -> bool:
        """Whether it waits for the answer to a report."""
        return not (self.version_report is self.status_report is self.card_report is None)

    @property
    def due_ms(self) -> int:
        """When it wants a `Tick`; NEVER for not at all."""
        due_ms = self.link_due_ms
        if self.job is not None and self.job.due_ms < due_ms:
            due_ms = self.job.due_ms
        for report in (self.status_report, self.version_report, self.card_report):
            if report is not None and report.due_ms < due_ms:
                due_ms = report.due_ms
        if self.plight is not None and self.plight.drop_due_ms < due_ms and self.link is not Link.OFF:
            due_ms = self.plight.drop_due_ms
        return due_ms

    @property
    def rest_due_ms(self) -> int:
        """When it goes on by itself, if that is a matter of its running time alone; NEVER if it is not."""
        if self.link is Link.OFF:
            return self.link_due_ms
        if self.job is None or self.stage is Stage.RETRYING:
            return NEVER
        return self.job.due_ms

    @property
    def is_asleep(self) -> bool:
        """Whether it is on, and does nothing about its connection: it boots, or hangs."""
        return self.stage is Stage.REBOOTING or self.stage is Stage.HANGING

    # what its tokens are signed by

    @property
    def skew_ms(self) -> int:
        """How far its clock is ahead of the account's."""
        return 0 if self.plight is None else self.plight.skew_ms

    @property
    def expired_tokens(self) -> int:
        """How many of the next tokens are to be expired ones."""
        return 0 if self.plight is None else sum(each.times for each in self.plight.all_of("expired_token"))

    def take_expired_token(self) -> bool:
        """Say whether the token that is signed now is to be an expired one, and count it."""
        return self.plight is not None and self.plight.strike("expired_token") is not None

    def pass_time(self, by_ms: int) -> None:
        """Let its running time go on; what waits for the network waits no less."""
        self.passed_ms += by_ms
        if self.link is Link.OFF:
            if self.link_due_ms != NEVER:
                self.link_due_ms -= by_ms
            return
        if self.rest_due_ms != NEVER:
            assert self.job is not None, "what rests, but for its power, has a job"
            self.job.due_ms -= by_ms
        if self.plight is not None and self.plight.drop_due_ms != NEVER:
            self.plight.drop_due_ms -= by_ms

    def note_finished(self, kind: UpdateKind, tid: int) -> None:
        """Remember that a job was done: told again, it is not done twice."""
        fota, sota = self.finished
        self.finished = (tid, sota) if kind is UpdateKind.FOTA else (fota, tid)

    def make_plight(self) -> Plight:
        """Give its plight, made when there is none."""
        if self.plight is None:
            self.plight = Plight()
        return self.plight
