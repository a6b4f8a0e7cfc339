"""Evidence of what failed: a folder that says what, where and who, whole or not at all."""

import json
import os
import resource
import signal

import pytest
from msgspec import structs

from device_sim.recorder import Wire
from platform_stub.protocol.operator import JournalEntry
from scenarios.report import evidence
from scenarios.report.evidence import clear_evidence, concerned, write_evidence
from scenarios.report_files import ReportFault
from scenarios.results import Difference, Story, StoryEntry
from tests.scenarios.report.test_reports import FAILED, PASSED, STORY, UNWELL, WELL, play_result

RESULT = play_result(story=STORY)
WIRE = [
    (1, Wire(5, "sent", "mqtt", "/ota/status", b'{"id":"1"}', 10)),
    (2, Wire(7, "received", "http", "GET /x", b"\xff\x00", 2, 206)),
    (2, Wire(6, "sent", "mqtt", "/ota/status", b'{"id": "2", "n": [1]}', 21)),
    (2, Wire(8, "received", "http", "check", b"not json", 8, 500)),
]
JOURNAL = [
    JournalEntry(seq=1, at_ms=1, kind="opened", note="policy"),
    JournalEntry(seq=2, at_ms=2, kind="bound", task_id=1, device_id=1, source="free"),
    JournalEntry(seq=3, at_ms=3, kind="bound", task_id=1, device_id=2, source="purchased"),
]


def write(folder, result=RESULT, **changes):
    given = {"wire": WIRE, "journal": JOURNAL, "log_lines": ["one\n", "two"], "scenario_text": "version: 1\n"}
    return write_evidence(folder, result, **(given | changes))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_lies_there(tmp_path):
    place = write(tmp_path / "evidence")
    assert place == tmp_path / "evidence" / "x-F"
    assert sorted(path.name for path in place.iterdir()) == [
        "README.txt", "devices.json", "journal.jsonl", "log.txt", "scenario.yaml", "wire.jsonl",
    ]  # fmt: skip
    assert [path.name for path in place.parent.iterdir()] == ["x-F"]
    assert (place / "log.txt").read_text() == "one\ntwo\n"
    assert (place / "scenario.yaml").read_text() == "version: 1\n"
    (device,) = json.loads((place / "devices.json").read_text())
    assert (device["name"], device["why"], len(device["entries"])) == ("meter-2", UNWELL.why, 6)


def test_messages_are_those_of_the_devices_concerned_in_their_order(tmp_path):
    assert lines(write(tmp_path) / "wire.jsonl") == [
        {"at_ms": 6, "device_id": 2, "device": "meter-2", "way": "sent", "protocol": "mqtt", "name": "/ota/status",
         "size_bytes": 21, "payload": {"id": "2", "n": [1]}},
        {"at_ms": 7, "device_id": 2, "device": "meter-2", "way": "received", "protocol": "http", "name": "GET /x",
         "status": 206, "size_bytes": 2, "hex": "ff 00"},
        {"at_ms": 8, "device_id": 2, "device": "meter-2", "way": "received", "protocol": "http", "name": "check",
         "status": 500, "size_bytes": 8, "text": "not json"},
    ]  # fmt: skip


def test_the_journal_is_what_concerns_them_and_the_account(tmp_path):
    assert [line["seq"] for line in lines(write(tmp_path) / "journal.jsonl")] == [1, 3]


def test_the_readme_says_what_failed_where_and_who(tmp_path):
    text = (write(tmp_path) / "README.txt").read_text()
    for said in (
        "play      x F title: variant",
        "verdict   FAILED",
        "again     ota-sim run x.yaml --variant F --seed 7 --broker amqtt",
        "  E2  <none> &",
        "      left: expected 1, seen 0",
        "  audit: I1 account 1: expected 1; seen 2",
        "Devices looked into: 1 of 5 devices",
        "  meter-2 (device 2): failed: battery at 20 %, 50 wanted",
        "what they sent and got: 3 messages",
    ):
        assert said in text


