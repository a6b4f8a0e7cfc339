"""What devices are, and what goes wrong with them, as options: storage, battery, signal, install, reboot, faults.

A value of several words is written `FIRST,word=value,...`, with the words of a scenario file.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

import click

from device_sim import Fault, Flow, Level, Span, World
from device_sim.core.faults import ALWAYS, MEANINGS, PLACES, WHATS
from platform_stub.protocol.errors import UsageFault
from scenarios.selection import WHOLE_SHARE, Filter, SelectionFault, drawn
from scenarios.units import (
    PERCENT_PATTERN,
    RATE_PATTERN,
    read_offset_ms,
    read_percent,
    read_size,
    read_span_ms,
    read_span_range_ms,
)

F = TypeVar("F", bound=Callable[..., Any])
PER_CENT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """A fault, and how many devices it is for: so many or such a share, drawn; None: all."""

    fault: Fault
    drawing: Filter | None
    text: str

    def choose(self, flows: Mapping[int, Flow], seed: int) -> list[int]:
        """Draw among the devices that can have it, by the seed: the same ones each time; `flows` by device ID.

        UsageFault where there are none, or too few.
        """
        meant = MEANINGS[self.fault.what].flows
        able = [device_id for device_id, flow in flows.items() if not meant or flow in meant]
        if not able:
            raise UsageFault(
                f"--fault {self.text}: it is about flow {' or '.join(meant)}, which no device speaks"
            )
        if self.drawing is None:
            return able
        try:
            return sorted(drawn(able, self.drawing, f"{seed}/{self.text}"))
        except SelectionFault as fault:
            raise UsageFault(f"--fault {self.text}: {fault}") from None


def _percent(text: str) -> float:
    if not re.match(PERCENT_PATTERN, text):
        raise ValueError(f"per cent are wanted, such as 80, not {text!r}")
    return read_percent(text)


def _share(text: str) -> Filter:
    share = round(_percent(text) * WHOLE_SHARE / PER_CENT)
    if not share:
        raise ValueError(f"{text} is nobody; a share is more than 0 %")
    return Filter("share", share)


def _count(text: str) -> Filter:
    if not (count := _number(text)):
        raise ValueError("0 is nobody")
    return Filter("some", count)


def _rate(text: str) -> float:
    if not re.match(RATE_PATTERN, text):
        raise ValueError(f"per cent an hour are wanted, such as -1.5, not {text!r}")
    return read_percent(text)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:  # noqa: PLR2004 - below 10^9
        raise ValueError(f"a number is wanted, not {text!r}")
    return int(text)


def _times(text: str) -> int:
    return ALWAYS if text == "always" else _number(text)


def _bytes(text: str) -> int:
    return 0 if text == "0" else read_size(text)


def _offset_ms(text: str) -> int:
    return read_offset_ms(text)


_LEVEL: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = MappingProxyType(
    {
        "per_hour": ("per_hour", _rate),
        "swing": ("swing", _percent),
        "period": ("period_ms", read_span_ms),
    }
)
_FAULT: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = MappingProxyType(
    {
        "at": ("at", str),  # a place in the job, or a size
        "at_byte": ("at_byte", _bytes),
        "times": ("times", _times),
        "attempts": ("attempts", _times),
        "after": ("after", _number),
        "update": ("update", str),
        "rate": ("rate", read_size),
        "step": ("step", _number),
        "version": ("version", str),
        "for": ("for_ms", read_span_ms),
        "by": ("skew_ms", _offset_ms),
        "boots": ("boots", _number),
        "share": ("share", _share),
        "count": ("count", _count),
    }
)


def _split(text: str, words: Mapping[str, tuple[str, Callable[[str], Any]]]) -> tuple[str, dict[str, Any]]:
    """Take `FIRST,word=value,...` apart; ValueError for a word that is not there, or a value that it can't have."""
    first, *rest = (part.strip() for part in text.split(","))
    found: dict[str, Any] = {}
    for part in rest:
        word, is_there, value = (each.strip() for each in part.partition("="))
        if word not in words or not is_there:
            raise ValueError(f"{part!r} is none of {', '.join(f'{known}=...' for known in words)}")
        name, read = words[word]
        if name in found:
            raise ValueError(f"{word} is there twice")
        try:
            found[name] = read(value)
        except ValueError as exc:
            raise ValueError(f"{word}: {exc}") from exc
    return first, found


def read_level(text: str) -> Level:
    """Read `80`, or `80,per_hour=-2,swing=5,period=1d`. ValueError says what is wrong."""
    first, more = _split(text, _LEVEL)
    return Level(start=_percent(first), **more)


