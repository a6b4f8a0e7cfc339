"""Which devices an injected fault can strike at all, by what they speak. Pure."""

from platform_stub.protocol.injected import places_of
from platform_stub.protocol.operator import InjectFault
from scenarios.play import Flow


def can_strike(rule: InjectFault, flow: Flow) -> bool:
    """Whether a device that speaks this ever does a call that goes wrong; over MQTT it downloads with fuse's call."""
    return any(
        generation == flow or (flow == "mqtt" and (call, generation) == ("download", "fuse"))
        for call, generation in places_of(rule)
    )
