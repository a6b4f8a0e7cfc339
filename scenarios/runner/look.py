"""Expectations about single devices, looked up: at the platform their versions and entitlements, at the fleet the rest.

That is what they really run and are at, and what they sent and got; and pushes of single tasks, at the platform.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Final

from device_sim.core.effects import Outcome
from platform_stub.protocol.operator import Device, DeviceDetail
from scenarios.operator import Refusal
from scenarios.play import (
    Devices,
    Expected,
    ExpectedDevices,
    ExpectedDistribution,
    ExpectedEntitlements,
    ExpectedMessages,
    ExpectedPushes,
    ExpectedVersions,
    is_wanted,
    spell_wanted,
)
from scenarios.results import Difference, spread_text
from scenarios.runner.findings import Fact, Finding, OfDevices, Value
from scenarios.runner.roster import CannotSelect
from scenarios.runner.stage import Stage
from scenarios.terms import NEVER

_RUNNING: Final = ("f_version", "s_version", "stage", "link", "failed_step")


async def look(stage: Stage, expected: Expected) -> list[Difference]:
    """Give each expectation on devices, messages and pushes that does not hold."""
    try:
        findings = [finding async for finding in find(stage, expected)]
    except CannotSelect as exc:
        return [Difference(what="devices", expected="a selection", seen=str(exc))]
    return [found for finding in findings if (found := finding.difference()) is not None]


async def find(stage: Stage, expected: Expected) -> AsyncIterator[Finding]:
    """Look up what expectations ask about; CannotSelect when they name devices that are not there."""
    if expected.versions:
        known = {device.device_id: device for device in await stage.operator.devices(stage.account_id)}
        for versions in expected.versions:
            for finding in _versions(stage, versions, known):
                yield finding
    for entitlements in expected.entitlements:
        for finding in await _entitlements(stage, entitlements):
            yield finding
    for distribution in expected.distribution:
        for finding in await _distribution(stage, distribution):
            yield finding
    for running in expected.running:
        yield _running(stage, running)
    for messages in expected.messages:
        yield _messages(stage, messages)
    for pushed in expected.pushed:
        yield await _pushed(stage, pushed)


def _versions(stage: Stage, expected: ExpectedVersions, known: Mapping[int, Device]) -> Iterator[Finding]:
    device_ids, where = stage.roster.select(expected.devices), _spell(expected.devices)
    for field, wanted in (("f_version", expected.f_version), ("s_version", expected.s_version)):
        if wanted is not None:
            seen = {device_id: _version(known.get(device_id), field) for device_id in device_ids}
            yield _of(stage, f"{field} of {where}", wanted, seen)


def _version(device: Device | None, field: str) -> str:
    return "none" if device is None else getattr(device, field) or "none"


async def _entitlements(stage: Stage, expected: ExpectedEntitlements) -> list[Finding]:
    device_ids, where = stage.roster.select(expected.devices), _spell(expected.devices)
    found: list[Finding] = []
    if expected.source is not None:
        sources = {device_id: stage.roster.licensed.get(device_id, "none") for device_id in device_ids}
        found.append(_of(stage, f"source of {where}", expected.source, sources))
    if expected.valid is not None or expected.support is not None:
        details = await _details(stage, device_ids)
        for what, wanted, fact in (
            ("valid", expected.valid, lambda d: d.entitlement is not None and d.entitlement.valid),
            ("support", expected.support, lambda d: d.after_sales_support),
        ):
            if wanted is not None:
                seen = _facts(details, fact)
                found.append(_of(stage, f"{what} of {where}", str(wanted).lower(), seen))
    return found


def _facts(details: Mapping[int, DeviceDetail], fact: Callable[[DeviceDetail], bool]) -> dict[int, str]:
    return {device_id: str(fact(detail)).lower() for device_id, detail in details.items()}


async def _details(stage: Stage, device_ids: Sequence[int]) -> dict[int, DeviceDetail]:
    answers = await asyncio.gather(*(stage.operator.device(device_id) for device_id in device_ids))
    return {
        device_id: answer
        for device_id, answer in zip(device_ids, answers, strict=True)
        if not isinstance(answer, Refusal)
    }


async def _distribution(stage: Stage, expected: ExpectedDistribution) -> list[Finding]:
    spread = await stage.operator.versions(stage.products[expected.product])
    found: list[Finding] = []
    for name, counts, seen in (
        ("f_versions", expected.f_versions, spread.f_versions),
        ("s_versions", expected.s_versions, spread.s_versions),
    ):
        there = {NEVER if each.version is None else each.version: each.devices for each in seen}
        if counts is not None:
            found.append(
                Fact(
                    what=f"{name} of {expected.product}",
                    wanted=spread_text(counts),
                    seen=spread_text(there),
                    is_so={v: n for v, n in counts.items() if n} == there,
                )
            )
    return found


def _running(stage: Stage, expected: ExpectedDevices) -> Finding:
    """Ask devices what they run and are at. One that is not there has nothing of it."""
    wanted = {name: value for name in _RUNNING if (value := getattr(expected, name)) is not None}
    values: dict[int, Value] = {}
    for device_id in stage.roster.select(expected.devices):
        is_here = {name: _at(stage, device_id, name) for name in wanted}
        values[device_id] = Value(is_here == wanted, _spell_facts(is_here))
    return OfDevices(
        what=f"running of {_spell(expected.devices)}",
        wanted=_spell_facts(wanted),
        values=_by_name(stage, values),
        count=expected.count,
    )


def _at(stage: Stage, device_id: int, name: str) -> str | int | None:
    view = stage.crew.view(device_id)
    if view is None:
        return "off" if name == "link" else None
    if name == "failed_step":
        last = view.last_job
        return last.step if last is not None and last.outcome is Outcome.FAILED else 0
    found: str | int | None = getattr(view, name)
    return found


def _spell_facts(facts: Mapping[str, str | int | None]) -> str:
    return ", ".join(f"{name} {'none' if value is None else value}" for name, value in facts.items())


def _messages(stage: Stage, expected: ExpectedMessages) -> Finding:
    """Count messages since the step began."""
    roster = stage.roster
    device_ids = list(dict.fromkeys(roster.select(expected.devices) if expected.devices else roster.members))
    what = _spell_messages(expected)
    counts = stage.crew.recorder.counts(
        device_ids, way=expected.way, what=expected.topic, step=expected.step, since=stage.mark
    )
    if not expected.each:
        total = sum(counts.values())
        return Fact(
            what=what,
            wanted=spell_wanted(expected.count),
            seen=total,
            is_so=is_wanted(expected.count, total),
        )
    values = {d: Value(is_wanted(expected.count, count), str(count)) for d, count in counts.items()}
    return OfDevices(what=what, wanted=f"{spell_wanted(expected.count)} each", values=_by_name(stage, values))


def _spell_messages(expected: ExpectedMessages) -> str:
    where = _spell(expected.devices) if expected.devices else "all devices"
    step = "" if expected.step is None else f" with step {expected.step}"
    by = "by" if expected.way == "sent" else "of"
    return f"{expected.topic or 'messages'}{step} {expected.way} {by} {where}"


async def _pushed(stage: Stage, expected: ExpectedPushes) -> Finding:
    """Count pushes of a step's task, repeated ones too."""
    task_id = stage.tasks.get(stage.roster.task_of(expected.of))
    deliveries = await stage.operator.deliveries(stage.account_id)
    count = sum(each.attempts for each in deliveries if each.task_id == task_id)
    return Fact(
        what=f"pushes of {expected.of}",
        wanted=spell_wanted(expected.count),
        seen=count,
        is_so=is_wanted(expected.count, count),
    )


def _of(stage: Stage, what: str, wanted: str, seen: Mapping[int, str]) -> Finding:
    values = {d: Value(value == wanted, value) for d, value in seen.items()}
    return OfDevices(what=what, wanted=wanted, values=_by_name(stage, values))


def _by_name(stage: Stage, values: Mapping[int, Value]) -> dict[str, Value]:
    """Name the devices; a name that was used again is told apart by the device ID (P12)."""
    named: dict[str, Value] = {}
    for device_id, value in values.items():
        name = stage.roster.members[device_id].name
        named[f"{name} (device {device_id})" if name in named else name] = value
    return named


def _spell(devices: Devices) -> str:
    return ", ".join(selection.text for selection in devices)
