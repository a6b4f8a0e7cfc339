"""The load of a broker comparison: what a job says, devices that do it, and a platform as a client of a foreign broker.

A job is one QoS 1 inform down and five QoS 1 reports up, each after the PUBACK of the one before. Every message is
unlike any other, so what arrives is counted by comparing payloads. Devices are our codec on plain sockets, no fleet:
the broker is what is measured. The platform's other kind, inside the broker's process, is in `carrier`.
"""

import asyncio
import time
from dataclasses import dataclass

from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.codec import Decoder, encode, encode_puback, encode_publish
from platform_stub.protocol.mqtt.packets import Connack, Connect, Puback, Publish, Suback, Subscribe

PRODUCT = "bench"
STEPS = (10, 60, 101, 150, 201)  # of one job; the numbers only have to differ
CONNECTS_IN_FLIGHT = 80  # until the SUBACK is in: amqtt and mosquitto listen with a backlog of 100
CONNECT_LIMIT_S = 180
SILENCE_S = 10  # without a report, when all devices are done: what is missing is lost
TURN = 200  # informs sent before others get their turn
KEEPALIVE_S = 1800
DEVICES_A_SOURCE = (
    5_000  # of the 28,000 ports that an address has: the fewer are free, the longer the kernel looks
)
_BUFFER = memoryview(bytearray(65536))  # of all connections: what is received is taken in at once


def name_of(number):
    return f"d{number:05d}"


def number_of(name):
    return int(name[1:])


def topic_of(root, number, suffix):
    """Spell a topic; roots are equally long, so are the topics."""
    return f"{root}/{PRODUCT}/{name_of(number)}{suffix}"


def inform_of(number, lap):
    """Spell what a device is told; as large as the stub's."""
    return (
        b'{"id":"%d","version":"1.0","params":{"tid":%d,"type":1,"target":"V2.0.0","size":560000,'
        b'"md5":"d41d8cd98f00b204e9800998ecf8427e","url":"/fuse-ota/%s/%s/%d/download"}}'
        % (lap, number, PRODUCT.encode(), name_of(number).encode(), number)
    )


def report_of(number, lap, nth):
    """Spell a device's report."""
    return b'{"id":"%d","version":"1.0","params":{"tid":%d,"step":%d}}' % (
        lap * len(STEPS) + nth, number, STEPS[nth],
    )  # fmt: skip


class Ledger:
    """What reached the platform, counted by payload."""

    def __init__(self):
        self.due = {}  # payload -> who is to send it
        self.arrived = self.odd = 0
        self.last_s = 0.0

    def expect(self, count, lap):
        """Begin a lap: each device owes its reports."""
        self.due = {
            report_of(number, lap, nth): number for number in range(count) for nth in range(len(STEPS))
        }
        self.arrived = self.odd = 0

    def take(self, number, payload):
        """Count a report; odd is one that is damaged, not the sender's, or here for the second time."""
        if self.due.pop(payload, None) == number:
            self.arrived += 1
            self.last_s = time.monotonic()
        else:
            self.odd += 1

    def figures(self):
        return {"arrived": self.arrived, "odd": self.odd, "last_s": self.last_s}


class Client(asyncio.BufferedProtocol):
    """A connection that logs in and subscribes to one filter with QoS 1."""

    __slots__ = ("decoder", "gone", "login", "odd", "ready", "topic_filter", "transport")

    def __init__(self, client_id, topic_filter, ready, gone):
        self.login = encode(Connect(client_id, PRODUCT, b"version=2018-10-31", KEEPALIVE_S))
        self.topic_filter, self.ready, self.gone = topic_filter, ready, gone
        self.decoder = Decoder()
        self.odd = 0

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.login)

    def connection_lost(self, exc):
        self.gone()

    def get_buffer(self, sizehint):
        return _BUFFER

    def buffer_updated(self, size):
        answers = [self.answer(packet) for packet in self.decoder.feed(_BUFFER[:size])]
        self.transport.write(answers[0] if len(answers) == 1 else b"".join(answers))

    def answer(self, packet):
        kind = type(packet)
        if kind is Publish:
            return self.published(packet)
        if kind is Puback:
            return self.acknowledged(packet.packet_id)
        if kind is Connack:
            assert packet.code == 0, packet
            return encode(Subscribe(1, ((self.topic_filter, 1),)))
        assert kind is Suback, packet
        assert packet.codes == (1,), packet
        self.ready.set_result(None)
        return b""


