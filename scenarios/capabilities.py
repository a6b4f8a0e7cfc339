"""What a play asks of a platform, by name, and why a play is not for a platform under test.

The names stand in a scenario's `needs` and in a target file's `can` and `cannot`. The stub can do all of it, but for
what its brokers can't (`scenarios.brokers`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import structs

from platform_stub.protocol.operator import Policy
from scenarios import play as p
from scenarios.results import PlayResult
from scenarios.target import Target

NEEDS: Final[Mapping[str, str]] = {
    "auth": "refuse a login with a bad token",
    "keepalive": "enforce MQTT's keep-alive",
    "takeover": "let a new login end the old connection",
    "durable_ack": "acknowledge a report only when it is kept",
}
"""What a scenario says itself that it needs."""

FLOWS: Final[Mapping[str, str]] = {
    "mqtt": "speak with devices over MQTT",
    "fuse": "answer devices of generation C",
    "studio": "answer devices of generation B",
    "south": "answer devices of generation A",
}
"""What a play needs by the devices that it connects."""

_STEPS: Final[Mapping[str, tuple[str, tuple[type[Any], ...]]]] = {
    "clock": ("set an account's clock", (p.Advance, p.AdvanceTo)),
    "money": ("move an account's money", (p.TopUp, p.Posting)),
    "licences": ("sell licences, enter and cancel them", (p.Buy, p.Grant, p.CancelLicences)),
    "charging_date": ("move the charging date", (p.SetChargingDate,)),
    "auto_add": ("take in devices by auto-add policies", (p.AutoAdd,)),
    "webhook": ("push tasks to a webhook", (p.SetWebhook,)),
    "inject": ("go wrong when it is told to", (p.Inject, p.ClearInjected)),
    "cards": ("take another card for a device", (p.ReplaceCards, p.SwapCards)),
    "keys": ("renew a device's key", (p.RenewKeys,)),
    "terminate": ("terminate devices", (p.Terminate, p.CreateAgain)),
    "move": ("move devices to another product", (p.Move,)),
    "pause": ("hold tasks back", (p.PauseTask, p.ResumeTask)),
    "cancel": ("cancel tasks and jobs", (p.CancelTask, p.CancelJobs)),
    "retry": ("create a task for failed devices", (p.RetryTask,)),
}
_POLICY: Final = (
    "policy",
    "take prices, free licences and what the rules leave open as a scenario wants them",
)
_STRICT: Final = ("strict", "take the documentation's narrower reading")

CAPABILITIES: Final[Mapping[str, str]] = {
    **{name: words for name, (words, _) in _STEPS.items()},
    **dict((_POLICY, _STRICT)),
    **FLOWS,
    **NEEDS,
}
"""Every name, and what a platform does that can it."""


def wanted_by(play: p.Play) -> dict[str, str]:
    """Give what a play asks of its platform, each with where it does."""
    wanted: dict[str, str] = {}
    for name, where in _wanted(play):
        wanted.setdefault(name, where)
    return wanted


def _wanted(play: p.Play) -> Iterator[tuple[str, str]]:
    yield from ((need, "needs") for need in play.needs)
    if play.clock_ms is not None:
        yield "clock", "clock"
    if play.policy != Policy():
        yield "policy", "policy"
    if play.strict:
        yield "strict", "strict"
    start = play.account
    if start.top_up_fen or start.post_fen:
        yield "money", "account"
    if start.buy or start.grant:
        yield "licences", "account"
    yield from ((flow, "fleets") for flow in play.flows)
    for step in _flat((*play.steps, *play.teardown)):
        for name, (_, actions) in _STEPS.items():
            if isinstance(step.action, actions):
                yield name, f"step {step.id}"
        if isinstance(step.action, p.WaitUntil) and step.action.advance_ms:
            yield "clock", f"step {step.id}"
        if isinstance(step.action, p.Register):
            yield from ((flow, f"step {step.id}") for flow in step.action.fleet.flows)


def _flat(steps: Iterable[p.PlayStep]) -> Iterator[p.PlayStep]:
    for step in steps:
        yield step
        if isinstance(step.action, p.Parallel):
            yield from _flat(step.action.steps)


def misfit(play: p.Play, target: Target) -> str:
    """Say why a play is not for a target; empty when it is."""
    if (why := target.skip.get(play.name, target.skip.get(play.scenario))) is not None:
        return f"left out in {target.file}: {why}"
    lacking = [f"{name} ({where})" for name, where in wanted_by(play).items() if not _can(target, name)]
    return f"{target.name} can't: {', '.join(lacking)}" if lacking else ""


def with_target(result: PlayResult, target: Target | None) -> PlayResult:
    """Say in a result on which platform it was played, and what could not be checked there; None: on the stub."""
    if target is None:
        return result
    unchecked: tuple[str, ...] = ("the books are not audited: only the platform has them",)
    if not target.predicts:
        unchecked += ("what the charging rules predict is not held against it",)
    return structs.replace(
        result, broker="", target=target.name, target_file=target.file, cannot_check=unchecked
    )


def _can(target: Target, name: str) -> bool:
    if name == "strict":
        return target.strict
    if name in FLOWS and target.mqtt is None and name == "mqtt":
        return False
    if target.can is not None:
        return name in target.can
    return name not in target.cannot
