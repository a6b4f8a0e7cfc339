"""Clients that we did not write against the embedded broker: paho-mqtt, aiomqtt, amqtt's client."""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import aiomqtt
import paho.mqtt.client as paho
import pytest
from amqtt.client import MQTTClient
from amqtt.contexts import ClientConfig
from amqtt.errors import ConnectError
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from platform_stub.broker.embedded import CloseReason, EmbeddedBroker
from platform_stub.protocol import topics
from tests.platform_stub.broker.platform import PRODUCT, TOKEN, WAIT_S, RecordingPlatform

PREFIX = f"$sys/{PRODUCT}/dev1"
INFORM = PREFIX + topics.INFORM
STATUS = PREFIX + topics.STATUS


@dataclass
class Stage:
    broker: EmbeddedBroker
    platform: RecordingPlatform
    now_ms: int = 0

    def cut_the_silent(self) -> None:
        self.now_ms += 100_000
        self.broker.sweep()

    def inform(self, payload: bytes, qos: int, delivered: list[bytes]) -> None:
        session = self.platform.session("dev1")
        self.broker.publish(session, topics.INFORM, payload, qos, lambda: delivered.append(payload))

    def closed(self, reason: CloseReason) -> int:
        return self.broker.snapshot.closed.get(reason, 0)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    platform = RecordingPlatform()
    broker = EmbeddedBroker(platform, "127.0.0.1", 0, now_ms=lambda: it.now_ms)
    it = Stage(broker, platform)
    await broker.start()
    yield it
    await broker.stop()


class Paho:
    """paho-mqtt in its own thread; what happens to it comes out of a queue."""

    def __init__(self, stage: Stage, password: str = TOKEN, **options: Any) -> None:
        self._happened: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._stage = stage
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="dev1", reconnect_on_failure=False, **options
        )
        self.client.username_pw_set(PRODUCT, password)
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self._put("connected", reason)
        self.client.on_disconnect = lambda _c, _u, _f, reason, _p: self._put("disconnected", reason)
        self.client.on_subscribe = lambda _c, _u, _mid, codes, _p: self._put("subscribed", codes)
        self.client.on_unsubscribe = lambda _c, _u, _mid, codes, _p: self._put("unsubscribed", codes)
        self.client.on_publish = lambda _c, _u, mid, _r, _p: self._put("published", mid)
        self.client.on_message = lambda _c, _u, message: self._put("message", message)

    def _put(self, what: str, value: object) -> None:
        self._happened.put((what, value))

    async def wait(self, what: str) -> Any:
        """Wait for what has to happen next."""
        happened, value = await asyncio.to_thread(self._happened.get, True, WAIT_S)
        assert happened == what, (happened, value)
        return value

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.client.connect, *self._stage.broker.address, 60)
        self.client.loop_start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)


async def test_paho_does_a_job(stage: Stage) -> None:
    delivered: list[bytes] = []
    async with Paho(stage) as it:
        assert (await it.wait("connected")).is_failure is False
        it.client.subscribe([(PREFIX + "/ota/#", 1), ("foreign/#", 1), (INFORM, 2)])
        assert [code.value for code in await it.wait("subscribed")] == [1, 0x80, 1]
        for qos in (0, 1):
            stage.inform(b"{%d}" % qos, qos, delivered)
            message = await it.wait("message")
            assert (message.topic, message.payload, message.qos) == (INFORM, b"{%d}" % qos, qos)
        for qos in (0, 1):
            mid = it.client.publish(STATUS, b"[%d]" % qos, qos).mid
            assert await it.wait("published") == mid
        it.client.unsubscribe([PREFIX + "/ota/#", INFORM])
        await it.wait("unsubscribed")
        stage.inform(b"dropped", 1, delivered)
    await stage.platform.until(lambda: len(stage.platform.ended) == 1)
    assert stage.platform.messages == [("dev1", topics.STATUS, b"[0]"), ("dev1", topics.STATUS, b"[1]")]
    assert delivered == [b"{1}"]
    assert stage.closed(CloseReason.LEFT) == 1
    assert stage.broker.snapshot.dropped == 1


