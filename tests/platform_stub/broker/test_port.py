"""What every broker in this process does the same, over sockets."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiomqtt
import pytest

from platform_stub.broker.amqtt_broker import AmqttBroker
from platform_stub.broker.embedded import EmbeddedBroker
from platform_stub.broker.limits import Limits
from platform_stub.broker.port import Broker
from platform_stub.protocol import topics
from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from platform_stub.protocol.mqtt.codec import encode
from platform_stub.protocol.mqtt.packets import (
    Connack,
    ConnackCode,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from tests.platform_stub.broker.client import DeviceClient, device
from tests.platform_stub.broker.platform import OTHER_PRODUCT, PRODUCT, TOKEN, RecordingPlatform

BROKERS = [EmbeddedBroker, AmqttBroker]


class Stage:
    def __init__(self, make: type[EmbeddedBroker | AmqttBroker]) -> None:
        self.platform = RecordingPlatform()
        self.broker: Broker = make(self.platform, "127.0.0.1", 0)
        self.platform.downlink = self.broker
        self.devices = AsyncExitStack()

    async def socket(self, name: str = "dev1", product: str = PRODUCT) -> DeviceClient:
        return await self.devices.enter_async_context(device(self.broker.address, name, product))

    async def device(self, name: str = "dev1", *filters: str, product: str = PRODUCT) -> DeviceClient:
        client = await self.socket(name, product)
        assert await client.login() == 0
        if filters:
            assert await client.subscribe(*filters) == (1,) * len(filters)
        return client


@pytest.fixture(params=BROKERS, ids=lambda make: make.__name__)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    it = Stage(request.param)
    await it.broker.start()
    yield it
    await it.devices.aclose()
    await it.broker.stop()


async def do_job(stage: Stage, client: DeviceClient, delivered: list[str]) -> None:
    session = stage.platform.session(client.name)
    stage.broker.publish(session, topics.INFORM, b"{}", 1, lambda: delivered.append(client.name))
    inform = await client.expect(Publish)
    assert (inform.topic, inform.payload, inform.qos) == (client.topic(topics.INFORM), b"{}", 1)
    client.send(Puback(inform.packet_id))
    for step in range(5):
        client.publish(topics.STATUS, b"%d" % step, 1, step + 1)
        arrived = [await client.receive(), await client.receive()]
        reply = next(packet for packet in arrived if isinstance(packet, Publish))
        assert (reply.topic, reply.payload) == (client.topic(topics.STATUS_REPLY), b"%d" % step)
        assert Puback(step + 1) in arrived
        client.send(Puback(reply.packet_id))


async def test_twenty_devices_do_a_job_each(stage: Stage) -> None:
    stage.platform.answer = topics.STATUS_REPLY
    names = [f"dev{at}" for at in range(20)]
    clients = await asyncio.gather(*(stage.device(name, "/ota/#") for name in names))
    delivered: list[str] = []
    await asyncio.gather(*(do_job(stage, client, delivered) for client in clients))
    assert sorted(delivered) == sorted(names)
    for name in names:
        sent = [
            payload
            for who, suffix, payload in stage.platform.messages
            if (who, suffix) == (name, topics.STATUS)
        ]
        assert sent == [b"0", b"1", b"2", b"3", b"4"]
    assert sorted(stage.platform.subscriptions) == sorted((name, True) for name in names)


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (Connect("dev1", PRODUCT, b"version=wrong"), ConnackCode.NOT_AUTHORISED),
        (Connect("dev1", "foreign", TOKEN.encode()), ConnackCode.NOT_AUTHORISED),
        (Connect("dev1", PRODUCT, b"nonsense"), ConnackCode.BAD_CREDENTIALS),
        (Connect("dev1"), ConnackCode.BAD_CREDENTIALS),
        (Connect("dev1", PRODUCT, TOKEN.encode(), keepalive_s=5), ConnackCode.NOT_AUTHORISED),
        (Connect("dev1", PRODUCT, TOKEN.encode(), will=Will("t", b"x")), ConnackCode.NOT_AUTHORISED),
        (Connect("dev1", PRODUCT, TOKEN.encode(), clean_session=False), ConnackCode.NOT_AUTHORISED),
    ],
)
async def test_who_is_not_let_in_is_told_why_and_takes_over_nothing(
    stage: Stage, packet: Connect, code: ConnackCode
) -> None:
    good = await stage.device("dev1", "/ota/#")
    bad = await stage.socket("dev1")
    bad.send(packet)
    assert await bad.expect(Connack) == Connack(code=code)
    assert await bad.is_closed()
    good.send(Pingreq())
    await good.expect(Pingresp)
    stage.broker.publish(stage.platform.session("dev1"), topics.INFORM, b"{}", 0)
    assert (await good.expect(Publish)).payload == b"{}"
    assert len(stage.platform.sessions) == 1


async def test_another_level_of_the_protocol_is_told_so(stage: Stage) -> None:
    dev = await stage.socket()
    dev.send(encode(Connect("dev1", PRODUCT, TOKEN.encode())).replace(b"MQTT\x04", b"MQTT\x05"))
    assert await dev.expect(Connack) == Connack(code=ConnackCode.UNACCEPTABLE_PROTOCOL)
    assert await dev.is_closed()


async def test_only_own_filters_are_granted_and_ten_of_them(stage: Stage) -> None:
    dev = await stage.device()
    asked = ("$sys/+/dev1/#", f"$sys/{PRODUCT}/dev2/#", "#", dev.topic("/ota/#"), dev.topic("/thing/#"))
    dev.send(Subscribe(7, tuple((text, 2) for text in asked)))
    assert await dev.expect(Suback) == Suback(7, (0x80, 0x80, 0x80, 1, 1))
    dev.send(Subscribe(8, tuple((dev.topic(f"/{at}"), 0) for at in range(9))))
    assert await dev.expect(Suback) == Suback(8, (0,) * 8 + (0x80,))
    dev.send(Unsubscribe(9, (dev.topic("/ota/#"),)))
    assert await dev.expect(Unsuback) == Unsuback(9)
    assert stage.platform.subscriptions == [("dev1", True), ("dev1", False)]
    assert not stage.platform.session("dev1").told_by_inform
    stage.broker.publish(stage.platform.session("dev1"), topics.INFORM, b"dropped", 1)
    stage.broker.publish(stage.platform.session("dev1"), topics.PROPERTY_POST_REPLY, b"sent", 0)
    assert (await dev.expect(Publish)).payload == b"sent"


@pytest.mark.parametrize(
    "bad",
    [
        Publish(f"$sys/{PRODUCT}/dev2/ota/status", b"{}"),
        Publish(f"$sys/{PRODUCT}/dev1/ota/inform", b"{}"),
        Publish("a/b", b"{}", 1, 1),
        Publish(f"$sys/{PRODUCT}/dev1/ota/status", b"{}", retain=True),
        Publish(f"$sys/{PRODUCT}/dev1/ota/status", b"x" * (Limits().payload_bytes_max + 1)),
    ],
    ids=["foreign", "downward", "not $sys", "retained", "too large"],
)
async def test_a_publish_outside_the_profile_closes_that_connection_alone(stage: Stage, bad: Publish) -> None:
    good = await stage.device("dev2", "/ota/#")
    dev = await stage.device("dev1")
    dev.send(bad)
    while isinstance(packet := await dev.receive(), Puback):
        pass  # amqtt acknowledges first
    assert packet is None
    assert [session.name for session in stage.platform.ended] == ["dev1"]
    assert stage.platform.messages == []
    good.publish(topics.STATUS, b"on", 1, 3)
    assert await good.expect(Puback) == Puback(3)
    await stage.platform.until(lambda: stage.platform.messages == [("dev2", topics.STATUS, b"on")])


async def test_a_second_connection_takes_over(stage: Stage) -> None:
    first = await stage.device("dev1", "/ota/#")
    other = await stage.device("dev1", "/ota/#", product=OTHER_PRODUCT)
    old, foreign = stage.platform.sessions
    second = await stage.device("dev1", "/ota/#")
    assert await first.is_closed()
    assert stage.platform.ended == [old]
    stage.broker.publish(old, topics.INFORM, b"to nobody", 1)
    stage.broker.publish(stage.platform.sessions[-1], topics.INFORM, b"new", 0)
    assert (await second.expect(Publish)).payload == b"new"
    stage.broker.publish(foreign, topics.INFORM, b"foreign", 0)
    assert (await other.expect(Publish)).payload == b"foreign"


async def test_the_reply_waits_for_the_commit_and_pings_do_not(stage: Stage) -> None:
    stage.platform.verdict = "wait"
    dev = await stage.device("dev1", "/ota/#")
    dev.publish(topics.STATUS, b"1", 0)
    await stage.platform.until(lambda: len(stage.platform.waiting) == 1)
    dev.send(Pingreq())
    await dev.expect(Pingresp)
    stage.platform.waiting[0](True)
    dev.publish(topics.STATUS, b"2", 0)
    await stage.platform.until(lambda: len(stage.platform.waiting) == 2)
    stage.platform.waiting[1](False)
    assert await dev.is_closed()
    assert [payload for _, _, payload in stage.platform.messages] == [b"1", b"2"]


async def test_the_platform_ends_a_connection(stage: Stage) -> None:
    dev = await stage.device("dev1")
    session = stage.platform.session("dev1")
    stage.broker.close(session)
    stage.broker.close(session)
    assert stage.platform.ended == [session]
    assert await dev.is_closed()


async def test_a_device_that_leaves_is_told_of_once(stage: Stage) -> None:
    dev = await stage.device("dev1")
    lost = await stage.device("dev2")
    dev.send(Disconnect())
    lost.transport.abort()
    await stage.platform.until(lambda: len(stage.platform.ended) == 2)
    assert {session.name for session in stage.platform.ended} == {"dev1", "dev2"}


async def test_a_client_that_we_did_not_write(stage: Stage) -> None:
    host, port = stage.broker.address
    stage.platform.answer = topics.STATUS_REPLY
    topic = f"$sys/{PRODUCT}/dev1"
    async with aiomqtt.Client(host, port, identifier="dev1", username=PRODUCT, password=TOKEN) as client:
        await client.subscribe(topic + "/ota/#", 1)
        await client.publish(topic + topics.STATUS, b"{}", 1)
        message = await anext(client.messages)
        assert (str(message.topic), message.payload) == (topic + topics.STATUS_REPLY, b"{}")


async def test_a_taken_port_says_what_to_do(stage: Stage) -> None:
    host, port = stage.broker.address
    with pytest.raises(EnvironmentFault, match=f"{host}:{port}.*choose another port"):
        await type(stage.broker)(stage.platform, host, port).start()


@pytest.mark.parametrize("make", BROKERS)
async def test_stop_is_prompt_and_quiet(
    make: type[EmbeddedBroker | AmqttBroker],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    loud: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: loud.append(context))
    stage = Stage(make)
    await stage.broker.start()
    async with stage.devices:
        clients = [await stage.device(f"dev{at}", "/ota/#") for at in range(20)]
        mute = await stage.socket("mute")
        (await stage.device("gone")).transport.abort()
        (await stage.device("left")).send(Disconnect())
        (await stage.socket("bad")).send(b"\x00\x00\xff")
        assert isinstance(clients[0].transport, asyncio.Transport)
        clients[0].transport.pause_reading()
        for session in stage.platform.sessions[:20]:
            stage.broker.publish(session, topics.INFORM, b"{}", 1)
        for _ in range(40):  # more than sockets hold
            stage.broker.publish(stage.platform.sessions[0], topics.INFORM, b"x" * 1_000_000, 0)
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await stage.broker.stop()
        assert len(stage.platform.ended) == 22
        assert await mute.is_closed()
    assert loud == []
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    assert capfd.readouterr() == ("", "")


async def test_without_amqtt_the_broker_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "platform_stub.broker.amqtt_adapter", raising=False)
    monkeypatch.setitem(sys.modules, "amqtt.adapters", None)
    with pytest.raises(UsageFault, match=r"pip install 'ota-sim\[amqtt\]'"):
        await AmqttBroker(RecordingPlatform(), "127.0.0.1", 0).start()


async def test_a_session_takes_what_it_has_subscribed_to_until_it_ends(stage: Stage) -> None:
    client = await stage.device("dev1", topics.INFORM)
    session = stage.platform.session("dev1")
    assert stage.broker.takes(session, topics.INFORM)
    assert not stage.broker.takes(session, topics.STATUS_REPLY)
    client.send(Unsubscribe(2, (client.topic(topics.INFORM),)))
    await client.expect(Unsuback)
    assert not stage.broker.takes(session, topics.INFORM)
    assert await client.subscribe(topics.INFORM) == (1,)
    assert stage.broker.takes(session, topics.INFORM)
    client.send(Disconnect())
    await stage.platform.until(lambda: session in stage.platform.ended)
    assert not stage.broker.takes(session, topics.INFORM)