def test_who_is_concerned():
    assert concerned(RESULT) == (2,)
    named = structs.replace(FAILED, note="after 6 s: meter-1 (device 1): is idle; x (device 99)")
    assert concerned(play_result(story=STORY, steps=(named,))) == (1, 2)
    inner = structs.replace(PASSED, parallel=(named,))
    assert concerned(play_result(story=Story(devices=(WELL,)), steps=(inner,))) == (1,)
    well = [structs.replace(WELL, device_id=n) for n in range(100)]
    assert concerned(play_result(story=Story(devices=tuple(well)))) == tuple(range(20))
    unwell = [structs.replace(UNWELL, device_id=n) for n in range(1_000)]
    assert concerned(play_result(story=Story(devices=tuple(unwell)))) == tuple(range(200))
    assert concerned(play_result()) == ()


def test_who_had_trouble_is_concerned_though_a_retry_went_well():
    """The step that failed was about the job before: a pair of devices that are well by now, and one that always was."""
    failed_once = structs.replace(
        WELL,
        device_id=3,
        name="m-3",
        entries=(ended(205, "failed: digest mismatch"), ended(201, "succeeded")),
    )
    struck = structs.replace(
        WELL,
        device_id=4,
        name="m-4",
        entries=(StoryEntry(ms=1, what="struck", text="hang"), ended(201, "succeeded")),
    )
    healthy = [structs.replace(WELL, device_id=n, name=f"m-{n}") for n in (5, 6)]
    devices = Story(devices=(*healthy, failed_once, struck))
    assert concerned(play_result(story=devices)) == (3, 4)
    differs = Difference(what="running of m", expected="stage idle", seen="1 of 2 not: m-6 stage hanging")
    step = structs.replace(FAILED, note="", differences=(differs,))
    assert concerned(play_result(story=devices, steps=(step,))) == (6, 3, 4)


def ended(step, text):
    return StoryEntry(ms=9, what="ended", tid=7, step=step, text=text)


def test_without_stories_all_messages_are_kept(tmp_path):
    """So it is where a play ended before anyone could look at its devices."""
    place = write(tmp_path, play_result(verdict="broken", reason="no answer\nat all", steps=(), audit=None))
    assert len(lines(place / "wire.jsonl")) == 4
    text = (place / "README.txt").read_text()
    assert "verdict   BROKEN: no answer at all" in text


def test_an_earlier_folder_of_the_same_play_is_replaced(tmp_path):
    (write(tmp_path) / "old").write_text("x")
    place = write(tmp_path)
    assert place.name == "x-F"
    assert not (place / "old").exists()


def test_what_is_not_ours_or_of_another_file_stays(tmp_path):
    (tmp_path / "x-F").mkdir()
    (tmp_path / "x-F" / "mine").write_text("mine")
    assert write(tmp_path).name == "x-F-2"
    assert write(tmp_path, play_result(file="other.yaml", story=STORY)).name == "x-F-3"
    assert write(tmp_path).name == "x-F-2"
    assert (tmp_path / "x-F" / "mine").read_text() == "mine"


@pytest.mark.parametrize(("name", "folder"), [("../..", "F"), ("a/b c", "a-b-c-F"), ("电表", "电表-F")])
def test_names_that_are_no_file_names(tmp_path, name, folder):
    assert write(tmp_path, play_result(scenario=name)).parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == [folder]


def test_lines_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "LINES_MAX", 3)
    place = write(tmp_path, log_lines=(f"line {n}" for n in range(1_000)))
    assert (place / "log.txt").read_text().split() == ["line", "997", "line", "998", "line", "999"]


def test_clearing_removes_what_we_left_and_nothing_else(tmp_path):
    write(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.txt").write_text("mine\n")
    clear_evidence(tmp_path)
    clear_evidence(tmp_path / "not there")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_full_disk_is_one_message_and_leaves_nothing(tmp_path):
    """A file size limit stands for the full disk: both fail in the middle of writing."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_024, limits[1]))
    try:
        with pytest.raises(ReportFault, match=r"evidence .*x-F can't be written: ") as caught:
            write(tmp_path, log_lines=["x" * 5_000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.strerror(27) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "evidence").write_text("mine")
    with pytest.raises(ReportFault, match="can't be written"):
        write(tmp_path / "evidence")
    assert (tmp_path / "evidence").read_text() == "mine"
