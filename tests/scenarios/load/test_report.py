from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner
from msgspec import structs

from scenarios.cli import main
from scenarios.load.curves import POINTS_MAX, thin, whole_seconds
from scenarios.load.report import make_html, make_json, make_junit, text_lines, write_reports
from scenarios.load.result import (
    Audit,
    AuditFinding,
    Fact,
    Figure,
    LoadResult,
    Point,
    load_schema,
)
from scenarios.load.tally import Tally
from scenarios.load.thresholds import Threshold, judge_all

GOOD = Audit(audited=True, how="I1-I7 on 3 journal lines")
BAD = Audit(
    audited=True,
    how="I1-I7",
    findings=(AuditFinding(rule="I1", where="account <1>", expected="5", seen="4"),),
    findings_count=1,
)


def result(*said, audit=GOOD, errors=None, **more):
    tally = Tally()
    for second in range(12):
        tally.take("create task", {4_000: 9, 90_000 + second: 1}, second, errors if second == 3 else None)
    thresholds = judge_all([Threshold.parse(each) for each in said], tally.seen(12), "create task")
    return LoadResult(
        version="1.2.3",
        kind="create-task",
        title="load create-task",
        target="the <stub>",
        started_ms=1_600_000_000_000,
        seconds=12.0,
        main="create task",
        settings=(Fact(name="creators", text="20"),),
        measurements=tally.measurements(12, {"create task": "to its answer"}),
        errors=tally.error_counts(),
        thresholds=thresholds,
        figures=(Figure(name="licences", value=5, text="5 deducted"),),
        audit=audit,
        **more,
    )


CASES = {
    "kept": (result("--max-p99 300ms"), 0, "passed"),
    "missed": (result("--max-p99 50ms"), 1, "FAILED: 1 threshold missed"),
    "audit": (result(audit=BAD), 1, "FAILED: 1 finding of the audit"),
    "failed": (result(failures=("no task was created",)), 1, "FAILED: 1 failure"),
    "broken": (result(trouble=("the stub died (signal SIGKILL)",)), 3, "BROKEN: it could not be played to its end"),
    "stopped": (result(interrupted=True, trouble=("x",)), 130, "stopped before its end; what there was until then is above"),
    "not audited": (result(audit=Audit(audited=False, how="no books")), 0, "passed"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_exit_code_and_the_last_line_say_what_it_came_to(name):
    said, exit_code, last = CASES[name]
    lines = list(text_lines(said))
    assert (said.exit_code, lines[-1]) == (exit_code, last)
    assert "  create task   120       0      10.0  4.00 ms  90.0 ms  90.0 ms  90.0 ms  90.0 ms" in lines


@pytest.mark.parametrize("name", CASES)
def test_json_keeps_to_its_schema_and_reads_back(name):
    said = CASES[name][0]
    document = make_json(said)
    jsonschema.Draft202012Validator(load_schema()).validate(msgspec.json.decode(document))
    assert msgspec.json.decode(document, type=LoadResult) == said


def _read(document):
    return ET.fromstring(document)  # noqa: S314 - our own report


def test_junit_has_a_case_for_the_run_for_each_threshold_and_for_the_audit():
    document = make_junit(result("--max-p99 50ms", "--max-errors 0", audit=BAD, failures=("too few",)))
    cases = {case.get("name"): case for case in _read(document).iter("testcase")}
    assert list(cases) == ["the run", "--max-p99 50ms", "--max-errors 0", "the charging rules (audit)"]
    assert [name for name, case in cases.items() if case.find("failure") is not None] == [
        "the run", "--max-p99 50ms", "the charging rules (audit)",
    ]  # fmt: skip
    suite = _read(document).find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("4", "3")


def test_junit_of_what_was_stopped_or_not_audited():
    document = make_junit(result(interrupted=True, audit=Audit(audited=False, how="no books")))
    cases = {case.get("name"): case for case in _read(document).iter("testcase")}
    assert cases["the run"].find("error").get("message") == "stopped before its end"
    assert cases["the charging rules (audit)"].find("skipped").get("message") == "no books"


def test_the_page_needs_nothing_else_and_escapes_what_comes_from_the_run():
    page = make_html(result("--max-p99 50ms", audit=BAD, errors={"<script>alert(1)</script>": 2})).decode()
    assert page.count('class="plot"') == 2
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "the &lt;stub&gt;" in page
    assert 'src="' not in page
    for text in ("p99", "--max-p99 50ms", "account &lt;1&gt;", "Rate and durations over time, create task"):
        assert text in page


def test_the_same_result_gives_the_same_bytes(tmp_path):
    said = result()
    assert make_html(said) == make_html(said)
    assert [path.name for path in write_reports(said, tmp_path)] == [
        "junit.xml",
        "report.json",
        "report.html",
    ]


def test_a_result_with_nothing_in_it_can_be_reported():
    empty = structs.replace(result(trouble=("nobody answers",)), measurements=(), errors=(), exit_code=-1)
    assert "nobody answers" in make_html(empty).decode()
    assert b"nobody answers" in make_junit(empty)
    assert empty.exit_code == 3


def test_a_long_course_is_thinned_without_losing_its_peaks():
    points = [Point(second=at, count=10, p99_us=1_000 if at != 777 else 900_000) for at in range(3_600)]
    drawn = thin(points, POINTS_MAX)
    assert len(drawn) <= POINTS_MAX
    assert max(each.p99_us for each in drawn) == 900_000
    assert {each.count for each in drawn} == {10}


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [(3.04, (0, 1, 2)), (3, (0, 1, 2)), (4, (0, 1, 2, 3)), (9.5, (0, 1, 2, 3))],
)
def test_the_second_that_a_run_ends_in_is_no_rate(seconds, kept):
    points = [Point(second=at, count=50) for at in range(4)]
    assert tuple(each.second for each in whole_seconds(points, seconds)) == kept


def test_a_run_of_a_part_of_a_second_keeps_its_only_one():
    points = [Point(second=0, count=20)]
    assert whole_seconds(points, 0.4) == points


@pytest.mark.parametrize(
    ("kind", "said"), [("create-task", "exact to the microsecond"), ("fleet", "rounded to three digits")]
)
def test_the_page_says_how_exact_durations_are(kind, said):
    page = make_html(structs.replace(result(), kind=kind))
    assert f"Durations, {said}" in page.decode()


def test_the_schema_is_printed_by_the_command():
    result = CliRunner().invoke(main, ["schema", "--load-report"])
    assert (result.exit_code, msgspec.json.decode(result.stdout)) == (
        0,
        msgspec.json.decode(msgspec.json.encode(load_schema())),
    )
