"""What is left of a play that tells no more."""

from msgspec import structs

from scenarios.frames import LENGTH_BYTES, event_of, length_of, pack
from scenarios.heard import SAMPLES_MAX, Heard
from scenarios.loader.files import load_bytes
from scenarios.results import Sample, Seen
from scenarios.runner.events import PlayStarted, Sampled, StepEnded
from tests.scenarios.report.test_reports import PASSED

TEXT = b"""\
version: 1
name: x
fleets: {m: {count: 2}}
steps: [{id: E1, buy: 1}, {id: E2, buy: 1}]
"""


def sample(at):
    return Sample(seconds=at, clock_ms=at, purchased_left=at, free_left=0, jobs={"success": at})


def heard_of(tmp_path, *events):
    (play,) = load_bytes(TEXT, "x.yaml", tmp_path)
    shown = []
    heard = Heard(play, "embedded", shown.append)
    for event in events:
        heard(event)
    assert shown == list(events)
    return heard.result("broken", "the worker died", 3)


def test_steps_the_end_and_samples_are_remembered(tmp_path):
    result = heard_of(
        tmp_path,
        PlayStarted(devices=2, steps=2),
        StepEnded(result=PASSED),
        Sampled(sample=sample(1)),
        StepEnded(result=structs.replace(PASSED, id="T"), is_teardown=True),
    )
    assert [(step.id, step.verdict) for step in result.steps] == [("E1", "passed"), ("E2", "not_played")]
    assert [step.id for step in result.teardown] == ["T"]
    assert result.story.samples == (sample(1),)
    assert (result.verdict, result.reason, result.exit_code) == ("broken", "the worker died", 3)


def test_the_fee_is_what_the_last_step_that_looked_has_seen(tmp_path):
    looks = [structs.replace(PASSED, seen=Seen(fee_fen=fee)) for fee in (100, 300, None)]
    assert heard_of(tmp_path, *(StepEnded(result=look) for look in looks)).fee_fen == 300
    assert heard_of(tmp_path).fee_fen == 0


def test_samples_are_bounded_and_keep_their_ends(tmp_path):
    count = 3 * SAMPLES_MAX
    samples = heard_of(tmp_path, *(Sampled(sample=sample(at)) for at in range(count))).story.samples
    assert len(samples) <= SAMPLES_MAX
    assert (samples[0], samples[-1]) == (sample(0), sample(count - 1))


def test_events_travel_between_processes():
    for event in (Sampled(sample=sample(3)), StepEnded(result=PASSED, is_teardown=True)):
        frame = pack(event)
        assert length_of(frame[:LENGTH_BYTES]) == len(frame) - LENGTH_BYTES
        assert event_of(frame[LENGTH_BYTES:]) == event