@pytest.mark.parametrize(
    ("password", "options", "reason"),
    [
        ("version=wrong", {}, "Not authorized"),
        ("nonsense", {}, "Bad user name or password"),
        (TOKEN, {"clean_session": False}, "Not authorized"),
        (TOKEN, {"protocol": paho.MQTTv31}, "Unsupported protocol version"),
    ],
)
async def test_paho_is_refused(stage: Stage, password: str, options: dict[str, Any], reason: str) -> None:
    async with Paho(stage, password, **options) as it:
        code: ReasonCode = await it.wait("connected")
        assert str(code) == reason
    assert stage.platform.sessions == []


async def test_paho_publishes_to_an_illegal_topic_and_is_closed(stage: Stage) -> None:
    async with Paho(stage) as it:
        await it.wait("connected")
        it.client.publish(f"$sys/{PRODUCT}/dev2/ota/status", b"{}", 0)
        await it.wait("published")
        assert (await it.wait("disconnected")).is_failure
    assert stage.closed(CloseReason.ILLEGAL_TOPIC) == 1


async def test_paho_is_taken_over(stage: Stage) -> None:
    async with Paho(stage) as first, Paho(stage) as second:
        await first.wait("connected")
        await first.wait("disconnected")
        await second.wait("connected")
    assert stage.closed(CloseReason.TAKEN_OVER) == 1


async def test_paho_with_a_will_is_refused(stage: Stage) -> None:
    it = Paho(stage)
    it.client.will_set(STATUS, b"gone")
    async with it:
        assert str(await it.wait("connected")) == "Not authorized"


async def test_paho_is_cut_when_it_is_silent(stage: Stage) -> None:
    async with Paho(stage) as it:
        await it.wait("connected")
        stage.cut_the_silent()
        assert (await it.wait("disconnected")).is_failure
    assert stage.closed(CloseReason.SILENT) == 1


def aio_client(stage: Stage, password: str = TOKEN) -> aiomqtt.Client:
    host, port = stage.broker.address
    return aiomqtt.Client(host, port, identifier="dev1", username=PRODUCT, password=password, keepalive=60)


async def test_aiomqtt_does_a_job(stage: Stage) -> None:
    delivered: list[bytes] = []
    async with aio_client(stage) as client:
        codes = await client.subscribe([(PREFIX + "/ota/#", 1), ("foreign", 0)])
        assert [code.value for code in codes] == [1, 0x80]
        for qos in (0, 1):
            stage.inform(b"{%d}" % qos, qos, delivered)
            message = await anext(client.messages)
            assert (str(message.topic), message.payload, message.qos) == (INFORM, b"{%d}" % qos, qos)
            await client.publish(STATUS, b"[%d]" % qos, qos)
        await client.unsubscribe(PREFIX + "/ota/#")
    await stage.platform.until(lambda: len(stage.platform.ended) == 1)
    assert [payload for _, _, payload in stage.platform.messages] == [b"[0]", b"[1]"]
    assert delivered == [b"{1}"]


@pytest.mark.parametrize(("password", "reason"), [("version=x", "Not authorized"), ("x", "Bad user name")])
async def test_aiomqtt_is_refused(stage: Stage, password: str, reason: str) -> None:
    with pytest.raises(aiomqtt.MqttError, match=reason):
        async with aio_client(stage, password):
            pass


async def test_aiomqtt_is_closed_for_an_illegal_topic(stage: Stage) -> None:
    with pytest.raises(aiomqtt.MqttError):
        await publish_then_wait(stage, INFORM)
    assert stage.closed(CloseReason.ILLEGAL_TOPIC) == 1


async def test_aiomqtt_is_taken_over(stage: Stage) -> None:
    first = aio_client(stage)
    with pytest.raises(aiomqtt.MqttError):
        await taken_over(first, aio_client(stage))
    assert stage.closed(CloseReason.TAKEN_OVER) == 1


