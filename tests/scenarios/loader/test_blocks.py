"""Steps that are done at once, the teardown, what must never be so, and counts that may be one of several."""

from pathlib import Path

import pytest

from device_sim.core.state import Stage
from scenarios import play as p
from scenarios.loader import ScenarioFault
from scenarios.loader.files import load_bytes
from scenarios.selection import parse_selection

HEAD = "version: 1\nname: x\nfleets: {meters: {count: 3}}\nsteps:\n"
TASK = '{id: a, create_task: {kind: FOTA, target: "2", devices: meters}}'


def play_of(text):
    (play,) = load_bytes((HEAD + text).encode(), "x.yaml", Path())
    return play


def mistakes_of(text):
    with pytest.raises(ScenarioFault) as caught:
        play_of(text)
    return [str(mistake).removeprefix("x.yaml:") for mistake in caught.value.mistakes]


def test_steps_at_once():
    play = play_of(f"""\
  - id: both
    title: at once
    wait: 5s
    parallel:
      - {TASK}
      - {{id: b, buy: 1, wait: none, xfail: no money, expect: {{left: 1}}}}
    expect: {{versions: [{{devices: failed of a, f_version: "1.0"}}]}}
  - {{id: c, retry_task: {{of: a}}}}
""")
    both, c = play.steps
    assert isinstance(both.action, p.Parallel)
    a, b = both.action.steps
    assert (a.id, a.wait_ms, a.xfail) == ("a", 60_000, "")
    assert b == p.PlayStep(
        id="b",
        title="",
        action=p.Buy(count=1),
        wait_ms=None,
        expected=p.Expected(counts={"left": 1}),
        xfail="no money",
    )
    assert (both.title, both.wait_ms, c.action) == ("at once", 5_000, p.RetryTask(of="a"))


def test_what_steps_at_once_can_know():
    assert mistakes_of(f"""\
  - id: both
    parallel:
      - {TASK}
      - {{id: b, retry_task: {{of: a}}, expect: {{versions: [{{devices: failed of b, f_version: "1"}}]}}}}
      - {{id: a, buy: 1, expect: {{versions: [{{devices: failed of c, f_version: "1"}}]}}}}
      - {{id: d, parallel: [{{id: e, buy: 1}}, {{id: f, buy: 1}}]}}
      - {{id: g, create_task: {{kind: FOTA, target: "2", devices: pumps}}, expect: {{cards: 1}}}}
  - {{id: c, retry_task: {{of: both}}}}
  - {{id: one, parallel: [{{id: x, buy: 1}}]}}
""") == [
        "8:34: steps.both.parallel.b.retry_task.of: step a is done at the same time; name an earlier one",
        "9:14: steps.both.parallel.a.id: a step is named a already, on line 7",
        "9:55: steps.both.parallel.a.expect.versions[0].devices: step c comes later; name an earlier one",
        "10:17: steps.both.parallel.d.parallel: steps are done at once in one block, not within another",
        "11:65: steps.both.parallel.g.create_task.devices: no fleet or group is named pumps; there are meters",
        "11:82: steps.both.parallel.g.expect.cards: cards are counted at a replace_cards or swap_cards step",
        "12:30: steps.c.retry_task.of: step both creates no task",
        "13:25: steps.one.parallel: expected at least 2 in the list, found 1",
    ]


def test_the_clock_is_not_moved_in_a_block():
    assert mistakes_of("""\
  - id: both
    parallel:
      - {id: a, advance: 1h}
      - {id: b, advance_to: 2040-01-01T00:00Z}
      - {id: c, wait_until: {until: {left: 0}, advance: 1h}}
      - {id: d, wait_until: {until: {left: 0}}}
""") == [
        f"{where}: the clock is not moved beside other steps; move it in a step before the block or after it"
        for where in (
            "7:17: steps.both.parallel.a.advance",
            "8:17: steps.both.parallel.b.advance_to",
            "9:48: steps.both.parallel.c.wait_until.advance",
        )
    ]


