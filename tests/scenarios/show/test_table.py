"""A play as lines: what is shown, marked and cut at which width."""

import io

import pytest
from msgspec import structs
from rich.console import Console

from platform_stub.protocol.operator import Policy
from scenarios.loader.files import load_bytes
from scenarios.results import RunResult, Sample
from scenarios.runner.events import PlayEnded, PlayStarted, Progress, Sampled, StepEnded
from scenarios.show.console import ConsoleShow
from scenarios.show.table import foot_lines, head_lines, layout_for, step_lines
from scenarios.show.wording import again_text, jobs_text, seconds_text, size_text, steps_text, verdict_text
from tests.scenarios.report.test_reports import (
    FAILED,
    INNER,
    KNOWN,
    LEFT,
    MIXED,
    PASSED,
    UNCHECKED,
    play_result,
)


def texts(lines):
    return [line.plain for line in lines]


@pytest.mark.parametrize("width", [80, 100, 120, 140])
@pytest.mark.parametrize("devices", [5, 1_900, 1_000_000])
def test_lines_fit_the_width(width, devices):
    layout = layout_for(width, ["E1", "E10-anew"], devices, symbols=True)
    seen = structs.replace(PASSED.seen, needed=devices, available=devices, deducted=devices)
    step = structs.replace(
        PASSED, seen=seen, title="a very long title that says a lot about what is done " * 3
    )
    lines = [*head_lines("x", "title", play_result(), layout), *step_lines(step, layout)]
    widest = width if devices < 1_000_000 else max(width, 92)  # a million devices at 80 columns run over
    assert max(line.cell_len for line in lines) <= widest


def test_a_step_that_passed():
    layout = layout_for(100, ["E1"], 5, symbols=True)
    (line,) = texts(step_lines(PASSED, layout))
    assert line.split() == ["✓", "E1", "a", "task", "5", "updated", "5", "5", "0", "5", "0", "0.50", "s"]


def test_a_step_that_failed_shows_both_values():
    layout = layout_for(100, ["E1"], 5, symbols=True)
    failed = structs.replace(FAILED, title="t")
    first, *rest = texts(step_lines(failed, layout))
    assert first.split() == ["✗", "E2", "t", "·", "·", "·", "·", "0"]
    assert [line.strip() for line in rest] == [
        "something took too long",
        "left: expected 1, seen 0",
        "balance: expected 15 yuan, seen none",
        "needed: expected 3,000 (predicted by the auditor), seen 4",
    ]


@pytest.mark.parametrize("symbols", [True, False])
def test_a_play_of_1900_devices_fits_80_columns(symbols):
    ids = [f"E{n}-faults" for n in range(1, 12)]
    layout = layout_for(80, ids, 1_900, symbols=symbols)
    jobs = {"success": 990, "failed": 10}
    seen = structs.replace(PASSED.seen, needed=1_000, available=1_100, deducted=1_000, left=1_900, jobs=jobs)
    step = structs.replace(PASSED, id="E2-faults", seen=seen, title="10 of them fail; nothing comes back")
    result = play_result(steps=(step,) * 11, devices=1_900, reason="because " * 30)
    title = "The charging examples, E1 to E11: 100 devices are free, 1,000 licences are bought"
    lines = [
        *head_lines("examples F", title, result, layout),
        *step_lines(step, layout),
        *step_lines(structs.replace(FAILED, title="x" * 200), layout),
        *foot_lines(result, layout),
    ]
    assert max(line.cell_len for line in lines) <= 80
    shown = " ".join(" ".join(texts(lines)).split())
    for text in (title, "10 of them fail; nothing", "comes back 990 updated, 10 failed"):
        assert text in shown


def test_without_symbols_it_is_ascii():
    layout = layout_for(100, ["E1"], 5, symbols=False)
    failed = structs.replace(FAILED, title="x" * 200)
    inner = structs.replace(INNER, parallel=(structs.replace(failed, id="in"),))
    known = structs.replace(KNOWN, title="t")
    lines = [
        line for step in (PASSED, failed, UNCHECKED, LEFT, known, inner) for line in step_lines(step, layout)
    ]
    lines += [*head_lines("x", "title", play_result(), layout), *foot_lines(play_result(), layout)]
    for line in texts(lines):
        assert line.isascii()


