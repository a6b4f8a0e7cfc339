"""Values between our own processes: MessagePack, each with its length before it."""

import struct
from typing import Final

import msgspec
from msgspec import Struct

from scenarios.play import Play
from scenarios.runner.events import Event
from scenarios.runner.options import RunOptions

_LENGTH: Final = struct.Struct(">I")
LENGTH_BYTES: Final = _LENGTH.size


class Order(Struct, frozen=True, kw_only=True):
    """What a worker is to play."""

    play: Play
    options: RunOptions


_ORDERS: Final = msgspec.msgpack.Decoder(Order)
_EVENTS: "Final[msgspec.msgpack.Decoder[Event]]" = msgspec.msgpack.Decoder(Event)


def pack(value: Order | Event) -> bytes:
    """Make a frame."""
    body = msgspec.msgpack.encode(value)
    return _LENGTH.pack(len(body)) + body


def length_of(head: bytes) -> int:
    """Read how long a frame's body is from its first bytes."""
    length: int = _LENGTH.unpack(head)[0]
    return length


def order_of(body: bytes) -> Order:
    """Read an order."""
    return _ORDERS.decode(body)


def event_of(body: bytes) -> Event:
    """Read an event."""
    return _EVENTS.decode(body)
