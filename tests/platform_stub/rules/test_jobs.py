"""Every (state, step) and (state, signal) pair, legal or not."""

import itertools

import pytest

from platform_stub.protocol.codes import JobState
from platform_stub.rules.jobs import TRANSITIONS, Moved, Signal, StepRefusal, report, signal, signal_of

P, D, U, S, F, C = JobState
ENDED = (S, F, C)

# Written from section 5 of the protocol facts, by hand; every pair that is not here is refused.
LEGAL_STEPS = {
    **{(D, step): D for step in range(100)},
    **{(state, step): U for state in (P, D) for step in (100, 101)},
    **{(state, step): F for state in (P, D) for step in range(102, 108)},
    **{(state, 201): S for state in (P, D, U)},
    **{(state, step): F for state in (P, D, U) for step in range(202, 209)},
}


@pytest.mark.parametrize("state", JobState)
def test_every_step_in_every_state(state):
    for step in range(-2, 300):
        answer = report(state, None, step)
        expected = LEGAL_STEPS.get((state, step))
        if expected is not None:
            assert answer == Moved(state=expected, step=step), (state, step)
        elif signal_of(step) is None:
            assert answer is StepRefusal.NOT_A_STEP, (state, step)
        elif state in ENDED:
            assert answer is StepRefusal.FINISHED, (state, step)
        else:
            assert answer is StepRefusal.OUT_OF_PLACE, (state, step)


@pytest.mark.parametrize(("state", "step"), [*LEGAL_STEPS])
def test_the_step_that_led_here_repeated_writes_nothing(state, step):
    led_to = LEGAL_STEPS[state, step]
    assert report(led_to, step, step) == Moved(state=led_to, step=step, changed=False)


@pytest.mark.parametrize("state", JobState)
def test_a_repeated_step_is_no_success_where_it_did_not_lead(state):
    """A job that was cancelled, expired or completed otherwise after its step 101: the step led elsewhere."""
    for step in range(300):
        if signal_of(step) is None:
            continue
        led_here = any(LEGAL_STEPS.get((was, step)) is state for was in (P, D, U))
        answer = report(state, step, step)
        assert (answer == Moved(state=state, step=step, changed=False)) == led_here, (state, step)
        if state in ENDED and not led_here:
            assert answer is StepRefusal.FINISHED


def test_another_step_after_the_end_is_refused():
    assert report(S, 201, 205) is StepRefusal.FINISHED
    assert report(F, 205, 201) is StepRefusal.FINISHED
    assert report(C, None, 201) is StepRefusal.FINISHED


LEGAL_SIGNALS = {
    (P, Signal.STARTED): D,
    **{(state, Signal.TARGET_REPORTED): S for state in (P, D, U)},
    **{(state, Signal.CANCELLED): C for state in (P, D, U)},
    **{(state, Signal.EXPIRED): F for state in (P, D, U)},
}


@pytest.mark.parametrize(
    ("state", "what"),
    list(
        itertools.product(
            JobState, [Signal.STARTED, Signal.TARGET_REPORTED, Signal.CANCELLED, Signal.EXPIRED]
        )
    ),
)
def test_every_signal_in_every_state(state, what):
    answer = signal(state, 42, what)
    if (state, what) in LEGAL_SIGNALS:
        assert answer == Moved(state=LEGAL_SIGNALS[state, what], step=42)
    elif what is Signal.STARTED and state in (D, U):
        assert answer == Moved(state=state, step=42, changed=False)
    else:
        assert answer is StepRefusal.FINISHED


def test_arrears_hold_a_pending_job_and_no_other():
    """P10: pending jobs are held, those under way go on."""
    assert signal(P, None, Signal.STARTED, held=True) is StepRefusal.HELD
    assert report(P, None, 101, held=True) is StepRefusal.HELD
    assert signal(P, None, Signal.CANCELLED, held=True) == Moved(state=C, step=None)
    assert report(D, None, 101, held=True) == Moved(state=U, step=101)
    assert report(U, 101, 201, held=True) == Moved(state=S, step=201)


def test_the_table_leads_out_of_open_states_only():
    assert {state for state, _ in TRANSITIONS} == {P, D, U}
