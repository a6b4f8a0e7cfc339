"""junit.xml, conform.json and the console, from verdicts made by hand."""

import io
import json
from xml.etree.ElementTree import fromstring

import pytest
from rich.console import Console

from scenarios.conform.cases import CASES
from scenarios.conform.reports import make_json, make_junit, write_reports
from scenarios.conform.show import Show, list_cases
from scenarios.conform.verdicts import CaseResult, SuiteResult, Verdict
from scenarios.report_files import ReportFault


def case(name, verdict, **more):
    known = {
        "title": f"Title of {name}",
        "group": "good",
        "flow": "mqtt",
        "facts": ("M-1", "R-5"),
        "wanted": "",
        "reason": "",
        "seconds": 1.25,
        "output": [],
        "wire": [],
        "folder": "/k",
    }
    return CaseResult(id=name, verdict=verdict, **{**known, **more})


PASSED = case("fota", Verdict.PASSED)
FAILED = case(
    "resume",
    Verdict.FAILED,
    flow="fuse",
    wanted="it asks for the rest <with> a Range",
    reason="within 10 s it did not come: [0]",
    output=["a line \x00 & more [red]"],
    wire=["   0.204 http -> download  GET /x"],
)
SKIPPED = case("card", Verdict.SKIPPED, reason="optional, and not so here: no card")


def suite(*cases, interrupted=False):
    return SuiteResult(
        entrypoint="./dev --x",
        flows=("mqtt", "fuse"),
        version="0.1.0",
        started_ms=1_767_225_600_000,
        seconds=31.2,
        patience=1.0,
        cases=list(cases),
        planned=4,
        interrupted=interrupted,
    )


ALL = suite(PASSED, FAILED, SKIPPED)


def test_the_exit_code():
    assert [suite(PASSED, SKIPPED).exit_code, ALL.exit_code, suite(FAILED, interrupted=True).exit_code] == [
        0,
        1,
        130,
    ]


def test_junit_has_a_suite_for_each_flow():
    root = fromstring(make_junit(ALL))  # noqa: S314 - our own document
    assert root.attrib == {
        "name": "ota-sim conform", "time": "31.200", "tests": "3", "failures": "1", "errors": "0", "skipped": "1",
    }  # fmt: skip
    mqtt, fuse = root.findall("testsuite")
    assert (mqtt.get("name"), mqtt.get("tests"), mqtt.get("skipped"), mqtt.get("timestamp")) == (
        "conform mqtt", "2", "1", "2026-01-01T00:00:00",
    )  # fmt: skip
    assert [found.get("name") for found in mqtt.findall("testcase")] == [
        "fota: Title of fota",
        "card: Title of card",
    ]
    failure = fuse.find("testcase/failure")
    assert failure.get("message") == "wanted: it asks for the rest <with> a Range"
    assert "rests on M-1, R-5" in failure.text
    assert "a line \N{REPLACEMENT CHARACTER} & more [red]" in failure.text


def test_json_says_it_all():
    said = json.loads(make_json(ALL))
    assert (said["format_version"], said["exit_code"], said["planned"]) == (1, 1, 4)
    assert said["counts"] == {"passed": 1, "failed": 1, "skipped": 1}
    assert said["cases"][1]["verdict"] == "failed"
    assert said["cases"][1]["wire"] == FAILED.wire


def test_files_are_written_whole(tmp_path):
    written = write_reports(ALL, tmp_path / "new")
    assert [path.rpartition("/")[2] for path in written] == ["junit.xml", "conform.json"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["conform.json", "junit.xml"]


def test_a_folder_that_can_not_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportFault, match=r"junit.xml can't be written"):
        write_reports(ALL, tmp_path / "file")


def shown(*results, terminal=False, folder="", **more):
    out = io.StringIO()
    console = Console(
        file=out, width=100, force_terminal=terminal, no_color=not terminal, markup=False, highlight=False
    )
    with Show(console, 4, many_flows=False) as show:
        show.case_began(CASES[0], "mqtt")
        for result in results:
            show.case_ended(result)
    show.summary(suite(*results, **more), ["r/junit.xml"], folder=folder)
    return out.getvalue()


def test_a_line_for_each_case_and_all_of_a_failure():
    assert shown(PASSED, FAILED, SKIPPED) == (
        "passed  fota                     Title of fota\n"
        "failed  resume                   Title of resume\n"
        "          wanted: it asks for the rest <with> a Range\n"
        "          but:    within 10 s it did not come: [0]\n"
        "          rests on M-1, R-5 of docs/protocol.md\n"
        "          the last on the wire:\n"
        "               0.204 http -> download  GET /x\n"
        "          the last the program wrote:\n"
        "            | a line \x00 & more [red]\n"
        "skipped card                     Title of card\n"
        "          optional, and not so here: no card\n"
        "\n"
        "1 passed, 1 failed, 1 skipped, 1 not played, in 31 s\n"
        "written: r/junit.xml\n"
        "--keep DIR keeps each case's output and wire; --only CASE plays one of them alone\n"
    )


def test_where_the_evidence_is():
    assert "output and wire of each case: traces" in shown(FAILED, folder="traces")


def test_a_terminal_sees_what_is_played():
    assert "0/4 played; now versions-first" in shown(PASSED, terminal=True)


def test_the_list_says_what_is_special():
    lines = list_cases(CASES)
    assert lines[0] == "good:"
    assert "  card                     It reports its card (mqtt) (optional)" in lines
    assert "hostile:" in lines
