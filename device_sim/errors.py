"""Errors of a fleet, by blame.

OtaSimError
  UsageFault            an impossible fleet, profile, fault or CSV; a device ID that is not in the fleet
    DeviceFileFault     a CSV of devices with mistakes, all of them
  EnvironmentFault      too few descriptors, an address that does not resolve
    ShardDied           a process of a fleet over several ended, or fell silent, without being told to
  FleetError            what was waited for did not come in time, or can't come
    FleetFailed         a mistake in this program stopped the fleet; `__cause__` is it
"""

from dataclasses import dataclass

from platform_stub.protocol.errors import EnvironmentFault, OtaSimError, UsageFault


@dataclass(frozen=True, slots=True)
class Behind:
    """Who is behind: so many of all devices are `what`, and why the first of them are."""

    what: str
    count: int
    devices: int
    first: tuple[str, ...]

    def __str__(self) -> str:
        more = "; ..." if self.count > len(self.first) else ""
        return f"{self.count:,} of {self.devices:,} devices are {self.what}: {'; '.join(self.first)}{more}"


class FleetError(OtaSimError):
    """What was waited for did not come: the text names how many devices are behind, and why the first of them.

    `behind` says the same as a value, where devices were waited for.
    """

    def __init__(self, said: str | Behind) -> None:
        super().__init__(str(said))
        self.behind = said if isinstance(said, Behind) else None


class FleetFailed(FleetError):
    """A mistake in this program came up while it handled one device; the whole fleet stopped."""


class ShardDied(EnvironmentFault):
    """A process of a fleet is gone: the text names it, how it ended, and its last words."""


class DeviceFileFault(UsageFault):
    """A CSV of devices can't be read; `mistakes` has one line each, `file:line: column: what was expected`."""

    def __init__(self, mistakes: list[str]) -> None:
        shown = mistakes[:50]
        more = len(mistakes) - len(shown)
        tail = f"\n... and {more} more" if more else ""
        super().__init__("\n".join(shown) + tail)
        self.mistakes = mistakes
