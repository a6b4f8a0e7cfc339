"""The order of steps (section 5), and success without the package."""

import pytest

from scenarios.conform.judging import false_claim, is_failure, order_fault
from scenarios.conform.record import Heard, Record, join


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [201],
        [101, 201],
        [100, 201],
        [0, 50, 50, 99, 100, 201],
        [10, 10, 101, 101, 201, 201],
        [10, 107],
        [101, 205, 205],
    ],
)
def test_a_legal_order(steps):
    assert order_fault(steps) == ""


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([100, 101], "they say the same"),
        ([101, 100], "they say the same"),
        ([50, 40], "40 per cent is reported after 50 per cent"),
        ([101, 99], "99 per cent is reported after step 101"),
        ([201, 101], "step 101 follows step 201"),
        ([107, 201], "step 201 follows step 107"),
        ([101, 201, 205], "step 205 follows step 201"),
        ([101, 50, 101], "50 per cent"),
    ],
)
def test_an_order_that_is_not_legal(steps, fault):
    assert fault in order_fault(steps)


def test_what_is_a_failure():
    assert [step for step in (None, 0, 99, 100, 101, 102, 107, 201, 202, 208) if is_failure(step)] == [
        102,
        107,
        202,
        208,
    ]


@pytest.mark.parametrize(
    ("spans", "joined"),
    [
        ([], []),
        ([(0, 0)], []),
        ([(5, 9), (0, 5)], [(0, 9)]),
        ([(0, 9), (2, 4)], [(0, 9)]),
        ([(0, 4), (5, 9)], [(0, 4), (5, 9)]),
    ],
)
def test_spans_are_joined(spans, joined):
    assert join(spans) == joined


def record(*entries):
    kept = Record(lambda: None)
    told = {"way": "down", "what": "check", "handle": "7", "target": "2.0"}
    for entry in (told, *entries):
        kept.add(Heard(**{"at_ms": 0, "protocol": "http", "connection": 1, **entry}))
    return kept


def gave(start, stop, handle="7"):
    return {"way": "down", "what": "download", "handle": handle, "good": (start, stop)}


def step(number, handle="7"):
    return {"way": "up", "what": "step", "handle": handle, "step": number, "text": f"step {number}"}


VERSION = {"way": "up", "what": "version", "f_version": "2.0", "s_version": "0.9", "text": "version 2.0"}
CHECK = {"way": "up", "what": "check", "kind": 1, "version": "2.0", "text": "check 2.0"}


@pytest.mark.parametrize("claim", [step(100), step(101), step(201), VERSION, CHECK])
@pytest.mark.parametrize(
    ("given", "is_false"),
    [
        ([], True),
        ([gave(0, 9)], True),
        ([gave(1, 10)], True),
        ([gave(0, 10, "8")], True),
        ([gave(0, 6), gave(6, 10)], False),
        ([gave(0, 10)], False),
    ],
)
def test_a_claim_needs_every_byte(claim, given, is_false):
    assert bool(false_claim(record(*given, claim), "2.0", "FOTA", 10)) is is_false


def test_bytes_that_come_after_the_claim_are_too_late():
    fault = false_claim(record(gave(0, 4), step(101), gave(4, 10)), "2.0", "FOTA", 10)
    assert fault == "step 101 claims 2.0, of which 4 of 10 bytes were given rightly"


@pytest.mark.parametrize(
    "said", [step(50), step(107), step(101, "8"), {**VERSION, "f_version": "1.0"}, {**CHECK, "kind": 2}]
)
def test_what_claims_nothing(said):
    assert false_claim(record(said), "2.0", "FOTA", 10) == ""
