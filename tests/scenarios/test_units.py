"""Amounts, sizes, spans and moments: read into integers, spelled back."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios import units

AMOUNTS = [
    ("0", 0), ("1000", 100_000), ("10.5", 1_050), ("10.50", 1_050), ("0.01", 1), ("-0.01", -1), ("-3", -300),
    ("1.10 yuan", 110), ("1050 fen", 1_050), ("-1 fen", -1),
]  # fmt: skip
SIZES = [
    ("1", 1),
    ("560", 560),
    ("64 KiB", 65_536),
    ("64KiB", 65_536),
    ("2 MB", 2_000_000),
    ("30 MiB", 31_457_280),
    ("5 B", 5),
]
SPANS = [
    ("90s", 90_000), ("10 min", 600_000), ("1h 30m", 5_400_000), ("1h30m", 5_400_000), ("30d", 2_592_000_000),
    ("2 weeks", 1_209_600_000), ("250 ms", 250), ("1.5 s", 1_500), ("1 day 1 second", 86_401_000), ("0s", 0),
]  # fmt: skip
MOMENTS = [
    ("1970-01-01T00:00:00Z", 0), ("1970-01-01T08:00+08:00", 0), ("2021-04-02 00:00:00 +08:00", 1_617_292_800_000),
    ("1970-01-01T00:00:00.250Z", 250), ("2020-02-29T00:00:00+0800", 1_582_905_600_000),
]  # fmt: skip


RANGES = [
    ("30s", (30_000, 30_000)), ("10s-60s", (10_000, 60_000)), ("1 min 30s - 2h", (90_000, 7_200_000)),
    ("500 ms-1s", (500, 1_000)), ("5s-5s", (5_000, 5_000)),
]  # fmt: skip
OFFSETS = [("-2d", -172_800_000), ("+90s", 90_000), ("90s", 90_000), ("-1h 30m", -5_400_000), ("0s", 0)]
BOUNDS = [(">= 3", (3, None)), (">=3", (3, None)), ("<= 2", (None, 2)), ("2-5", (2, 5)), ("0 - 1", (0, 1))]
PERCENTS = [("80", 80.0), ("12.5", 12.5), ("100%", 100.0), ("0 %", 0.0), ("-1.5", -1.5)]


@pytest.mark.parametrize(("text", "span"), RANGES)
def test_ranges_of_spans(text, span):
    assert units.read_span_range_ms(text) == span
    assert re.search(units.SPAN_RANGE_PATTERN, text)


@pytest.mark.parametrize("text", ["", "3", "10s-", "-10s", "10s-5s", "10s-20", "1x-2x"])
def test_what_is_no_range_of_spans(text):
    with pytest.raises(ValueError, match="span"):
        units.read_span_range_ms(text)


@pytest.mark.parametrize(("text", "span_ms"), OFFSETS)
def test_offsets(text, span_ms):
    assert units.read_offset_ms(text) == span_ms
    assert re.search(units.OFFSET_PATTERN, text)


@pytest.mark.parametrize("text", ["", "2", "--2d", "2d-"])
def test_what_is_no_offset(text):
    with pytest.raises(ValueError, match="forwards or backwards"):
        units.read_offset_ms(text)


@pytest.mark.parametrize(("text", "bounds"), BOUNDS)
def test_bounds_of_a_count(text, bounds):
    assert units.read_bounds(text) == bounds


@pytest.mark.parametrize("text", ["", "3", "> 3", "5-2", "-2", "2-", ">= x", "=> 3"])
def test_what_is_no_bound(text):
    with pytest.raises(ValueError, match=r"bounds|downwards"):
        units.read_bounds(text)


@pytest.mark.parametrize(("text", "percent"), PERCENTS)
def test_percents(text, percent):
    assert units.read_percent(text) == percent
    assert re.search(units.RATE_PATTERN, text)


@pytest.mark.parametrize(("text", "fen"), AMOUNTS)
def test_amounts(text, fen):
    assert units.read_fen(text) == fen


@pytest.mark.parametrize(("text", "size_bytes"), SIZES)
def test_sizes(text, size_bytes):
    assert units.read_size(text) == size_bytes


@pytest.mark.parametrize(("text", "span_ms"), SPANS)
def test_spans(text, span_ms):
    assert units.read_span_ms(text) == span_ms


@pytest.mark.parametrize(("text", "unix_ms"), MOMENTS)
def test_moments(text, unix_ms):
    assert units.read_moment_ms(text) == unix_ms


BAD = {
    units.read_fen: ["", "1.234", "1,000", "1e3", ".5", "01", "1 dollar", "1.5 fen", "--1", "9" * 20],
    units.read_size: ["", "0", "-1", "1.5 KiB", "64 kib", "9" * 20],
    units.read_span_ms: ["", "5", "5 years", "-1s", "1h and 5m", "1.2345 s"],
    units.read_moment_ms: [
        "", "2021-04-02", "2021-04-02T00:00:00", "2021-02-30T00:00:00Z", "2021-04-02T25:00:00Z", "1969-12-31T00:00:00Z",
        "now", "2021-04-02T00:00:00+99:00",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("read", "text"), [(read, text) for read, texts in BAD.items() for text in texts])
def test_what_is_none(read, text):
    with pytest.raises(ValueError, match=r"is wanted, such as .* not "):
        read(text)


@given(st.sampled_from(list(BAD)), st.text(max_size=30))
def test_any_text(read, text):
    with contextlib.suppress(ValueError):
        assert isinstance(read(text), int)


@given(st.integers(-(10**14) + 1, 10**14 - 1))
def test_spelled_fen_reads_back(fen):
    assert units.read_fen(units.show_fen(fen).replace(",", "")) == fen


@pytest.mark.parametrize(
    ("fen", "text"), [(0, "0"), (180_000, "1,800"), (50, "0.50"), (-1, "-0.01"), (105, "1.05")]
)
def test_fen_are_spelled_as_yuan(fen, text):
    assert units.show_fen(fen) == text


def test_the_other_spellings():
    assert [units.show_span(n) for n in (0, 90_000, 93_784_005)] == ["0 s", "1 min 30 s", "1 d 2 h"]
    assert units.show_moment(0) == "1970-01-01 00:00:00 UTC"
    assert units.show_moment(10**18) == "1000000000000000000 ms after 1970"
