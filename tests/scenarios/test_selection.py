"""Selections: what the words mean, and which texts are none."""

import contextlib
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from scenarios.selection import (
    SELECTION_PATTERN,
    Filter,
    Selection,
    SelectionFault,
    draw_key,
    drawn,
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
    ("10 of meters", Selection(text="", base="meters", filters=(Filter("some", 10),))),
    ("2.5% of licensed meters", Selection(text="", base="meters", filters=(
        Filter("share", 2_500), Filter("licensed")))),
    ("100 % of 7", Selection(text="", base="7", filters=(Filter("share", 100_000),))),
    ("first 3 of 10 of meters", Selection(text="", base="meters", filters=(Filter("first", 3), Filter("some", 10)))),
    ("meters but failed of E1", Selection(text="", base="meters", but=(
        Selection(text="failed of E1", base="E1", outcome="failed"),))),
    ("2 of meters[1-5] but meters[2] but last 1 of but-2", Selection(
        text="", base="meters", ranges=((1, 5),), filters=(Filter("some", 2),), but=(
            Selection(text="meters[2]", base="meters", ranges=((2, 2),)),
            Selection(text="last 1 of but-2", base="but-2", filters=(Filter("last", 1),))))),
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
    ("0 of meters", "neither a number of devices nor a share"),
    ("0% of meters", "nobody"),
    ("101% of meters", "up to 100%"),
    ("2.5 of meters", "neither a number"),
    ("but meters", "but stands between two"),
    ("meters but", "but stands between two"),
    ("meters but but meters", "but stands between two"),
    ("meters but red of meters", "'red' is no word"),
]


@pytest.mark.parametrize(("text", "selection"), GOOD)
def test_good_ones(text, selection):
    parsed = parse_selection(text)
    assert parsed == Selection(
        **{name: getattr(selection, name) for name in ("base", "outcome", "ranges", "filters", "but")},
        text=text,
    )
    assert re.search(SELECTION_PATTERN, text)


@pytest.mark.parametrize(("text", "why"), BAD)
def test_bad_ones(text, why):
    with pytest.raises(SelectionFault, match=re.escape(why)):
        parse_selection(text)


@given(
    st.text(max_size=40)
    | st.lists(
        st.sampled_from(["first", "3", "of", "failed", "meters", "[1-2]", "licensed", "but", "2%", "%"])
    ).map(" ".join)
)
def test_any_text(text):
    with contextlib.suppress(SelectionFault):
        assert parse_selection(text).base


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("m", 10),
        ("m[2-4]", 3),
        ("m[1,1]", 2),
        ("first 3 of m", 3),
        ("last 2 of first 5 of m[1-9]", 2),
        ("4 of m", 4),
        ("25% of m", 3),
        ("1% of m", 1),
        ("100% of m[1-2]", 2),
        ("first 2 of 3 of m", 2),
    ],
)
def test_sizes(text, size):
    assert size_of(parse_selection(text), 10) == size


@pytest.mark.parametrize(
    "text", ["m[11]", "first 11 of m", "last 5 of first 3 of m", "11 of m", "3 of m[1-2]"]
)
def test_sizes_that_cannot_be(text):
    with pytest.raises(SelectionFault):
        size_of(parse_selection(text), 10)


def test_what_is_known_beforehand():
    assert parse_selection("first 3 of m[1-5]").is_static
    assert not parse_selection("first 3 licensed of m").is_static
    assert not parse_selection("failed of m").is_static
    assert parse_selection("2% of m").is_static
    assert not parse_selection("m but m[1]").is_static


MANY = list(range(1_000, 2_000))


def test_a_draw_keeps_the_order_and_follows_its_key():
    ten = drawn(MANY, Filter("some", 10), "1/s/10 of m")
    assert len(ten) == 10
    assert ten == sorted(ten)
    assert ten == drawn(MANY, Filter("some", 10), "1/s/10 of m")
    assert ten != drawn(MANY, Filter("some", 10), "2/s/10 of m")
    assert drawn(MANY[::-1], Filter("some", 10), "1/s/10 of m") == ten[::-1]
    assert drawn([5, 5, 6], Filter("some", 2), "k") == [5, 6]


def test_a_draw_of_a_share():
    assert len(drawn(MANY, Filter("share", 2_000), "k")) == 20
    assert len(drawn(MANY[:10], Filter("share", 1), "k")) == 1
    assert drawn([], Filter("share", 50_000), "k") == []
    assert drawn(MANY, Filter("share", 100_000), "k") == MANY
    assert set(drawn(MANY, Filter("share", 2_000), "k")) < set(drawn(MANY, Filter("share", 4_000), "k"))


def test_who_else_is_there_changes_no_lot():
    before = drawn(MANY, Filter("some", 10), "k")
    rest = [device_id for device_id in MANY if device_id not in before[:1]]
    assert set(before[1:]) < set(drawn(rest, Filter("some", 10), "k"))


def test_a_draw_from_too_few():
    with pytest.raises(SelectionFault, match="only 2 to choose 3 from"):
        drawn([1, 2, 2], Filter("some", 3), "k")


def test_a_draw_is_even():
    counts = Counter(d for run in range(300) for d in drawn(MANY[:100], Filter("some", 10), f"{run}/s/x"))
    assert len(counts) == 100
    assert max(counts.values()) < 60  # 30 are expected of each


def test_what_a_draw_goes_by():
    one, other = parse_selection("10 of meters"), parse_selection("11 of meters")
    there = structs.replace(one, where="E1")
    assert len({draw_key(1, one), draw_key(2, one), draw_key(1, there), draw_key(1, other)}) == 4


def test_what_is_drawn():
    assert parse_selection("10 of meters").is_drawn
    assert parse_selection("meters but 2% of meters").is_drawn
    assert not parse_selection("first 10 of meters").is_drawn
