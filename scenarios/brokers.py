"""What a broker can do, and so which scenarios can be played on it and what a report has to say about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from platform_stub.protocol.broker_url import is_broker_url, parse_broker_url
from platform_stub.protocol.errors import UsageFault


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


EXTERNAL: Final = BrokerFacts(
    can=frozenset({"takeover"}),
    cannot_check=(
        "device tokens are not checked by the platform: who is let in is this broker's business",
        "a device counts as there once it has sent something, and that it left is not seen",
        "the platform ends no connection, and keep-alive is the broker's",
        "its PUBACK comes before the commit; the reply comes after it",
    ),
)
"""A broker that is named by its address: any, and the platform is one of its clients."""


def facts_of(broker: str) -> BrokerFacts:
    """Give the facts of a broker, by its name or its address. UsageFault: there is no such broker."""
    if broker in BROKERS:
        return BROKERS[broker]
    if is_broker_url(broker):
        parse_broker_url(broker)
        return EXTERNAL
    raise UsageFault(
        f"no broker is named {broker!r}; there are {', '.join(BROKERS)}, and mqtt://host:port for any other"
    )


def is_external(broker: str) -> bool:
    """Whether a broker is named by its address."""
    return broker not in BROKERS and is_broker_url(broker)


def shown_broker(broker: str) -> str:
    """Spell a broker for people: an address without its password."""
    return str(parse_broker_url(broker)) if is_external(broker) else broker


def unmet(broker: str, needs: Sequence[str]) -> list[str]:
    """Give the needs that a broker does not meet."""
    can = facts_of(broker).can
    return [need for need in needs if need not in can]
