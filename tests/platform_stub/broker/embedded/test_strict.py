"""Strict mode over sockets: QoS 0 is granted, and the profile's rates hold. The clock moves by hand where it can."""

import asyncio
from dataclasses import replace

import pytest

from platform_stub.broker.embedded import CloseReason, Limits
from platform_stub.broker.limits import STRICT
from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.packets import (
    ConnackCode,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
)
from platform_stub.server import Stub
from tests.platform_stub.broker.embedded.test_broker import Stage
from tests.platform_stub.broker.platform import OTHER_PRODUCT, RecordingPlatform


@pytest.fixture
async def strict():
    async with Stage(STRICT) as stage:
        yield stage


def real_time(stage):
    """Let the broker's clock go: how long a publish waits is measured on the loop's timers."""
    stage.broker.now_ms = lambda: int(asyncio.get_running_loop().time() * 1_000)
    return stage


async def test_qos_0_is_granted_and_used(strict):
    dev = await strict.socket()
    await dev.login()
    assert await dev.subscribe("/ota/#", qos=1) == (0,)
    strict.broker.publish(strict.platform.session("dev1"), topics.INFORM, b"{}", 1)
    assert await dev.expect(Publish) == Publish(dev.topic(topics.INFORM), b"{}", 0, 0)


async def test_the_fourth_login_in_five_seconds_is_refused_and_costs_no_other_device(strict):
    for _ in range(3):
        dev = await strict.socket()
        assert await dev.login() == 0
    late = await strict.socket()
    assert await late.login() == ConnackCode.UNAVAILABLE
    assert await late.is_closed()
    dev.send(Pingreq())
    await dev.expect(Pingresp)  # the third one is still there
    assert await (await strict.socket("dev2")).login() == 0
    assert await (await strict.socket("dev1", OTHER_PRODUCT)).login() == 0
    strict.now_ms += 5_000
    assert await (await strict.socket()).login() == 0


async def test_a_login_that_was_refused_does_not_count(strict):
    for _ in range(10):
        dev = await strict.socket()
        assert await dev.login("version=wrong") == ConnackCode.NOT_AUTHORISED
    assert await (await strict.socket()).login() == 0


async def test_ten_subscribes_a_second(strict):
    dev = await strict.device()
    for at in range(9):
        await dev.subscribe(f"/t{at % 3}")
    dev.send(Unsubscribe(2, (dev.topic("/t0"),)))
    await dev.receive()
    strict.now_ms += 999
    dev.send(Subscribe(3, ((dev.topic("/t0"), 1),)))
    assert await dev.is_closed()
    assert strict.closed(CloseReason.TOO_FAST) == 1


async def test_in_the_next_second_there_are_ten_more(strict):
    dev = await strict.device()
    for at in range(30):
        await dev.subscribe(f"/t{at % 3}")
        strict.now_ms += 101
    dev.send(Subscribe(3, ((dev.topic("/t0"), 1),)))
    assert (await dev.expect(Suback)).codes == (0,)


async def test_one_ping_a_second(strict):
    dev = await strict.device()
    dev.send(Pingreq())
    await dev.expect(Pingresp)
    strict.now_ms += 1_000
    dev.send(Pingreq())
    await dev.expect(Pingresp)
    strict.now_ms += 999
    dev.send(Pingreq())
    assert await dev.is_closed()
    assert strict.closed(CloseReason.TOO_FAST) == 1


async def test_faster_publishes_wait_for_their_turn_in_their_order():
    async with Stage(replace(STRICT, publishes_per_s=20)) as stage:
        dev = await real_time(stage).device()
        began = asyncio.get_running_loop().time()
        for packet_id in range(1, 6):
            dev.publish(topics.STATUS, b"%d" % packet_id, 1, packet_id)
        dev.send(Pingreq())
        first = [await dev.receive(), await dev.receive()]
        assert sorted(type(packet).__name__ for packet in first) == [
            "Pingresp",
            "Puback",
        ]  # a ping does not wait
        assert [await dev.expect(Puback) for _ in range(4)] == [Puback(at) for at in range(2, 6)]
        took_s = asyncio.get_running_loop().time() - began
    assert took_s >= 4 * 0.05 - 0.002
    assert [payload for _, _, payload in stage.platform.messages] == [b"1", b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize("parting", ["disconnect", "close"])
async def test_what_waits_is_handed_on_when_the_device_leaves(strict, parting):
    dev = await strict.device()
    for at in range(3):
        dev.publish(topics.STATUS, b"%d" % at, 0)
    if parting == "disconnect":
        dev.send(Disconnect())
    else:
        dev.close()
    await strict.platform.until(lambda: bool(strict.platform.ended))
    assert [payload for _, _, payload in strict.platform.messages] == [b"0", b"1", b"2"]


async def test_what_waits_is_dropped_with_a_connection_that_the_platform_ends():
    async with Stage(replace(STRICT, publishes_per_s=50)) as stage:
        dev = await real_time(stage).device()
        for at in range(20):
            dev.publish(topics.STATUS, b"%d" % at, 0)
        await stage.platform.until(lambda: len(stage.platform.messages) >= 2)
        handed_on = len(stage.platform.messages)
        assert handed_on < 20
        stage.broker.close(stage.platform.session("dev1"))
        assert await dev.is_closed()
        other = await stage.device("dev2")
        for at in range(3):
            other.publish(topics.STATUS, b"other", 1, at + 1)
            await other.expect(Puback)
    assert [name for name, _, _ in stage.platform.messages].count("dev1") == handed_on


async def test_a_flood_is_not_read_further_than_what_may_wait():
    """Held publishes count as unsettled: beyond `unsettled_max` of them the socket is left alone."""
    async with Stage(replace(STRICT, publishes_per_s=1_000, unsettled_max=4)) as stage:
        dev = await real_time(stage).device()
        for at in range(1, 101):
            dev.publish(topics.STATUS, b"%d" % at, 1, at)
        assert [await dev.expect(Puback) for _ in range(100)] == [Puback(at) for at in range(1, 101)]
    assert [int(payload) for _, _, payload in stage.platform.messages] == list(range(1, 101))


async def test_bytes_beyond_the_rate_are_read_later():
    limits = Limits(bytes_per_s=400_000)
    async with Stage(limits, RecordingPlatform()) as stage:
        dev = await real_time(stage).device()
        began = asyncio.get_running_loop().time()
        for at in range(1, 5):
            dev.publish(topics.PROPERTY_POST, b"x" * 150_000, 1, at)
        assert [await dev.expect(Puback) for _ in range(4)] == [Puback(at) for at in range(1, 5)]
        took_s = asyncio.get_running_loop().time() - began
        assert (
            took_s >= (4 * 150_000 - 400_000 - 65_536) / 400_000
        )  # the last read may run over by one buffer
        dev.send(Pingreq())
        await dev.expect(Pingresp)


async def test_a_stub_is_strict_when_it_is_told():
    async with Stub(strict=True) as strict, Stub() as lenient:
        assert strict.broker.limits == STRICT
        assert lenient.broker.limits == Limits()
