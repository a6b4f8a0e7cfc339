"""A broker that goes on with a session sends what it keeps right after its CONNACK, before any SUBACK."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from platform_stub.broker.external import ExternalBroker
from platform_stub.protocol import topics
from platform_stub.protocol.broker_url import parse_broker_url
from tests.facts.mqtt_wire import packet, publish
from tests.platform_stub.broker.external.conftest import OpenPlatform, topic
from tests.platform_stub.broker.platform import WAIT_S

CONNACK, SUBACK, PUBLISH, PUBACK, SUBSCRIBE = 2, 9, 3, 4, 8
GRANTED = bytes([1]) * len(topics.UPWARD)


class Wire:
    """The broker's end of a connection, packet by packet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, *packets: bytes) -> None:
        self._writer.write(b"".join(packets))

    async def take(self, kind: int) -> bytes:
        """Read up to a packet of a kind; answers what follows its header."""
        while True:
            first = (await self._reader.readexactly(1))[0]
            length = shift = 0
            more = True
            while more:
                (byte,) = await self._reader.readexactly(1)
                length |= (byte & 127) << shift
                shift += 7
                more = byte > 127
            body = await self._reader.readexactly(length)
            if first >> 4 == kind:
                return body

    async def accept(self, *kept: bytes) -> None:
        """Take the login, with what the session keeps, and the subscription."""
        await self.take(1)
        self.send(packet(CONNACK << 4, b"\1\0"), *kept)

    async def grant(self) -> None:
        body = await self.take(SUBSCRIBE)
        self.send(packet(SUBACK << 4, body[:2] + GRANTED))

    async def echo(self) -> None:
        """Send back what the platform sends to itself."""
        body = await self.take(PUBLISH)
        length = int.from_bytes(body[:2])
        self.send(
            packet(PUBACK << 4, body[2 + length : 4 + length]), publish(body[2 : 2 + length].decode(), b"")
        )


Script = Callable[[Wire], Awaitable[None]]


@pytest.fixture
async def joined() -> AsyncIterator[Callable[[OpenPlatform, list[Script]], Awaitable[asyncio.Future[None]]]]:
    """Start a platform at a broker that follows a script a connection; the future is done after the last."""
    brokers, servers = [], []

    async def join(platform: OpenPlatform, scripts: list[Script]) -> asyncio.Future[None]:
        done = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not scripts:
                writer.close()
                return
            try:
                await scripts.pop(0)(Wire(reader, writer))
                if not scripts and not done.done():
                    done.set_result(None)
                    await reader.read()
            except Exception as exc:  # noqa: BLE001 - the test is to say it
                if not done.done():
                    done.set_exception(exc)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        url = parse_broker_url(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        broker = ExternalBroker(platform, url, kept="a database")
        brokers.append(broker)
        await broker.start()
        return done

    yield join
    for broker in brokers:
        await broker.stop()
    for server in servers:
        server.close()


def status(packet_id: int) -> bytes:
    return publish(topic(topics.STATUS), b"%d" % packet_id, qos=1, packet_id=packet_id)


async def acknowledged(wire: Wire) -> int:
    return int.from_bytes(await wire.take(PUBACK))


async def test_what_comes_before_the_subscription_is_granted_is_acknowledged(joined) -> None:
    platform = OpenPlatform()
    seen = []

    async def resumed(wire: Wire) -> None:
        await wire.accept(status(7))
        body = await wire.take(SUBSCRIBE)
        seen.append(await acknowledged(wire))
        wire.send(packet(SUBACK << 4, body[:2] + GRANTED))
        await wire.echo()

    async with asyncio.timeout(WAIT_S):
        await (await joined(platform, [resumed]))
    assert seen == [7]
    assert platform.messages == [("dev1", topics.STATUS, b"7")]


async def test_who_cannot_be_looked_up_then_is_asked_for_again(joined) -> None:
    """It stands in nobody's way: what comes after it is acknowledged on the next connection."""
    platform = OpenPlatform()
    seen = []

    async def first(wire: Wire) -> None:
        await wire.accept()
        await wire.grant()
        await wire.echo()
        platform.is_away = True

    async def away(wire: Wire) -> None:
        await wire.accept(status(7))
        with pytest.raises(asyncio.IncompleteReadError):
            await wire.take(PUBACK)

    async def again(wire: Wire) -> None:
        await wire.accept(status(7), status(8))
        await wire.grant()
        seen.extend([await acknowledged(wire), await acknowledged(wire)])

    async with asyncio.timeout(WAIT_S):
        await (await joined(platform, [first, away, again]))
    assert seen == [7, 8]
