"""Reports: valid, complete, and written whole or not at all."""

import json
import os
import platform
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from click.testing import CliRunner
from msgspec import structs

from platform_stub.protocol.operator import Policy
from scenarios.cli.schema import schema
from scenarios.loader.files import load_bytes
from scenarios.play import Play
from scenarios.report import write_reports
from scenarios.report.document import report_schema
from scenarios.report.files import make_room
from scenarios.report.html import make_html
from scenarios.report.json_report import make_json
from scenarios.report.junit import make_junit
from scenarios.report_files import ReportFault
from scenarios.results import (
    AuditResult,
    DeviceStory,
    Difference,
    FleetFigures,
    FlowFigures,
    PlayResult,
    RunResult,
    Sample,
    Seen,
    StepResult,
    Story,
    StoryEntry,
    result_of,
)

PASSED = StepResult(
    id="E1",
    title="a task",
    action="create_task",
    verdict="passed",
    expected={"left": 0},
    seen=Seen(outcome="created", needed=5, available=5, missing=0, deducted=5, left=0, jobs={"success": 5}),
    at_ms=7,
    seconds=0.5,
)
FAILED = StepResult(
    id="E2",
    title="<none> & \x00\ufffe ünïcödé License余量不足",
    action="check",
    verdict="failed",
    expected={"left": 1, "balance_fen": 1_500},
    seen=Seen(left=0),
    differences=(
        Difference(what="left", expected=1, seen=0),
        Difference(what="balance_fen", expected=1_500, seen=None),
        Difference(what="needed", expected=3_000, seen=4, by="prediction"),
    ),
    note="something took too long",
)
MIXED = {
    "mqtt": FlowFigures(devices=2, jobs_succeeded=1_000, jobs_failed=0, jobs_ended=0, calls=0),
    "south": FlowFigures(devices=1, jobs_succeeded=1, jobs_failed=2, jobs_ended=3, calls=40),
}
VARIABLE = b"""\
version: 1
name: x
vars: {n: 1, k: 3}
steps: [{id: a, buy: "${n}"}, {id: b, buy: "${k}"}]
"""
UNCHECKED = structs.replace(PASSED, id="E3", verdict="unchecked")
LEFT = StepResult(id="E4", title="", action="buy", verdict="not_played")


def story(*entries):
    """Make entries of (ms, what, step, text) about job 7."""
    return tuple(
        StoryEntry(ms=ms, what=what, tid=7, step=step, text=text) for ms, what, step, text in entries
    )


WELL = DeviceStory(
    device_id=1, name="meter-1", fleet="meters", flow="mqtt", f_version="1.1", s_version="1.0", state="success",
    stage="idle", why="",
    entries=story(
        (100, "told", 0, "FOTA to 1.1"), (110, "job", 0, "FOTA to 1.1, 560 bytes"), (120, "stage", 0, "fetching"),
        (130, "stage", 50, "progressing"), (130, "report", 50, ""), (160, "stage", 101, "downloaded"),
        (180, "stage", 101, "installing"), (380, "stage", 201, "updated"), (400, "ended", 201, "succeeded"),
    ),
)  # fmt: skip
UNWELL = structs.replace(
    WELL, device_id=2, name="meter-2", f_version="1.0", state="failed", why="battery at 20 %, 50 wanted",
    entries=story(
        (100, "told", 0, "FOTA to 1.1"), (110, "job", 0, "FOTA to 1.1, 560 bytes"), (120, "stage", 0, "fetching"),
        (130, "report", 50, ""), (140, "stage", 105, "failing"), (150, "ended", 105, "failed: battery too low"),
    ),
)  # fmt: skip
STORY = Story(
    samples=(
        Sample(seconds=0.1, clock_ms=1_622_476_800_000, purchased_left=5, free_left=1, jobs={"pending": 2}),
        Sample(seconds=0.5, clock_ms=1_622_476_900_000, purchased_left=3, free_left=1, jobs={"success": 1, "failed": 1}),
    ),
    devices=(WELL, UNWELL),
)  # fmt: skip


