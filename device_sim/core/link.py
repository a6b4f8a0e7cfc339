"""The MQTT connection's comings and goings: when to connect, and how long to wait after it did not work."""

from device_sim.core.draw import Purpose, draw_below, jittered
from device_sim.core.effects import Connect, Disconnect, Effect
from device_sim.core.reports import hold_all
from device_sim.core.state import Link, State
from device_sim.core.wheel import NEVER

_DOUBLINGS_MAX = 20


def start(state: State, now_ms: int) -> None:
    """Wait a moment of its own, so that a fleet does not come all at once."""
    jitter_ms = state.profile.start_jitter_ms
    state.link = Link.WAITING
    state.link_due_ms = now_ms + draw_below(
        jitter_ms + 1, state.seed, state.device_id, Purpose.START, state.attempts
    )


def connect(state: State, out: list[Effect]) -> None:
    """Ask for the connection."""
    state.link = Link.CONNECTING
    state.link_due_ms = NEVER
    out.append(Connect())


def switch_on(state: State, now_ms: int) -> None:
    """Begin: the device's age is counted from the first time on, and its card may be told then."""
    if state.born_ms == NEVER:
        state.born_ms = now_ms + state.passed_ms
        state.card_is_new |= state.profile.posts_card and bool(state.iccid)
    state.card_unposted, state.card_is_new = state.card_is_new, False
    start(state, now_ms)


def switch_off(state: State, due_ms: int) -> None:
    """Be off until then; NEVER for until it is switched on."""
    state.link, state.link_due_ms = Link.OFF, due_ms
    state.present_since_ms = NEVER
    state.attempts = 0


def go_offline(state: State, until_ms: int, out: list[Effect]) -> None:
    """Leave on purpose, and come back at that time."""
    if state.link >= Link.CONNECTING:
        out.append(Disconnect())
    hold_all(state)
    state.present_since_ms = NEVER
    if state.link is not Link.OFF:
        state.link = Link.WAITING
        state.link_due_ms = until_ms


def oversleep(state: State, until_ms: int) -> None:
    """Boot, or hang, until then at least, and be offline meanwhile."""
    assert state.job is not None, "it boots, or hangs, in a job"
    state.link_due_ms = NEVER
    state.job.due_ms = max(state.job.due_ms, until_ms)


def back_off(state: State, now_ms: int, *, refused: bool) -> None:
    """Wait longer each time, with jitter; a connection that had been good for a while begins anew."""
    profile = state.profile
    if now_ms - state.present_since_ms >= profile.stable_ms:
        state.attempts = 0
    base_ms = profile.refused_base_ms if refused else profile.backoff_base_ms
    span_ms = min(base_ms << min(state.attempts, _DOUBLINGS_MAX), profile.backoff_max_ms)
    state.attempts += 1
    state.draws += 1
    wait_ms = jittered(span_ms, state.seed, state.device_id, Purpose.BACKOFF, state.draws)
    hold_all(state)
    state.present_since_ms = NEVER
    state.link = Link.WAITING
    state.link_due_ms = now_ms + wait_ms
