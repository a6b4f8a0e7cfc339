"""A device's end for the broker's tests: our codec on a plain socket, awaiting one packet at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from platform_stub.protocol.mqtt.codec import Decoder, encode
from platform_stub.protocol.mqtt.packets import Connack, Connect, Packet, Publish, Suback, Subscribe
from tests.platform_stub.broker.platform import PRODUCT, TOKEN, WAIT_S

P = TypeVar("P")


class DeviceClient:
    """One connection; `name` and `product` make its topics."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, product: str
    ) -> None:
        self.name = name
        self._product = product
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder()
        self._arrived: deque[Packet] = deque()

    def topic(self, suffix: str) -> str:
        return f"$sys/{self._product}/{self.name}{suffix}"

    def send(self, *packets: Packet | bytes) -> None:
        self._writer.write(b"".join(p if isinstance(p, bytes) else encode(p) for p in packets))

    async def receive(self) -> Packet | None:
        """Wait for the next packet; None at the connection's end."""
        async with asyncio.timeout(WAIT_S):
            while not self._arrived:
                try:
                    data = await self._reader.read(65_536)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._arrived += self._decoder.feed(data)
        return self._arrived.popleft()

    async def expect(self, kind: type[P]) -> P:
        packet = await self.receive()
        assert isinstance(packet, kind), packet
        return packet

    async def is_closed(self) -> bool:
        """Wait for the end, which has to be the next thing to come."""
        return await self.receive() is None

    async def login(self, token: str = TOKEN, keepalive_s: int = 60) -> int:
        """Connect; returns the CONNACK's code."""
        self.send(Connect(self.name, self._product, token.encode(), keepalive_s))
        return (await self.expect(Connack)).code

    async def subscribe(self, *suffixes: str, qos: int = 1) -> tuple[int, ...]:
        self.send(Subscribe(1, tuple((self.topic(suffix), qos) for suffix in suffixes)))
        return (await self.expect(Suback)).codes

    def publish(self, suffix: str, payload: bytes, qos: int = 1, packet_id: int = 1) -> None:
        self.send(Publish(self.topic(suffix), payload, qos, packet_id if qos else 0))

    def close(self) -> None:
        self._writer.close()

    @property
    def transport(self) -> asyncio.WriteTransport:
        return self._writer.transport


@asynccontextmanager
async def device(
    address: tuple[str, int], name: str = "dev1", product: str = PRODUCT
) -> AsyncIterator[DeviceClient]:
    """Open a connection, not logged in yet."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield DeviceClient(reader, writer, name, product)
    finally:
        writer.close()
