"""Expectations about single devices, looked up at the platform: their versions and entitlements."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

from platform_stub.protocol.operator import Device, DeviceDetail
from scenarios.operator import Refusal
from scenarios.play import Devices, Expected, ExpectedDistribution, ExpectedEntitlements
from scenarios.results import Difference, spread_text
from scenarios.runner.roster import CannotSelect
from scenarios.runner.stage import Stage
from scenarios.terms import NEVER

NAMED_MAX: Final = 3


async def look(stage: Stage, expected: Expected) -> list[Difference]:
    """Give each expectation on devices that does not hold."""
    if not expected.versions and not expected.entitlements and not expected.distribution:
        return []
    try:
        return [difference async for difference in _look(stage, expected)]
    except CannotSelect as exc:
        return [Difference(what="devices", expected="a selection", seen=str(exc))]


async def _look(stage: Stage, expected: Expected) -> AsyncIterator[Difference]:
    if expected.versions:
        known = {device.device_id: device for device in await stage.operator.devices(stage.account_id)}
        for versions in expected.versions:
            device_ids = stage.roster.select(versions.devices)
            for field, wanted in (("f_version", versions.f_version), ("s_version", versions.s_version)):
                if wanted is not None:
                    seen = {device_id: _version(known.get(device_id), field) for device_id in device_ids}
                    difference = _differ(stage, f"{field} of {_spell(versions.devices)}", wanted, seen)
                    if difference is not None:
                        yield difference
    for entitlements in expected.entitlements:
        for difference in await _look_at_entitlements(stage, entitlements):
            yield difference
    for distribution in expected.distribution:
        for difference in await _look_at_distribution(stage, distribution):
            yield difference


async def _look_at_distribution(stage: Stage, expected: ExpectedDistribution) -> list[Difference]:
    spread = await stage.operator.versions(stage.products[expected.product])
    found = []
    for name, counts, seen in (
        ("f_versions", expected.f_versions, spread.f_versions),
        ("s_versions", expected.s_versions, spread.s_versions),
    ):
        there = {NEVER if each.version is None else each.version: each.devices for each in seen}
        if counts is not None and {v: n for v, n in counts.items() if n} != there:
            found.append(
                Difference(
                    what=f"{name} of {expected.product}",
                    expected=spread_text(counts),
                    seen=spread_text(there),
                )
            )
    return found


def _version(device: Device | None, field: str) -> str:
    return "none" if device is None else getattr(device, field) or "none"


async def _look_at_entitlements(stage: Stage, expected: ExpectedEntitlements) -> list[Difference]:
    device_ids = stage.roster.select(expected.devices)
    where = _spell(expected.devices)
    found: list[Difference | None] = []
    if expected.source is not None:
        sources = {device_id: stage.roster.licensed.get(device_id, "none") for device_id in device_ids}
        found.append(_differ(stage, f"source of {where}", expected.source, sources))
    if expected.valid is not None or expected.support is not None:
        details = await _details(stage, device_ids)
        for what, wanted, fact in (
            ("valid", expected.valid, lambda d: d.entitlement is not None and d.entitlement.valid),
            ("support", expected.support, lambda d: d.after_sales_support),
        ):
            if wanted is not None:
                seen = _facts(details, fact)
                found.append(_differ(stage, f"{what} of {where}", str(wanted).lower(), seen))
    return [difference for difference in found if difference is not None]


def _facts(details: Mapping[int, DeviceDetail], fact: Callable[[DeviceDetail], bool]) -> dict[int, str]:
    return {device_id: str(fact(detail)).lower() for device_id, detail in details.items()}


async def _details(stage: Stage, device_ids: Sequence[int]) -> dict[int, DeviceDetail]:
    answers = await asyncio.gather(*(stage.operator.device(device_id) for device_id in device_ids))
    return {
        device_id: answer
        for device_id, answer in zip(device_ids, answers, strict=True)
        if not isinstance(answer, Refusal)
    }


def _differ(stage: Stage, what: str, wanted: str, seen: Mapping[int, str]) -> Difference | None:
    """Sum up devices that are not as they must be; a selection without devices is not as it must be either."""
    wrong = {device_id: value for device_id, value in seen.items() if value != wanted}
    if seen and not wrong:
        return None
    if not seen:
        return Difference(what=what, expected=wanted, seen="no device")
    named = ", ".join(
        f"{stage.roster.members[device_id].name} {value}"
        for device_id, value in list(wrong.items())[:NAMED_MAX]
    )
    more = f" and {len(wrong) - NAMED_MAX:,} more" if len(wrong) > NAMED_MAX else ""
    return Difference(what=what, expected=wanted, seen=f"{len(wrong):,} of {len(seen):,} not: {named}{more}")


def _spell(devices: Devices) -> str:
    return ", ".join(selection.text for selection in devices)
