"""What a step waits for when some of its devices are there and others are not, and that it is the same every time."""

from pathlib import Path

import pytest

from scenarios.loader.files import load_bytes
from scenarios.runner.options import RunOptions
from scenarios.runner.plan import plan
from scenarios.runner.run import run_play

HEAD = """\
version: 1
name: x
clock: 2026-03-01T20:00:00+08:00
policy: {charging_date: 2026-01-01T00:00:00+08:00, free_devices: 30}
fleets:
  meters: {count: 2}
  loggers: {count: 2, flow: fuse}
  valves: {count: 2, flow: studio}
  oldies: {count: 2, flow: south}
  asleep: {count: 2, connect: false}
groups: {live: [meters, loggers, valves, oldies], all: [live, asleep]}
steps:
"""
NIGHT = """\
  - id: night
    create_task: {kind: FOTA, target: "1.1", devices: all, start_at: 2026-03-02T02:00:00+08:00, expires: 4h}
    expect: {deducted: 10, task_state: not_started, jobs: {pending: 10}}
  - {id: hold, pause_task: {of: night}, expect: {task_state: paused}}
  - {id: two, advance_to: 2026-03-02T02:30:00+08:00}
  - {id: look, check: {of: night}, expect: {jobs: {pending: 10}, task_state: paused}}
  - {id: go, resume_task: {of: night}, expect: {jobs: {success: 8, pending: 2}, task_state: upgrading}}
  - {id: out, cancel_jobs: {of: night, devices: "asleep[1]"}, expect: {jobs: {success: 8, pending: 1, cancelled: 1}}}
  - {id: morning, advance: 4h}
  - id: seen
    check: {of: night}
    expect:
      jobs: {success: 8, failed: 1, cancelled: 1}
      task_state: finished
      distribution: [{f_versions: {"1.1": 8, "1.0": 2}}]
  - {id: again, retry_task: {of: night}, expect: {deducted: 0, jobs: {pending: 1}}}
"""


def play_of(steps, head=HEAD):
    (play,) = load_bytes((head + steps).encode(), "x.yaml", Path())
    return play


async def run(steps, head=HEAD):
    return await run_play(play_of(steps, head), RunOptions(), lambda _: None)


def wrong(result):
    return [(step.id, step.note, step.differences) for step in result.failed_steps]


@pytest.mark.parametrize("_", range(3))
async def test_sleepers_among_live_devices_come_to_the_same_every_time(_):
    result = await run(NIGHT)
    assert wrong(result) == []
    assert result.fleet.jobs_succeeded == 8


def test_and_to_what_is_planned():
    assert [(each.differences, each.note, each.remark) for each in plan(play_of(NIGHT))] == [((), "", "")] * 9


ON_THE_WAY = """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: all, start_in: 1h, expires: 2h}}
  - {id: b, create_task: {kind: SOTA, target: "2", devices: all, start_in: 2h, expires: 5 min}}
  - {id: c, create_task: {kind: FOTA, target: "3", devices: "asleep[1]"}, expect: {reason: devices_busy}}
  - {id: day, advance: 1d}
  - {id: first, check: {of: a}, expect: {jobs: {success: 8, failed: 2}, task_state: finished}}
  - {id: second, check: {of: b}, expect: {jobs: {success: 8, failed: 2}, task_state: finished}}
"""


async def test_devices_do_what_starts_and_expires_within_one_advance():
    assert wrong(await run(ON_THE_WAY)) == []
    assert [each.differences for each in plan(play_of(ON_THE_WAY))] == [()] * 6


async def test_time_does_not_run_out_on_devices_that_are_under_way():
    steps = """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: all}, wait: none}
  - {id: day, advance: 1d}
  - {id: look, check: {of: a}, expect: {jobs: {success: 8, failed: 2}}}
"""
    assert wrong(await run(steps)) == []
    assert [each.differences for each in plan(play_of(steps))] == [()] * 3


async def test_who_is_held_by_arrears_is_waited_for_by_the_step_that_pays():
    steps = """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: all, start_in: 1h}}
  - {id: bill, post: {amount: -1}}
  - {id: hour, advance: 1h}
  - {id: held, check: {of: a}, expect: {jobs: {pending: 10}}}
  - {id: paid, top_up: 1}
  - {id: done, check: {of: a}, expect: {jobs: {success: 8, pending: 2}}}
"""
    assert wrong(await run(steps)) == []
    assert [each.differences for each in plan(play_of(steps))] == [()] * 6


async def test_some_devices_of_a_task_are_waited_for_and_the_rest_is_not_predicted():
    result = await run("""\
  - {id: late, inject: {call: status, flow: studio, delay: 300 ms}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: all}, wait: none}
  - {id: some, wait_jobs: {of: a, devices: meters}, expect: {versions: [{devices: meters, f_version: "2"}]}}
  - {id: rest, wait_jobs: {of: a}, expect: {jobs: {success: 8, pending: 2}}}
  - {id: nobody, wait_jobs: {}}
""")
    assert wrong(result) == []
    assert [step.remark for step in result.steps] == ["", *["not predicted: the jobs of a"] * 2, "", ""]


async def test_a_time_limit_says_who_is_still_open():
    result = await run("""\
  - {id: deaf, inject: {call: inform, devices: "meters[2]", silent: true}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: all}, wait: 3s}
  - {id: b, buy: 1}
""")
    assert [step.verdict for step in result.steps] == ["passed", "failed", "not_played"]
    assert result.steps[1].note == (
        "after 3 s 1 of 10 jobs of a have not ended (3 pending, 7 success): meters-2 (device 2): is online; and was given no job"
    )


async def test_a_share_strikes_exactly_so_many():
    steps = """\
  - {id: half, inject: {call: check, share: 50%, devices: [live], delay: 1 ms, times: 1}}
  - {id: one, inject: {call: status, share: 1%, flow: fuse, delay: 1 ms, times: 1}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: live}, expect: {struck: {half: 3, one: 1}}}
"""
    for seed in range(1, 6):
        result = await run(steps, f"seed: {seed}\n{HEAD}")
        assert wrong(result) == []


STRICT = """\
  - {id: faults, fail: {devices: "oldies[1]", step: 205}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: all}, expect: {jobs: {success: 7, failed: 1, pending: 2}}}
  - {id: b, retry_task: {of: a}, expect: {jobs: {success: 1}}}
  - {id: back, reconnect: {devices: live}}
"""


async def test_all_flows_work_with_a_platform_that_takes_the_narrower_reading():
    result = await run(STRICT, f"strict: true\n{HEAD}")
    assert wrong(result) == []
    assert result.strict
    assert result.fleet.jobs_succeeded == 8