def play_result(**changes):
    result = PlayResult(
        scenario="x",
        variant="F",
        title="title",
        variant_title="variant",
        file="x.yaml",
        covers=("B1", "B2"),
        verdict="failed",
        exit_code=1,
        seed=7,
        policy=Policy(charging_date_ms=1_617_292_800_000, free_devices=0),
        clock_ms=1_622_476_800_000,
        broker="amqtt",
        flow="mqtt",
        cannot_check=("keep-alive",),
        devices=5,
        connected=5,
        steps=(PASSED, FAILED, UNCHECKED, LEFT),
        audit=AuditResult(ok=False, rows=9, findings=("I1 account 1: expected 1; seen 2",), seconds=0.25),
        fleet=FleetFigures(
            devices=5, jobs_succeeded=5, jobs_failed=0, downloads=5, downloaded_bytes=20_480, messages_sent=1,
            messages_received=1, reconnects=0, connect_failures=0, repeats=0,
        ),
        fee_fen=180_050,
        started_ms=1_622_476_800_000,
        seconds=2.5,
    )  # fmt: skip
    return structs.replace(result, **changes)


def run_result(*plays, **changes):
    return structs.replace(RunResult(version="1.2.3", plays=plays, seconds=3.0), **changes)


def junit(*plays):
    return ET.fromstring(make_junit(run_result(*plays)))  # noqa: S314 - our own report


def test_junit_counts():
    root = junit(
        play_result(),
        play_result(
            variant="P", verdict="passed", exit_code=0, steps=(PASSED,), audit=AuditResult(ok=True, rows=1)
        ),
    )
    assert root.tag == "testsuites"
    assert {n: root.get(n) for n in ("tests", "failures", "errors", "skipped", "time")} == {
        "tests": "7", "failures": "2", "errors": "0", "skipped": "2", "time": "3.000",
    }  # fmt: skip
    one, two = root
    assert (one.get("name"), one.get("tests"), one.get("failures"), one.get("skipped")) == (
        "x F",
        "5",
        "2",
        "2",
    )
    assert (two.get("name"), two.get("tests"), two.get("failures"), two.get("skipped")) == (
        "x P",
        "2",
        "0",
        "0",
    )
    assert one.get("timestamp") == "2021-05-31T16:00:00"


def test_junit_cases():
    (suite,) = junit(play_result())
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [
        "E1 a task",
        "E2 <none> & \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} ünïcödé License余量不足",
        "E3 a task",
        "E4",
        "audit of the journal and the tables (I1-I7)",
    ]
    assert {case.get("classname") for case in cases} == {"ota-sim.x.F"}
    assert cases[0].find("failure") is None
    assert "needed: 5\navailable: 5\nmissing: 0\n" in cases[0].findtext("system-out")
    assert "jobs: 5 success" in cases[0].findtext("system-out")
    failure = cases[1].find("failure")
    assert failure.get("message") == "something took too long"
    assert failure.text.splitlines() == [
        "something took too long",
        "left: expected 1, seen 0",
        "balance: expected 15 yuan, seen none",
        "needed: expected 3,000 (predicted by the auditor), seen 4",
    ]
    assert [case.find("skipped") is not None for case in cases] == [False, False, True, True, False]
    assert cases[4].find("failure").text == "I1 account 1: expected 1; seen 2"


def test_junit_properties():
    (suite,) = junit(play_result())
    properties = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert properties["policy"] == (
        "charging from 2021-04-02 00:00 +0800 · price 1 yuan · 0 free · purchased first · "
        "free for life when job created · arrears hold pending"
    )
    assert {n: properties[n] for n in ("seed", "version", "broker", "flow", "fee_yuan", "covers", "not_checked")} == {
        "seed": "7", "version": "1.2.3", "broker": "amqtt", "flow": "mqtt", "fee_yuan": "1800.50", "covers": "B1 B2",
        "not_checked": "keep-alive",
    }  # fmt: skip


def test_what_it_was_made_with_is_in_each_report():
    made = play_result(versions={"ota-sim": "1.2.3", "python": "CPython 9.9"}, variables={"who": "meters"})
    (suite,) = junit(made)
    properties = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert (properties["version.python"], properties["variable.who"]) == ("CPython 9.9", "meters")
    assert properties["version"] == "1.2.3"
    assert "version.ota-sim" not in properties
    (play,) = json.loads(make_json(run_result(made)))["plays"]
    assert (play["versions"], play["variables"]) == (made.versions, made.variables)
    page = make_html(run_result(made)).decode()
    assert "ota-sim 1.2.3, python CPython 9.9" in page
    assert "who: meters" in page


def test_a_result_knows_its_versions_and_variables():
    (play,) = load_bytes(VARIABLE, "x.yaml", Path(), {"n": "2"})
    result = result_of(play, "embedded", "passed")
    assert result.versions["python"].endswith(platform.python_version())
    assert {"ota-sim", "system"} <= result.versions.keys()
    assert (result.variables, result.given) == ({"n": "2", "k": "3"}, ("n",))