def test_the_summary_is_ascii_where_the_output_is(tmp_path):
    plays = load_bytes(TEXT, "x.yaml", tmp_path)
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", errors="strict", write_through=True)
    show = ConsoleShow(plays, "embedded", Console(file=out, width=100))
    show.event(0, PlayStarted(devices=2, steps=1))
    show.event(0, ended(plays[0]))
    show.summary(run_of("passed", "failed"), ["reports/junit.xml"])
    assert b"ota-sim 1 - flow mqtt - embedded broker - seed 7 - 1.00 s" in raw.getvalue()


@pytest.mark.parametrize(("width", "devices"), [(80, 10), (120, 10_000)])
@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, ""), (0.004, "0.00 s"), (59.4, "59.40 s"), (5_999, "99m 59s")]
)
def test_the_time_stands_apart_from_the_count_before_it(width, devices, seconds, shown):
    layout = layout_for(width, ["E1"], devices, symbols=True)
    seen = structs.replace(PASSED.seen, left=devices)
    (line, *_) = texts(step_lines(structs.replace(PASSED, seen=seen, seconds=seconds), layout))
    wanted = [f"{devices:,}", *shown.split()]
    assert line.split()[-len(wanted) :] == wanted


def test_a_known_failure_says_what_it_is_known_for():
    layout = layout_for(100, ["E1"], 5, symbols=True)
    first, *rest = texts(step_lines(structs.replace(KNOWN, title="t"), layout))
    assert first.split()[:3] == ["~", "E5", "t"]
    assert [line.strip() for line in rest][:3] == [
        "known to fail: OTA-17 <is open>",
        "something took too long",
        "left: expected 1, seen 0",
    ]


@pytest.mark.parametrize(("symbols", "mark"), [(True, "· in"), (False, "- in")])
def test_steps_that_are_done_at_once_stand_below_their_block(symbols, mark):
    layout = layout_for(100, ["E6", "  in"], 5, symbols=symbols)
    first, second, *wrong = texts(step_lines(INNER, layout))
    assert "E6" in first
    assert mark in second
    assert "one of two" in second
    assert "left: expected 1, seen 0" in " ".join(wrong)


def test_what_stands_below():
    layout = layout_for(100, ["E1"], 5, symbols=True)
    lines = texts(foot_lines(play_result(reason="because"), layout))
    assert lines == [
        "  ✗  audit  1 finding, 9 journal lines",
        "            I1 account 1: expected 1; seen 2",
        "  because",
        "  not checked: keep-alive",
        "  FAILED  4 steps, 1 failed, 1 not checked, 1 not played · 5 updates done, 20.0 KiB downloaded",
        "          fee 1,800.50 yuan · 2.50 s",
    ]


def test_what_each_flow_did_stands_below_where_there_are_several():
    layout = layout_for(100, ["E1"], 5, symbols=True)
    fleet = play_result().fleet
    result = play_result(fleet=structs.replace(fleet, flows=MIXED))
    assert texts(foot_lines(result, layout))[2:4] == [
        "     MQTT   2 devices, 1,000 updates done",
        "     south  1 device, 1 update done, 2 failed",
    ]
    alone = play_result(fleet=structs.replace(fleet, flows={"mqtt": MIXED["mqtt"]}))
    assert texts(foot_lines(alone, layout)) == texts(foot_lines(play_result(), layout))


def test_words():
    assert [seconds_text(s) for s in (0.004, 59.99, 61, 3_600)] == [
        "0.00 s",
        "59.99 s",
        "1 min 01 s",
        "60 min 00 s",
    ]
    assert [size_text(n) for n in (5, 2_048, 5 * 2**20, 3 * 2**30)] == [
        "5 B",
        "2.0 KiB",
        "5.0 MiB",
        "3.0 GiB",
    ]


@pytest.mark.parametrize(
    ("jobs", "auto_added", "text"),
    [
        (None, None, ""),
        ({"failed": 1, "pending": 2, "upgrading": 1}, None, "1 failed, 3 open"),
        (None, {"success": 2}, "auto-added so far: 2 updated"),
        ({"success": 1}, {"success": 2, "failed": 1}, "1 updated, auto-added so far: 2 updated, 1 failed"),
    ],
)
def test_the_jobs_of_a_step(jobs, auto_added, text):
    seen = structs.replace(PASSED.seen, jobs=jobs, auto_added=auto_added)
    assert jobs_text(structs.replace(PASSED, seen=seen)) == text


