"""The device's side of some facts: what the simulated device does with a cancel, a finished task, a failed download."""

from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from device_sim.core.effects import Call, JobEnded, Outcome
from device_sim.core.events import Answered, Chunk, Fetched
from scenarios.cli import main
from tests.device_sim.core.http_story import FLOWS, HttpStory

CANCELLED = {"south": 22, "studio": 22, "fuse": 20}


@pytest.mark.fact("S-17", "J-15")
@pytest.mark.parametrize("flow", FLOWS)
def test_a_cancelled_device_stops_and_reports_no_failure(flow):
    story = HttpStory(flow).begin()
    assert story.range_arrives() == [story.step(101)]
    effects = story.answer(CANCELLED[flow], "cancelled")
    assert [effect.outcome for effect in effects if isinstance(effect, JobEnded)] == [Outcome.ENDED]
    assert not [effect for effect in effects if isinstance(effect, Call) and effect.method == "POST"]
    assert story.device.job is None


@pytest.mark.fact("J-15")
@pytest.mark.parametrize("flow", ["studio", "fuse"])
def test_ota_errno_5_in_the_middle_of_a_download_stops_it_too(flow):
    story = HttpStory(flow).begin()
    effects = story.tell(Answered(200, "5"))
    assert [effect.outcome for effect in effects if isinstance(effect, JobEnded)] == [Outcome.ENDED]
    assert not [effect for effect in effects if isinstance(effect, Call) and effect.method == "POST"]


@pytest.mark.fact("J-12")
@pytest.mark.parametrize("flow", FLOWS)
def test_task_finish_after_the_own_201_is_success(flow):
    story = HttpStory(flow).begin()
    assert story.range_arrives() == [story.step(101)]
    assert story.step(201) in story.answer()
    effects = story.answer(20, "task finish")
    assert [effect.outcome for effect in effects if isinstance(effect, JobEnded)] == [Outcome.SUCCEEDED]
    assert story.device.f_version == "2.0"


@pytest.mark.fact("R-13")
@pytest.mark.parametrize("flow", ["south", "studio"])
@pytest.mark.parametrize("digit", [b"1", b"2"])
def test_a_failed_download_is_reported_as_107(flow, digit):
    story = HttpStory(flow).begin()
    story.tell(Answered(200))
    story.tell(Chunk(digit))
    assert story.step(107) in story.tell(Fetched())


@pytest.mark.fact("R-13")
def test_a_bad_token_is_reported_as_107():
    story = HttpStory("studio").begin()
    story.tell(Answered(200))
    story.tell(Chunk(b"3"))
    assert story.step(107) in story.tell(Fetched())


MIXED = """\
version: 1
name: mixed
title: two flows in one run
clock: 2021-06-01T00:00:00+08:00
fleets: {polling: {count: 1, flow: south}, told: {count: 1, flow: mqtt}}
steps:
  - {id: a, title: both, create_task: {kind: FOTA, target: "2", devices: [polling, told]}, expect: {jobs: {success: 2}}}
"""


@pytest.mark.fact("M-30")
def test_a_runs_report_says_which_flows_its_devices_used(tmp_path):
    (tmp_path / "mixed.yaml").write_text(MIXED)
    options = ["run", "--jobs", "1", str(tmp_path / "mixed.yaml"), "--report-dir", str(tmp_path / "reports")]
    outcome = CliRunner().invoke(main, options)
    assert outcome.exit_code == 0, outcome.output
    root = ET.parse(tmp_path / "reports" / "junit.xml").getroot()  # noqa: S314 - our own report
    flows = {one.get("value") for one in root.iter("property") if one.get("name") == "flow"}
    assert len(flows) == 1
    (flow,) = flows
    assert "south" in flow.lower()
    assert "mqtt" in flow.lower()
