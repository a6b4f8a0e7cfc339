"""A platform at a mosquitto of its own, and devices that connect to that with a client we did not write."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest

from platform_stub.broker.external import ExternalBroker
from platform_stub.protocol.broker_url import parse_broker_url
from platform_stub.protocol.ids import DeviceId
from platform_stub.service.ports import ConnectRefusal, Session
from tests.mosquitto import Mosquitto, mosquitto
from tests.platform_stub.broker.platform import PRODUCT, RecordingPlatform


@dataclass
class OpenPlatform(RecordingPlatform):
    """Knows some devices by name, whatever they say at their login."""

    names: tuple[str, ...] = ("dev1", "dev2")
    is_away: bool = False

    def enter(self, product_id: str, name: str) -> Session | ConnectRefusal | None:
        if self.is_away:
            self.is_away = False
            return ConnectRefusal.UNAVAILABLE
        if product_id != PRODUCT or name not in self.names:
            return None
        session = Session(device_id=DeviceId(self.names.index(name) + 1), product_id=product_id, name=name)
        self.sessions.append(session)
        self._called.set()
        return session

    def known(self, after: int, limit: int) -> list[tuple[int, str, str]]:
        numbered = [(at + 1, PRODUCT, name) for at, name in enumerate(self.names)]
        return [each for each in numbered if each[0] > after][:limit]


@dataclass
class Stage:
    """The three of them."""

    far: Mosquitto
    platform: OpenPlatform
    broker: ExternalBroker
    said: list[str] = field(default_factory=list)
    devices: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def device(self, name: str = "dev1", product: str = PRODUCT, **more: object) -> aiomqtt.Client:
        host, port = self.far.address
        client = aiomqtt.Client(host, port, identifier=name, username=product, password="any", **more)
        await self.devices.enter_async_context(client)
        await client.subscribe(f"$sys/{product}/{name}/#", 1)
        return client


def topic(suffix: str, name: str = "dev1", product: str = PRODUCT) -> str:
    return f"$sys/{product}/{name}{suffix}"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
async def stage(far: Mosquitto) -> AsyncIterator[Stage]:
    platform = OpenPlatform()
    said: list[str] = []
    broker = ExternalBroker(platform, parse_broker_url(far.url), say=said.append)
    platform.downlink = broker
    await broker.start()
    it = Stage(far, platform, broker, said)
    yield it
    await it.devices.aclose()
    await broker.stop()
