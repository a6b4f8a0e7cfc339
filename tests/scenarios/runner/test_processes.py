"""A scenario over two processes: the same verdict, figures and stories as in one; and what can't be spread is refused."""

from pathlib import Path

import pytest

from scenarios.loader.files import load_bytes
from scenarios.loader.mistakes import ScenarioFault
from scenarios.runner.options import RunOptions
from scenarios.runner.run import processes_of, run_play

TEXT = """\
version: 1
name: x
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 12}
fleets: {meters: {count: 8}, pumps: {count: 4, flow: fuse}}
processes: PROCESSES
steps:
  - {id: bad, fault: {devices: "meters[1-2]", what: fails, step: 103}}
  - {id: power, fault: {devices: "meters[3]", what: power_loss, at: downloaded, for: 30s}}
  - id: all
    create_task: {kind: FOTA, target: "2", devices: [meters, pumps]}
    wait: none
    expect: {deducted_free: 12}
  - {id: month, advance: 2h, wait: 60s}
  - {id: look, check: {of: all}, expect: {jobs: {success: 10, failed: 2}}}
  - {id: cards, replace_cards: {devices: "meters[4-6]"}, expect: {messages: [{sent: thing/property/post, count: 3}]}}
  - {id: later, register: {fleet: more, count: 3}}
  - {id: storm, storm: {devices: [meters, more]}}
  - {id: dark, power_off: {devices: more}}
  - {id: light, power_on: {devices: more}, expect: {running: [{devices: more, link: present, f_version: "1.0"}]}}
  - {id: retry, clear_faults: {devices: meters}}
  - {id: again, retry_task: {of: all}, expect: {jobs: {success: 2}}}
"""


def play_of(processes):
    (play,) = load_bytes(TEXT.replace("PROCESSES", str(processes)).encode(), "x.yaml", Path())
    return play


async def told(processes, folder):
    result = await run_play(play_of(processes), RunOptions(evidence=str(folder)), lambda _: None)
    figures = result.fleet
    stories = {
        device.name: [
            (entry.what, entry.step)
            for entry in device.entries
            if entry.what in {"job", "ended", "card", "power_off"}
        ]
        for device in result.story.devices
    }
    return (
        (result.verdict, result.reason),
        [
            (step.id, step.verdict, step.seen.jobs, [each.what for each in step.differences])
            for step in result.steps
        ],
        (figures.devices, figures.jobs_succeeded, figures.jobs_failed),
        stories,
    )


async def test_two_processes_come_to_the_same_as_one(tmp_path):
    one = await told(1, tmp_path / "one")
    assert one[0] == ("passed", "")
    assert await told(2, tmp_path / "two") == one


def test_as_many_as_they_take():
    assert play_of("auto").processes == 0
    assert processes_of(play_of("auto")) == 1
    assert processes_of(play_of(2)) == 2


@pytest.mark.parametrize(
    ("processes", "said"),
    [
        (
            13,
            "x.yaml:6:12: processes: 13 processes are wanted, and 12 devices connect at the start: each wants one",
        ),
        (0, "x.yaml:6:12: processes: expected"),
        (65, "x.yaml:6:12: processes: expected"),
        ("many", "x.yaml:6:12: processes: expected"),
    ],
)
def test_what_cannot_be_spread_is_refused_with_its_line(processes, said):
    with pytest.raises(ScenarioFault) as caught:
        play_of(processes)
    assert str(caught.value).startswith(said), str(caught.value)
