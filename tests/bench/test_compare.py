import pytest

from bench.compare import is_worse, worse
from tests.bench.parts import goal, line, part


@pytest.mark.parametrize(
    ("then", "now", "more", "expected"),
    [
        (300, 201, True, False),
        (300, 199, True, True),
        (300, 900, True, False),
        (300, 399, False, False),
        (300, 401, False, True),
        (300, 10, False, False),
    ],
)
def test_worse_by_more_than_a_third(then, now, more, expected):
    assert is_worse(then, now, more_is_better=more) is expected


def test_a_cost_that_grew_and_a_rate_that_fell_are_named_with_both_values():
    then = part(lines=[line(jobs_s=(900, 1_000, 1_100), cpu_us=(50,))])
    now = part(lines=[line(jobs_s=(600,), cpu_us=(90,))])
    assert sorted(map(str, worse([then], [now]))) == [
        "brokers: 100 devices, ours, CPU a job, µs: 50 then, 90 now",
        "brokers: 100 devices, ours, jobs/s: 1,000 then, 600 now",
    ]


def test_medians_are_compared_not_single_rounds():
    then, now = part(lines=[line(cpu_us=(50, 50, 50))]), part(lines=[line(cpu_us=(51, 400, 52))])
    assert worse([then], [now]) == []


def test_a_peer_that_got_slower_is_no_finding():
    assert (
        worse(
            [part(lines=[line("mosquitto", cpu_us=(50,))])], [part(lines=[line("mosquitto", cpu_us=(500,))])]
        )
        == []
    )


def test_what_only_one_of_them_has_is_no_finding():
    assert worse([part()], [part(lines=[line(cpu_us=(5,))])]) == []
    assert worse([part("tasks")], [part("brokers", lines=[line(cpu_us=(5,))])]) == []


def test_on_another_machine_only_ratios_count():
    then = part(lines=[line(cpu_us=(50,))], goals=[goal(1.0, bound=1)], machine="64 cores")
    now = part(lines=[line(cpu_us=(90,))], goals=[goal(2.0, bound=1)])
    found = worse([then], [now])
    assert {(finding.what, finding.counts) for finding in found} == {
        ("100 devices, ours, CPU a job, µs", False),
        ("ours / mosquitto", True),
    }
    assert "kept on another machine" in str(next(finding for finding in found if not finding.counts))


def test_a_goal_in_milliseconds_is_no_ratio():
    then = part(goals=[goal(50, unit="ms")], machine="64 cores")
    (finding,) = worse([then], [part(goals=[goal(90, unit="ms")])])
    assert not finding.counts
