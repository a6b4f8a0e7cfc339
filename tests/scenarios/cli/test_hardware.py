"""What devices are and what goes wrong with them, as words of an option."""

import pytest

from device_sim import Fault, Level
from device_sim.core.faults import ALWAYS
from platform_stub.protocol.errors import UsageFault
from scenarios.cli.hardware import faults_by_device, read_fault, read_level


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cut,at=10KiB", Fault(what="cut", at_byte=10_240)),
        ("cut,at=0,times=always", Fault(what="cut", at_byte=0, times=ALWAYS)),
        ("cut, at_byte=500, times=2", Fault(what="cut", at_byte=500, times=2)),
        ("fails,step=205,attempts=2,after=1", Fault(what="fails", step=205, attempts=2, after=1)),
        ("fails,step=105,update=SOTA", Fault(what="fails", step=105, update="SOTA")),
        ("slow,rate=2 KiB", Fault(what="slow", rate=2_048)),
        ("hang,at=install,for=10 min", Fault(what="hang", at="install", for_ms=600_000)),
        ("hang,at=10KiB", Fault(what="hang", at="download", at_byte=10_240)),
        ("power_loss,at=reboot,for=2s", Fault(what="power_loss", at="reboot", for_ms=2_000)),
        ("wrong_version,version=1.5", Fault(what="wrong_version", version="1.5")),
        ("boot_fails,boots=2", Fault(what="boot_fails", boots=2)),
        ("clock_skew,by=-2d", Fault(what="clock_skew", skew_ms=-172_800_000)),
        ("late_reports,for=5s,step=101", Fault(what="late_reports", for_ms=5_000, step=101)),
        ("silent,times=3", Fault(what="silent", times=3)),
    ],
)
def test_a_fault_is_read(text, fault):
    assert read_fault(text).fault == fault


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "there is no fault ''; there are silent, "),
        ("explode", "there is no fault 'explode'"),
        ("cut", "cut wants at_byte"),
        (
            "cut,at=somewhere",
            "at: a size is wanted, such as 560 or 64 KiB, not 'somewhere'; or one of told, ",
        ),
        ("cut,at=1,at=2", "at is there twice"),
        ("cut,at", "'at' is none of at=..., at_byte=..., times=..."),
        ("cut,where=1", "'where=1' is none of at=..., "),
        ("cut,at=10KiB,rate=5", "cut takes no rate"),
        ("fails,step=300", "step 300 is no failure to choose"),
        ("fails,step=x", "step: a number is wanted, not 'x'"),
        ("fails,step=205,update=BOTH", "update: FOTA or SOTA, not 'BOTH'"),
        ("clock_skew,by=soon", "by: a span of time is wanted, forwards or backwards"),
        ("silent,share=2%,count=3", "share or count, not both"),
        ("silent,share=200", "share: per cent are wanted"),
        ("silent,share=0%", "share: 0% is nobody"),
        ("silent,count=0", "count: 0 is nobody"),
        ("slow,rate=0", "rate: a size is wanted"),
        ("hang,at=install,for=0s", "for_ms = 0: at least 1 is wanted"),
    ],
)
def test_a_fault_that_can_not_be_is_refused(text, wrong):
    with pytest.raises((ValueError, UsageFault)) as caught:
        read_fault(text)
    assert wrong in str(caught.value)


def test_a_level_is_read():
    assert read_level("80") == Level(start=80)
    assert read_level("80%,per_hour=-2.5,swing=5,period=1d") == Level(
        start=80, per_hour=-2.5, swing=5, period_ms=86_400_000
    )
    for text, wrong in [("full", "per cent are wanted"), ("80,by=2", "'by=2' is none of per_hour=...")]:
        with pytest.raises(ValueError, match=wrong):
            read_level(text)


def test_shares_and_counts_are_drawn_by_the_seed():
    devices = dict.fromkeys(range(1, 1_001), "mqtt")
    some = read_fault("silent,share=2%")
    chosen = some.choose(devices, 7)
    assert len(chosen) == 20
    assert chosen == some.choose(devices, 7)
    assert chosen != some.choose(devices, 8)
    assert read_fault("silent,count=1000").choose(devices, 7) == list(devices)
    assert read_fault("silent").choose(devices, 7) == list(devices)
    with pytest.raises(UsageFault, match="there are only 1,000 to choose 1,001 from"):
        read_fault("silent,count=1001").choose(devices, 7)
    assert len(some.choose(dict.fromkeys(range(10), "fuse"), 7)) == 1, (
        "as in a selection: of any, one at least"
    )


def test_only_those_have_a_fault_that_speak_what_it_is_about():
    flows = {1: "mqtt", 2: "fuse", 3: "mqtt", 4: "south"}
    assert read_fault("refuse_inform").choose(flows, 7) == [1, 3]
    assert read_fault("check_fails,share=50%").choose(flows, 7) in ([2], [4])
    with pytest.raises(UsageFault, match="refuse_inform: it is about flow mqtt, which no device speaks"):
        read_fault("refuse_inform").choose({1: "fuse"}, 7)
    with pytest.raises(UsageFault, match="there are only 2 to choose 3 from"):
        read_fault("check_fails,count=3").choose(flows, 7)


def test_a_device_can_have_several_faults():
    orders = [read_fault("silent,count=2"), read_fault("fails,step=205"), read_fault("cut,at=5,count=1")]
    found = faults_by_device(orders, dict.fromkeys((1, 2, 3), "mqtt"), 0)
    assert set(found) == {1, 2, 3}
    assert sum(len(faults) for faults in found.values()) == 6
    assert all(Fault(what="fails", step=205) in faults for faults in found.values())
