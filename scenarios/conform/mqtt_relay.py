"""The relay for MQTT: it stands before the stub's broker, writes down what is said, and goes wrong where told to.

Packets are taken apart by our own codec and put together again; what can't be read is passed on as it came.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from platform_stub.protocol import topics
from platform_stub.protocol.mqtt import packets as p
from platform_stub.protocol.mqtt.codec import Decoder, encode, encode_publish
from platform_stub.protocol.mqtt.errors import StreamFault
from platform_stub.protocol.shown import shown, shown_name
from scenarios.conform.doors import Door
from scenarios.conform.record import Heard, Record

READ_BYTES: Final = 65_536
TEXT_CHARACTERS: Final = 200
MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        topics.INFORM: "inform",
        topics.INFORM_REPLY: "inform_reply",
        topics.VERSION: "version",
        topics.VERSION_REPLY: "version_reply",
        topics.STATUS: "step",
        topics.STATUS_REPLY: "status_reply",
        topics.PROPERTY_POST: "card",
        topics.PROPERTY_POST_REPLY: "card_reply",
    }
)
"""What a message is called in the record, by its topic's suffix."""

_PACKETS: Final[Mapping[type, str]] = MappingProxyType(
    {
        p.Connect: "connect",
        p.Connack: "connack",
        p.Subscribe: "subscribe",
        p.Suback: "suback",
        p.Unsubscribe: "unsubscribe",
        p.Unsuback: "unsuback",
        p.Pingreq: "ping",
        p.Pingresp: "pong",
        p.Puback: "puback",
        p.Disconnect: "disconnect",
    }
)

Change = Callable[[p.Publish], Iterable[bytes]]
"""What is sent instead of a message, as bytes; nothing for one that is lost."""


@dataclass(slots=True, kw_only=True)
class MqttRule:
    """Which messages are spoilt, how, and how often still; `left` None: every one."""

    way: Literal["up", "down"]
    what: str
    change: Change
    left: int | None = None
    struck: int = 0
    note: str = "spoilt"

    def strikes(self, way: str, what: str) -> bool:
        """Whether it strikes this message; then it is counted."""
        if self.left == 0 or self.way != way or self.what != what:
            return False
        self.struck += 1
        if self.left is not None:
            self.left -= 1
        return True


class MqttRelay(Door):
    """Between the device and the stub's broker."""

    def __init__(self, platform: tuple[str, int], record: Record, now_ms: Callable[[], int]) -> None:
        super().__init__("MQTT relay", limit_bytes=READ_BYTES)
        self.platform = platform
        self.record = record
        self.now_ms = now_ms
        self.rules: list[MqttRule] = []
        self.refusals: list[int] = []  # CONNACK codes of the next logins
        self.drips = False
        self.devices: list[asyncio.StreamWriter] = []  # of those that have subscribed, the latest last

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        """Pass a connection's packets on, both ways, until one end closes."""
        up_reader, up_writer = await asyncio.open_connection(*self.platform)
        self._note("opened", number)
        try:
            async with asyncio.TaskGroup() as group:
                ways = (
                    group.create_task(self._pump("up", reader, up_writer, writer, number), name="up"),
                    group.create_task(self._pump("down", up_reader, writer, writer, number), name="down"),
                )
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        finally:
            if writer in self.devices:
                self.devices.remove(writer)
            up_writer.close()
            self._note("closed", number)

    async def send(self, data: bytes) -> bool:
        """Send bytes to the device that is there; False when none is, or it leaves."""
        if not self.devices:
            return False
        try:
            await self._write(self.devices[-1], data)
        except OSError:
            return False
        return True

    async def _pump(
        self,
        way: Literal["up", "down"],
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        device: asyncio.StreamWriter,
        number: int,
    ) -> None:
        decoder, data = Decoder(), b""
        try:
            while data := await source.read(READ_BYTES):
                for packet in decoder.feed(data):
                    for piece in self._judge(way, packet, device, number):
                        await self._write(sink, piece, drips=self.drips and way == "down")
                    if isinstance(packet, p.Connect) and self.refusals:
                        await self._refuse(device, number)
                        return
        except StreamFault as fault:
            self._note("unread", number, str(fault))
            sink.write(data)
        except OSError:
            return

    def _judge(
        self, way: Literal["up", "down"], packet: p.Packet, device: asyncio.StreamWriter, number: int
    ) -> Iterable[bytes]:
        """Write a packet down, and say what is passed on instead of it, or as it."""
        what = name_of(packet)
        rule = None
        if isinstance(packet, p.Publish):
            rule = next((rule for rule in self.rules if rule.strikes(way, what)), None)
        pieces = (
            [encode(packet)] if rule is None or not isinstance(packet, p.Publish) else rule.change(packet)
        )
        self.record.add(_heard(self.now_ms(), way, packet, what, number, rule))
        if isinstance(packet, p.Suback):
            self.devices.append(device)
        if isinstance(packet, p.Connect) and self.refusals:
            return ()
        return pieces

    async def _refuse(self, device: asyncio.StreamWriter, number: int) -> None:
        refusal = p.Connack(False, self.refusals.pop(0))
        self.record.add(_heard(self.now_ms(), "down", refusal, "connack", number, None))
        await self._write(device, encode(refusal))

    @staticmethod
    async def _write(sink: asyncio.StreamWriter, data: bytes, *, drips: bool = False) -> None:
        step = 1 if drips else max(len(data), 1)
        for at in range(0, len(data), step):
            sink.write(data[at : at + step])
            await sink.drain()
            if drips:
                await asyncio.sleep(0.0005)

    def _note(self, what: str, number: int, text: str = "") -> None:
        self.record.add(
            Heard(at_ms=self.now_ms(), way="note", protocol="mqtt", what=what, connection=number, text=text)
        )


