"""Whether a broker that is not ours has delivered: both ends' counts compared. Pure.

QoS 1 is at least once, so a message may come twice, and that is only said. What the broker has acknowledged and not
delivered is missing, and that is a failure: such a broker drops in silence. Not counted is what can't be: what goes
down to a device that was not on one connection all the time, and what a device sends that the platform has ended or
does not know.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from device_sim.snapshot import Traffic
from platform_stub.protocol.delivery import Delivery

NAMED_MAX: Final = 3


class Delivered(NamedTuple):
    """What is said in a report, and what is wrong; empty: nothing is."""

    text: str
    missing: str


class _Way(NamedTuple):
    """One device's messages one way: how many at least and at most have to be there, and how many are."""

    device: str
    least: int
    most: int
    there: int

    @property
    def missing(self) -> int:
        return max(self.least - self.there, 0)

    @property
    def doubled(self) -> int:
        return max(self.there - self.most, 0)


def compare(traffic: Iterable[Traffic], delivery: Delivery) -> Delivered:
    """Compare both ends' counts."""
    all_of_them = list(traffic)
    counted = [
        each
        for each in all_of_them
        if each.device_id not in delivery.closed and (each.product_id, each.name) not in delivery.strangers
    ]
    steady = [each for each in counted if each.links == 1 and each.is_on]
    up = [
        _Way(each.name, each.sent - each.in_doubt, each.sent, delivery.received.get(each.device_id, 0))
        for each in counted
    ]
    down = []
    for each in steady:
        published = delivery.published.get(each.device_id, 0)
        down.append(_Way(each.name, published, published, each.came))
    missing = "; ".join(filter(None, (_missing("from", up), _missing("to", down))))
    if delivery.overflowed:
        missing += f"{'; ' if missing else ''}{delivery.overflowed:,} had no room here"
    return Delivered(_spell(up, down, len(all_of_them) - len(steady), delivery), missing)


def _missing(where: str, ways: list[_Way]) -> str:
    """Name who misses what."""
    short = [way for way in ways if way.missing]
    if not short:
        return ""
    named = ", ".join(f"{way.device} {way.missing:,} of {way.least:,}" for way in short[:NAMED_MAX])
    more = f" and {len(short) - NAMED_MAX:,} more" if len(short) > NAMED_MAX else ""
    return f"{sum(way.missing for way in short):,} messages {where} devices: {named}{more}"


def _spell(up: list[_Way], down: list[_Way], unsteady: int, delivery: Delivery) -> str:
    ways = (*up, *down)
    missing, doubled = sum(way.missing for way in ways), sum(way.doubled for way in ways)
    sent, came = sum(way.there for way in up), sum(way.there for way in down)
    said = [
        f"{sent:,} messages up and {came:,} down",
        f"{missing:,} missing" if missing else "none missing",
        f"{doubled:,} doubled" if doubled else "none doubled",
    ]
    if unsteady:
        said.append(f"{unsteady:,} devices not counted in full, as they came back or left")
    if delivery.losses:
        said.append(f"the platform lost its connection to the broker {delivery.losses:,} times")
    if delivery.foreign:
        said.append(f"{delivery.foreign:,} messages were of devices that the platform does not know")
    return "; ".join(said)
