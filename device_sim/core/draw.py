"""Draws without random state: the same (seed, device, purpose, counter) gives the same number, on every machine.

Four numbers are mixed by the finaliser of splitmix64, each with an odd multiplier of its own.
"""

from enum import IntEnum
from typing import Final

_MASK: Final = 2**64 - 1
_SEED, _DEVICE, _PURPOSE, _COUNTER = (
    0x9E3779B97F4A7C15,
    0xD1342543DE82EF95,
    0xA0761D6478BD642F,
    0xE7037ED1A0B428DB,
)


class Purpose(IntEnum):
    """What a number is drawn for."""

    START = 1
    BACKOFF = 2
    DOWNLOAD = 3
    POLL = 4
    BATTERY = 5
    SIGNAL = 6
    INSTALL = 7
    REBOOT = 8


def draw(seed: int, device_id: int, purpose: Purpose, counter: int) -> int:
    """Draw 64 bits."""
    z = (seed * _SEED + device_id * _DEVICE + purpose * _PURPOSE + counter * _COUNTER) & _MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
    return z ^ z >> 31


def draw_below(bound: int, seed: int, device_id: int, purpose: Purpose, counter: int) -> int:
    """Draw a number from 0 to `bound` - 1; 0 when `bound` is 0."""
    return draw(seed, device_id, purpose, counter) * bound >> 64


def jittered(span_ms: int, seed: int, device_id: int, purpose: Purpose, counter: int) -> int:
    """Draw from the upper half of a span: waits are spread, and none is close to nothing."""
    half = span_ms // 2
    return span_ms - half + draw_below(half + 1, seed, device_id, purpose, counter)
