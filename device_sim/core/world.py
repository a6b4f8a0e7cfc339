"""What a device is besides its software: storage, battery, signal, slots to install into, and how long things take.

Levels are per cent. Spans are milliseconds of the device's running time, which goes on when the account's clock is
advanced; sizes are bytes. Pure; nothing is remembered here that can be worked out from (seed, device, time).
"""

from dataclasses import dataclass
from typing import Final

from platform_stub.protocol.errors import UsageFault

BOOTS_MAX: Final = 100
"""Of `World.boots_max`: who gives up later than that never does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A level in per cent that changes with time: `start + per_hour * hours`, and up and down by `swing` a `period`.

    Where in its period a device begins is drawn by the seed. It never leaves 0-100.
    """

    start: float = 100.0
    per_hour: float = 0.0
    swing: float = 0.0
    period_ms: int = 86_400_000

    def __post_init__(self) -> None:
        """Refuse what can't be: UsageFault."""
        if not 0 <= self.start <= 100 or not 0 <= self.swing <= 100:  # noqa: PLR2004 - per cent
            raise UsageFault(f"level: start {self.start} and swing {self.swing} are per cent, 0 to 100")
        if self.period_ms < 1:
            raise UsageFault(f"level: period_ms = {self.period_ms}: at least 1 is wanted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span from `low_ms` to `high_ms`, drawn for each device and job."""

    low_ms: int
    high_ms: int

    def __post_init__(self) -> None:
        """Refuse what can't be: UsageFault."""
        if not 0 <= self.low_ms <= self.high_ms:
            raise UsageFault(f"span: {self.low_ms}-{self.high_ms} ms: from 0 on, and upwards")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The hardware of a device. None: there is enough of it."""

    storage_bytes: int | None = None  # free for a package, in the module
    mcu_storage_bytes: int | None = None  # the same behind it, for MCU applications
    battery: Level | None = None
    signal: Level | None = None
    battery_min: int = 0  # what it wants for an update, unless the task says more
    signal_min: int = 0
    install: Span | None = None  # instead of the profile's `install_ms`
    reboot: Span | None = None  # instead of the profile's `reboot_ms`
    boots_max: int = 3  # boots of a new firmware that may fail, then it rolls back
    flush_bytes: int = (
        16 * 1024
    )  # a download is flushed in steps of so many, which outlive the power; 0: never

    def __post_init__(self) -> None:
        """Refuse what can't be: UsageFault names all fields that are wrong."""
        wrong = [
            f"{name} = {value}"
            for name in (
                "storage_bytes",
                "mcu_storage_bytes",
                "battery_min",
                "signal_min",
                "boots_max",
                "flush_bytes",
            )
            if (value := getattr(self, name)) is not None and value < (name == "boots_max")
        ]
        if wrong:
            raise UsageFault(f"world: {'; '.join(wrong)}: too small")
        if self.boots_max > BOOTS_MAX:
            raise UsageFault(f"world: boots_max = {self.boots_max}: at most {BOOTS_MAX} is taken")


STURDY = World()
"""A device that lacks nothing, and whose installs take what the profile says."""
