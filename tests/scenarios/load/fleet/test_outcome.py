"""What a course comes to: exit codes, and devices that are missing."""

import pytest

from device_sim.shards.limits import Limits
from platform_stub.protocol import operator as api
from scenarios.load.fleet.course import Course
from scenarios.load.fleet.ground import Aftermath, Ground
from scenarios.load.fleet.missing import judge_aftermath, missing_devices
from scenarios.load.fleet.options import FleetOptions, Missing
from scenarios.load.fleet.outcome import result_of
from scenarios.load.fleet.room import plan_devices, room_for
from scenarios.load.result import Audit

MACHINE = Limits(descriptors=20_000, ports=28_000, cores=2, memory_bytes=2**35)
LICENCES = api.Licences(
    bought=3, granted=0, purchased_left=0, free_left=0, left=0, entitled_purchased=3, entitled_free=0,
    entitled_grandfathered=0,
)  # fmt: skip


def course_with(**changes):
    """Give a course at its end, with what the platform said."""
    good = {
        "jobs": {"success": 3},
        "unfinished": {},
        "jobless": [],
        "outdated": [],
        "licences": LICENCES,
        "deducted": 3,
    }
    course = Course(3, 1)
    course.ground = Ground(account_id=1, product_id="p", package_id=1, kind="FOTA", devices=[], bought=3)
    course.aftermath = Aftermath(**good | changes)
    judge_aftermath(course)
    return course


def result(course, missing="0"):
    options = FleetOptions(devices=3, missing=Missing.parse(missing))
    plan = plan_devices(3, None, MACHINE, stub_here=True, mqtt_host="127.0.0.1")
    room = room_for(None, MACHINE, stub_here=True, mqtt_host="127.0.0.1")
    audit = Audit(audited=True, how="")
    return result_of(course, options, plan, target="here", room=room, audit=audit, command="")


def test_when_nothing_is_missing_it_passed():
    assert result(course_with()).exit_code == 0


@pytest.mark.parametrize(
    ("changes", "missing", "said"),
    [
        (
            {"jobs": {"success": 2, "failed": 1}, "unfinished": {7: "failed"}},
            1,
            "1 job did not succeed: device 7 (failed)",
        ),
        ({"jobless": [4, 5]}, 2, "2 devices without a job: 4, 5"),
        ({"outdated": [4]}, 1, "1 device not at the new version: 4"),
        ({"unfinished": {4: "pending"}, "outdated": [4]}, 1, "1 job did not succeed: device 4 (pending)"),
        ({"deducted": 4}, 0, "the task deducted 4 licences for 3 devices"),
    ],
)
def test_each_device_that_was_not_updated_once_is_named(changes, missing, said):
    course = course_with(**changes)
    assert missing_devices(course) == missing
    assert said in (*course.missing, *course.failures)
    assert said in result(course).failures
    assert result(course).exit_code == 1


def test_so_many_may_be_missing_as_were_allowed_and_they_are_named_all_the_same():
    allowed = result(course_with(jobless=[4]), missing="1")
    assert allowed.exit_code == 0
    assert "1 device without a job: 4" in allowed.notes


def test_the_charges_of_another_platform_are_not_ours_to_judge():
    course = Course(3, 1)
    course.predicts = False
    course.aftermath = course_with(deducted=0).aftermath
    judge_aftermath(course)
    assert not course.failures
    assert not course.missing


def test_what_died_is_the_environments_fault_and_ctrl_c_comes_first():
    course = course_with()
    course.trouble.append("the stub died")
    assert result(course).exit_code == 3
    assert not result(course).thresholds
    course.is_interrupted = True
    assert result(course).exit_code == 130
