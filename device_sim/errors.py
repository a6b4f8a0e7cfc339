"""Errors of a fleet, by blame.

OtaSimError
  UsageFault            an impossible fleet, profile, fault or CSV; a device ID that is not in the fleet
    DeviceFileFault     a CSV of devices with mistakes, all of them
  EnvironmentFault      too few descriptors, an address that does not resolve
  FleetError            what was waited for did not come in time, or can't come
    FleetFailed         a mistake in this program stopped the fleet; `__cause__` is it
"""

from platform_stub.protocol.errors import OtaSimError, UsageFault


class FleetError(OtaSimError):
    """What was waited for did not come: the text names how many devices are behind, and why the first of them."""


class FleetFailed(FleetError):
    """A mistake in this program came up while it handled one device; the whole fleet stopped."""


class DeviceFileFault(UsageFault):
    """A CSV of devices can't be read; `mistakes` has one line each, `file:line: column: what was expected`."""

    def __init__(self, mistakes: list[str]) -> None:
        shown = mistakes[:50]
        more = len(mistakes) - len(shown)
        tail = f"\n... and {more} more" if more else ""
        super().__init__("\n".join(shown) + tail)
        self.mistakes = mistakes
