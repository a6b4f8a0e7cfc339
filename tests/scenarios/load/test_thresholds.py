import pytest

from platform_stub.protocol.errors import UsageFault
from scenarios.load.histogram import Histogram
from scenarios.load.thresholds import Seen, Threshold, judge_all, read_rate, show_us


def seen(*durations_us, errors=0, rate=50.0):
    return Seen(durations=Histogram.from_counts((us, 1) for us in durations_us), errors=errors, rate=rate)


@pytest.mark.parametrize(
    ("said", "durations", "errors", "rate", "held", "shown"),
    [
        ("--max-p99 300ms", (299_999,), 0, 1, True, "300 ms"),
        ("--max-p99 300ms", (300_000,), 0, 1, True, "300 ms"),
        ("--max-p99 300ms", (300_001,), 0, 1, False, "300 ms"),
        ("--max-p99 0.5ms", (501,), 0, 1, False, "501 µs"),
        ("--max-p99 500us", (500,), 0, 1, True, "500 µs"),
        ("--max-p99 1 min", (59_000_000,), 0, 1, True, "59.0 s"),
        ("--max-p50=2ms", (1_000, 1_500, 9_000_000), 0, 1, True, "1.50 ms"),
        ("--max-p99.9 2s", (1_000,) * 10, 0, 1, True, "1.00 ms"),
        ("--max-mean 1ms", (500, 1_700), 0, 1, False, "1.10 ms"),
        ("--max-max 1s", (1_000_001,), 0, 1, False, "1.00 s"),
        ("--max-errors 0", (1,), 0, 1, True, "0"),
        ("--max-errors 0", (1,), 1, 1, False, "1"),
        ("--max-errors 1%", (1,) * 99, 1, 1, True, "1.00 %"),
        ("--max-errors 1 %", (1,) * 98, 1, 1, False, "1.01 %"),
        ("--min-rate 40/s", (1,), 0, 40.0, True, "40.0/s"),
        ("--min-rate 2401/min", (1,), 0, 40.0, False, "40.0/s"),
    ],
)
def test_a_threshold_is_kept_or_missed(said, durations, errors, rate, held, shown):
    measured = {"create task": seen(*durations, errors=errors, rate=rate)}
    (verdict,) = judge_all([Threshold.parse(said)], measured, "create task")
    assert (verdict.held, verdict.seen) == (held, shown)
    assert verdict.option == said.replace("=", " ")


def test_errors_are_those_of_all_measurements_together():
    measured = {"create task": seen(1, 1), "read task": seen(1, errors=1)}
    count, share = judge_all(
        [Threshold.parse("--max-errors 0"), Threshold.parse("--max-errors 25%")], measured, "create task"
    )
    assert (count.held, count.seen, share.held, share.seen) == (False, "1", True, "25.00 %")


def test_a_measurement_of_another_name_has_its_own():
    measured = {"job": seen(1), "connect": seen(3_000_000)}
    (verdict,) = judge_all([Threshold.parse("--max-connect-p99 2s")], measured, "job")
    assert (verdict.held, verdict.wanted, verdict.seen) == (False, "at most 2.00 s", "3.00 s")


@pytest.mark.parametrize("said", ["--max-p99 1s", "--max-told-p99 1s", "--min-rate 1/s"])
def test_what_was_never_measured_does_not_hold(said):
    (verdict,) = judge_all([Threshold.parse(said)], {}, "create task")
    assert not verdict.held


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("--max-p99 fast", "'fast'"),
        ("--max-p99", "''"),
        ("--max-p99 0ms", "'0ms'"),
        ("--max-p98 1s", "--max-p98"),
        ("--max-errors 101%", "'101%'"),
        ("--max-errors -1", "'-1'"),
        ("--max-errors some", "'some'"),
        ("--min-rate 0/s", "'0/s'"),
        ("--min-rate 40/d", "'40/d'"),
        ("p99 1s", "p99"),
    ],
)
def test_what_is_none_is_named_with_what_is_wanted(said, named):
    with pytest.raises(UsageFault, match=r"such as|a threshold is") as caught:
        Threshold.parse(said)
    assert named in str(caught.value)


@pytest.mark.parametrize(("text", "rate"), [("50/s", 50), ("50", 50), ("120/min", 2), ("0.5/s", 0.5)])
def test_rates(text, rate):
    assert read_rate(text, "--rate") == rate


@pytest.mark.parametrize(
    ("us", "text"),
    [(0, "0 µs"), (999, "999 µs"), (1_000, "1.00 ms"), (99_940, "99.9 ms"), (12_345_678, "12.3 s")],
)
def test_durations_are_spelled_with_three_digits(us, text):
    assert show_us(us) == text
