"""MQTT 3.1.1 as bytes: packets spelled by hand from the standard, what arrives taken apart just as far as a test looks."""

import asyncio
import json
from contextlib import asynccontextmanager

WAIT_S = 60.0
CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP = 2, 3, 4, 9, 11, 13
ACCEPTED = b"\x20\x02\x00\x00"
FLAGS = 0xC2


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return len(value).to_bytes(2, "big") + value


def packet(first_byte, rest):
    size, length = len(rest), b""
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([first_byte]) + length + rest


def connect(client_id, username, password, *, flags=FLAGS, keepalive=60, level=4, name="MQTT", will=b""):
    head = text(name) + bytes([level, flags]) + keepalive.to_bytes(2, "big")
    user = text(username) if flags & 0x80 else b""
    word = text(password) if flags & 0x40 else b""
    return packet(0x10, head + text(client_id) + will + user + word)


def publish(topic, payload, *, qos=0, packet_id=1, retain=False, dup=False):
    number = packet_id.to_bytes(2, "big") if qos else b""
    return packet(0x30 | dup << 3 | qos << 1 | retain, text(topic) + number + payload)


def subscribe(*filters, qos=1, packet_id=1):
    return packet(0x82, packet_id.to_bytes(2, "big") + b"".join(text(one) + bytes([qos]) for one in filters))


def unsubscribe(*filters, packet_id=1):
    return packet(0xA2, packet_id.to_bytes(2, "big") + b"".join(map(text, filters)))


PING = b"\xc0\x00"


class Message:
    """A PUBLISH that arrived; `size` is the whole packet's."""

    def __init__(self, first_byte, rest, size):
        self.qos, self.retain, self.size = first_byte >> 1 & 3, bool(first_byte & 1), size
        end = 2 + int.from_bytes(rest[:2], "big")
        self.topic = rest[2:end].decode()
        self.packet_id = int.from_bytes(rest[end : end + 2], "big") if self.qos else None
        self.payload = rest[end + (2 if self.qos else 0) :]

    @property
    def json(self):
        return json.loads(self.payload)


class Line:
    """A device's connection, which waits for one packet at a time; an arriving message is acknowledged at once."""

    def __init__(self, reader, writer, product="", name=""):
        self._reader, self._writer = reader, writer
        self.prefix = f"$sys/{product}/{name}"

    def send(self, *packets):
        self._writer.write(b"".join(packets))

    def end_of_sending(self):
        self._writer.write_eof()

    async def packet(self):
        """(first byte, rest, whole size) of the next packet; None at the connection's end."""
        async with asyncio.timeout(WAIT_S):
            try:
                first = await self._reader.readexactly(1)
                size, shift, length = 0, 0, 1
                while True:
                    digit = (await self._reader.readexactly(1))[0]
                    size, shift, length = size | (digit & 0x7F) << shift, shift + 7, length + 1
                    if not digit & 0x80:
                        break
                rest = await self._reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            return first[0], rest, length + size

    async def expect(self, kind):
        """The next packet but for PUBACKs, which has to be of this kind; its rest."""
        arrived = await self.packet()
        while arrived is not None and arrived[0] >> 4 == PUBACK != kind:
            arrived = await self.packet()
        assert arrived is not None, f"the connection ended; a packet of kind {kind} was wanted"
        assert arrived[0] >> 4 == kind, arrived
        return arrived[1]

    async def message(self, suffix=None):
        """The next message, on this topic below the device's prefix; PUBACKs before it are passed over."""
        while True:
            arrived = await self.packet()
            assert arrived is not None, f"the connection ended; a message on {suffix} was wanted"
            if arrived[0] >> 4 == PUBACK:
                continue
            assert arrived[0] >> 4 == PUBLISH, arrived
            message = Message(*arrived)
            if message.packet_id is not None:
                self.send(b"\x40\x02" + message.packet_id.to_bytes(2, "big"))
            assert suffix is None or message.topic == self.prefix + suffix, message.topic
            return message

    async def ended(self):
        return await self.packet() is None

    async def silent(self):
        """Whether nothing was under way: the answer to a PING is the next to come."""
        self.send(PING)
        await self.expect(PINGRESP)
        return True

    async def login(self, client_id, username, password, **more):
        """CONNECT; the bytes of the CONNACK's body."""
        self.send(connect(client_id, username, password, **more))
        return await self.expect(CONNACK)

    async def subscribe(self, *suffixes, qos=1):
        self.send(subscribe(*(self.prefix + one for one in suffixes), qos=qos))
        return list((await self.expect(SUBACK))[2:])

    async def ask(self, suffix, body, *, qos=1, packet_id=7):
        """Publish, and wait for the message that answers."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send(publish(self.prefix + suffix, payload, qos=qos, packet_id=packet_id))
        return (await self.message()).json


@asynccontextmanager
async def line(address, product="", name=""):
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield Line(reader, writer, product, name)
    finally:
        writer.close()
