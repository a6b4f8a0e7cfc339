"""The page: one file that says all, needs nothing, and holds what comes from a run as text."""

import base64
import json
import re
import subprocess
import sys
import time
import zlib
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from msgspec import structs

from scenarios.report.html import make_html
from scenarios.report.markup import Html, Right, join, row, tag, text
from scenarios.report.packed import pack_devices
from scenarios.report.plots import Plots, thin
from scenarios.report.svg import inline
from scenarios.results import RunResult, Sample, Story
from tests.scenarios.report.test_reports import (
    FAILED,
    INNER,
    KNOWN,
    LEFT,
    PASSED,
    STORY,
    UNCHECKED,
    UNWELL,
    WELL,
    play_result,
    run_result,
)

EVIL = '<script>alert("x")</script>\'&\x00 $x^2$ 余量'
VOID = {"meta", "br", "input", "hr", "col", "path", "use", "rect"}


class Reader(HTMLParser):
    """Reads a page: its elements with their attributes, its text, and whether elements are closed as they were opened."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.said, self.scripts = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open and self.open[-1] in {"script", "style"} else self.said).append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.said).split())

    def ids(self):
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


def read(run):
    return Reader(make_html(run).decode())


def test_markup_escapes_all_but_markup():
    assert tag("p", "a<b", tag("b", "&"), class_='x"y', hidden=True, id=None, open=False) == (
        '<p class="x&quot;y" hidden>a&lt;b<b>&amp;</b></p>'
    )
    assert tag("meta", name="n", content="c") == '<meta name="n" content="c">'
    assert text("a\x00b\x1b") == "a\ufffdb\ufffd"
    assert join("<", Html("<br>"), 5) == "&lt;<br>5"
    assert row("a", 1_000, Right("2 s"), "b") == (
        '<tr><th scope="row">a</th><td class="number">1,000</td><td class="number">2 s</td><td>b</td></tr>'
    )


FULL = play_result(steps=(PASSED, FAILED, UNCHECKED, LEFT, KNOWN, INNER), teardown=(PASSED,), story=STORY)


@pytest.mark.parametrize(
    "run",
    [
        run_result(),
        run_result(FULL),
        run_result(play_result(verdict="passed", exit_code=0, steps=(PASSED,), audit=None, fleet=None)),
        run_result(*[structs.replace(FULL, scenario=f"s{n}") for n in range(14)]),
        run_result(play_result(verdict="skipped", reason="no keepalive", steps=(LEFT,), audit=None, fleet=None)),
        run_result(play_result(verdict="broken", reason="the port is taken", steps=(), audit=None, exit_code=3)),
        run_result(play_result(verdict="stopped", exit_code=130, steps=()), interrupted=True, stopped_by="Ctrl-C"),
    ],
    ids=["none", "one", "passed", "many", "skipped", "broken", "stopped"],
)  # fmt: skip
def test_a_page_is_well_formed_and_the_same_each_time(run):
    page = make_html(run)
    reader = Reader(page.decode())
    assert reader.open == []
    ids = reader.ids()
    assert len(ids) == len(set(ids))
    links = [
        attributes["href"] for _, attributes in reader.elements if attributes.get("href", "").startswith("#")
    ]
    assert {link[1:] for link in links} <= set(ids)
    assert make_html(run) == page


def test_it_needs_nothing_from_elsewhere():
    page = make_html(run_result(FULL)).decode()
    reader = Reader(page)
    assert not [
        attributes for _, attributes in reader.elements if "src" in attributes or "http-equiv" in attributes
    ]
    assert all(a["href"].startswith("#") for _, a in reader.elements if "href" in a)
    assert "@import" not in page
    assert re.findall(r"https?://[\w./]+", page) == ["http://www.w3.org/2000/svg"]  # a name, not an address


def test_the_verdict_comes_first_and_then_what_failed_and_why():
    reader = read(run_result(FULL, play_result(scenario="y", variant="", verdict="passed", exit_code=0)))
    first, _, said = reader.text.partition("Devices")  # the last word of the contents
    assert "2 runs: 1 passed, 1 FAILED" in first
    order = [
        "What failed, and why",
        "x F FAILED",
        "something took too long",
        "left: expected 1, seen 0",
        "I1 account 1: expected 1; seen 2",
        "ota-sim run x.yaml --variant F --seed 7 --broker amqtt",
        "Known to fail",
        "OTA-17 <is open>",
        "Scenarios",
        "Step by step",
        "Devices",
    ]
    places = [said.index(part) for part in order]
    assert places == sorted(places)


def test_it_says_what_was_played_with_what_and_how_it_stood():
    said = read(run_result(FULL)).text
    for fact in (
        "ota-sim 1.2.3",
        "seed 7",
        "charging from 2021-04-02 00:00 +0800",
        "keep-alive",  # not checked
        "B1 B2",
        "1,800.50",
        "left 0",
        "needed: expected 3,000 (predicted by the auditor), seen 4",
        "after the last step",
        "Licences left at the end: 3 purchased, 1 free; jobs: 1 success, 1 failed.",
        "first byte told of the job to first bytes there 2 30 ms 30 ms 30 ms 30 ms",
        "download 105 battery too low 1",
        "meter-2 2 meters failed idle battery at 20 %, 50 wanted",
    ):
        assert fact in said


def test_what_a_run_says_is_text():
    device = structs.replace(UNWELL, name=EVIL, fleet=EVIL, why=EVIL, state=EVIL, stage=EVIL)
    step = structs.replace(FAILED, id=EVIL, title=EVIL, note=EVIL, began=0.2)
    samples = [structs.replace(sample, jobs={"success": 1, EVIL: 2}) for sample in STORY.samples]
    result = structs.replace(
        FULL, scenario=EVIL, title=EVIL, file=EVIL, reason=EVIL, evidence=EVIL, target=EVIL,
        steps=(step, structs.replace(KNOWN, xfail=EVIL, parallel=(step,))),
        story=Story(samples=tuple(samples), devices=(device,)),
    )  # fmt: skip
    page = make_html(run_result(result)).decode()
    assert "alert(" in page
    assert "<script>alert" not in page
    reader = Reader(page)
    assert reader.open == []
    assert not [script for script in reader.scripts if "alert(" in script]
    assert "\x00" not in page


def unpack(packed):
    return json.loads(zlib.decompress(base64.b64decode(packed), -zlib.MAX_WBITS))


def test_packed_devices_can_be_read_back():
    """Read as `report.js` reads it."""
    document = unpack(pack_devices([play_result(seconds=9.5, story=STORY), play_result(scenario="y")]))
    assert (document["plays"], document["ends"]) == (["x F", "y F"], [9_500, 2_500])
    early = unpack(pack_devices([play_result(seconds=0.1, story=STORY)]))
    assert early["ends"] == [400], "a timeline reaches to the last that happened in it"
    texts, keys = document["texts"], document["keys"]
    told = []
    for row_ in document["devices"]:
        device = dict(zip(document["columns"], row_, strict=True))
        ms = tid = 0
        entries = []
        for at in range(0, len(device["entries"]), 3):
            ms, tid = ms + device["entries"][at], tid + device["entries"][at + 2]
            what, step, said = keys[device["entries"][at + 1]]
            entries.append((ms, texts[what], tid, step, texts[said]))
        told.append((device["id"], device["name"], texts[device["why"]], entries))
    assert told == [
        (
            each.device_id,
            each.name,
            each.why,
            [(e.ms, e.what, e.tid, e.step, e.text) for e in each.entries],
        )
        for each in (WELL, UNWELL)
    ]


def test_too_many_entries_leave_out_the_talk_of_devices_that_are_well(monkeypatch):
    monkeypatch.setattr("scenarios.report.packed.ENTRIES_MAX", 5)
    well, unwell = unpack(pack_devices([play_result(story=STORY)]))["devices"]
    assert (len(well[-1]), well[-2]) == (3 * 8, 1)  # its one report is gone, and it says that something is
    assert (len(unwell[-1]), unwell[-2]) == (3 * 6, 0)
    monkeypatch.setattr("scenarios.report.packed.ENTRIES_MIN", 2)
    document = unpack(pack_devices([play_result(story=STORY)]))
    assert [(len(device[-1]), device[-2]) for device in document["devices"]] == [(3 * 2, 1), (3 * 2, 1)]
    what = document["keys"][document["devices"][1][-1][-2]][0]
    assert document["texts"][what] == "ended"  # the newest are kept


def test_the_script_finds_what_it_looks_for():
    script = files("scenarios.report").joinpath("page", "report.js").read_text(encoding="utf-8")
    wanted = set(re.findall(r'byId\("([\w-]+)"\)', script))
    assert wanted >= {"find", "devices-body", "devices-data"}
    assert wanted <= set(read(run_result(FULL)).ids())
    assert "innerHTML" not in script


def test_a_play_without_devices_has_no_list_and_still_its_links_work():
    reader = read(run_result(play_result()))
    assert "devices-data" not in reader.ids()
    assert "Devices" not in [data for data in reader.said if data == "Devices"]


def sample(seconds, left, **jobs):
    return Sample(seconds=seconds, clock_ms=0, purchased_left=left, free_left=0, jobs=jobs)


def test_samples_like_their_neighbours_are_left_out():
    samples = [sample(at, 5 if at < 50 else 4, success=1) for at in range(100)]
    assert [each.seconds for each in thin(samples, 500)] == [0, 49, 50, 99]
    moving = [sample(at, 1_000 - at) for at in range(1_000)]
    kept = thin(moving, 100)
    assert len(kept) <= 101
    assert (kept[0], kept[-1]) == (moving[0], moving[-1])
    assert thin([], 10) == []
    assert thin(moving[:1], 10) == moving[:1]


def test_a_plot_has_the_pages_colours_and_names_of_its_own():
    plots = Plots()
    one = plots.over_time(STORY.samples, [structs.replace(PASSED, began=0.2)], "x")
    other = plots.over_time(STORY.samples, [], "y")
    for wanted in ('role="img"', "<title", "var(--success)", "currentColor", ">E1<", "licences"):
        assert wanted in one
    assert not re.search(r"#0[12]0", one)
    assert "font-family" not in one
    ids = re.findall(r' id="([\w-]+)"', one)
    assert ids
    assert not set(ids) & set(re.findall(r' id="([\w-]+)"', other))
    assert set(re.findall(r'(?:url\(#|href="#)([\w-]+)', one)) <= set(ids)


@pytest.mark.parametrize(
    "lengths", [[0] * 10, [5] * 10, [1, 3_600_000], list(range(1_000)), [90_000, 100_000]]
)
def test_durations_are_drawn_whatever_they_are(lengths):
    drawn = Plots().durations({"download": lengths, "whole": []}, "x")
    assert ">download<" in drawn
    assert ">whole<" not in drawn
    assert drawn.count("<text") >= 9  # six at the left, one at least below, two labels


def test_samples_of_one_moment_and_of_nothing_are_drawn():
    for samples in ([sample(0, 5), sample(0, 5)], [sample(1, 0), sample(2, 0, odd=3)]):
        assert ">licences<" in Plots().over_time(samples, [PASSED], "x")


def test_steps_without_room_for_their_name_have_a_line_only():
    steps = [structs.replace(PASSED, id=f"step-{n}", began=n / 100) for n in range(100)]
    drawn = Plots().over_time([sample(0, 5), sample(1, 4)], steps, "x")
    assert drawn.count("stroke-dasharray") == 2 * len(steps)
    assert 3 <= drawn.count(">step-") < 20


def test_durations_of_many_plays_are_drawn_where_one_failed():
    jobs = Story(devices=(WELL,) * 10)
    plays = [
        play_result(verdict="failed" if n == 0 else "passed", scenario=f"s{n}", story=jobs) for n in range(13)
    ]
    page = make_html(run_result(*plays)).decode()
    assert page.count("% of the jobs") == 1
    assert make_html(run_result(*plays[:12])).decode().count("% of the jobs") == 12


def test_what_looks_like_a_number_in_a_text_stays():
    svg = '<?xml?><svg viewBox="0 0 1 1"><g id="a"><text x="1.2345">0.125</text></g><path d="M 1.2345 2\nL 3 4.999"/></svg>'
    made = inline(svg, "t", "p1")
    assert '<text x="1.2">0.125</text>' in made
    assert '<path d="M 1.2 2 L 3 5"/>' in made


def test_the_drawing_is_loaded_when_a_page_is_written():
    code = "import sys, scenarios.report.files; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_page_of_ten_thousand_devices_is_small_and_soon_there():
    """The figures of record are the benchmark's; this holds the order of magnitude."""
    devices = tuple(
        structs.replace(
            UNWELL if n % 20 == 0 else WELL,
            device_id=n,
            name=f"meter-{n:05}",
            entries=tuple(
                structs.replace(e, ms=e.ms + n % 997 + at * (n % 13), tid=n)
                for at, e in enumerate(WELL.entries * 3)
            ),
        )
        for n in range(10_000)
    )
    run = run_result(play_result(story=structs.replace(STORY, devices=devices)))
    began = time.process_time()
    page = make_html(run)
    assert time.process_time() - began < 15
    assert len(page) < 5_000_000


def test_an_empty_run_says_so():
    assert "nothing was played" in make_html(RunResult(version="1", plays=(), seconds=0.0)).decode()
