"""`ota-sim device` is a device program like any other: a few cases in each flow; docs/conform.md says how to play all."""

import sys

import pytest

from device_sim import FLOWS
from tests.scenarios.conform.suites import failed_cases

COMMAND = (sys.executable, "-c", "from scenarios.cli import main; main()", "device")
CASES = ("versions-first", "fota", "resume", "step-unanswered", "wrong-md5", "garbled-json")


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_it_passes_in_every_flow(tmp_path):
    cases = [(case, flow) for flow in FLOWS for case in CASES]
    failed = await failed_cases(COMMAND, cases, tmp_path, patience=6.0, jobs=6)
    assert {f"{case.flow}/{name}": case.reason for name, case in failed.items()} == {}
