"""Plays on paper: the library's expectations hold without a platform, and what can't hold is said."""

from pathlib import Path

import pytest

from scenarios.loader import LIBRARY, load_file
from scenarios.loader.files import load_bytes
from scenarios.runner.plan import plan

PLAYS = [play for file in sorted(LIBRARY.glob("*.yaml")) for play in load_file(file)]


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)
def test_the_library_is_what_the_rules_say(play):
    planned = plan(play)
    assert [
        (step.step.id, step.differences, step.note) for step in planned if step.differences or step.note
    ] == []
    assert len(planned) == len(play.steps)


HEAD = """\
version: 1
name: x
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 3}
fleets: {meters: {count: 5}, sleepers: {count: 2, connect: false}}
steps:
"""


def planned(steps):
    (play,) = load_bytes((HEAD + steps).encode(), "x.yaml", Path())
    return plan(play)


def seen(step, *names):
    return tuple(getattr(step.seen, name) for name in names)


def test_what_is_predicted():
    first, second, third = planned("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}}
  - {id: b, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}}
  - {id: c, check: {of: b}, expect: {left: 1}}
""")
    assert seen(first, "outcome", "reason", "needed", "available", "missing", "deducted", "left") == (
        "refused", "licences_insufficient", 5, 3, 2, 0, 3,
    )  # fmt: skip
    assert seen(second, "outcome", "needed", "deducted_free", "left", "jobs") == (
        "created",
        2,
        2,
        1,
        {"success": 2},
    )
    assert seen(third, "deducted", "left", "jobs") == (2, 1, {"success": 2})


def test_a_wrong_expectation_is_contradicted():
    (step,) = planned(
        '  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, expect: {left: 2}}\n'
    )
    assert [(d.what, d.expected, d.seen) for d in step.differences] == [
        ("outcome", "no refusal", "refused (licences_insufficient)"),
        ("left", 2, 3),
    ]


def test_jobs_of_devices_that_are_not_there_stay_pending():
    a, b, c = planned("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: sleepers}, expect: {jobs: {pending: 2}}}
  - {id: b, create_task: {kind: FOTA, target: "3", devices: sleepers}, expect: {reason: devices_busy}}
  - {id: c, cancel_task: {of: a}, expect: {jobs: {cancelled: 2}}}
""")
    assert (a.differences, b.differences, c.differences) == ((), (), ())


def test_packages_and_versions():
    steps = planned("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1]", verification: open}, expect: {reason: package_not_verified}}
  - {id: b, create_task: {kind: FOTA, target: "2", devices: "meters[1]", verification: first}, expect: {outcome: created}}
  - {id: c, create_task: {kind: FOTA, target: "2", devices: "meters[2]", verification: open}, expect: {outcome: created}}
  - {id: d, create_task: {kind: FOTA, target: "2", devices: "meters[2-3]"}, expect: {reason: devices_unusable}}
""")
    assert [step.differences for step in steps] == [(), (), (), ()]


def test_a_step_about_a_task_that_is_not_created():
    _, retry, chosen = planned("""\
  - {id: a, create_task: {kind: FOTA, target: "2", devices: meters}, expect: {outcome: refused}}
  - {id: b, retry_task: {of: a}}
  - {id: c, terminate: {devices: failed of a}}
""")
    assert retry.note == "the task that it is about is not created"
    assert chosen.note == "'failed of a': step a has created no task"