def test_one_mistake_in_a_block_hides_no_other():
    assert mistakes_of("""\
  - id: both
    parallel:
      - {id: a, buy: some}
      - {id: b, bye: 1}
      - {id: c, retry_task: {of: z}}
""") == [
        "7:22: steps.both.parallel.a.buy: expected a whole number from 1 on, found 'some'",
        "8:17: steps.both.parallel.b.bye: no field is named 'bye' here; did you mean buy?",
        "9:34: steps.both.parallel.c.retry_task.of: no step is named z; tasks are created by a, b, c",
    ]


def test_the_teardown_and_what_must_never_be():
    play = play_of(f"""\
  - {TASK}
teardown:
  - {{id: z, cancel_task: {{of: a}}, wait: 3s}}
never:
  - {{of: a, task_state: stopped, jobs: {{failed: ">= 2"}}}}
  - {{running: [{{devices: meters, link: "off"}}]}}
on_error: continue
""")
    assert play.teardown == (
        p.PlayStep(
            id="z", title="", action=p.CancelTask(of="a"), wait_ms=3_000, expected=p.Expected(), xfail=""
        ),
    )
    assert play.never == (
        p.Never(of="a", expected=p.Expected(task_state="stopped", counts={"jobs.failed": p.Bounds(low=2)})),
        p.Never(
            of=None,
            expected=p.Expected(
                running=(p.ExpectedDevices(devices=(parse_selection("meters"),), link="off"),)
            ),
        ),
    )
    assert play.on_error == "continue"


def test_mistakes_at_the_end():
    assert mistakes_of(f"""\
  - {TASK}
teardown:
  - {{id: a, check: {{}}}}
  - {{id: y, retry_task: {{of: z}}}}
  - {{id: z, retry_task: {{of: b}}}}
never:
  - {{}}
  - {{of: b, left: 3}}
  - {{task_state: finished, deducted: 1}}
on_error: go on
""") == [
        "7:5: teardown.a: the step checks nothing; write under expect what must be true",
        "7:10: teardown.a.id: a step is named a already, on line 5",
        "8:30: teardown.y.retry_task.of: step z comes later; name an earlier one",
        "9:30: teardown.z.retry_task.of: no step is named b; tasks are created by a, y, z",
        ("11:5: never[0]: nothing is written under never; there are left, purchased_left, free_left, balance, fee, jobs, "
         "versions, entitlements, notices, task_state, auto_added, distribution, deliveries, pushes, struck, running, "
         "messages, pushed, journal"),
        "12:10: never[1].of: no step is named b; tasks are created by a, y, z",
        "13:6: never[2].task_state: task_state is a task's; name the step that created it with of: STEP",
        ("13:28: never[2].deducted: no field is named 'deducted' here; there are left, purchased_left, free_left, "
         "balance, fee, jobs, versions, entitlements, notices, task_state, auto_added, distribution and 8 more"),
        "14:11: on_error: expected one of continue, stop, found 'go on'",
    ]  # fmt: skip


EXPECTATIONS = [
    ('{left: ">= 3"}', p.Expected(counts={"left": p.Bounds(low=3)})),
    ("{left: <= 2}", p.Expected(counts={"left": p.Bounds(high=2)})),
    ("{jobs: {success: 2-3}}", p.Expected(counts={"jobs.success": p.Bounds(low=2, high=3)})),
    ("{journal: {bound: 3, bought: 0 - 1}}",
     p.Expected(counts={"journal.bound": 3, "journal.bought": p.Bounds(low=0, high=1)})),
    ('{running: [{devices: meters, f_version: 2, s_version: 1, stage: idle, link: present, failed_step: 0, count: ">=1"}]}',
     p.Expected(running=(p.ExpectedDevices(
         devices=(parse_selection("meters"),), f_version="2", s_version="1", stage="idle", link="present", failed_step=0,
         count=p.Bounds(low=1)),))),
    ("{messages: [{sent: ota/status, step: 101, count: 3}, {devices: meters, received: ota/inform, count: 1, each: true}]}",
     p.Expected(messages=(
         p.ExpectedMessages(devices=(), way="sent", topic="ota/status", step=101, count=3),
         p.ExpectedMessages(devices=(parse_selection("meters"),), way="received", topic="ota/inform", step=None, count=1,
                            each=True)))),
    ("{never: [{left: 0}, {of: a, jobs: {failed: 1}}]}",
     p.Expected(never=(p.Never(of=None, expected=p.Expected(counts={"left": 0})),
                       p.Never(of="a", expected=p.Expected(counts={"jobs.failed": 1}))))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), EXPECTATIONS, ids=lambda value: str(value)[:24])
