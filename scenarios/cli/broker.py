"""`--broker`: a broker's name, or the address of any other, whose password is shown nowhere."""

import click

from platform_stub.protocol.errors import UsageFault
from scenarios.brokers import BROKERS, facts_of

BROKER_HELP = (
    f"Which MQTT broker: {' or '.join(BROKERS)} in this process, or any other by its address, "
    "mqtt://[user:password@]host[:port]; docs/brokers.md says how that is set up."
)


class BrokerType(click.ParamType[str]):
    """`embedded`, `amqtt` or `mqtt://...`."""

    name = "NAME|URL"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what is neither."""
        try:
            facts_of(value)
        except UsageFault as fault:
            self.fail(str(fault), param, ctx)
        return value
