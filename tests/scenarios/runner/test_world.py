"""What steps do to devices: faults, their world, power, connections, cards and keys; and the clock that moves with them."""

from pathlib import Path

import pytest

from scenarios.loader.files import load_bytes
from scenarios.runner.options import RunOptions
from scenarios.runner.plan import plan
from scenarios.runner.run import run_play

HEAD = """\
version: 1
name: x
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 30}
fleets:
  meters: {count: 4}
  loggers: {count: 2, flow: fuse}
  valves: {count: 2, flow: studio}
  oldies: {count: 2, flow: south}
  asleep: {count: 2, connect: false}
groups: {live: [meters, loggers, valves, oldies]}
"""
SLOW = """\
version: 1
name: x
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 100}
fleets:
  meters: {count: 20, device: {install: 10s-60s, reboot: 5s-30s}}
  loggers: {count: 5, flow: fuse, device: {install: 30s}}
steps:
"""


def play_of(steps, head=HEAD + "steps:\n"):
    (play,) = load_bytes((head + steps).encode(), "x.yaml", Path())
    return play


async def run(steps, head=HEAD + "steps:\n"):
    return await run_play(play_of(steps, head), RunOptions(), lambda _: None)


def wrong(result):
    return [
        (s.id, s.note, [(d.what, d.expected, d.seen, d.by) for d in s.differences])
        for s in result.failed_steps
    ]


def remarks(result):
    return {step.id: step.remark for step in result.steps if step.remark}


# the clock and the devices' own time


async def test_installs_end_within_an_advance_and_nobody_runs_out_of_time():
    """Rests that end at different moments share stops, and yet all jobs end well within their ten minutes."""
    steps = """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: [meters, loggers]}, wait: none}
  - {id: month, advance: 30d}
  - {id: look, check: {of: a}, expect: {jobs: {success: 25}, task_state: finished}}
"""
    result = await run(steps, SLOW)
    assert wrong(result) == []
    assert remarks(result) == {"a": "not predicted: the jobs of a"}
    assert [(each.differences, each.note) for each in plan(play_of(steps, SLOW))] == [((), "")] * 3


async def test_devices_that_rest_are_named_with_what_lets_them_go_on():
    head = SLOW.replace(
        "meters: {count: 20, device: {install: 10s-60s, reboot: 5s-30s}}", "meters: {count: 2}"
    ).replace("install: 30s", "install: 1s")
    result = await run(
        """\
  - {id: hang, fault: {devices: "meters[1]", what: hang, at: install, for: 50s}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, wait: 1s}
""",
        head,
    )
    note = result.steps[1].note
    assert note.startswith(
        "after 1 s 1 of 2 jobs of a have not ended (1 upgrading, 1 success): meters-1 (device 1): "
    )
    assert "hang" in note
    assert note.endswith(
        "; it waits for time to pass, the next 49 s: take the step's wait away (wait: none) and let a step advance the "
        "clock after it, or wait longer"
    )


async def test_devices_that_hang_for_good_do_not_hold_the_clock_back():
    result = await run("""\
  - {id: hang, fault: {devices: "meters[1]", what: hang, at: install}}
  - {id: mute, fault: {devices: "meters[2]", what: silent, times: always}}
  - {id: deaf, fault: {devices: ["loggers[1]", "oldies[1]"], what: silent, times: always}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: live, expires: 1h}, wait: none}
  - {id: half, advance: 30 min, expect: {running: [{devices: "meters[1]", stage: hanging}]}}
  - {id: look, check: {of: a}, expect: {jobs: {success: 6, upgrading: 1, pending: 3}}}
  - {id: hour, advance: 1h}
  - {id: end, check: {of: a}, expect: {jobs: {success: 6, failed: 4}, task_state: finished}}
""")
    assert wrong(result) == []
    assert remarks(result).keys() == {"a", "look"}
    assert result.seconds < 60


# faults


async def test_what_only_delays_is_predicted_and_what_changes_the_outcome_is_not():
    result = await run("""\
  - {id: cut, fault: {devices: "meters[1]", what: cut, at: 1 KiB, times: 2}, expect: {journal: {bound: 0}}}
  - {id: twice, fault: {devices: "meters[2]", what: double_reports, times: always}}
  - {id: late, fault: {devices: "loggers[1]", what: late_reports, for: 200ms}}
  - {id: slow, fault: {devices: "oldies[1]", what: slow, rate: 16 KiB}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: live}}
""")
    assert wrong(result) == []
    assert remarks(result) == {}
    result = await run("""\
  - {id: bad, fault: {devices: "meters[1]", what: fails, step: 205, attempts: 2}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: live}, expect: {jobs: {failed: 1, success: 9}}}
  - {id: b, retry_task: {of: a}, expect: {deducted: 0, jobs: {failed: 1}}}
  - {id: c, retry_task: {of: b}, expect: {deducted: 0, jobs: {success: 1}}}
  - {id: d, create_task: {kind: FOTA, target: "2", devices: "meters[1]"}, expect: {reason: devices_unusable}}
""")
    assert wrong(result) == []


