"""What a device that speaks HTTP knows besides its job, and how it asks.

Data and the asking only: what happens is in `http_device`, what answers lead to in `http_answers`.
"""

from enum import IntEnum

from device_sim.core import link
from device_sim.core.dialect import NO_CHIP, NO_VERSION, Dialect
from device_sim.core.draw import Purpose, jittered
from device_sim.core.effects import Call, CallsAccepted, Effect, Outcome, Struck
from device_sim.core.job_ends import give_up
from device_sim.core.plight import Plight
from device_sim.core.profile import Profile
from device_sim.core.slots import runs
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
    def is_unanswered(self) -> bool:
        """Whether a call is under way."""
        return self.is_calling

    @property
    def is_calling(self) -> bool:
        """Whether the answer to a call is awaited."""
        return self.asked is not Asked.NOTHING and self.link >= Link.REPORTING

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way or a report is unanswered; asking for a job is not being busy."""
        return self.asked is Asked.VERSION or super().is_busy

    # what its job needs (`talker.Talker`)

    def tell_step(self, job: Job, step: int, now_ms: int, out: list[Effect]) -> None:
        """Report it; it waits while the device is offline."""
        job.step = step
        ask(self, Asked.STEP, now_ms, out)

    def tell_version(self, now_ms: int, out: list[Effect]) -> None:
        """Report what runs now."""
        ask(self, Asked.VERSION, now_ms, out)

    def sleep(self, _: list[Effect]) -> None:
        """Be offline; no call is under way."""
        leave(self, NEVER)

    def freeze(self, _: list[Effect]) -> None:
        """Do nothing; no call is under way."""
        self.link_due_ms = NEVER

    def thaw(self, now_ms: int, out: list[Effect]) -> None:
        """Come back where it is offline."""
        if self.link is Link.WAITING:
            self.wake(now_ms, out)

    def lose_link(self, _: int, __: list[Effect]) -> None:
        """Lose nothing but the download: no call is under way."""

    def asks_first(self, now_ms: int, out: list[Effect]) -> bool:
        """Have the job's token checked, where it has one."""
        if self.dialect.checks_token:
            ask(self, Asked.TOKEN, now_ms, out)
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
        ask(self, Asked.CHECK, now_ms, out)

    def job_over(self, _: Outcome, now_ms: int, __: list[Effect]) -> None:
        """Ask for the next job after a pause, unless the version report goes before it."""
        if not self.asked:
            pause(self, now_ms)


def ask(state: HttpState, what: Asked, now_ms: int, out: list[Effect]) -> None:
    """Ask it, at once or as soon as the device is back."""
    if state.plight is not None and what is Asked.CHECK and _is_silent(state, state.plight, now_ms, out):
        return
    state.asked = what
    if state.link >= Link.REPORTING:
        state.link_due_ms = NEVER
        if state.plight is None:
            out.append(spell(state, again=False))
        else:
            call(state, now_ms, out, again=False)


def call(state: HttpState, now_ms: int, out: list[Effect], *, again: bool) -> None:
    """Call for what is asked; a fault may have the call lost, or spell it wrong."""
    if state.plight is not None:
        if state.asked is Asked.STEP and _is_lost(state, state.plight, now_ms, out):
            return
        if state.asked is Asked.CHECK and state.plight.strike("check_fails") is not None:
            out += (
                Struck("check_fails", "asks in a way that can't be read"),
                _garbled(spell(state, again=again)),
            )
            return
    out.append(spell(state, again=again))


def spell(state: HttpState, *, again: bool) -> Call:
    """Spell what is asked; `again`: not for the first time."""
    dialect, base = state.dialect, state.base
    match state.asked:
        case Asked.VERSION:
            spelled = dialect.version(base, state)
        case Asked.CHECK:
            spelled = dialect.check(base, state.kind, runs(state, state.kind) or NO_VERSION, state.chip)
        case Asked.TOKEN:
            assert state.job is not None, "a token is a job's"
            spelled = dialect.token_check(base, state.job)
        case Asked.STEP | _:
            assert state.job is not None, "a step is a job's"
            spelled = dialect.step(base, state.job)
    return Call(spelled.method, spelled.path, spelled.body, again=True) if again else spelled


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


def _is_silent(state: HttpState, plight: Plight, now_ms: int, out: list[Effect]) -> bool:
    """Whether it keeps from asking for a job, and waits for the next time; a token is renewed all the same."""
    if state.job is not None:
        return False
    each = plight.first("silent")
    if each is None:
        return False
    if not each.is_told:
        each.is_told = True
        out.append(Struck("silent", "does not ask for a job"))
    each.spend()
    state.asked, state.unasked = Asked.NOTHING, 0
    pause(state, now_ms)
    return True


def _is_lost(state: HttpState, plight: Plight, now_ms: int, out: list[Effect]) -> bool:
    """Whether the report gets lost; the device waits for its answer in vain, and asks again later."""
    step = 0 if state.job is None else state.job.step
    if plight.strike_report("lose_reports", step) is None:
        return False
    out.append(Struck("lose_reports", f"the report of step {step} got lost"))
    link.back_off(state, now_ms, refused=False)
    return True


def _garbled(spelled: Call) -> Call:
    """Spell a check without the type that it has to have."""
    return Call(spelled.method, spelled.path.replace("type=", "typ="), spelled.body, spelled.again)
