"""Profiles and faults that can't be are refused with all that is wrong."""

import pytest

from device_sim import Fault, Profile
from device_sim.core.faults import MEANINGS, STRIKES
from device_sim.core.profile import FLOWS
from platform_stub.protocol.codes import DOWNLOAD_FAILURES, UPDATE_FAILURES
from platform_stub.protocol.errors import UsageFault


def test_all_that_is_wrong_is_told():
    with pytest.raises(UsageFault) as caught:
        Profile(chunk_bytes=0, keepalive_s=9, install_ms=-1, reboot_ms=-5)
    assert str(caught.value) == (
        "profile: chunk_bytes = 0: at least 1 is wanted; install_ms = -1: at least 0 is wanted; "
        "reboot_ms = -5: at least 0 is wanted; keepalive_s = 9: at least 10 is wanted"
    )


def test_the_other_bounds():
    with pytest.raises(UsageFault, match="keepalive_s = 1801: at most 1800 is taken"):
        Profile(keepalive_s=1801)
    with pytest.raises(UsageFault, match="flow = 'smoke': there are mqtt, fuse, studio, south"):
        Profile(flow="smoke")


@pytest.mark.parametrize("step", [0, 101, 108, 201, 208, -1])
def test_a_step_that_is_no_failure(step):
    with pytest.raises(UsageFault, match=f"step {step} is no failure to choose"):
        Fault(what="fails", step=step)


def test_every_failure_can_be_chosen_but_generation_as_own():
    assert set(STRIKES) == set(DOWNLOAD_FAILURES) | set(UPDATE_FAILURES) - {208}


def test_times():
    with pytest.raises(UsageFault, match="attempts = 0"):
        Fault(what="fails", step=102, attempts=0)


@pytest.mark.parametrize(
    ("values", "mistake"),
    [
        ({"what": "melts"}, "what = 'melts': there are silent, refuse_inform"),
        ({"what": "cut"}, "cut wants at_byte"),
        ({"what": "slow", "rate": 0}, "rate = 0: at least 1 is wanted"),
        ({"what": "silent", "at_byte": 1}, "silent takes no at_byte"),
        ({"what": "silent", "attempts": 2}, "silent is about no job in particular"),
        ({"what": "hang", "at": "lunch"}, "at = 'lunch': there are told, download"),
        ({"what": "hang", "at": "install", "at_byte": 5}, "at_byte goes with at = 'download'"),
        ({"what": "wrong_version"}, "wrong_version wants version"),
    ],
)
def test_a_fault_that_can_not_be(values, mistake):
    with pytest.raises(UsageFault, match=mistake):
        Fault(**values)


def test_every_kind_of_fault_says_what_it_does_and_where_there_is_one():
    for what, meaning in MEANINGS.items():
        assert meaning.text, what
        assert set(meaning.flows) < set(FLOWS), what
