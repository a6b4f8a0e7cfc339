"""What brokers can, by name or by address."""

import pytest

from platform_stub.protocol.errors import UsageFault
from scenarios.brokers import facts_of, is_external, shown_broker, unmet

NEEDS = ["auth", "keepalive", "takeover", "durable_ack"]


@pytest.mark.parametrize(
    ("broker", "lacks"),
    [
        ("embedded", []),
        ("amqtt", ["keepalive", "durable_ack"]),
        ("mqtt://h", ["auth", "keepalive", "durable_ack"]),
    ],
)
def test_what_a_broker_can_t_give(broker, lacks):
    assert unmet(broker, NEEDS) == lacks


def test_an_address_is_shown_without_its_password():
    assert is_external("mqtt://u:secret@h")
    assert shown_broker("mqtt://u:secret@h") == "mqtt://u:***@h:1883"
    assert shown_broker("amqtt") == "amqtt"


@pytest.mark.parametrize("broker", ["hive", "mqtts://h", "mqtt://"])
def test_no_broker(broker):
    with pytest.raises(UsageFault, match="mqtt://"):
        facts_of(broker)