async def test_faults_add_up_and_are_taken_off_again():
    result = await run("""\
  - {id: one, fault: {devices: "meters[1-3]", what: fails, step: 205, attempts: always}}
  - {id: two, fault: {devices: "meters[1]", what: double_reports, times: always}}
  - {id: off, clear_faults: {by: one}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, expect: {jobs: {success: 4}, messages: [{devices: "meters[1]", sent: ota/status, step: 201, count: 2}]}}
  - {id: again, fault: {devices: meters, what: fails, step: 206, attempts: always}}
  - {id: some, clear_faults: {devices: "meters[1-2]"}}
  - {id: b, create_task: {kind: SOTA, target: "2", devices: meters}, expect: {jobs: {success: 2, failed: 2}}}
  - {id: all, clear_faults: {}}
  - {id: c, retry_task: {of: b}, expect: {jobs: {success: 2}}}
""")
    assert wrong(result) == []
    assert [step.seen.devices for step in result.steps] == [3, 1, 3, 4, 4, 2, 4, 2, 2]


async def test_devices_come_with_the_faults_of_their_fleet():
    head = HEAD.replace("meters: {count: 4}", "meters: {count: 4, faults: [{what: fails, step: 203}]}")
    result = await run(
        """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, expect: {jobs: {failed: 4}, running: [{devices: meters, failed_step: 203}]}}
  - {id: b, retry_task: {of: a}, expect: {jobs: {success: 4}}}
""",
        head + "steps:\n",
    )
    assert wrong(result) == []


def test_a_play_on_paper_leaves_open_what_faults_come_to():
    planned = plan(
        play_of("""\
  - {id: bad, fault: {devices: "meters[1]", what: boot_fails}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, expect: {deducted: 4, jobs: {success: 3, failed: 1}}}
  - {id: b, create_task: {kind: FOTA, target: "2", devices: loggers}, expect: {deducted: 2, jobs: {success: 2}}}
  - {id: c, create_task: {kind: SOTA, target: "2", devices: loggers}, expect: {deducted: 1}}
""")
    )
    assert [each.remark for each in planned] == ["", "not predicted: the jobs of a", "", ""]
    assert [[d.what for d in each.differences] for each in planned] == [[], [], [], ["deducted"]]


# their world


async def test_what_a_device_lacks():
    result = await run("""\
  - {id: full, set_devices: {devices: ["meters[1]", "loggers[1]"], storage: 1 KiB}, expect: {left: 30}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: live}, expect: {jobs: {failed: 2, success: 8}, running: [{devices: ["meters[1]", "loggers[1]"], failed_step: 102}]}}
  - {id: free, set_devices: {devices: live, storage: 1 MiB}}
  - {id: b, retry_task: {of: a}, expect: {deducted: 0, jobs: {success: 2}}}
  - {id: flat, set_devices: {devices: oldies, battery: 20}}
  - {id: c, create_task: {kind: SOTA, target: "2", devices: oldies, battery: 10}, expect: {jobs: {success: 2}}}
""")
    assert wrong(result) == []
    assert remarks(result) == {}


# power and connections


async def test_a_device_without_power_is_not_waited_for_and_does_its_job_when_it_has_it():
    steps = """\
  - {id: dark, power_off: {devices: ["meters[1-2]", "loggers[1]"]}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: live}, expect: {deducted: 10, jobs: {success: 7, pending: 3}}}
  - {id: back, power_on: {devices: ["meters[1]", "loggers[1]"]}}
  - {id: look, check: {of: a}, expect: {jobs: {success: 9, pending: 1}}}
  - {id: hour, advance: 1h}
  - {id: end, check: {of: a}, expect: {jobs: {success: 9, failed: 1}, task_state: finished}}
  - {id: rest, power_on: {devices: meters}}
  - {id: b, retry_task: {of: a}, expect: {jobs: {success: 1}}}
"""
    result = await run(steps)
    assert wrong(result) == []
    assert remarks(result) == {}
    assert [step.seen.devices for step in result.steps if step.action.startswith("power")] == [3, 2, 1]
    assert [(each.differences, each.note) for each in plan(play_of(steps))] == [((), "")] * 8


async def test_a_device_that_has_its_power_back_by_itself():
    steps = """\
  - {id: dark, power_off: {devices: "meters[1-2]", for: 2h}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters, expires: 5h}, expect: {jobs: {success: 2, pending: 2}}}
  - {id: one, advance: 1h}
  - {id: look, check: {of: a}, expect: {jobs: {success: 2, pending: 2}}}
  - {id: two, advance: 90 min}
  - {id: end, check: {of: a}, expect: {jobs: {success: 4}, task_state: finished}}
"""
    result = await run(steps)
    assert wrong(result) == []
    assert remarks(result) == {}


