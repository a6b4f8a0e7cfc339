"""What was looked up for an expectation: a single fact, or one of many devices; and whether it is as expected. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from scenarios.play import Wanted, is_wanted, spell_wanted
from scenarios.results import Difference

NAMED_MAX: Final = 3


class Value(NamedTuple):
    """What was found of one device, and whether that is what is wanted."""

    is_so: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact."""

    what: str
    wanted: str | int
    seen: str | int | None
    is_so: bool

    def difference(self) -> Difference | None:
        """Say that it is not as expected; None: it is."""
        return None if self.is_so else Difference(what=self.what, expected=self.wanted, seen=self.seen)

    def match(self) -> str | None:
        """Say how it is as expected; None: it is not."""
        return str(self.seen) if self.is_so else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfDevices:
    """A fact of each of some devices, by name. `count` is how many must have it; None: all, and there must be one."""

    what: str
    wanted: str
    values: Mapping[str, Value]
    count: Wanted | None = None

    def difference(self) -> Difference | None:
        """Say which devices are not as expected; None: enough are."""
        if not self.values:
            return Difference(what=self.what, expected=self._wanted(), seen="no device")
        so = sum(value.is_so for value in self.values.values())
        if self.count is not None:
            if is_wanted(self.count, so):
                return None
            return Difference(what=self.what, expected=self._wanted(), seen=f"{so:,}: {self._named()}")
        wrong = {name: value for name, value in self.values.items() if not value.is_so}
        if not wrong:
            return None
        named = _name(wrong)
        return Difference(
            what=self.what, expected=self.wanted, seen=f"{len(wrong):,} of {len(self.values):,} not: {named}"
        )

    def match(self) -> str | None:
        """Name the devices that are as expected: one is enough, unless it says how many; None: they are not."""
        so = {name: value for name, value in self.values.items() if value.is_so}
        if not so if self.count is None else not is_wanted(self.count, len(so)):
            return None
        return f"{len(so):,} of {len(self.values):,}: {_name(so)}" if so else f"0 of {len(self.values):,}"

    def _wanted(self) -> str:
        return self.wanted if self.count is None else f"{self.wanted}: {spell_wanted(self.count)}"

    def _named(self) -> str:
        """Name devices that are of interest where some may be as expected and some not."""
        return _name(self.values)


Finding = Fact | OfDevices


def _name(values: Mapping[str, Value]) -> str:
    named = ", ".join(f"{name} {value.text}" for name, value in list(values.items())[:NAMED_MAX])
    more = f" and {len(values) - NAMED_MAX:,} more" if len(values) > NAMED_MAX else ""
    return named + more
