"""What goes through the MQTT relay, against a broker that says what it is told to."""

import asyncio
import contextlib

import pytest

from platform_stub.protocol.mqtt.codec import Decoder, encode, encode_publish
from platform_stub.protocol.mqtt.packets import Connack, Connect, Pingreq, Publish, Suback, Subscribe
from scenarios.conform.mqtt_relay import MqttRelay, MqttRule, changed, name_of
from scenarios.conform.record import Record

LOGIN = Connect("d", "p", b"version=x&sign=secret", 60)
TOPIC = "$sys/p/d/ota"
INFORM = Publish(f"{TOPIC}/inform", b'{"id":"1","version":"1.0","params":{"tid":7,"type":1,"target":"2.0"}}')


async def broker(reader, writer):
    """Let in, grant, and then inform once."""
    decoder = Decoder()
    with contextlib.suppress(OSError):
        while data := await reader.read(4096):
            for packet in decoder.feed(data):
                if isinstance(packet, Connect):
                    writer.write(encode(Connack(False, 0)))
                elif isinstance(packet, Subscribe):
                    writer.write(encode(Suback(packet.packet_id, (0,))) + encode(INFORM))
    writer.close()


@contextlib.asynccontextmanager
async def relayed():
    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    record = Record(lambda: None)
    async with server, MqttRelay(server.sockets[0].getsockname(), record, lambda: 0) as relay:
        yield relay


class Client:
    def __init__(self, reader, writer):
        self.reader, self.writer, self.decoder, self.got = reader, writer, Decoder(), []

    async def take(self, count):
        """Read until so many packets are there."""
        while len(self.got) < count:
            data = await self.reader.read(4096)
            assert data, f"the relay has closed after {self.got}"
            self.got += self.decoder.feed(data)
        return self.got


@contextlib.asynccontextmanager
async def connected(relay):
    reader, writer = await asyncio.open_connection(*relay.address)
    try:
        writer.write(encode(LOGIN))
        yield Client(reader, writer)
    finally:
        writer.close()


async def subscribed(client):
    client.writer.write(encode(Subscribe(1, ((f"{TOPIC}/#", 1),))))
    return await client.take(3)


async def test_packets_pass_and_are_written_down():
    async with relayed() as relay, connected(relay) as client:
        assert await subscribed(client) == [Connack(False, 0), Suback(1, (0,)), INFORM]
        (login,) = relay.record.up("connect")
        assert (login.authorization, login.text) == ("version=x&sign=secret", "p/d keep-alive 60 s")
        (inform,) = relay.record.down("inform")
        assert (inform.handle, inform.kind, inform.target, inform.message_id) == ("7", 1, "2.0", "1")


@pytest.mark.parametrize(
    ("change", "payloads"),
    [
        (lambda _: (), []),
        (lambda message: changed(message, b"x"), [b"x"]),
        (lambda message: (encode(message), encode(message)), [INFORM.payload] * 2),
    ],
)
async def test_a_message_is_lost_changed_or_doubled(change, payloads):
    async with relayed() as relay, connected(relay) as client:
        relay.rules.append(MqttRule(way="down", what="inform", change=change, left=1))
        client.writer.write(encode(Subscribe(1, ((f"{TOPIC}/#", 1),))))
        await client.take(2)
        end = encode_publish("end", b"")
        while not relay.rules[0].struck:
            await asyncio.sleep(0)
        await relay.send(end)
        got = await client.take(3 + len(payloads))
        assert [packet.payload for packet in got[2:]] == [*payloads, b""]


async def test_logins_are_refused_so_often():
    async with relayed() as relay:
        relay.refusals += [5, 4]
        for code in (5, 4, 0):
            async with connected(relay) as client:
                assert await client.take(1) == [Connack(False, code)]
        assert [heard.code for heard in relay.record.down("connack")] == [5, 4, 0]


async def test_a_byte_at_a_time_is_the_same():
    async with relayed() as relay, connected(relay) as client:
        relay.drips = True
        assert await subscribed(client) == [Connack(False, 0), Suback(1, (0,)), INFORM]


async def test_nothing_is_sent_where_no_device_is():
    async with relayed() as relay:
        assert await relay.send(b"x") is False


async def test_what_is_no_mqtt_ends_the_connection_and_is_written_down():
    async with relayed() as relay:
        reader, writer = await asyncio.open_connection(*relay.address)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        assert [heard.what for heard in relay.record.entries] == ["opened", "unread", "closed"]


@pytest.mark.parametrize(
    ("packet", "name"),
    [
        (LOGIN, "connect"),
        (Pingreq(), "ping"),
        (INFORM, "inform"),
        (Publish(f"{TOPIC}/status", b""), "step"),
        (Publish("$sys/p/d/thing/property/post", b""), "card"),
        (Publish("elsewhere", b""), "other"),
        (Publish(f"{TOPIC}/what", b""), "other"),
    ],
)
def test_what_a_packet_is_called(packet, name):
    assert name_of(packet) == name