def run_of(*verdicts, stopped_by=None):
    return RunResult(
        version="1",
        plays=tuple(play_result(verdict=v) for v in verdicts),
        seconds=1,
        interrupted=stopped_by is not None,
        stopped_by=stopped_by or "",
    )


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (run_of("passed"), "passed"),
        (run_of("passed", "passed"), "all 2 runs passed"),
        (run_of("passed", "failed", "skipped"), "3 runs: 1 passed, 1 FAILED, 1 skipped"),
        (run_of("broken"), "1 run: 1 BROKEN"),
        (run_of("passed", "stopped", stopped_by="Ctrl-C"), "stopped by Ctrl-C: 2 runs begun, 1 passed"),
        (run_of("stopped", stopped_by="SIGTERM"), "stopped by SIGTERM: 1 run begun, 0 passed"),
        (run_of("stopped", stopped_by=""), "stopped: 1 run begun, 0 passed"),
    ],
)
def test_verdicts(run, text):
    assert verdict_text(run) == text


TEXT = b"""\
version: 1
name: x
variants: {A: {title: first}, B: {title: second}}
fleets: {m: {count: 2}}
steps: [{id: s, buy: 1}]
"""


def show_on(plays, **options):
    out = io.StringIO()
    console = Console(file=out, width=100, **options)
    return ConsoleShow(plays, "embedded", console), out


def ended(play):
    return PlayEnded(
        result=structs.replace(play_result(verdict="passed", steps=(PASSED,), audit=None), policy=Policy())
    )


def test_lines_of_a_later_play_wait_for_the_earlier(tmp_path):
    plays = load_bytes(TEXT, "x.yaml", tmp_path)
    show, out = show_on(plays)
    with show:
        for at in (1, 0):
            show.event(at, PlayStarted(devices=2, steps=1))
        show.event(1, StepEnded(result=structs.replace(PASSED, id="second")))
        show.event(1, ended(plays[1]))
        assert "x A" in out.getvalue()
        assert "second" not in out.getvalue()
        show.event(0, StepEnded(result=structs.replace(PASSED, id="first")))
        show.event(0, ended(plays[0]))
    text = out.getvalue()
    assert text.index("x A") < text.index("first") < text.index("x B") < text.index("second")
    assert "\x1b" not in text


def test_on_a_terminal_progress_is_live(tmp_path):
    (play, _) = load_bytes(TEXT, "x.yaml", tmp_path)
    show, out = show_on([play], force_terminal=True, legacy_windows=False, _environ={"TERM": "xterm"})
    with show:
        show.event(0, PlayStarted(devices=2, steps=1))
        show.event(0, Progress(doing="jobs", step="s", done=1, total=2))
        show._live.refresh()
        assert "updating s 1/2" in out.getvalue()
        assert "step 1 of 1" in out.getvalue()


STANDS = Sample(
    seconds=1.0,
    clock_ms=0,
    purchased_left=1_000,
    free_left=20,
    jobs={"success": 1_990, "failed": 10, "pending": 0},
)


def test_on_a_terminal_jobs_and_licences_stand_below_the_bar(tmp_path):
    (play, _) = load_bytes(TEXT, "x.yaml", tmp_path)
    show, out = show_on([play], force_terminal=True, legacy_windows=False, _environ={"TERM": "xterm"})
    with show:
        show.event(0, PlayStarted(devices=2, steps=1))
        show.event(0, Progress(doing="waiting", step="s", done=0, total=0))
        show.event(0, Sampled(sample=STANDS))
        show._live.refresh()
        assert "waiting for s" in out.getvalue()
        assert "1,990 updated, 10 failed · licences left: 1,000 purchased, 20 free" in out.getvalue()
        show.event(0, ended(play))
        out.truncate(0)
        show._live.refresh()
        assert "licences left" not in out.getvalue()


