"""Every (state, step) and (state, signal) pair, legal or not: free, held, paused, not started, strict, repeated."""

import itertools

import pytest

from platform_stub.protocol.codes import JobState
from platform_stub.rules.jobs import (
    STRICT,
    TRANSITIONS,
    Hold,
    Moved,
    Signal,
    StepRefusal,
    ending,
    hold_of,
    is_overdue,
    report,
    signal,
    signal_of,
    stopped,
)

P, D, U, S, F, C = JobState
ALL_STEPS = range(-2, 300)

# Written from section 5 of the protocol facts, by hand; every pair that is not here is refused.
LEGAL_STEPS = {
    **{(D, step): D for step in range(100)},
    (D, 100): U,
    **{(state, 101): U for state in (P, D)},
    **{(state, step): F for state in (P, D) for step in range(102, 108)},
    **{(state, 201): S for state in (P, D, U)},
    **{(state, step): F for state in (P, D, U) for step in range(202, 209)},
}
# The page that wants 101 before 201.
STRICT_STEPS = {pair: to for pair, to in LEGAL_STEPS.items() if pair not in {(P, 201), (D, 201)}}
TABLES = {False: LEGAL_STEPS, True: STRICT_STEPS}
STEPS = {*range(108), *range(201, 209)}
# What a hold stops, by hand: P10 for arrears, section 7 for the pause.
STOPS = {
    (Hold.NOT_STARTED, P): StepRefusal.NOT_STARTED,
    (Hold.ARREARS, P): StepRefusal.HELD,
    (Hold.PAUSED, P): StepRefusal.PAUSED,
    (Hold.PAUSED, D): StepRefusal.PAUSED,
}
# How a job may have ended, with the last step that it kept.
ENDS = {
    (S, 201): StepRefusal.FINISHED,
    (S, None): StepRefusal.AT_TARGET,
    (S, 50): StepRefusal.AT_TARGET,
    (S, 101): StepRefusal.AT_TARGET,
    (F, 105): StepRefusal.FINISHED,
    (F, 206): StepRefusal.FINISHED,
    (F, 208): StepRefusal.EXPIRED,
    (C, None): StepRefusal.CANCELLED,
    (C, 101): StepRefusal.CANCELLED,
}


def expected_of(state, last_step, step, hold, table):
    if step not in STEPS:
        return StepRefusal.NOT_A_STEP
    if last_step == step and any(table.get((was, step)) is state for was in (P, D, U)):
        return Moved(state=state, step=step, changed=False)
    if (state, last_step) in ENDS:
        return ENDS[state, last_step]
    if (hold, state) in STOPS:
        return STOPS[hold, state]
    to = table.get((state, step))
    return StepRefusal.OUT_OF_PLACE if to is None else Moved(state=to, step=step)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("hold", Hold)
@pytest.mark.parametrize(("state", "last_step"), [(P, None), (D, None), (D, 50), (U, 100), (U, 101), *ENDS])
def test_every_step_in_every_state_under_every_hold(state, last_step, hold, strict):
    for step in ALL_STEPS:
        answer = report(state, last_step, step, hold=hold, strict=strict)
        assert answer == expected_of(state, last_step, step, hold, TABLES[strict]), (state, step)


def test_the_documents_example_line_by_line():
    """A few pairs in plain words, so that the table above is not the only witness."""
    assert report(P, None, 201) == Moved(state=S, step=201)
    assert report(P, None, 201, strict=True) is StepRefusal.OUT_OF_PLACE
    assert report(D, None, 201, strict=True) is StepRefusal.OUT_OF_PLACE
    assert report(U, 101, 201, strict=True) == Moved(state=S, step=201)
    assert report(P, None, 0) is StepRefusal.OUT_OF_PLACE
    assert report(D, 10, 9) == Moved(state=D, step=9)
    assert report(U, 100, 101) is StepRefusal.OUT_OF_PLACE  # never both
    assert report(U, 101, 206, strict=True) == Moved(state=F, step=206)


@pytest.mark.parametrize(("state", "step"), [*LEGAL_STEPS])
@pytest.mark.parametrize("hold", Hold)
def test_the_step_that_led_here_repeated_writes_nothing(state, step, hold):
    led_to = LEGAL_STEPS[state, step]
    assert report(led_to, step, step, hold=hold) == Moved(state=led_to, step=step, changed=False)


@pytest.mark.parametrize("state", JobState)
def test_a_repeated_step_is_no_success_where_it_did_not_lead(state):
    """A job that was cancelled, expired or completed otherwise after its step 101: the step led elsewhere."""
    for step in STEPS:
        led_here = any(LEGAL_STEPS.get((was, step)) is state for was in (P, D, U))
        answer = report(state, step, step)
        assert (answer == Moved(state=state, step=step, changed=False)) == led_here, (state, step)


