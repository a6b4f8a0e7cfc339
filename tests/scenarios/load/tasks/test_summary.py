"""What a load of creators came to, without playing one."""

import pytest

from scenarios.load.far_end import FarEnd
from scenarios.load.fleet.usage import Usage
from scenarios.load.result import Audit
from scenarios.load.tasks.books import Books
from scenarios.load.tasks.plan import TaskPlan
from scenarios.load.tasks.summary import Course, summed_up
from scenarios.load.tasks.wanted import TaskLoad
from scenarios.load.tasks.wire import CREATE, DELAY, Totals
from scenarios.load.thresholds import Threshold

FAR = FarEnd(name="the stub", http_url="http://127.0.0.1:1", http=("127.0.0.1", 1), mqtt=None)
WANTED = TaskLoad(plan=TaskPlan(rate=50.0, duration_s=10.0), creators=20)


def course(*, due=500, begun=500, counts=None, **more):
    totals = Totals(due=due, begun=begun, deducted=100, **more.pop("totals", {}))
    made = Course(
        started_ms=0,
        seconds=10.0,
        totals=totals,
        before=Books(left=100, bought=0, entitled=0),
        after=Books(left=0, bought=0, entitled=100),
        audit=Audit(audited=True, how="I1-I7"),
        has_all=True,
        **more,
    )
    made.tally.take(CREATE, {10_000: begun} if counts is None else counts, 1.0)
    made.tally.take(DELAY, {700: begun}, 1.0)
    return made


@pytest.mark.parametrize(
    ("seen", "exit_code", "failures"),
    [
        (course(), 0, []),
        (course(begun=496), 0, []),
        (
            course(begun=123),
            1,
            [
                (
                    "50/s was not reached: 12.3/s done, 377 of 500 creations never begun; "
                    "20 creators could not do more, or the platform could not"
                )
            ],
        ),
        (course(begun=123, interrupted=True), 130, []),
        (course(begun=123, trouble=["the stub died"]), 3, []),
        (course(counts={}), 1, ["no task was created"]),
        (course(totals={"wrong": 2}), 1, ["2 answers against the rules, see the errors"]),
    ],
)
def test_a_load_that_is_not_the_one_that_was_asked_for_fails(seen, exit_code, failures):
    result = summed_up(WANTED, FAR, seen)
    assert (result.exit_code, list(result.failures)) == (exit_code, failures)


def test_thresholds_are_about_creations_and_errors_about_all_calls():
    seen = course()
    seen.tally.take("read task", {}, 1.0, {"no answer": 5})
    wanted = TaskLoad(
        plan=WANTED.plan,
        creators=20,
        thresholds=(Threshold.parse("--max-p99 10ms"), Threshold.parse("--max-errors 1%")),
    )
    kept, share = summed_up(wanted, FAR, seen).thresholds
    assert (kept.held, kept.seen, share.held, share.seen) == (
        True,
        "10.0 ms",
        True,
        "0.99 %",
    )  # 5 of 505: no late starts


def test_books_that_differ_from_the_answers_fail_it():
    seen = course()
    seen.after = Books(left=1, bought=0, entitled=99)
    result = summed_up(WANTED, FAR, seen)
    assert result.failures == ("the answers say 100 licences were deducted, and 99 went from the accounts",)
    assert "say the same" not in " ".join(figure.text for figure in result.figures)
    seen.has_all, seen.trouble = False, ["a Locust worker process is missing"]
    assert summed_up(WANTED, FAR, seen).failures == ()


def test_a_busy_locust_is_noted_and_its_start_is_not_counted():
    seen = course(
        usage=(Usage(cpu_s=3.0), Usage(cpu_s=10.5)), usage_at_start=(Usage(cpu_s=1.0), Usage(cpu_s=1.0))
    )
    result = summed_up(WANTED, FAR, seen)
    assert "Locust used 95 % of a core" in result.notes[0]
    assert {figure.name: figure.value for figure in result.figures if "CPU" in figure.name} == {
        "platform's CPU": 2.0, "Locust's CPU": 9.5,
    }  # fmt: skip