def read_fault(text: str) -> Ordered:
    """Read `cut,at=10KiB,share=2%`. ValueError says what is wrong."""
    first, more = _split(text, _FAULT)
    if first not in WHATS:
        raise ValueError(f"there is no fault {first!r}; there are {', '.join(WHATS)}")
    share, count = more.pop("share", None), more.pop("count", None)
    if share is not None and count is not None:
        raise ValueError("share or count, not both")
    place = more.get("at")
    if place is not None and place not in PLACES:
        if "at_byte" in more:
            raise ValueError(f"at: there are {', '.join(PLACES)}; or a size, without at_byte")
        try:
            more["at_byte"] = _bytes(place)
        except ValueError as exc:
            raise ValueError(f"at: {exc}; or one of {', '.join(PLACES)}") from exc
        del more["at"]
        if "at" in (*MEANINGS[first].wants, *MEANINGS[first].takes):
            more["at"] = "download"
    if more.get("update") not in {None, "FOTA", "SOTA"}:
        raise ValueError(f"update: FOTA or SOTA, not {more['update']!r}")
    return Ordered(fault=Fault(what=first, **more), drawing=share or count, text=text)


def _as_option(read: Callable[[str], Any], name: str) -> click.ParamType[Any]:
    """Make an option's type of a reader."""

    class Read(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
        def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
            if not isinstance(value, str):
                return value
            try:
                return read(value)
            except (ValueError, UsageFault) as exc:
                self.fail(str(exc), param, ctx)

    kind = Read()
    kind.name = name
    return kind


_OPTIONS: Final = (
    click.option(
        "--storage",
        type=_as_option(_bytes, "SIZE"),
        help="Free space for a package in the module; a larger one fails with 102. Default: enough.",
    ),
    click.option(
        "--mcu-storage",
        type=_as_option(_bytes, "SIZE"),
        help="The same in the MCU, for SOTA packages.",
    ),
    click.option(
        "--battery",
        type=_as_option(read_level, "LEVEL"),
        help="Per cent, as 80, or 80,per_hour=-2,swing=5,period=1d.",
    ),
    click.option(
        "--battery-min",
        type=click.IntRange(0, PER_CENT),
        default=0,
        help="What a device wants for an update: below it 105 in the download, 202 before the install.",
    ),
    click.option("--signal", type=_as_option(read_level, "LEVEL"), help="The same of the signal."),
    click.option(
        "--signal-min",
        type=click.IntRange(0, PER_CENT),
        default=0,
        help="What a device wants of it: below it 106.",
    ),
    click.option(
        "--install",
        type=_as_option(read_span_range_ms, "SPAN[-SPAN]"),
        help="How long an install takes, as 30s or 10s-60s. Default: no time.",
    ),
    click.option(
        "--reboot",
        type=_as_option(read_span_range_ms, "SPAN[-SPAN]"),
        help="How long a device is offline after an install. Default: it does not reboot.",
    ),
    click.option(
        "--fault",
        "faults",
        multiple=True,
        type=_as_option(read_fault, "SPEC"),
        help="What goes wrong, as cut,at=10KiB or fails,step=205,times=2; repeatable. The kinds and their words are "
        "those of a scenario's `fault`.",
    ),
)


def hardware_options(command: F) -> F:
    """Give a command these options; `world_of` makes a World of what they gave."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def world_of(
    *,
    storage: int | None,
    mcu_storage: int | None,
    battery: Level | None,
    battery_min: int,
    signal: Level | None,
    signal_min: int,
    install: tuple[int, int] | None,
    reboot: tuple[int, int] | None,
) -> World:
    """Make the hardware of what the options gave."""
    return World(
        storage_bytes=storage,
        mcu_storage_bytes=mcu_storage,
        battery=battery,
        battery_min=battery_min,
        signal=signal,
        signal_min=signal_min,
        install=_span(install),
        reboot=_span(reboot),
    )


def _span(range_ms: tuple[int, int] | None) -> Span | None:
    return None if range_ms is None else Span(low_ms=range_ms[0], high_ms=range_ms[1])


def faults_by_device(
    ordered: Iterable[Ordered], flows: Mapping[int, Flow], seed: int
) -> dict[int, tuple[Fault, ...]]:
    """Say which faults befall which device. UsageFault where one can befall none."""
    found: dict[int, tuple[Fault, ...]] = {}
    for each in ordered:
        for device_id in each.choose(flows, seed):
            found[device_id] = (*found.get(device_id, ()), each.fault)
    return found