async def test_a_storm_costs_nobody_anything():
    result = await run("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: live}, wait: none}
  - {id: storm, storm: {devices: live}, expect: {messages: [{devices: meters, sent: ota/version, count: ">= 4"}]}}
  - {id: all, wait_jobs: {of: a}, expect: {jobs: {success: 10}, left: 20}}
""")
    assert wrong(result) == []


# cards and keys


async def test_cards_are_swapped_and_change_no_entitlement():
    """B9."""
    steps = """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: live}, expect: {deducted: 10}}
  - {id: swap, swap_cards: {devices: ["meters[1-2]", "loggers[1]", "asleep[1]"]}, expect: {cards: 4, deducted: 0}}
  - {id: b, create_task: {kind: SOTA, target: "2", devices: live}, expect: {deducted: 0}}
"""
    result = await run(steps)
    assert wrong(result) == []
    assert [(each.differences, each.note) for each in plan(play_of(steps))] == [((), "")] * 3


async def test_a_card_that_is_replaced_without_power_is_told_with_it():
    """B9."""
    result = await run("""\
  - {id: dark, power_off: {devices: "meters[1]"}}
  - {id: card, replace_cards: {devices: "meters[1-2]"}, expect: {cards: 1}}
  - {id: back, power_on: {devices: "meters[1]"}}
  - {id: swap, swap_cards: {devices: "meters[1-2]"}, expect: {cards: 2}}
""")
    assert wrong(result) == []


async def test_an_odd_one_has_nobody_to_swap_with():
    result = await run("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1]"}}
  - {id: swap, swap_cards: {devices: licensed of meters}}
""")
    assert result.steps[1].note == "1 devices can't swap cards in pairs; choose an even number of them"


async def test_keys_play_no_part_in_charging():
    """B7: who is told of its new key goes on, who is not can't come in any more."""
    result = await run("""\
  - {id: new, renew_keys: {devices: live}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: live}, expect: {deducted: 10, jobs: {success: 10}}}
  - {id: secret, renew_keys: {devices: ["meters[1]", "loggers[1]"], told: false}}
  - {id: b, create_task: {kind: SOTA, target: "2", devices: live}, expect: {deducted: 0, jobs: {success: 8, pending: 2}}}
  - {id: told, renew_keys: {devices: ["meters[1]", "loggers[1]"]}}
  - {id: c, wait_jobs: {of: b}, expect: {jobs: {success: 10}}}
""")
    assert wrong(result) == []


# more devices, and packages


async def test_devices_and_packages_may_come_later():
    steps = """\
  - {id: more, register: {fleet: late, count: 3, flow: studio}, expect: {left: 30}}
  - {id: up, upload: {kind: FOTA, target: "2"}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: late, verification: open}, expect: {reason: package_not_verified}}
  - {id: skip, upload: {kind: FOTA, target: "2", skip: true}}
  - {id: b, create_task: {kind: FOTA, target: "2", devices: [late, meters], verification: open}, expect: {deducted: 7, jobs: {success: 7}}}
"""
    result = await run(steps)
    assert wrong(result) == []
    assert [(each.differences, each.note) for each in plan(play_of(steps))] == [((), "")] * 5


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_share_is_the_same_on_paper_and_in_a_run(seed):
    steps = """\
  - {id: bad, fault: {devices: 50% of live, what: fails, step: 206}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: live}, expect: {jobs: {success: 5, failed: 5}}}
  - {id: some, create_task: {kind: SOTA, target: "2", devices: 2 of meters}, expect: {deducted: 0, jobs: {success: 2}}}
"""
    result = await run(steps, f"seed: {seed}\n{HEAD}steps:\n")
    assert wrong(result) == []


# who can't come in


async def test_who_is_refused_for_good_is_not_waited_for_and_named():
    result = await run("""\
  - {id: clock, fault: {devices: "meters[1]", what: clock_skew, by: -30d}}
  - {id: back, storm: {devices: meters}, expect: {running: [{devices: "meters[2-4]", link: present}]}}
  - {id: set, clear_faults: {by: clock}}
  - {id: again, reconnect: {devices: meters}, expect: {running: [{devices: meters, link: present}]}}
""")
    assert wrong(result) == []
    assert remarks(result)["back"].startswith("1 device is not there: device 1 is offline")
    assert "again" not in remarks(result)
    assert result.seconds < 60


async def test_a_device_that_reconnects_keeps_what_its_faults_have_counted():
    result = await run("""\
  - {id: bad, fault: {devices: "meters[1]", what: fails, step: 205, attempts: 1}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1]"}, expect: {jobs: {failed: 1}}}
  - {id: b, reconnect: {devices: "meters[1]"}}
  - {id: c, retry_task: {of: a}, expect: {deducted: 0, jobs: {success: 1}}}
""")
    assert wrong(result) == []


async def test_a_look_at_a_task_says_whom_it_made_free_for_life():
    """B8, P3."""
    head = HEAD.replace("charging_date: 2021-04-02", "charging_date: 2021-07-02") + "steps:\n"
    result = await run(
        """\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: asleep}, expect: {grandfathered: 2}}
  - {id: b, check: {of: a}, expect: {grandfathered: 2, deducted: 0}}
""",
        head,
    )
    assert wrong(result) == []
