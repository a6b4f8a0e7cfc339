"""What the command and the Locust process of a fleet say to each other: JSON lines, one value each.

The command hands over a `FleetOrder` in a file that FLEET_FILE names, sends `Down` lines to Locust's standard input,
and reads `Up` lines from the pipe whose descriptor FLEET_PIPE names. What goes on to a shard, or comes from one, is the
shard's own protocol (`device_sim.shards.messages`) and passes through unchanged. Times are monotonic nanoseconds: one
clock for all processes of a machine.
"""

from typing import Final

import msgspec
from msgspec import Struct

from device_sim.shards.messages import Event, Order, Start

FLEET_FILE: Final = "OTA_LOAD_FLEET"
FLEET_PIPE: Final = "OTA_LOAD_FLEET_PIPE"


class FleetOrder(Struct, frozen=True, kw_only=True):
    """What the shards of a run start with, the first shard first."""

    starts: list[Start]


class Tell(Struct, frozen=True, kw_only=True, tag="tell"):
    """Pass an order on to a shard; None: to each of them."""

    shard: int | None = None
    order: Order


class Leave(Struct, frozen=True, kw_only=True, tag="leave"):
    """Let all shards leave, and end."""


Down = Tell | Leave


class ShardBegan(Struct, frozen=True, kw_only=True, tag="began"):
    """A shard's process runs."""

    shard: int
    pid: int


class ShardSaid(Struct, frozen=True, kw_only=True, tag="said"):
    """What a shard said."""

    shard: int
    event: Event


class ShardGone(Struct, frozen=True, kw_only=True, tag="gone"):
    """A shard's process has ended; `exit_code` below 0 is a signal's number, `words` the last it said."""

    shard: int
    pid: int
    exit_code: int
    words: str = ""


class ShardUnborn(Struct, frozen=True, kw_only=True, tag="unborn"):
    """A shard's process could not be started."""

    shard: int
    why: str


Up = ShardBegan | ShardSaid | ShardGone | ShardUnborn

_encode: Final = msgspec.json.Encoder().encode
_decode_down: Final = msgspec.json.Decoder(Down).decode
_decode_up: Final = msgspec.json.Decoder(Up).decode


def line_of(value: Down | Up | Order) -> bytes:
    """Spell a value as a line."""
    return _encode(value) + b"\n"


def down_of(line: bytes) -> Down:
    """Read what the command says; msgspec's error: it is no line of ours."""
    said: Down = _decode_down(line)
    return said


def up_of(line: bytes) -> Up:
    """Read what the Locust process says; msgspec's error: it is no line of ours."""
    said: Up = _decode_up(line)
    return said