async def taken_over(first: aiomqtt.Client, second: aiomqtt.Client) -> None:
    async with first, second:
        await second.publish(STATUS, b"{}", 1)
        await anext(first.messages)


async def test_aiomqtt_is_cut_when_it_is_silent(stage: Stage) -> None:
    with pytest.raises(aiomqtt.MqttError):
        await publish_then_wait(stage, STATUS, stage.cut_the_silent)
    assert stage.closed(CloseReason.SILENT) == 1


async def publish_then_wait(stage: Stage, topic: str, then: Callable[[], None] = lambda: None) -> None:
    async with aio_client(stage) as client:
        await client.publish(topic, b"{}", 0)
        if topic == STATUS:
            await stage.platform.until(lambda: bool(stage.platform.messages))
        then()
        await anext(client.messages)


@asynccontextmanager
async def amqtt_client(stage: Stage, password: str = TOKEN) -> AsyncIterator[MQTTClient]:
    client = MQTTClient("dev1", ClientConfig(auto_reconnect=False, keep_alive=60, ping_delay=0, plugins={}))
    host, port = stage.broker.address
    try:
        await client.connect(f"mqtt://{PRODUCT}:{quote(password, safe='')}@{host}:{port}/")
        yield client
    finally:
        await client.disconnect()
        if client._handler is not None:
            await client._handler.stop()  # after a refusal it leaves its socket open


async def is_closed(client: MQTTClient) -> bool:
    """Wait for the end: amqtt then gives None in place of a message, or cancels who waits."""
    try:
        return await client.deliver_message(WAIT_S) is None
    except asyncio.CancelledError:
        return True


async def test_amqtt_does_a_job(stage: Stage) -> None:
    delivered: list[bytes] = []
    async with amqtt_client(stage) as client:
        assert await client.subscribe([(PREFIX + "/ota/#", 1), ("foreign", 0)]) == [1, 0x80]
        for qos in (0, 1):
            stage.inform(b"{%d}" % qos, qos, delivered)
            message = await client.deliver_message(WAIT_S)
            assert message is not None
            assert (message.topic, bytes(message.data), message.qos) == (INFORM, b"{%d}" % qos, qos)
            await client.publish(STATUS, b"[%d]" % qos, qos)
        await client.ping()
        await client.unsubscribe([PREFIX + "/ota/#"])
    await stage.platform.until(lambda: len(stage.platform.ended) == 1)
    assert [payload for _, _, payload in stage.platform.messages] == [b"[0]", b"[1]"]
    assert delivered == [b"{1}"]
    assert stage.closed(CloseReason.LEFT) == 1


@pytest.mark.parametrize(("password", "code"), [("version=x", 5), ("x", 4)])
async def test_amqtt_is_refused(stage: Stage, password: str, code: int) -> None:
    with pytest.raises(ConnectError) as caught:
        await amqtt_client(stage, password).__aenter__()
    assert caught.value.return_code == code
    assert stage.closed(CloseReason.REFUSED) == 1


async def test_amqtt_is_closed_for_an_illegal_topic(stage: Stage) -> None:
    async with amqtt_client(stage) as client:
        await client.publish("anything", b"{}", 0)
        assert await is_closed(client)
    assert stage.closed(CloseReason.ILLEGAL_TOPIC) == 1


async def test_amqtt_is_taken_over(stage: Stage) -> None:
    async with amqtt_client(stage) as first, amqtt_client(stage):
        assert await is_closed(first)
    assert stage.closed(CloseReason.TAKEN_OVER) == 1


async def test_amqtt_is_cut_when_it_is_silent_not_when_it_pings(stage: Stage) -> None:
    async with amqtt_client(stage) as client:
        stage.now_ms += 80_000
        await client.ping()
        stage.now_ms += 80_000
        stage.broker.sweep()
        await client.ping()
        stage.cut_the_silent()
        assert await is_closed(client)
    assert stage.closed(CloseReason.SILENT) == 1
