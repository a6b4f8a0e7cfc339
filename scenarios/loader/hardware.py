"""What devices are and what goes wrong with them, as it is written, read into the device's own values.

Whether it can be is judged before, in `scenarios.loader.device_steps`.
"""

from typing import Final

from msgspec import UnsetType

from device_sim.core import faults, world
from scenarios import model, terms, units
from scenarios.loader.orders import or_default

PLACE_OF_BYTES: Final = "download"
"""Where in a job a fault strikes whose place is given in bytes."""


def read_world(hardware: model.Hardware) -> world.World:
    """Read what a device is besides its software."""
    if hardware == model.Hardware():
        return world.STURDY
    return world.World(
        storage_bytes=read_bytes(hardware.storage),
        mcu_storage_bytes=read_bytes(hardware.mcu_storage),
        battery=_level(hardware.battery),
        signal=_level(hardware.signal),
        battery_min=hardware.battery_min,
        signal_min=hardware.signal_min,
        install=_range(hardware.install),
        reboot=_range(hardware.reboot),
        boots_max=hardware.boots,
        flush_bytes=read_bytes(hardware.flush) or 0,
    )


def read_device_fault(fault: model.Fault) -> faults.Fault:
    """Read a fault; whom it is for is told apart. UsageFault: it can't be."""
    at, at_byte = read_place(fault)
    return faults.Fault(
        what=fault.what,
        times=_repeats(fault.times),
        attempts=1 if isinstance(fault.attempts, UnsetType) else _repeats(fault.attempts),
        after=or_default(fault.after, 0),
        update=or_default(fault.update, None),
        at=at,
        at_byte=at_byte,
        rate=read_bytes(fault.rate),
        step=or_default(fault.step, None),
        version=or_default(fault.version, None),
        for_ms=read_span(fault.span),
        skew_ms=None if isinstance(fault.offset, UnsetType) else units.read_offset_ms(fault.offset),
        boots=or_default(fault.boots, None),
    )


def read_place(fault: model.Fault) -> tuple[faults.At | None, int | None]:
    """Read where in a job it strikes: a place, a number of bytes of the package, or both."""
    at_byte = read_bytes(fault.at_byte)
    if isinstance(fault.at, UnsetType):
        return None, at_byte
    for place in faults.PLACES:
        if fault.at == place:
            return place, at_byte
    is_cut = fault.what == "cut"
    return None if is_cut else PLACE_OF_BYTES, read_bytes(fault.at)


def read_bytes(size: terms.WireSize | UnsetType) -> int | None:
    """Read a size that may be 0; None when it was left out."""
    if isinstance(size, UnsetType):
        return None
    return size if isinstance(size, int) else units.read_size(size)


def read_span(text: str | UnsetType) -> int | None:
    """Read a span in milliseconds; None when it was left out."""
    return None if isinstance(text, UnsetType) else units.read_span_ms(text)


def read_level(value: terms.Percent | UnsetType) -> float | None:
    """Read per cent; None when it was left out."""
    return None if isinstance(value, UnsetType) else units.read_percent(str(value))


def _level(value: terms.Percent | model.Level | UnsetType) -> world.Level | None:
    if isinstance(value, model.Level):
        return world.Level(
            start=units.read_percent(str(value.start)),
            per_hour=units.read_percent(str(value.per_hour)),
            swing=units.read_percent(str(value.swing)),
            period_ms=units.read_span_ms(value.period),
        )
    start = read_level(value)
    return None if start is None else world.Level(start=start)


def _range(text: str | UnsetType) -> world.Span | None:
    if isinstance(text, UnsetType):
        return None
    low_ms, high_ms = units.read_span_range_ms(text)
    return world.Span(low_ms=low_ms, high_ms=high_ms)


def _repeats(value: int | str) -> int:
    return value if isinstance(value, int) else faults.ALWAYS