def test_what_each_flow_did():
    fleet = structs.replace(play_result().fleet, flows=MIXED)
    (play,) = json.loads(make_json(run_result(play_result(fleet=fleet))))["plays"]
    assert play["fleet"]["jobs_succeeded"] == 5
    assert play["fleet"]["flows"] == {
        "mqtt": {"devices": 2, "jobs_succeeded": 1_000, "jobs_failed": 0, "jobs_ended": 0, "calls": 0},
        "south": {"devices": 1, "jobs_succeeded": 1, "jobs_failed": 2, "jobs_ended": 3, "calls": 40},
    }
    (suite,) = junit(play_result(fleet=fleet))
    properties = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert properties["flow.mqtt"] == "2 devices, 1,000 updates done"
    assert properties["flow.south"] == "1 device, 1 update done, 2 failed"


@pytest.mark.parametrize(
    ("verdict", "tag"), [("skipped", "skipped"), ("broken", "error"), ("stopped", "error")]
)
def test_a_play_that_ended_early(verdict, tag):
    (suite,) = junit(play_result(verdict=verdict, reason="because\nof that", steps=(), audit=None))
    (case,) = suite.findall("testcase")
    assert case.find(tag).get("message").startswith("because")
    assert suite.get({"skipped": "skipped", "error": "errors"}[tag]) == "1"


def test_json_is_the_whole_run():
    report = json.loads(make_json(run_result(play_result())))
    assert {n: report[n] for n in ("format", "format_version", "version", "verdict", "exit_code")} == {
        "format": "ota-sim-report", "format_version": 1, "version": "1.2.3", "verdict": "failed", "exit_code": 1,
    }  # fmt: skip
    (play,) = report["plays"]
    assert (play["scenario"], play["variant"], play["seed"], play["fee_fen"]) == ("x", "F", 7, 180_050)
    assert play["policy"]["free_devices"] == 0
    first, second, *_ = play["steps"]
    assert first == {
        "id": "E1",
        "title": "a task",
        "action": "create_task",
        "verdict": "passed",
        "expected": {"left": 0},
        "seen": {
            "outcome": "created", "needed": 5, "available": 5, "missing": 0, "deducted": 5, "left": 0, "jobs": {"success": 5},
        },
        "differences": [],
        "note": "",
        "remark": "",
        "at_ms": 7,
        "seconds": 0.5,
        "began": 0.0,
        "xfail": "",
        "parallel": [],
    }  # fmt: skip
    assert second["expected"] == {"left": 1, "balance_fen": 1_500}
    assert second["differences"][:2] == [
        {"what": "left", "expected": 1, "seen": 0, "by": "expectation"},
        {"what": "balance_fen", "expected": 1_500, "seen": None, "by": "expectation"},
    ]


KNOWN = structs.replace(FAILED, id="E5", verdict="xfailed", xfail="OTA-17 <is open>")
INNER = structs.replace(PASSED, id="E6", parallel=(structs.replace(FAILED, id="in", title="one of two"),))


def test_junit_has_known_failures_inner_steps_and_the_teardown():
    (suite,) = junit(
        play_result(steps=(KNOWN, INNER), teardown=(structs.replace(FAILED, id="T", title="t"),))
    )
    names = [case.get("name") for case in suite.findall("testcase")]
    assert names[1:4] == ["E6 a task", "E6, at once: in one of two", "teardown: T t"]
    skipped = suite.find("testcase").find("skipped")
    assert skipped.get("message") == "known to fail: OTA-17 <is open>"
    assert "left: expected 1, seen 0" in skipped.text
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "3", "1")


def test_junit_says_how_to_play_it_again_and_where_evidence_is():
    result = play_result(
        file="a b.yaml", evidence="reports/evidence/x-F", target="staging", target_file="t.yaml"
    )
    (suite,) = junit(result)
    properties = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert properties["again"] == "ota-sim run 'a b.yaml' --variant F --seed 7 --target t.yaml"
    assert (properties["evidence"], properties["target"]) == ("reports/evidence/x-F", "staging")