class Device(Client):
    """Does its job whenever it is told the right thing."""

    __slots__ = ("done", "lap", "number", "sent", "status")

    def __init__(self, root, number, ready, gone, done):
        super().__init__(name_of(number), topic_of(root, number, topics.INFORM), ready, gone)
        self.status = topic_of(root, number, topics.STATUS).encode()
        self.number, self.done = number, done
        self.lap = self.sent = 0

    def published(self, packet):
        answer = encode_puback(packet.packet_id) if packet.qos else b""
        if packet.qos == 1 and not self.sent and packet.payload == inform_of(self.number, self.lap):
            return answer + self.report()
        self.odd += 1
        return answer

    def acknowledged(self, packet_id):
        if not self.sent or packet_id != self.sent:
            self.odd += 1
        elif self.sent < len(STEPS):
            return self.report()
        else:
            self.sent, self.lap = 0, self.lap + 1
            self.done()
        return b""

    def report(self):
        self.sent += 1
        return encode_publish(self.status, report_of(self.number, self.lap, self.sent - 1), 1, self.sent)


class Platform(Client):
    """The platform of a broker that has none inside: one client that reads all reports, with QoS 1 too."""

    __slots__ = ("ledger", "root")

    def __init__(self, root, ready, gone):
        super().__init__("platform", f"{root}/{PRODUCT}/+{topics.STATUS}", ready, gone)
        self.root, self.ledger = root, Ledger()

    def published(self, packet):
        self.ledger.take(number_of(packet.topic.split("/", 3)[2]), packet.payload)
        return encode_puback(packet.packet_id) if packet.qos else b""

    def acknowledged(self, packet_id):
        return b""

    async def expect(self, count, lap):
        self.ledger.expect(count, lap)

    async def go(self, count, lap):
        for number in range(count):
            topic = topic_of(self.root, number, topics.INFORM)
            self.transport.write(encode_publish(topic, inform_of(number, lap), 1, number + 1))
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)

    async def figures(self):
        return self.ledger.figures()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """What one job for each device came to."""

    jobs: float  # by the reports that reached the platform
    took_s: float
    cpu_s: float  # of the broker's process
    finished: bool  # all reports are there, and each device has its last PUBACK
    faults: int  # messages that were damaged, of another, or repeated; connections that were lost


class Load:
    """All devices of one broker, and its platform where that is a client."""

    def __init__(self, carrier, count):
        self.carrier, self.count = carrier, count
        self.devices = []
        self.lost = self.lap = self.dialled = 0
        self.is_closing = False

    async def __aenter__(self):
        gate = asyncio.Semaphore(CONNECTS_IN_FLIGHT)
        async with asyncio.timeout(CONNECT_LIMIT_S):
            self.platform = self.carrier
            if not self.carrier.has_platform:
                self.platform = await self._connect(gate, Platform, self.carrier.root)
            self.devices = await asyncio.gather(
                *(
                    self._connect(gate, Device, self.carrier.root, number, done=self._done)
                    for number in range(self.count)
                )
            )
        return self

    async def __aexit__(self, *_):
        self.is_closing = True
        for client in self.devices:
            client.transport.abort()
        if self.platform is not self.carrier:
            self.platform.transport.abort()
        await asyncio.sleep(0)

    async def one_lap(self, limit_s):
        """Give each device one job; after `limit_s` the lap is over with what has arrived."""
        await self.platform.expect(self.count, self.lap)
        faults = self._faults()
        self.left, self.done = self.count, asyncio.Event()
        cpu_s, started = self.carrier.cpu_s(), time.monotonic()
        await self.platform.go(self.count, self.lap)
        figures = await self._until_done(started + limit_s)
        ended = time.monotonic() if self.left else max(self.done_s, figures["last_s"])
        self.lap += 1
        return Lap(
            jobs=figures["arrived"] / len(STEPS),
            took_s=ended - started,
            cpu_s=self.carrier.cpu_s() - cpu_s,
            finished=not self.left and figures["arrived"] == self.count * len(STEPS),
            faults=figures["odd"] + self._faults() - faults,
        )

    async def _until_done(self, end_s):
        """Wait for the devices, then for the platform; answers what the platform has."""
        try:
            async with asyncio.timeout(max(0, end_s - time.monotonic())):
                await self.done.wait()
        except TimeoutError:
            return await self.platform.figures()
        while True:
            figures = await self.platform.figures()
            now_s = time.monotonic()
            is_silent = now_s > max(self.done_s, figures["last_s"]) + SILENCE_S
            if figures["arrived"] == self.count * len(STEPS) or is_silent or now_s > end_s:
                return figures
            await asyncio.sleep(0.01)

    async def _connect(self, gate, kind, *args, **more):
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        async with gate:
            self.dialled += 1
            _, client = await loop.create_connection(
                lambda: kind(*args, ready=ready, gone=self._gone, **more),
                *self.carrier.address,
                local_addr=(f"127.0.0.{1 + self.dialled // DEVICES_A_SOURCE}", 0),
            )
            await ready
        return client

    def _faults(self):
        return self.lost + sum(device.odd for device in self.devices)

    def _gone(self):
        self.lost += not self.is_closing

    def _done(self):
        self.left -= 1
        if not self.left:
            self.done_s = time.monotonic()
            self.done.set()
