"""Which of its own topics a device has subscribed to. Pure values, shared by all devices that asked for the same.

A filter is kept as what follows `$sys/{product id}/{device name}`, so a fleet has one value among them.
"""

from functools import lru_cache
from typing import Final

from platform_stub.protocol import topics

Subscriptions = tuple[tuple[str, int], ...]
"""Pairs of filter suffix and granted QoS, in the order they were granted."""

NO_SUBSCRIPTIONS: Final[Subscriptions] = ()
_SHARED_MAX: Final = 4096


def own_suffix(prefix: str, topic_filter: str) -> str | None:
    """Return the part of a filter below the device's own prefix; None for a filter outside.

    Wildcards are allowed from level 4 on, so the first three levels have to be the device's own.
    """
    below = len(prefix)
    if topic_filter.startswith(prefix) and topic_filter[below : below + 1] == "/":
        return topic_filter[below:]
    return None


def with_filter(held: Subscriptions, suffix: str, qos: int) -> Subscriptions:
    """Add a filter, or replace the one that is the same [MQTT-3.8.4-3]."""
    return _shared((*(pair for pair in held if pair[0] != suffix), (suffix, qos)))


def without_filter(held: Subscriptions, suffix: str) -> Subscriptions:
    """Remove a filter, if it is there [MQTT-3.10.4-1]."""
    return _shared(tuple(pair for pair in held if pair[0] != suffix))


@lru_cache(_SHARED_MAX)
def granted_qos(held: Subscriptions, suffix: str) -> int | None:
    """Return the highest QoS among the filters that take a topic in [MQTT-3.3.5-1]; None when none does."""
    return max((qos for text, qos in held if topics.filter_matches(text, suffix)), default=None)


@lru_cache(_SHARED_MAX)
def _shared(held: Subscriptions) -> Subscriptions:
    return held
