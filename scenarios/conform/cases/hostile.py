"""Hostile cases: answers to calls that are no HTTP, or more of it than anyone can want."""

from typing import Final

from scenarios.conform import steps as s
from scenarios.conform import wants as w
from scenarios.conform.case import HTTP_FLOWS, Case, Step
from scenarios.conform.http_relay import Spoil
from scenarios.conform.spoils import Drip, Endless, HugeHead, Raw

_CALLS: Final = ("version", "check", "step")


def _done_all_the_same(spoil: Spoil, what: str, times: int | None = 1) -> tuple[Step, ...]:
    return (
        *(s.spoil(call, spoil, f"{call}: {what}", times) for call in _CALLS),
        *w.get_in(),
        s.offer(),
        w.updated(limit_s=25),
    )


CASES: Final = (
    Case(
        id="calls-no-http",
        title="One call of each kind is answered with what is no HTTP: it asks again",
        group="hostile",
        facts=("W-2", "J-11"),
        flows=HTTP_FLOWS,
        steps=_done_all_the_same(Raw(b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03\r\n\r\n"), "a TLS greeting"),
    ),
    Case(
        id="calls-huge-head",
        title="One call of each kind is answered with a head of a megabyte: it asks again, or takes it",
        group="hostile",
        facts=("W-6", "W-11", "J-11"),
        flows=HTTP_FLOWS,
        steps=_done_all_the_same(HugeHead(1_000_000), "a head of a megabyte"),
    ),
    Case(
        id="calls-endless",
        title="One call of each kind is answered without an end: it asks again",
        group="hostile",
        facts=("W-6", "W-11", "J-11"),
        flows=HTTP_FLOWS,
        steps=_done_all_the_same(Endless(), "an answer without an end"),
    ),
    Case(
        id="calls-byte-by-byte",
        title="Every answer to a call comes a byte at a time: the update is done",
        group="hostile",
        facts=("W-9",),
        flows=HTTP_FLOWS,
        steps=_done_all_the_same(Drip(), "a byte at a time", None),
    ),
)
