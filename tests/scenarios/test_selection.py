"""Selections: what the words mean, and which texts are none."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.selection import (
    SELECTION_PATTERN,
    Filter,
    Selection,
    SelectionFault,
    parse_selection,
    size_of,
)

GOOD = [
    ("meters", Selection(text="", base="meters")),
    ("meters[7]", Selection(text="", base="meters", ranges=((7, 7),))),
    ("meters[1-10,15, 20 - 30]", Selection(text="", base="meters", ranges=((1, 10), (15, 15), (20, 30)))),
    ("failed of E1", Selection(text="", base="E1", outcome="failed")),
    ("devices of E1[2-3]", Selection(text="", base="E1", outcome="devices", ranges=((2, 3),))),
    ("unlicensed of meters", Selection(text="", base="meters", filters=(Filter("unlicensed"),))),
    ("first 50 licensed of meters[1-99]", Selection(text="", base="meters", ranges=((1, 99),),
                                                    filters=(Filter("first", 50), Filter("licensed")))),
    ("last 2 of first 5 of licensed meters", Selection(text="", base="meters", filters=(
        Filter("last", 2), Filter("first", 5), Filter("licensed")))),
    ("first 2 failed of b-1.x", Selection(text="", base="b-1.x", outcome="failed", filters=(Filter("first", 2),))),
]  # fmt: skip
BAD = [
    ("", "is no selection"),
    ("meters[", "is no selection"),
    ("meters[]", "is no list of ranges"),
    ("meters[a]", "is no list of ranges"),
    ("meters[1-2-3]", "is no list of ranges"),
    ("meters[0]", "counted from 1"),
    ("meters[5-2]", "goes upwards"),
    ("first of meters", "wants a number"),
    ("first 0 of meters", "wants a number"),
    ("first x meters", "wants a number"),
    ("red of meters", "'red' is no word of a selection"),
    ("failed licensed of E1", "right before the step"),
]


@pytest.mark.parametrize(("text", "selection"), GOOD)
def test_good_ones(text, selection):
    parsed = parse_selection(text)
    assert parsed == Selection(
        **{name: getattr(selection, name) for name in ("base", "outcome", "ranges", "filters")}, text=text
    )
    assert re.search(SELECTION_PATTERN, text)


@pytest.mark.parametrize(("text", "why"), BAD)
def test_bad_ones(text, why):
    with pytest.raises(SelectionFault, match=re.escape(why)):
        parse_selection(text)


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["first", "3", "of", "failed", "meters", "[1-2]", "licensed"])).map(" ".join)
)
def test_any_text(text):
    with contextlib.suppress(SelectionFault):
        assert parse_selection(text).base


@pytest.mark.parametrize(
    ("text", "size"),
    [("m", 10), ("m[2-4]", 3), ("m[1,1]", 2), ("first 3 of m", 3), ("last 2 of first 5 of m[1-9]", 2)],
)
def test_sizes(text, size):
    assert size_of(parse_selection(text), 10) == size


@pytest.mark.parametrize("text", ["m[11]", "first 11 of m", "last 5 of first 3 of m"])
def test_sizes_that_cannot_be(text):
    with pytest.raises(SelectionFault):
        size_of(parse_selection(text), 10)


def test_what_is_known_beforehand():
    assert parse_selection("first 3 of m[1-5]").is_static
    assert not parse_selection("first 3 licensed of m").is_static
    assert not parse_selection("failed of m").is_static
