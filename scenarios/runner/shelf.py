"""Packages on paper: whether each may be used, and which devices it takes in by itself (P15)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec import Struct

from platform_stub.protocol.codes import OTHER_CHIPS
from scenarios.play import PackageFacts, StartVersions
from scenarios.runner.roster import Member


@dataclass(slots=True)
class Package:
    """A package; `takes_in` is its auto-add policy, for devices at `start_versions` (None: any)."""

    facts: PackageFacts
    verification: str = "open"
    takes_in: bool = False
    start_versions: StartVersions = None

    def admits(self, version: str | None) -> bool:
        """Whether it takes in a device that reports this version."""
        if not self.takes_in or self.verification == "open" or version in {None, self.facts.target}:
            return False
        if self.facts.start_version not in {None, version}:
            return False
        return self.start_versions is None or version in self.start_versions

    def suits(self, member: Member) -> bool:
        """Whether a device's check finds its job good: in flow south it says its manufacturer and model (errno 8)."""
        wanted = (self.facts.manufacturer, self.facts.model)
        if member.flow != "south" or wanted in OTHER_CHIPS.values():
            return True
        said = (member.manufacturer, member.model)
        return all(not mine or not its or mine == its for mine, its in zip(said, wanted, strict=True))


class TakenIn(Struct, frozen=True, kw_only=True):
    """A device that an auto-add policy took in; its package is None when no step has uploaded it."""

    device_id: int
    package: PackageFacts | None
    state: str

    @property
    def has_ended(self) -> bool:
        """Whether its job has."""
        return self.state in {"success", "failed", "cancelled"}


@dataclass(slots=True)
class Shelf:
    """All packages of an account, in the order of their upload."""

    packages: dict[PackageFacts, Package] = field(default_factory=dict)

    def take(self, facts: PackageFacts) -> Package:
        """Give a package, uploaded now if it is not there."""
        return self.packages.setdefault(facts, Package(facts))

    def taking_in(self) -> Iterator[Package]:
        """Give those that take in devices, the newest first."""
        return (package for package in reversed(self.packages.values()) if package.takes_in)

    def find(self, product: str, kind: str, version: str | None) -> Package | None:
        """Find the package that takes in a device: the newest that admits its version; none when one leads to it."""
        for package in self.taking_in():
            facts = package.facts
            if (facts.product, facts.kind) != (product, kind):
                continue
            if facts.target == version and package.verification != "open":
                return None
            if package.admits(version):
                return package
        return None