def name_of(packet: p.Packet) -> str:
    """Say what the record calls a packet."""
    if not isinstance(packet, p.Publish):
        return _PACKETS.get(type(packet), "other")
    topic = topics.parse_topic(packet.topic)
    return "other" if topic is None else MESSAGES.get(topic.suffix, "other")


def changed(message: p.Publish, payload: bytes) -> tuple[bytes]:
    """Put another payload into a message."""
    return (encode_publish(message.topic, payload, message.qos, message.packet_id),)


def _heard(
    at_ms: int, way: Literal["up", "down"], packet: p.Packet, what: str, number: int, rule: MqttRule | None
) -> Heard:
    said, text, token = _message(packet)
    params = said.get("params")
    params = params if isinstance(params, dict) else {}
    step, kind, tid = params.get("step"), params.get("type"), params.get("tid")
    code = packet.code if isinstance(packet, p.Connack) else said.get("code")
    return Heard(
        at_ms=at_ms,
        way=way,
        protocol="mqtt",
        what=what,
        connection=number,
        handle="" if tid is None else str(tid),
        kind=kind if isinstance(kind, int) else 0,
        step=step if isinstance(step, int) else None,
        f_version=_text(params.get("f_version")),
        s_version=_text(params.get("s_version")),
        message_id=str(said.get("id", "")),
        target=str(params.get("target", "")),
        code=code if isinstance(code, int) else None,
        authorization=token,
        text=text if rule is None else f"{text} ({rule.note})",
    )


def _message(packet: p.Packet) -> tuple[Mapping[str, Any], str, str]:
    """Give a packet's JSON, its line, and the token in it."""
    match packet:
        case p.Publish():
            return _object_in(packet.payload), _shown(packet), ""
        case p.Connect():
            token = (packet.password or b"").decode("latin-1")
            return {}, _login(packet), token
        case p.Connack():
            return {}, f"code {packet.code}", ""
        case p.Subscribe():
            return {}, " ".join(f"{shown(name)} QoS {qos}" for name, qos in packet.filters), ""
        case _:
            return {}, "", ""


def _login(packet: p.Connect) -> str:
    who = f"{shown_name(packet.username or '')}/{shown_name(packet.client_id)}"
    return f"{who} keep-alive {packet.keepalive_s} s"


def _shown(packet: p.Publish) -> str:
    return f"{shown(packet.topic)} {shown(packet.payload, TEXT_CHARACTERS)}"


def _object_in(payload: bytes) -> Mapping[str, Any]:
    try:
        said = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
