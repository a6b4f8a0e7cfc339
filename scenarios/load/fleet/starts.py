"""What each shard starts with: its devices, its part of what may be in flight, whether they are paced. Pure."""

from collections.abc import Sequence
from typing import Final

from device_sim.core.profile import Profile
from device_sim.identity import Identity
from device_sim.shards.messages import Start
from device_sim.shards.plan import Plan
from scenarios.load.fleet.options import FleetOptions

PROFILE: Final = Profile()
Address = tuple[str, int]


def starts_of(
    plan: Plan, http: Address, mqtt: Address, identities: Sequence[Identity], options: FleetOptions
) -> list[Start]:
    """Make the starts of a run. In a storm of the start nothing is paced: all dial at one moment."""
    at_once = options.storm == "start"
    return [
        Start(
            http=http,
            mqtt=mqtt,
            identities=list(identities[share.first : share.stop]),
            seed=options.seed,
            shard=number,
            of=len(plan.shares),
            profile=PROFILE,
            sources=list(share.sources),
            connects_in_flight=share.devices if at_once else share.in_flight.connects,
            downloads_in_flight=share.in_flight.downloads,
            calls_in_flight=share.in_flight.calls,
            start_spread_ms=0 if at_once else None,
        )
        for number, share in enumerate(plan.shares)
    ]
