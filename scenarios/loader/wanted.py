"""What an author expects of a step, read into values: one variant's, with every count as a number or as bounds.

Whether it can be is judged before, in `scenarios.loader.expectations`.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from scenarios import model, play, units
from scenarios.loader.orders import or_default, read_devices


def value_for(value: Any, variant: str) -> Any:
    """Take a variant's value; UNSET when there is none."""
    return value.get(variant, UNSET) if isinstance(value, dict) else value


def read_wanted(value: int | str) -> play.Wanted:
    """Read a count, or the bounds of one; ValueError says what is wanted."""
    if isinstance(value, int):
        return value
    low, high = units.read_bounds(value)
    return play.Bounds(low=low, high=high)


def read_expected(expect: model.Until, variant: str) -> play.Expected:
    """Read what must come back, or what must be so at any time."""
    read = _Reader(variant)
    amounts = {name: read.taken(expect, name) for name in ("balance", "fee")}
    never = getattr(expect, "never", UNSET)
    return play.Expected(
        outcome=read.taken(expect, "outcome"),
        reason=read.taken(expect, "reason"),
        task_state=read.taken(expect, "task_state"),
        counts=read.counts(expect),
        amounts={name: units.read_fen(str(value)) for name, value in amounts.items() if value is not None},
        versions=tuple(_versions(v) for v in or_default(expect.versions, [])),
        entitlements=tuple(read.entitlements(v) for v in or_default(expect.entitlements, [])),
        distribution=tuple(_distribution(v) for v in or_default(expect.distribution, [])),
        running=tuple(_running(v) for v in or_default(expect.running, [])),
        messages=tuple(_messages(v) for v in or_default(expect.messages, [])),
        pushed=tuple(
            play.ExpectedPushes(of=v.of, count=read_wanted(v.count)) for v in or_default(expect.pushed, [])
        ),
        never=read_never(or_default(never, []), variant),
    )


def read_never(entries: Iterable[model.Never], variant: str) -> tuple[play.Never, ...]:
    """Read what must not be so."""
    return tuple(
        play.Never(of=or_default(entry.of, None), expected=read_expected(entry, variant)) for entry in entries
    )


class _Reader:
    """Takes one variant's values."""

    def __init__(self, variant: str) -> None:
        self._variant = variant

    def taken(self, expect: Any, name: str) -> Any:
        """Take a field's value; None when it was left out, or is no field here."""
        return or_default(value_for(getattr(expect, name, UNSET), self._variant), None)

    def entitlements(self, expect: model.ExpectEntitlements) -> play.ExpectedEntitlements:
        """Take what entitlements devices must have."""
        return play.ExpectedEntitlements(
            devices=read_devices(expect.devices),
            source=self.taken(expect, "source"),
            valid=or_default(expect.valid, None),
            support=or_default(expect.support, None),
        )

    def counts(self, expect: model.Until) -> dict[str, play.Wanted]:
        """Take every count, by its name."""
        found = {name: self.taken(expect, name) for name in model.COUNTS}
        for group in model.STATES:
            inner = getattr(expect, group)
            if inner is not UNSET:
                found |= {f"{group}.{name}": self.taken(inner, name) for name in inner.__struct_fields__}
        found |= {f"struck.{step_id}": count for step_id, count in or_default(expect.struck, {}).items()}
        found |= {f"journal.{kind}": count for kind, count in or_default(expect.journal, {}).items()}
        return {name: read_wanted(value) for name, value in found.items() if value is not None}


def _versions(entry: model.ExpectVersions) -> play.ExpectedVersions:
    return play.ExpectedVersions(
        devices=read_devices(entry.devices),
        f_version=or_default(entry.f_version, None),
        s_version=or_default(entry.s_version, None),
    )


def _distribution(entry: model.ExpectDistribution) -> play.ExpectedDistribution:
    return play.ExpectedDistribution(
        product=entry.product,
        f_versions=or_default(entry.f_versions, None),
        s_versions=or_default(entry.s_versions, None),
    )


def _running(entry: model.ExpectRunning) -> play.ExpectedDevices:
    return play.ExpectedDevices(
        devices=read_devices(entry.devices),
        f_version=or_default(entry.f_version, None),
        s_version=or_default(entry.s_version, None),
        stage=or_default(entry.stage, None),
        link=or_default(entry.link, None),
        failed_step=or_default(entry.failed_step, None),
        count=None if entry.count is UNSET else read_wanted(entry.count),
    )


def _messages(entry: model.ExpectMessages) -> play.ExpectedMessages:
    is_sent = entry.sent is not UNSET
    return play.ExpectedMessages(
        devices=() if entry.devices is UNSET else read_devices(entry.devices),
        way="sent" if is_sent else "received",
        topic=or_default(entry.sent if is_sent else entry.received, None),
        step=or_default(entry.step, None),
        count=read_wanted(entry.count),
        each=entry.each,
    )
