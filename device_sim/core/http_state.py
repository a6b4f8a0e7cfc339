"""What a device that speaks HTTP knows besides its job, and how it asks.

Data and the asking only: what happens is in `http_device`, what answers lead to in `http_answers`.
"""

from enum import IntEnum

from device_sim.core.dialect import NO_CHIP, NO_VERSION, Dialect
from device_sim.core.draw import Purpose, jittered
from device_sim.core.effects import Call, CallsAccepted, Effect, Outcome
from device_sim.core.job_moves import give_up
from device_sim.core.profile import Profile
from device_sim.core.state import Job, Link, Stage
from device_sim.core.talker import Talker
from device_sim.core.wheel import NEVER
from platform_stub.protocol.codes import Chip, UpdateKind


class Asked(IntEnum):
    """What a device has asked, and has no answer to yet."""

    NOTHING = 0
    VERSION = 1
    CHECK = 2
    TOKEN = 3
    STEP = 4


class HttpState(Talker):
    """What a device that speaks HTTP knows. A call is under way when something is asked and the link is up."""

    __slots__ = ("asked", "base", "chip", "dialect", "is_refused", "kind", "unasked")

    def __init__(  # noqa: PLR0913 - one argument a fact
        self,
        *,
        dialect: Dialect,
        base: str,
        device_id: int,
        seed: int,
        profile: Profile,
        f_version: str | None,
        s_version: str | None,
        iccid: str,
        imsi: str,
        chip: Chip = NO_CHIP,
    ) -> None:
        super().__init__(
            device_id=device_id,
            seed=seed,
            profile=profile,
            f_version=f_version,
            s_version=s_version,
            iccid=iccid,
            imsi=imsi,
        )
        self.dialect = dialect
        self.base = base
        self.chip = chip
        self.asked = Asked.NOTHING
        self.is_refused = False
        self.kind = UpdateKind.FOTA  # of the check under way, or of the next
        self.unasked = 0  # kinds to ask for before the next pause

    @property
    def is_calling(self) -> bool:
        """Whether the answer to a call is awaited."""
        return self.asked is not Asked.NOTHING and self.link >= Link.REPORTING

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way or a report is unanswered; asking for a job is not being busy."""
        return self.job is not None or self.asked is Asked.VERSION or self.card_unposted

    # what its job needs (`talker.Talker`)

    def tell_step(self, job: Job, step: int, _: int, out: list[Effect]) -> None:
        """Report it; it waits while the device is offline."""
        job.step = step
        ask(self, Asked.STEP, out)

    def tell_version(self, _: int, out: list[Effect]) -> None:
        """Report what runs now."""
        ask(self, Asked.VERSION, out)

    def restart(self, back_ms: int, _: list[Effect]) -> None:
        """Be offline until then, or for as long as it is already; no call is under way."""
        leave(self, max(back_ms, self.link_due_ms) if self.link is Link.WAITING else back_ms)

    def asks_first(self, _: int, out: list[Effect]) -> bool:
        """Have the job's token checked, where it has one."""
        if self.dialect.checks_token:
            ask(self, Asked.TOKEN, out)
        return self.dialect.checks_token

    def renew(self, job: Job, why: str, now_ms: int, out: list[Effect]) -> None:
        """Check again: the job is offered with another token."""
        job.tries += 1
        job.reason = why
        if job.tries >= self.profile.download_tries:
            give_up(self, job, why, now_ms, out)
            return
        if self.stage is Stage.FETCHING:
            self.stage = Stage.CHECKING
        self.kind = job.kind
        ask(self, Asked.CHECK, out)

    def job_over(self, _: Outcome, now_ms: int, __: list[Effect]) -> None:
        """Ask for the next job after a pause, unless the version report goes before it."""
        if not self.asked:
            pause(self, now_ms)


def ask(state: HttpState, what: Asked, out: list[Effect]) -> None:
    """Ask it, at once or as soon as the device is back."""
    state.asked = what
    if state.link >= Link.REPORTING:
        state.link_due_ms = NEVER
        out.append(spell(state, again=False))


def spell(state: HttpState, *, again: bool) -> Call:
    """Spell what is asked; `again`: not for the first time."""
    dialect, base = state.dialect, state.base
    match state.asked:
        case Asked.VERSION:
            call = dialect.version(base, state)
        case Asked.CHECK:
            call = dialect.check(base, state.kind, runs(state, state.kind) or NO_VERSION, state.chip)
        case Asked.TOKEN:
            assert state.job is not None, "a token is a job's"
            call = dialect.token_check(base, state.job)
        case Asked.STEP | _:
            assert state.job is not None, "a step is a job's"
            call = dialect.step(base, state.job)
    return Call(call.method, call.path, call.body, again=True) if again else call


def runs(state: HttpState, kind: UpdateKind) -> str | None:
    """Say what runs, of a kind."""
    return state.f_version if kind is UpdateKind.FOTA else state.s_version


def pause(state: HttpState, now_ms: int) -> None:
    """Ask for a job again after a while."""
    state.draws += 1
    state.link_due_ms = now_ms + jittered(
        state.profile.poll_ms, state.seed, state.device_id, Purpose.POLL, state.draws
    )


def leave(state: HttpState, back_ms: int) -> None:
    """Be offline until then."""
    state.link = Link.WAITING
    state.link_due_ms = back_ms
    state.present_since_ms = NEVER


def get_in(state: HttpState, now_ms: int, out: list[Effect]) -> None:
    """The platform is there, and takes this device."""
    state.attempts = 0
    state.card_unposted = False
    if state.is_refused:
        state.is_refused = False
        out.append(CallsAccepted())
    if state.link is not Link.PRESENT:
        state.link = Link.PRESENT
        state.present_since_ms = now_ms
