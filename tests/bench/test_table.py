from bench.compare import Worse
from bench.figures import Line, Spread
from bench.table import goals_table, lines_table, part_text, spread_text, summary
from tests.bench.parts import goal, line, part


def test_a_figure_shows_its_median_and_its_ends_in_brackets():
    assert spread_text(Spread((1_200.4, 1_000.0, 1_300.0)), 0) == "1,200 (1,000–1,300)"
    assert spread_text(Spread((1_200.4, 1_200.3)), 0) == "1,200"


def test_each_side_is_a_row_and_each_figure_that_anyone_has_a_column():
    lines = [
        line(jobs_s=(9_000,)),
        line("mosquitto", cpu_us=(90,)),
        Line(what="100 devices", side="aedes", who="aedes", note="not measured: no node"),
    ]
    assert lines_table(lines).splitlines() == [
        "| what | who | jobs/s | CPU a job, µs | to be said |",
        "| --- | --- | --- | --- | --- |",
        "| 100 devices | **ours 1.0** | 9,000 |  |  |",
        "| 100 devices | mosquitto 1.0 |  | 90 |  |",
        "| 100 devices | aedes |  |  | not measured: no node |",
    ]


def test_goals_say_their_bound_and_whether_it_was_held():
    goals = [
        goal(0.5, bound=1),
        goal(2.0, bound=1),
        goal(600, bound=500, unit="ms", digits=0, more_is_better=True),
        goal(3.0),
    ]
    assert goals_table(goals).splitlines()[2:] == [
        "| ours / mosquitto | 0.50 | at most 1 | yes |",
        "| ours / mosquitto | 2.00 | at most 1 | **no** |",
        "| ours / mosquitto | 600 ms | at least 500 ms | yes |",
        "| ours / mosquitto | 3.00 |  |  |",
    ]


def test_a_part_ends_with_what_it_was_measured_on():
    assert part_text(part(lines=[line(jobs_s=(1,))])).endswith(
        "Measured on 2 cores; Python 3. Quick form, 61 s."
    )


def test_the_summary_names_what_was_missed_what_is_without_figures_and_what_got_worse():
    without = Line(what="100 devices", side="aedes", who="aedes", note="not measured: no node")
    found = [Worse(part="brokers", what="jobs/s", then=10, now=1, counts=True)]
    text = summary(
        [part(lines=[line(jobs_s=(1,)), without], goals=[goal(2.0, bound=1), goal(0.1, bound=1)])],
        found,
        "figures.json",
    )
    assert text.splitlines() == [
        "1 part in 1.0 min, 1 figure, 2 goals, 1 missed",
        "missed:",
        "  brokers: ours / mosquitto: 2.00, wanted at most 1",
        "without figures:",
        "  brokers, 100 devices: aedes: not measured: no node",
        "worse by more than a third than in figures.json:",
        "  brokers: jobs/s: 10 then, 1 now",
    ]


def test_a_summary_of_all_well():
    assert summary([part()], [], "figures.json").splitlines()[1:] == [
        "missed: none",
        "without figures: none",
        "worse by more than a third than in figures.json: none",
    ]
    assert summary([part()], [], "").splitlines()[-1] == "worse by more than a third: nothing to compare with"
