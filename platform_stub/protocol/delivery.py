"""What went through a broker that is not ours, counted at the platform's end. Values only.

A broker that drops a message says so to nobody; who knows what devices sent and got finds it by these counts.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The counts at one moment. By device ID: `received` from it, those that came twice included, `published` to it.

    `closed` are devices that the platform has ended: what they sent afterwards is not counted. `strangers` are product
    and name of some who sent something and whom the platform does not know, `foreign` how much they all sent.
    """

    received: Mapping[int, int]
    published: Mapping[int, int]
    closed: AbstractSet[int] = frozenset()
    strangers: AbstractSet[tuple[str, str]] = frozenset()
    acknowledged: int = 0  # of the published ones: the broker has them
    waiting: int = 0  # published, and not with the broker yet
    repeated: int = 0  # came marked as sent again
    foreign: int = 0
    refused: int = 0  # too large, or retained
    overflowed: int = 0  # not published, for want of room here
    losses: int = 0  # of the connection to the broker