def test_another_step_after_the_end_is_refused():
    assert report(S, 201, 205) is StepRefusal.FINISHED
    assert report(F, 205, 201) is StepRefusal.FINISHED
    assert report(C, None, 201) is StepRefusal.CANCELLED
    assert report(F, 208, 201) is StepRefusal.EXPIRED
    assert report(S, 101, 201) is StepRefusal.AT_TARGET


@pytest.mark.parametrize("state", JobState)
def test_an_ending_is_told_by_the_last_step(state):
    for last_step in (None, *STEPS):
        expected = ENDS.get((state, last_step))
        if expected is None and state is S:
            expected = StepRefusal.AT_TARGET
        elif expected is None and state is F:
            expected = StepRefusal.FINISHED
        elif state is C:
            expected = StepRefusal.CANCELLED
        assert ending(state, last_step) is expected, (state, last_step)


LEGAL_SIGNALS = {
    (P, Signal.STARTED): D,
    **{(state, Signal.TARGET_REPORTED): S for state in (P, D, U)},
    **{(state, Signal.CANCELLED): C for state in (P, D, U)},
    **{(state, Signal.EXPIRED): F for state in (P, D, U)},
}
# A version report equal to the target ends what is pending (documented); the rest is inferred.
STRICT_SIGNALS = {
    pair: to
    for pair, to in LEGAL_SIGNALS.items()
    if pair not in {(D, Signal.TARGET_REPORTED), (U, Signal.TARGET_REPORTED)}
}
SIGNALS = [Signal.STARTED, Signal.TARGET_REPORTED, Signal.CANCELLED, Signal.EXPIRED]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("state", "what", "hold"), list(itertools.product(JobState, SIGNALS, Hold)))
def test_every_signal_in_every_state_under_every_hold(state, what, hold, strict):
    answer = signal(state, 42, what, hold=hold, strict=strict)
    if state in (S, F, C):
        assert answer is {S: StepRefusal.AT_TARGET, F: StepRefusal.FINISHED, C: StepRefusal.CANCELLED}[state]
    elif what is Signal.STARTED and state is P and (hold, P) in STOPS:
        assert answer is STOPS[hold, P]
    elif (state, what) in (STRICT_SIGNALS if strict else LEGAL_SIGNALS):
        step = 208 if what is Signal.EXPIRED else 42
        assert answer == Moved(state=LEGAL_SIGNALS[state, what], step=step)
    elif what is Signal.STARTED:
        assert answer == Moved(state=state, step=42, changed=False)  # a paused download is still served
    else:
        assert answer is StepRefusal.OUT_OF_PLACE


@pytest.mark.parametrize(("hold", "state"), list(itertools.product(Hold, JobState)))
def test_what_a_hold_stops(hold, state):
    assert stopped(state, hold) is STOPS.get((hold, state))


@pytest.mark.parametrize(
    ("now_ms", "is_paused", "in_arrears", "expected"),
    [
        (100, False, False, Hold.FREE),
        (100, False, True, Hold.ARREARS),
        (100, True, False, Hold.PAUSED),
        (100, True, True, Hold.PAUSED),  # a pause also stops a download's steps
        (99, False, False, Hold.NOT_STARTED),
        (99, True, True, Hold.NOT_STARTED),
    ],
)
def test_what_holds_a_job(now_ms, is_paused, in_arrears, expected):
    assert hold_of(now_ms=now_ms, starts_ms=100, is_paused=is_paused, in_arrears=in_arrears) is expected


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize(
    ("now_ms", "held_since_ms", "is_over", "is_over_when_pending"),
    [
        (99, None, False, False),
        (100, None, True, True),  # exactly the deadline is over
        (100, 99, True, False),
        (10_000, 99, True, False),
        (10_000, 100, True, True),  # due before the hold began
        (10_000, 5_000, True, True),
        (99, 50, False, False),
    ],
)
def test_arrears_stop_the_clock_of_what_is_pending(
    state, now_ms, held_since_ms, is_over, is_over_when_pending
):
    """P10: expiry stands still for pending jobs until the arrears are cleared."""
    expected = {P: is_over_when_pending, D: is_over, U: is_over}.get(state, False)
    assert is_overdue(state, now_ms=now_ms, deadline_ms=100, held_since_ms=held_since_ms) is expected


def test_the_tables_lead_out_of_open_states_only_and_strict_is_a_part():
    assert {state for state, _ in TRANSITIONS} == {P, D, U}
    assert STRICT.items() < TRANSITIONS.items()


def test_every_step_has_a_signal_and_nothing_else_has():
    assert {step for step in ALL_STEPS if signal_of(step) is not None} == STEPS
