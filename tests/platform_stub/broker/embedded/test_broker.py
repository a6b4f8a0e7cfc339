"""The embedded broker over sockets, with devices on our codec and a hand-set clock."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import pytest

from platform_stub.broker.embedded import CloseReason, EmbeddedBroker, Limits
from platform_stub.protocol import topics
from platform_stub.protocol.errors import EnvironmentFault
from platform_stub.protocol.mqtt.codec import encode, encode_publish
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
)
from platform_stub.service.ports import ConnectRefusal, Session, Settle
from tests.platform_stub.broker.client import DeviceClient, device
from tests.platform_stub.broker.platform import OTHER_PRODUCT, PRODUCT, TOKEN, RecordingPlatform


class Stage:
    """A broker with its platform and a clock that moves by hand."""

    def __init__(self, limits: Limits | None = None, platform: RecordingPlatform | None = None) -> None:
        self.now_ms = 1_000_000
        self.platform = platform or RecordingPlatform()
        self.broker = EmbeddedBroker(
            self.platform, "127.0.0.1", 0, limits or Limits(), now_ms=lambda: self.now_ms
        )
        self.platform.downlink = self.broker
        self._devices = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.broker.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._devices.aclose()
        await self.broker.stop()

    async def socket(self, name: str = "dev1", product: str = PRODUCT) -> DeviceClient:
        """Open a connection that has not said anything."""
        return await self._devices.enter_async_context(device(self.broker.address, name, product))

    async def device(self, name: str = "dev1", *filters: str, product: str = PRODUCT) -> DeviceClient:
        """Open a connection, let in and subscribed."""
        client = await self.socket(name, product)
        assert await client.login() == 0
        if filters:
            await client.subscribe(*filters)
        return client

    def advance(self, by_ms: int) -> None:
        self.now_ms += by_ms
        self.broker.sweep()

    def closed(self, reason: CloseReason) -> int:
        return self.broker.snapshot.closed.get(reason, 0)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage() as it:
        yield it


async def test_a_job_goes_down_and_its_reports_come_up(stage: Stage) -> None:
    dev = await stage.device("dev1", "/ota/#")
    delivered: list[int] = []
    session = stage.platform.session("dev1")
    stage.broker.publish(session, topics.INFORM, b"{}", 1, lambda: delivered.append(1))
    inform = await dev.expect(Publish)
    assert inform == Publish(dev.topic(topics.INFORM), b"{}", 1, 1)
    dev.send(Puback(inform.packet_id))
    for step in range(1, 6):
        dev.publish(topics.STATUS, b"%d" % step, 1, step)
        assert await dev.expect(Puback) == Puback(step)
    assert delivered == [1]
    assert stage.platform.messages == [("dev1", topics.STATUS, b"%d" % step) for step in range(1, 6)]
    assert stage.platform.subscriptions == [("dev1", True)]
    snapshot = stage.broker.snapshot
    assert (snapshot.connections, snapshot.sessions, snapshot.accepted) == (1, 1, 1)
    assert (snapshot.published_down, snapshot.acknowledged_down, snapshot.published_up) == (1, 1, 5)


@pytest.mark.parametrize(
    ("token", "product", "code"),
    [
        ("version=2018-10-31&sign=wrong", PRODUCT, ConnackCode.NOT_AUTHORISED),
        (TOKEN, "foreign", ConnackCode.NOT_AUTHORISED),
        ("nonsense", PRODUCT, ConnackCode.BAD_CREDENTIALS),
    ],
)
async def test_wrong_credentials_are_answered_and_closed(
    stage: Stage, token: str, product: str, code: ConnackCode
) -> None:
    dev = await stage.socket("dev1", product)
    assert await dev.login(token) == code
    assert await dev.is_closed()
    assert dict(stage.broker.snapshot.refused) == {code: 1}
    assert stage.platform.sessions == []


async def test_a_refusal_by_the_profile_is_counted_by_its_code(stage: Stage) -> None:
    dev = await stage.socket()
    assert await dev.login(keepalive_s=5) == ConnackCode.NOT_AUTHORISED
    dev = await stage.socket()
    dev.send(bytes.fromhex("10 0E 00 04 4D 51 54 54 05 02 00 3C 00 00 01 64"))  # MQTT 5
    assert await dev.expect(Connack) == Connack(code=1)
    assert await dev.is_closed()
    assert dict(stage.broker.snapshot.refused) == {
        ConnackCode.NOT_AUTHORISED: 1,
        ConnackCode.UNACCEPTABLE_PROTOCOL: 1,
    }


async def test_the_reply_comes_after_the_commit_and_pings_do_not_wait(stage: Stage) -> None:
    stage.platform.verdict = "wait"
    dev = await stage.device()
    dev.publish(topics.STATUS, b"1", 1, 1)
    dev.publish(topics.STATUS, b"2", 1, 2)
    dev.send(Pingreq())
    await dev.expect(Pingresp)
    first, second = stage.platform.waiting
    second(True)
    dev.send(Pingreq())
    await dev.expect(Pingresp)
    first(True)
    assert [await dev.expect(Puback), await dev.expect(Puback)] == [Puback(1), Puback(2)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_cannot_be_committed_closes_without_puback(stage: Stage, at_once: bool) -> None:
    stage.platform.verdict = "fail" if at_once else "wait"
    dev = await stage.device()
    dev.publish(topics.STATUS, b"1")
    if not at_once:
        dev.send(Pingreq())
        await dev.expect(Pingresp)
        stage.platform.waiting[0](False)
    assert await dev.is_closed()
    assert stage.closed(CloseReason.NOT_COMMITTED) == 1
    assert len(stage.platform.ended) == 1


async def test_what_the_platform_publishes_while_it_receives_leaves_ahead_of_the_puback(stage: Stage) -> None:
    stage.platform.answer = topics.STATUS_REPLY
    dev = await stage.device("dev1", "/ota/status_reply")
    dev.publish(topics.STATUS, b"x", 1, 7)
    assert await dev.expect(Publish) == Publish(dev.topic(topics.STATUS_REPLY), b"x", 1, 1)
    assert await dev.expect(Puback) == Puback(7)


BAD = {
    "malformed": (b"\x00\x00", CloseReason.MALFORMED),
    "http": (b"GET / HTTP/1.1\r\n\r\n", CloseReason.MALFORMED),
    "oversized, body not sent": (b"\x32\xff\xff\x7f", CloseReason.TOO_LARGE),
    "second CONNECT": (encode(Connect("dev1", PRODUCT, TOKEN.encode())), CloseReason.VIOLATION),
    "a server's packet": (encode(Suback(1, (0,))), CloseReason.VIOLATION),
    "foreign topic": (encode_publish(f"$sys/{PRODUCT}/dev2/ota/status", b"{}"), CloseReason.ILLEGAL_TOPIC),
    "QoS 2": (encode(Publish(f"$sys/{PRODUCT}/dev1/ota/status", b"", 2, 1)), CloseReason.QOS_2),
    "retained": (encode(Publish(f"$sys/{PRODUCT}/dev1/ota/status", b"", retain=True)), CloseReason.RETAINED),
    "disconnect": (encode(Disconnect()) + b"\x00\x00", CloseReason.LEFT),
}


@pytest.mark.parametrize(("data", "reason"), BAD.values(), ids=BAD)
async def test_a_bad_peer_is_closed_and_every_other_one_goes_on(
    stage: Stage, data: bytes, reason: CloseReason
) -> None:
    good = await stage.device("dev2", "/ota/#")
    bad = await stage.device("dev1")
    bad.send(data)
    assert await bad.is_closed()
    assert stage.closed(reason) == 1
    assert [session.name for session in stage.platform.ended] == ["dev1"]
    good.publish(topics.STATUS, b"on", 1, 3)
    assert await good.expect(Puback) == Puback(3)
    assert stage.broker.snapshot.sessions == 1


async def test_before_connect_little_is_taken(stage: Stage) -> None:
    dev = await stage.socket()
    dev.send(b"\x10\x81\x20" + b"\x00\x04MQTT\x04\xc2\x00\x3c")  # announces 4,097 bytes
    assert await dev.is_closed()
    assert stage.closed(CloseReason.TOO_LARGE) == 1


async def test_a_large_publish_right_behind_connect_is_judged_by_the_wider_limit(stage: Stage) -> None:
    dev = await stage.socket()
    payload = b"x" * 200_000
    dev.send(
        Connect(dev.name, PRODUCT, TOKEN.encode()),
        Publish(dev.topic(topics.PROPERTY_POST), payload, 1, 4),
        Pingreq(),
    )
    assert [await dev.expect(Connack), await dev.expect(Puback)] == [Connack(), Puback(4)]
    await dev.expect(Pingresp)
    assert stage.platform.messages == [("dev1", topics.PROPERTY_POST, payload)]


async def test_a_packet_in_single_bytes_is_read(stage: Stage) -> None:
    dev = await stage.socket()
    dev.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in encode(Connect(dev.name, PRODUCT, TOKEN.encode())):
        dev.send(bytes((byte,)))
        await asyncio.sleep(0)
    assert await dev.expect(Connack) == Connack()


async def test_without_connect_a_connection_is_closed_after_ten_seconds(stage: Stage) -> None:
    silent = await stage.socket()
    slow = await stage.socket("dev2")
    slow.send(b"\x10")
    await stage.device("dev3")  # accepted in order: the first two are there
    assert stage.broker.snapshot.connections == 3
    stage.advance(9_999)
    assert stage.broker.snapshot.connections == 3
    stage.advance(1_001)
    assert await silent.is_closed()
    assert await slow.is_closed()
    assert stage.closed(CloseReason.NO_CONNECT) == 2


async def test_keepalive_is_cut_after_one_and_a_half_times_in_silence(stage: Stage) -> None:
    dev = await stage.device()  # 60 s
    stage.advance(80_000)
    dev.send(Pingreq())
    await dev.expect(Pingresp)
    stage.advance(89_000)
    assert stage.closed(CloseReason.SILENT) == 0
    stage.advance(2_000)
    assert await dev.is_closed()
    assert stage.closed(CloseReason.SILENT) == 1
    assert len(stage.platform.ended) == 1


async def test_half_a_packet_does_not_keep_a_connection_alive(stage: Stage) -> None:
    dev = await stage.device()
    dev.send(b"\x32\x7f\x00")
    stage.advance(80_000)
    dev.send(b"\x01")
    stage.advance(11_000)
    assert await dev.is_closed()


async def test_a_second_connection_takes_over(stage: Stage) -> None:
    first = await stage.device("dev1", "/ota/#")
    old = stage.platform.session("dev1")
    second = await stage.device("dev1", "/ota/#")
    assert await first.is_closed()
    assert stage.platform.ended == [old]
    assert stage.closed(CloseReason.TAKEN_OVER) == 1
    stage.broker.publish(old, topics.INFORM, b"to nobody", 1)
    stage.broker.close(old)
    stage.broker.publish(stage.platform.session("dev1"), topics.INFORM, b"{}", 1)
    assert (await second.expect(Publish)).payload == b"{}"
    assert stage.broker.snapshot.dropped == 1


async def test_a_connection_that_is_refused_takes_over_nothing(stage: Stage) -> None:
    first = await stage.device("dev1")
    other = await stage.socket("dev1")
    assert await other.login("version=wrong") == ConnackCode.NOT_AUTHORISED
    first.send(Pingreq())
    await first.expect(Pingresp)


async def test_names_of_other_products_are_other_devices(stage: Stage) -> None:
    first = await stage.device("dev1", "/ota/#")
    second = await stage.device("dev1", "/ota/#", product=OTHER_PRODUCT)
    for session, client in zip(stage.platform.sessions, (first, second), strict=True):
        stage.broker.publish(session, topics.INFORM, session.product_id.encode(), 1)
        assert (await client.expect(Publish)).topic == client.topic(topics.INFORM)
    assert stage.broker.snapshot.sessions == 2


async def test_the_platform_can_end_a_connection(stage: Stage) -> None:
    dev = await stage.device("dev1")
    session = stage.platform.session("dev1")
    stage.broker.close(session)
    stage.broker.close(session)
    assert stage.platform.ended == [session]
    assert await dev.is_closed()
    assert stage.closed(CloseReason.BY_PLATFORM) == 1


async def test_the_platform_can_tell_a_device_as_soon_as_it_subscribes(stage: Stage) -> None:
    stage.platform.on_subscribed = lambda session: stage.broker.publish(session, topics.INFORM, b"{}", 1)
    dev = await stage.device("dev1")
    dev.send(Subscribe(5, ((dev.topic("/ota/inform"), 1),)))
    assert await dev.expect(Suback) == Suback(5, (1,))
    assert (await dev.expect(Publish)).topic == dev.topic(topics.INFORM)


async def test_a_peer_that_takes_nothing_is_cut_and_every_other_one_goes_on() -> None:
    async with Stage(Limits(queue_bytes_max=100_000)) as stage:
        good = await stage.device("dev2", "/ota/#")
        bad = await stage.device("dev1", "/ota/#")
        session = stage.platform.session("dev1")
        assert isinstance(bad.transport, asyncio.Transport)
        bad.transport.pause_reading()
        for _ in range(10_000):
            stage.broker.publish(session, topics.INFORM, b"x" * 10_000, 0)
            await asyncio.sleep(0)
            if session in stage.platform.ended:
                break
        assert stage.platform.ended == [session]
        assert stage.closed(CloseReason.QUEUE_FULL) == 1
        stage.broker.publish(stage.platform.session("dev2"), topics.INFORM, b"{}", 1)
        assert (await good.expect(Publish)).payload == b"{}"


async def test_a_slow_peer_gets_everything_in_order(stage: Stage) -> None:
    dev = await stage.device("dev1", "/ota/#")
    assert isinstance(dev.transport, asyncio.Transport)
    dev.transport.pause_reading()
    session = stage.platform.session("dev1")
    sent = [b"%06d" % at * 5_000 for at in range(20)]
    for payload in sent:
        stage.broker.publish(session, topics.INFORM, payload, 0)
        await asyncio.sleep(0)
    dev.transport.resume_reading()
    assert [(await dev.expect(Publish)).payload for _ in sent] == sent


async def test_unsettled_publishes_are_bounded_by_not_reading_on() -> None:
    count, size = 400, 5_000
    async with Stage(Limits(unsettled_max=8), RecordingPlatform(verdict="wait")) as stage:
        dev = await stage.device()
        other = await stage.device("dev2")
        for at in range(1, count + 1):
            dev.publish(topics.STATUS, b"x" * size, 1, at)
        other.send(Pingreq())
        await other.expect(Pingresp)
        await stage.platform.until(lambda: len(stage.platform.waiting) >= 8)
        stage.advance(10_000_000)  # not read is not silent; `other` is
        assert await other.is_closed()
        assert len(stage.platform.waiting) < 8 + 65_536 // size + 1
        for packet_id in range(1, count + 1):
            await stage.platform.until(lambda: bool(stage.platform.waiting))
            stage.platform.waiting.pop(0)(True)
            assert await dev.expect(Puback) == Puback(packet_id)
        assert len(stage.platform.messages) == count


async def test_what_is_gathered_in_a_turn_is_sent_when_it_is_many() -> None:
    async with Stage(Limits(gather_max=3)) as stage:
        devices = [await stage.device(f"dev{at}", "/ota/#") for at in range(10)]
        for session in stage.platform.sessions:
            stage.broker.publish(session, topics.INFORM, b"1", 1)
            stage.broker.publish(session, topics.INFORM, b"2", 1)
        for client in devices:
            assert [(await client.expect(Publish)).payload for _ in range(2)] == [b"1", b"2"]


async def test_a_fault_of_the_platform_ends_one_connection_and_is_loud() -> None:
    class Faulty(RecordingPlatform):
        def received(self, session: Session, suffix: str, payload: bytes, settle: Settle) -> None:
            raise ZeroDivisionError(session.name)

        def connect(self, product_id: str, client_id: str, password: str) -> Session | ConnectRefusal:
            if client_id == "worst":
                raise ZeroDivisionError(client_id)
            return super().connect(product_id, client_id, password)

    loud: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: loud.append(context["exception"]))
    async with Stage(platform=Faulty()) as stage:
        good = await stage.device("dev2")
        bad = await stage.device("dev1")
        bad.publish(topics.STATUS, b"")
        assert await bad.is_closed()
        worst = await stage.socket("worst")
        worst.send(Connect("worst", PRODUCT, TOKEN.encode()))
        assert await worst.is_closed()
        good.send(Pingreq())
        await good.expect(Pingresp)
        assert [str(exc) for exc in loud] == ["dev1", "worst"]
        assert [session.name for session in stage.platform.ended] == ["dev1"]


async def test_a_lost_connection_is_told_once(stage: Stage) -> None:
    dev = await stage.device("dev1")
    dev.transport.abort()
    await stage.platform.until(lambda: len(stage.platform.ended) == 1)
    assert stage.closed(CloseReason.LOST) == 1
    assert stage.broker.snapshot.connections == 0


async def test_a_taken_port_says_what_to_do() -> None:
    async with Stage() as stage:
        host, port = stage.broker.address
        with pytest.raises(EnvironmentFault, match=f"{host}:{port}.*choose another port"):
            await EmbeddedBroker(stage.platform, host, port).start()


async def test_an_address_of_another_machine_says_what_to_do() -> None:
    with pytest.raises(EnvironmentFault, match=r"192\.0\.2\.1.*127\.0\.0\.1"):
        await EmbeddedBroker(RecordingPlatform(), "192.0.2.1", 0).start()


async def deaf_device(stage: Stage) -> DeviceClient:
    """Return a device that reads nothing, with more on its way than sockets hold."""
    dev = await stage.device("deaf", "/ota/#")
    assert isinstance(dev.transport, asyncio.Transport)
    dev.transport.pause_reading()
    for _ in range(40):
        stage.broker.publish(stage.platform.session("deaf"), topics.INFORM, b"x" * 1_000_000, 0)
        await asyncio.sleep(0)
    return dev


PATIENT = Limits(queue_bytes_max=1_000_000_000)


async def test_an_ended_peer_that_takes_nothing_is_cut_after_a_while() -> None:
    async with Stage(PATIENT) as stage:
        dev = await deaf_device(stage)
        other = await stage.device("dev2")
        stage.broker.close(stage.platform.session("deaf"))
        stage.advance(4_000)
        assert stage.broker.snapshot.connections == 2
        stage.advance(2_000)
        other.send(Pingreq())
        await other.expect(Pingresp)
        assert stage.broker.snapshot.connections == 1
        dev.close()


async def test_a_session_ended_with_more_unsent_than_the_limit_is_told_of_once() -> None:
    async with Stage(Limits(queue_bytes_max=40_000_000)) as stage:
        await deaf_device(stage)
        session = stage.platform.session("deaf")
        stage.broker.publish(session, topics.INFORM, b"x" * 41_000_000, 0)
        stage.broker.close(session)
        other = await stage.device("dev2")
        other.send(Pingreq())
        await other.expect(Pingresp)
        assert stage.platform.ended == [session]
        assert stage.closed(CloseReason.BY_PLATFORM) == 1
        assert stage.closed(CloseReason.QUEUE_FULL) == 0


async def test_stop_ends_everything_promptly_even_a_peer_that_takes_nothing() -> None:
    async with Stage(PATIENT) as stage:
        devices = [await stage.device(f"dev{at}") for at in range(20)]
        mute = await stage.socket("mute")
        await deaf_device(stage)
        address = stage.broker.address
        async with asyncio.timeout(60):
            await stage.broker.stop()
        assert stage.broker.snapshot.connections == 0
        assert stage.closed(CloseReason.STOPPED) == 22
        assert len(stage.platform.ended) == 21
        for client in (*devices, mute):
            assert await client.is_closed()
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(*address)


async def test_damaged_packets_of_many_peers_harm_nobody(stage: Stage) -> None:
    loud: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: loud.append(context))
    good = await stage.device("good", "/ota/#")
    draw = random.Random(1)
    for at in range(150):
        peer = await (stage.device("peer") if at % 2 else stage.socket("peer"))
        sent = bytearray(
            b"".join(
                (
                    encode(Connect("peer", PRODUCT, TOKEN.encode())) if at % 4 == 0 else b"",
                    encode(Subscribe(1, ((peer.topic("/ota/#"), 1),))),
                    encode_publish(peer.topic(topics.STATUS), b"{}", 1, 7),
                    encode(Pingreq()),
                )
            )
        )
        for _ in range(draw.randint(1, 4)):
            sent[draw.randrange(len(sent))] = draw.randrange(256)
        peer.send(bytes(sent))
        peer.close()
    good.publish(topics.STATUS, b"on", 1, 3)
    assert await good.expect(Puback) == Puback(3)
    session = stage.platform.session("good")
    await stage.platform.until(lambda: len(stage.platform.ended) == len(stage.platform.sessions) - 1)
    assert session not in stage.platform.ended
    assert loud == []