def test_what_is_expected(text, expected):
    play = play_of(f"  - {TASK[:-1]}, expect: {text}}}\n")
    assert play.steps[0].expected == expected


def test_pushes_of_a_task():
    play = play_of(f"""\
  - {{id: hook, set_webhook: {{}}}}
  - {TASK[:-2]}, notification: webhook}}, expect: {{pushed: [{{of: a, count: 1}}]}}}}
""")
    assert play.steps[1].expected.pushed == (p.ExpectedPushes(of="a", count=1),)


MISTAKES = [
    ("{left: 3-2}", ["5:85: steps.a.expect.left: '3-2' goes downwards; write the smaller count first"]),
    ('{left: "> 3"}',
     [('5:85: steps.a.expect.left: expected a count such as 5, or in quotes ">= 3", "<= 2" or "2-5", found \'> 3\'')]),
    ('{needed: ">= 4"}', ["5:87: steps.a.expect.needed: 4 can't be: the task has 3 devices"]),
    ("{jobs: {success: 2-3, failed: 2}}", ["5:85: steps.a.expect.jobs: 4 jobs can't be: the task has 3 devices"]),
    ("{running: [{devices: meters}]}",
     [("5:89: steps.a.expect.running[0]: nothing is expected of these devices; write f_version or s_version or stage or "
       "link or failed_step")]),
    ("{running: [{devices: meters, stage: idel}]}",
     [("5:114: steps.a.expect.running[0].stage: expected one of "
       + ", ".join(stage.name.lower() for stage in Stage) + ", found 'idel'; did you mean idle?")]),
    ("{running: [{devices: meters, stage: idle, count: 4}]}",
     ["5:127: steps.a.expect.running[0].count: 4 can't be: there are 3 devices"]),
    ("{messages: [{count: 1}, {sent: version, received: check, count: 1}]}",
     ["5:90: steps.a.expect.messages[0]: which messages? write sent: ota/status, say, or received: ota/inform",
      "5:118: steps.a.expect.messages[1].received: an entry is about what was sent or received, not both"]),
    ("{messages: [{sent: ota/stat, count: 1}]}",
     [("5:97: steps.a.expect.messages[0].sent: expected one of check, download, dp/post/json, dp/post/json/accepted, "
       "dp/post/json/rejected, ota/inform, ota/inform_reply, ota/status, ota/status_reply, ota/version, "
       "ota/version_reply, status, thing/property/post, thing/property/post/reply, token, version, found 'ota/stat'; did "
       "you mean ota/status?")]),
    ("{journal: {bond: 1}}",
     [("5:89: steps.a.expect.journal.bond: expected one of opened, subscribed, posted, bought, granted, charging_date, "
       "bound, ended; did you mean bound?")]),
    ("{journal: {}}",
     ["5:88: steps.a.expect.journal: expected a mapping with a count for each kind of line, found an empty one"]),
    ("{pushed: [{of: a, count: 1}]}", ["5:79: steps.a.expect.pushed: no webhook is set by then; set_webhook does so"]),
    ("{never: [{}, {of: b, left: 1}]}",
     [("5:87: steps.a.expect.never[0]: nothing is written under never; there are left, purchased_left, free_left, balance, "
       "fee, jobs, versions, entitlements, notices, task_state, auto_added, distribution, deliveries, pushes, struck, "
       "running, messages, pushed, journal"),
      "5:96: steps.a.expect.never[1].of: no step is named b; tasks are created by a"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=lambda value: str(value)[:24])
def test_what_cannot_be_expected(text, expected):
    assert mistakes_of(f"  - {TASK[:-1]}, expect: {text}}}\n") == expected
