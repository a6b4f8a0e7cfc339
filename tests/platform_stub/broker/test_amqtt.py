"""What is particular to amqtt as the broker."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from platform_stub.broker.amqtt_broker import AmqttBroker
from platform_stub.broker.limits import STRICT, Limits
from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.packets import Puback, Publish
from tests.platform_stub.broker.client import device
from tests.platform_stub.broker.platform import RecordingPlatform


@pytest.fixture
def platform() -> RecordingPlatform:
    return RecordingPlatform()


@pytest.fixture
async def broker(platform: RecordingPlatform) -> AsyncIterator[AmqttBroker]:
    it = AmqttBroker(platform, "127.0.0.1", 0, Limits(connect_timeout_ms=500, queue_messages_max=20))
    await it.start()
    yield it
    await it.stop()


async def test_without_connect_a_connection_is_closed(broker: AmqttBroker) -> None:
    async with device(broker.address) as client:
        assert await client.is_closed()


async def test_an_over_long_queue_closes_the_connection(
    broker: AmqttBroker, platform: RecordingPlatform
) -> None:
    async with device(broker.address) as client:
        await client.login()
        await client.subscribe("/ota/#")
        session = platform.session("dev1")
        for _ in range(21):
            broker.publish(session, topics.INFORM, b"{}", 1)
        assert platform.ended == [session]


async def test_in_strict_mode_it_grants_qos_0_and_holds_no_rates(platform: RecordingPlatform) -> None:
    broker = AmqttBroker(platform, "127.0.0.1", 0, STRICT)
    await broker.start()
    async with device(broker.address) as client:
        await client.login()
        assert await client.subscribe("/ota/#", qos=1) == (0,)
        async with asyncio.timeout(30):  # less than forty publishes take at one a second
            for at in range(1, 41):
                client.publish(topics.STATUS, b"{}", 1, at)
                assert await client.expect(Puback) == Puback(at)
    await broker.stop()


async def test_stop_does_not_wait_for_a_commit(platform: RecordingPlatform) -> None:
    platform.verdict = "wait"
    broker = AmqttBroker(platform, "127.0.0.1", 0)
    await broker.start()
    async with device(broker.address) as client:
        await client.login()
        client.publish(topics.STATUS, b"{}", 1, 1)
        await platform.until(lambda: len(platform.waiting) == 1)
        async with asyncio.timeout(30):
            await broker.stop()
        platform.waiting[0](True)
        assert len(platform.ended) == 1


async def test_a_message_is_sent_again_when_amqtt_has_given_it_up(
    broker: AmqttBroker, platform: RecordingPlatform
) -> None:
    """amqtt waits 5 s for a PUBACK; at least once means while the device is there."""
    delivered: list[int] = []
    async with device(broker.address) as client:
        await client.login()
        await client.subscribe("/ota/#")
        broker.publish(platform.session("dev1"), topics.INFORM, b"{}", 1, lambda: delivered.append(1))
        first, again = await client.expect(Publish), await client.expect(Publish)
        assert (again.topic, again.payload) == (first.topic, first.payload)
        client.send(Puback(again.packet_id))
        client.publish(topics.STATUS, b"{}", 0)
        await platform.until(lambda: bool(platform.messages))
        assert delivered == [1]
