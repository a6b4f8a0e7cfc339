"""What a broker can do, and so which scenarios can be played on it and what a report has to say about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """`can` are the needs that it meets; `cannot_check` is said in every report; `devices_max`: slow beyond."""

    can: frozenset[str]
    cannot_check: tuple[str, ...] = ()
    devices_max: int | None = None


BROKERS: Final[Mapping[str, BrokerFacts]] = {
    "embedded": BrokerFacts(can=frozenset({"auth", "keepalive", "takeover", "durable_ack"})),
    "amqtt": BrokerFacts(
        can=frozenset({"auth", "takeover"}),
        cannot_check=(
            "keep-alive is not enforced at this broker",
            "its PUBACK comes before the commit; the reply comes after it",
        ),
        devices_max=200,
    ),
}


def unmet(broker: str, needs: Sequence[str]) -> list[str]:
    """Give the needs that a broker does not meet."""
    return [need for need in needs if need not in BROKERS[broker].can]
