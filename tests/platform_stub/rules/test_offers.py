"""Whether a job suits the device that checks for it: one row a reason, in their order."""

import pytest

from platform_stub.protocol.codes import JobState
from platform_stub.rules.offers import Asked, Mismatch, Terms, find_mismatch

FULL = Terms(target="2.0", manufacturer="101", model="10101")
OPEN = Terms(target="2.0")
DIFFERENTIAL = Terms(target="2.0", start_version="1.0", manufacturer="101")


@pytest.mark.parametrize(
    ("terms", "asked", "expected"),
    [
        (FULL, Asked(version="1.0", manufacturer="101", model="10101"), None),
        (FULL, Asked(version="1.0"), None),  # manuf and model may be missing
        (FULL, Asked(version="1.0", manufacturer="", model=""), None),
        (FULL, Asked(version="1.0", manufacturer="102", model="10101"), Mismatch.MODEL),
        (FULL, Asked(version="1.0", manufacturer="101", model="10102"), Mismatch.MODEL),
        (FULL, Asked(version="2.0", manufacturer="102"), Mismatch.AT_TARGET),
        (
            Terms(target="2.0", manufacturer="100", model="10001"),
            Asked(version="1.0", manufacturer="x", model="y"),
            None,
        ),
        (
            Terms(target="2.0", manufacturer="000", model="00001"),
            Asked(version="1.0", manufacturer="x", model="y"),
            None,
        ),
        (OPEN, Asked(version="1.0", manufacturer="102", model="x"), None),
        (DIFFERENTIAL, Asked(version="1.0"), None),
        (DIFFERENTIAL, Asked(version="1.1"), Mismatch.START_VERSION),
        (DIFFERENTIAL, Asked(version="1.1", manufacturer="102"), Mismatch.MODEL),
        (DIFFERENTIAL, Asked(version="2.0"), Mismatch.AT_TARGET),
    ],
)
@pytest.mark.parametrize("state", [JobState.PENDING, JobState.DOWNLOADING])
def test_a_mismatch_is_named(state, terms, asked, expected):
    assert find_mismatch(state, terms, asked) is expected


@pytest.mark.parametrize("terms", [FULL, DIFFERENTIAL])
def test_a_job_that_upgrades_is_past_all_but_its_target(terms):
    state = JobState.UPGRADING
    assert find_mismatch(state, terms, Asked(version="1.7", manufacturer="9", model="9")) is None
    assert find_mismatch(state, terms, Asked(version="2.0")) is Mismatch.AT_TARGET
