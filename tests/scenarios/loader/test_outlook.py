"""What can't come true: bytes that no package has, installs that take longer than anyone waits."""

from pathlib import Path

import pytest

from scenarios.loader import ScenarioFault
from scenarios.loader.files import load_bytes


def mistakes_of(text):
    try:
        load_bytes(text.encode(), "x.yaml", Path())
    except ScenarioFault as fault:
        return [str(mistake).removeprefix("x.yaml:") for mistake in fault.mistakes]
    return []


BYTES = """\
version: 1
name: x
fleets: {meters: {count: 2}, pumps: {count: 2}}
steps:
  - {id: f, fault: {devices: meters, what: cut, FAULT}}
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1]", package: 5}}
  - {id: b, create_task: {kind: FOTA, target: "2", devices: pumps, package: 1 KiB}}
  - {id: c, create_task: {kind: SOTA, target: "2", devices: meters, package: 9}}
"""


@pytest.mark.parametrize(
    ("fault", "largest"),
    [
        ("at: 10", 9),
        ("at: 9", 9),
        ("at_byte: 10", 9),
        ("at: 8", None),
        ("at: 5, update: FOTA", 5),
        ("at: 4, update: FOTA", None),
        ("at: 9, update: SOTA", 9),
    ],
)
def test_a_byte_that_is_never_reached(fault, largest):
    found = mistakes_of(BYTES.replace("FAULT", fault))
    assert len(found) == (0 if largest is None else 1)
    assert all(f"the largest package for these devices has {largest} bytes" in text for text in found)


def test_whoever_may_get_a_package_may_get_so_far():
    text = BYTES.replace("FAULT", "at: 1000").replace("devices: pumps", "devices: failed of a")
    assert mistakes_of(text) == []
    policy = '  - {id: d, auto_add: {kind: FOTA, target: "3", package: 1001}}\n'
    assert mistakes_of(BYTES.replace("FAULT", "at: 1000") + policy) == []
    assert mistakes_of(BYTES.replace("FAULT", "at: 1000").partition("  - {id: a")[0]) == []


def test_a_fault_of_a_fleet():
    text = BYTES.replace("what: cut, FAULT", "what: silent")
    text = text.replace("meters: {count: 2}", "meters: {count: 2, faults: [{what: hang, at: 9}]}")
    assert mistakes_of(text) == [
        "3:55: fleets.meters.faults[0].at: byte 9 is never reached: the largest package for these devices has 9 bytes"
    ]


SLOW = """\
version: 1
name: x
wait: 20s
fleets:
  meters: {count: 2, device: {install: 30s-60s, reboot: 5s}}
  pumps: {count: 2}
groups: {all: [meters, pumps]}
steps:
  - id: s
    create_task: {kind: FOTA, target: "2", devices: DEVICES}
"""


@pytest.mark.parametrize(
    ("devices", "more", "place"),
    [
        ("meters", "", "10:18: steps.s.create_task"),
        ("meters", "    wait: 34s\n", "11:11: steps.s.wait"),
        ("[pumps, meters]", "", "10:18: steps.s.create_task"),
        ("first 1 of meters", "", "10:18: steps.s.create_task"),
        ("meters", "    wait: 35s\n", None),
        ("meters", "    wait: none\n", None),
        ("pumps", "", None),
        ("all", "", None),
        ("meters, start_in: 1h", "", None),
        ("meters", "    expect: {reason: arrears}\n", None),
        ("meters", "    expect: {jobs: {failed: 2}}\n", None),
        ("meters", "    expect: {jobs: {success: 2}}\n", "10:18: steps.s.create_task"),
    ],
)
def test_an_install_that_takes_longer_than_the_step_waits(devices, more, place):
    found = mistakes_of(SLOW.replace("DEVICES", devices) + more)
    if place is None:
        assert found == []
        return
    waits = "34 s" if more.startswith("    wait") else "20 s"
    advice = "write wait: none and let the time pass with advance, or wait with wait_until and its advance"
    said = f"an install takes devices of meters 35 s at least, and the step waits {waits}"
    assert found == [f"{place}: {said}; {advice}"]


@pytest.mark.parametrize(
    ("expect", "is_said"),
    [
        ("{outcome: {F: created, P: refused}}", False),
        ("{outcome: created, deducted: {F: 2, P: 0}}", True),
        ("{outcome: created, jobs: {success: {F: 2, P: 0}}}", True),
    ],
)
def test_an_expectation_of_each_variant_says_whether_anything_is_installed(expect, is_said):
    """An outcome by variant is a mapping, and can't be looked up in a set."""
    text = SLOW.replace("DEVICES", "meters").replace("steps:", "variants: {F: {}, P: {}}\nsteps:")
    found = mistakes_of(f"{text}    expect: {expect}\n")
    assert [mistake.partition(": ")[0] for mistake in found] == (["11:18"] if is_said else [])
