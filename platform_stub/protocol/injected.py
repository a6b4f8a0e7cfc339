"""Which injected fault can strike which call, and what is wrong with one that can strike none. Pure.

A fault is an `InjectFault` (see `operator`): whom it is for, and what goes wrong. A call is one of `CALLS` in one
generation; what can go wrong there is in the table. Source: onenet-protocol, sections 3 and 4.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from platform_stub.protocol.operator import InjectFault

EMPTY_INFORM: Final = "empty inform"
"""An inform with no job in it, which goes to a device that asks over HTTP; `inform` in a rule means both."""

_HTTP: Final = ("south", "studio", "fuse")
_ALWAYS: Final = frozenset({"delay_ms", "silent"})
_ANSWER: Final = _ALWAYS | {"status", "code"}

EFFECTS: Final[Mapping[tuple[str, str], frozenset[str]]] = MappingProxyType(
    {
        **{(call, generation): _ANSWER for call in ("version", "state", "status") for generation in _HTTP},
        **{("check", generation): _ANSWER | {"wrong_md5"} for generation in _HTTP},
        **{("download", generation): _ANSWER | {"cut_at_bytes"} for generation in _HTTP},
        ("version", "mqtt"): _ALWAYS | {"code"},
        ("status", "mqtt"): _ALWAYS | {"code"},
        ("inform", "mqtt"): _ALWAYS | {"wrong_md5"},
        (EMPTY_INFORM, "mqtt"): _ALWAYS,
    }
)
"""What can go wrong, by call and generation. Devices that are told over MQTT download with fuse's call."""

_DEFAULTS: Final = MappingProxyType(
    {"delay_ms": 0, "status": None, "code": None, "cut_at_bytes": None, "wrong_md5": False, "silent": False}
)
_WITH_SILENT: Final = frozenset({"silent", "delay_ms"})


def effects_of(rule: InjectFault) -> frozenset[str]:
    """Name what a fault makes go wrong."""
    return frozenset(name for name, default in _DEFAULTS.items() if getattr(rule, name) != default)


def places_of(rule: InjectFault) -> tuple[tuple[str, str], ...]:
    """List the (call, generation) pairs at which a fault can strike: those where something of it can go wrong."""
    effects = effects_of(rule)
    return tuple(
        (call, generation)
        for (call, generation), possible in EFFECTS.items()
        if _covers(rule, call, generation) and effects & possible
    )


def find_mistake(rule: InjectFault) -> str | None:
    """Say what is wrong with a fault that could never strike, or says two things at once; None when all is well."""
    effects = effects_of(rule)
    if not effects:
        return f"nothing would go wrong: at least one of {', '.join(_DEFAULTS)} is wanted"
    if "silent" in effects and not effects <= _WITH_SILENT:
        others = ", ".join(sorted(effects - _WITH_SILENT))
        return f"silent means no answer, so {others} can't be in one; leave one of them out"
    covered = [possible for place, possible in EFFECTS.items() if _covers(rule, *place)]
    if not covered:
        hint = (
            "; devices that are told over MQTT download with fuse's call" if rule.call == "download" else ""
        )
        return f"generation {rule.generation} has no call {rule.call}{hint}"
    idle = sorted(name for name in effects if not any(name in possible for possible in covered))
    if idle:
        calls = "any call" if rule.call == "any" else f"call {rule.call}"
        where = "any generation" if rule.generation == "any" else f"generation {rule.generation}"
        return f"{', '.join(idle)} can't happen to {calls} of {where}"
    return None


def _covers(rule: InjectFault, call: str, generation: str) -> bool:
    named = "inform" if call == EMPTY_INFORM else call
    return rule.call in {"any", named} and rule.generation in {"any", generation}
