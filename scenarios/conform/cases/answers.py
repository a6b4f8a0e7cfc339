"""Hostile cases: answers and messages that are not what they should be, in the flow that the device speaks.

Over HTTP it is the answers to checks, version reports and steps, over MQTT the informs and the replies.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from scenarios.conform import steps as s
from scenarios.conform import wants as w
from scenarios.conform.bench import Bench
from scenarios.conform.case import HTTP_FLOWS, Case, Do, Step
from scenarios.conform.mqtt_relay import MqttRule, changed
from scenarios.conform.spoils import Changed, Fewer

_HTTP_CALLS: Final = ("version", "check", "step")
_MESSAGES: Final = ("version_reply", "inform", "status_reply")
_DEEP: Final = 20_000
_HUGE: Final = 2**40

Body = Callable[[bytes], bytes]


def _spoil_each(change: Body, what: str, *, offers_only: bool = False, times: int | None = 1) -> Do:
    """Change the answer to each kind of call, or each kind of message, so often."""

    async def act(bench: Bench) -> None:
        if bench.flow == "mqtt":
            for name in ("inform",) if offers_only else _MESSAGES:
                bench.mqtt.rules.append(
                    MqttRule(
                        way="down",
                        what=name,
                        change=lambda message: changed(message, change(message.payload)),
                        left=times,
                        note=what,
                    )
                )
            return
        for name in ("check",) if offers_only else _HTTP_CALLS:
            await s.spoil(name, Changed(change, what), what, times).act(bench)

    return Do(what, act)


def _on_data(change: Callable[[dict[str, Any]], object]) -> Body:
    """Change what an answer or an inform says of a job, and leave alone what says nothing of one."""

    def on(body: bytes) -> bytes:
        try:
            said = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return body
        data = said.get("data") or said.get("params")
        if not isinstance(data, dict) or "target" not in data:
            return body
        change(data)
        return msgspec.json.encode(said)

    return on


def _with_unknown_fields(body: bytes) -> bytes:
    said = msgspec.json.decode(body)
    said["surprise"] = {"a": [1, None, "x"], "": True}
    for name in ("data", "params"):
        if isinstance(said.get(name), dict):
            said[name]["later"] = [{"not": "known"}]
            said[name]["note"] = "\u4f60\u597d \U0001f600"
    return msgspec.json.encode(said)


def _with_wrong_types(data: dict[str, Any]) -> None:
    data.update(target=["2.0"], size="big", md5=17)
    for name in ("tid", "token", "url"):
        if name in data:
            data[name] = {"n": None}


def _without_digest(data: dict[str, Any]) -> None:
    for name in ("md5", "size"):
        data.pop(name, None)


def _offered_spoilt(change: Callable[[dict[str, Any]], object], what: str) -> tuple[Step, ...]:
    """Spoil the offer of the job for as long as the case looks: no success comes of it, and the next job is done."""
    return (
        *w.get_in(),
        _spoil_each(_on_data(change), what, offers_only=True, times=None),
        s.offer(),
        w.struck(),
        w.no_false_claim(for_s=2.0),
        *w.still_well(),
        w.no_false_claim(for_s=0),
    )


def _once_each(change: Body, what: str) -> tuple[Step, ...]:
    """Spoil one answer of each kind: the device is none the worse for it."""
    return (
        _spoil_each(change, what),
        *w.get_in(),
        s.offer(),
        w.struck(),
        w.no_false_claim(for_s=2.0),
        *w.still_well(),
        w.no_false_claim(for_s=0),
    )


CASES: Final = (
    Case(
        id="garbled-json",
        title="One answer of each kind is garbled",
        group="hostile",
        facts=("G-3", "G-4", "M-28", "M-29"),
        steps=_once_each(lambda body: b"\xff\x00{]" + body[::-1], "garbled"),
    ),
    Case(
        id="no-object",
        title="One answer of each kind is JSON, but no object",
        group="hostile",
        facts=("G-3", "G-4", "M-28", "M-29"),
        steps=_once_each(lambda _: b'[null,17,"x",[]]', "a list instead of an object"),
    ),
    Case(
        id="half-a-message",
        title="One answer of each kind ends in its middle",
        group="hostile",
        facts=("G-3", "G-4", "M-28", "M-29"),
        steps=_once_each(lambda body: body[: len(body) // 2], "half of it"),
    ),
    Case(
        id="empty-answers",
        title="One answer of each kind is empty",
        group="hostile",
        facts=("G-3", "G-4", "M-28", "M-29"),
        steps=_once_each(lambda _: b"", "emptied"),
    ),
    Case(
        id="deep-json",
        title=f"One answer of each kind is {_DEEP:,} lists in one another",
        group="hostile",
        facts=("G-3", "G-4", "M-11"),
        steps=_once_each(lambda _: b"[" * _DEEP + b"]" * _DEEP, "lists in lists"),
    ),
    Case(
        id="unknown-fields",
        title="Every answer has fields that nobody knows: they are passed over",
        group="hostile",
        facts=("G-3", "G-4", "M-27", "F-6"),
        steps=(
            _spoil_each(_with_unknown_fields, "unknown fields", times=None),
            *w.get_in(),
            s.offer(),
            w.struck(3),
            w.updated(),
        ),
    ),
    Case(
        id="wrong-types",
        title="The fields of an offered job have other types than they should",
        group="hostile",
        facts=("S-3", "F-3", "M-27"),
        steps=_offered_spoilt(_with_wrong_types, "wrong types"),
    ),
    Case(
        id="fields-missing",
        title="An offered job has neither size nor digest",
        group="hostile",
        facts=("S-3", "F-3", "M-27"),
        steps=(
            *w.get_in(),
            _spoil_each(_on_data(_without_digest), "no size, no md5", offers_only=True, times=None),
            s.offer(),
            w.struck(),
            w.not_updated(since="", for_s=2.0),
            *w.still_well(),
        ),
    ),
    Case(
        id="huge-size",
        title=f"An offered job has a package of {_HUGE:,} bytes",
        group="hostile",
        facts=("S-3", "F-3", "M-27", "J-4"),
        steps=(
            *w.get_in(),
            _spoil_each(
                _on_data(lambda data: data.update(size=_HUGE)), "a huge size", offers_only=True, times=None
            ),
            s.offer(),
            w.struck(),
            w.not_updated(since="", for_s=2.0),
            *w.still_well(),
        ),
    ),
    Case(
        id="negative-size",
        title="An offered job has a package of -1 bytes",
        group="hostile",
        facts=("S-3", "F-3", "M-27"),
        steps=(
            *w.get_in(),
            _spoil_each(
                _on_data(lambda data: data.update(size=-1)), "-1 bytes", offers_only=True, times=None
            ),
            s.offer(),
            w.struck(),
            w.not_updated(since="", for_s=2.0),
            *w.still_well(),
        ),
    ),
    Case(
        id="cut-answers",
        title="One answer of each kind announces more bytes than come",
        group="hostile",
        facts=("W-1", "J-11"),
        flows=HTTP_FLOWS,
        steps=(
            *(s.spoil(call, Fewer(5), f"one answer to {call} is 5 bytes short", 1) for call in _HTTP_CALLS),
            *w.get_in(),
            s.offer(),
            w.updated(limit_s=25),
        ),
    ),
)