def test_a_log_says_now_and_then_how_jobs_stand(tmp_path, monkeypatch):
    monkeypatch.setattr("scenarios.show.console.PLAIN_EVERY_S", 0.0)
    plays = load_bytes(TEXT, "x.yaml", tmp_path)
    show, out = show_on(plays)
    show.event(0, PlayStarted(devices=2, steps=1))
    show.event(0, Sampled(sample=STANDS))
    show.event(0, Progress(doing="jobs", step="s", done=1, total=2))
    assert out.getvalue().splitlines()[-1] == "     updating s 1/2 · 1,990 updated, 10 failed"


def test_steps_at_the_end_stand_below_a_line_of_their_own(tmp_path):
    plays = load_bytes(TEXT, "x.yaml", tmp_path)
    show, out = show_on(plays)
    show.event(0, PlayStarted(devices=2, steps=1))
    for name, is_teardown in (("s", False), ("t1", True), ("t2", True)):
        show.event(0, StepEnded(result=structs.replace(PASSED, id=name), is_teardown=is_teardown))
    lines = out.getvalue().splitlines()[-4:]
    assert [line.split()[:2] for line in lines] == [["✓", "s"], ["at", "the"], ["✓", "t1"], ["✓", "t2"]]


def test_the_summary_says_where_evidence_lies(tmp_path):
    plays = load_bytes(TEXT, "x.yaml", tmp_path)
    for count, said in ((1, ["evidence: r/e/0"]), (9, ["evidence: r/e (9 folders)"])):
        show, out = show_on(plays)
        failed = [play_result(evidence=f"r/e/{n}") for n in range(count)]
        show.summary(RunResult(version="1", plays=(*failed, play_result(verdict="passed")), seconds=1), [])
        assert [line for line in out.getvalue().splitlines() if "evidence" in line] == said


def test_known_failures_and_failures_at_the_end_are_counted():
    result = play_result(steps=(PASSED, KNOWN), teardown=(structs.replace(FAILED, id="T"),))
    assert steps_text(result) == "3 steps, 1 failed, 1 known to fail"
    assert [step.id for step in result.failed_steps] == ["T"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"variant": "", "broker": "embedded"}, "ota-sim run x.yaml --seed 7"),
        ({"file": "my file.yaml"}, "ota-sim run 'my file.yaml' --variant F --seed 7 --broker amqtt"),
        ({"strict": True}, "ota-sim run x.yaml --variant F --seed 7 --broker amqtt --strict"),
        (
            {"target_file": "t.yaml", "strict": True},
            "ota-sim run x.yaml --variant F --seed 7 --target t.yaml",
        ),
        (
            {"variables": {"n": "3", "who": "a b", "kept": "1"}, "given": ("n", "who"), "broker": "embedded"},
            "ota-sim run x.yaml --variant F --seed 7 --var n=3 --var 'who=a b'",
        ),
        (
            {"is_session": True, "file": "tests/test x.py", "given": ("n",)},
            "run 'tests/test x.py' again; its session x had seed 7",
        ),
    ],
)
def test_how_it_is_played_again(changes, text):
    assert again_text(play_result(**changes)) == text


def test_no_color_and_dumb_terminals_are_plain(tmp_path):
    plays = load_bytes(TEXT, "x.yaml", tmp_path)
    for environ in ({"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}):
        show, _ = show_on(plays, force_terminal=True, _environ=environ)
        assert show._live is None


def test_the_summary(tmp_path):
    plays = load_bytes(TEXT, "x.yaml", tmp_path)
    show, out = show_on(plays)
    run = RunResult(
        version="1.2.3",
        plays=(
            play_result(verdict="passed", variant_title="first", steps=(PASSED,), exit_code=0),
            play_result(reason="the port is taken", verdict="broken", exit_code=3),
        ),
        seconds=2,
    )
    show.summary(run, ["reports/junit.xml"])
    assert out.getvalue().splitlines() == [
        "  passed   x F      2.50 s  fee 1,800.50 yuan  first",
        "  BROKEN   x F      2.50 s  fee 1,800.50 yuan  the port is taken",
        "",
        "ota-sim 1.2.3 · flow mqtt · embedded broker · seed 7 · 2.00 s",
        "written: reports/junit.xml",
        "2 runs: 1 passed, 1 BROKEN",
    ]