def test_json_has_what_was_worked_out():
    result = play_result(steps=(INNER,), teardown=(KNOWN,), story=STORY)
    (play,) = json.loads(make_json(run_result(result)))["plays"]
    assert play["again"] == "ota-sim run x.yaml --variant F --seed 7 --broker amqtt"
    assert [(d["what"], d["jobs"], d["p50_ms"], d["max_ms"]) for d in play["durations"]] == [
        ("first_byte", 2, 30, 30), ("download", 1, 40, 40), ("install", 1, 200, 200), ("whole", 1, 300, 300),
    ]  # fmt: skip
    assert play["failures"] == [{"stage": "download", "step": 105, "reason": "battery too low", "jobs": 1}]
    assert play["devices_by_state"] == {"failed": 1, "success": 1}
    assert [(d["name"], d["why"], len(d["entries"])) for d in play["story"]["devices"]] == [
        ("meter-2", "battery at 20 %, 50 wanted", 6),
    ]
    assert [sample["jobs"] for sample in play["story"]["samples"]] == [
        {"pending": 2},
        {"success": 1, "failed": 1},
    ]
    (inner,) = play["steps"][0]["parallel"]
    assert inner["seen"] == {"outcome": "done", "left": 0}
    assert (play["teardown"][0]["verdict"], play["teardown"][0]["xfail"]) == ("xfailed", "OTA-17 <is open>")


def test_json_tells_of_so_many_devices_and_counts_the_others(monkeypatch):
    monkeypatch.setattr("scenarios.report.json_report.DEVICES_MAX", 2)
    (_, unwell) = STORY.devices
    devices = tuple(structs.replace(unwell, device_id=n) for n in range(5))
    (play,) = json.loads(make_json(run_result(play_result(story=structs.replace(STORY, devices=devices)))))[
        "plays"
    ]
    assert [device["device_id"] for device in play["story"]["devices"]] == [0, 1]
    assert play["devices_left_out"] == 3


def test_json_keeps_the_newest_of_stories_that_are_too_long_together(monkeypatch):
    monkeypatch.setattr("scenarios.report.json_report.ENTRIES_MAX", 8)
    short = structs.replace(UNWELL, entries=UNWELL.entries[-4:])
    (play,) = json.loads(make_json(run_result(play_result(story=Story(devices=(UNWELL, short))))))["plays"]
    told = [(len(d["entries"]), d["is_cut"], d["entries"][-1]["what"]) for d in play["story"]["devices"]]
    assert told == [(4, True, "ended"), (4, False, "ended")]


def test_json_is_as_its_schema_says():
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    runs = [
        run_result(),
        run_result(
            play_result(), play_result(verdict="skipped", reason="r", steps=(), audit=None, fleet=None)
        ),
        run_result(play_result(steps=(KNOWN, INNER), story=STORY), interrupted=True),
    ]
    for run in runs:
        jsonschema.validate(json.loads(make_json(run)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(make_json(run_result())) | {"verdict": "fine"}, schema)


@pytest.mark.parametrize(
    ("codes", "interrupted", "expected"),
    [
        ([], False, 0),
        ([0, 0], False, 0),
        ([0, 1], False, 1),
        ([1, 2, 0], False, 2),
        ([2, 3, 1], False, 3),
        ([3], True, 130),
    ],
)
def test_exit_codes(codes, interrupted, expected):
    plays = [play_result(exit_code=code) for code in codes]
    assert run_result(*plays, interrupted=interrupted).exit_code == expected


def test_reports_are_written_and_replaced(tmp_path):
    folder = tmp_path / "a" / "b"
    for _ in range(2):
        paths = write_reports(run_result(play_result()), folder)
    assert [path.name for path in paths] == ["junit.xml", "report.json", "report.html"]
    assert sorted(path.name for path in folder.iterdir()) == ["junit.xml", "report.html", "report.json"]
    assert (folder / "junit.xml").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "reports").write_text("mine")
    with pytest.raises(ReportFault, match="can't be written to"):
        make_room(tmp_path / "reports")
    with pytest.raises(ReportFault, match=r"junit.xml can't be written: "):
        write_reports(run_result(), tmp_path / "reports")
    assert (tmp_path / "reports").read_text() == "mine"


def test_a_full_disk_leaves_the_old_report(tmp_path):
    """A file size limit stands for the full disk: both fail in the middle of writing."""
    import resource
    import signal

    write_reports(run_result(play_result()), tmp_path)
    old = (tmp_path / "junit.xml").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_024, limits[1]))
    try:
        with pytest.raises(ReportFault, match=re.escape(os.strerror(27))) as caught:
            write_reports(run_result(play_result(), play_result()), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.exit_code == 3
    assert (tmp_path / "junit.xml").read_bytes() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["junit.xml", "report.html", "report.json"]


def test_the_schema_is_printed():
    done = CliRunner().invoke(schema, ["--report"])
    assert json.loads(done.output) == json.loads(json.dumps(report_schema()))


def test_plays_carry_what_reports_say():
    """A report's facts about a play come from the play; a new field of one wants a thought about the other."""
    assert {"scenario", "variant", "seed", "policy", "covers", "title"} <= set(Play.__struct_fields__) & set(
        PlayResult.__struct_fields__
    )
