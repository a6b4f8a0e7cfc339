"""Every form of `Range` that onenet-protocol names, and any text in its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_stub.protocol.ranges import ByteRange, content_range, parse_range

SIZE = 560

PARTS = [
    ("0-99", 0, 100),
    ("100-199", 100, 200),
    ("1-", 1, 560),
    ("559-", 559, 560),
    ("559-559", 559, 560),
    ("500-9999", 500, 560),  # the end is clipped
    ("500-" + "9" * 5000, 500, 560),
    ("-60", 500, 560),
    ("-1", 559, 560),
    ("300-200", 0, 201),  # a start after the end reads from 0
    ("560-99", 0, 100),
    ("9" * 5000 + "-99", 0, 100),
    ("0-0", 0, 1),
    ("000-0099", 0, 100),
    ("-" + "0" * 5000 + "60", 500, 560),
]
WHOLES = [
    "0-",
    "0-559",
    "0-560",
    "0-9999",
    "560-",  # a start past the end reads from 0
    "560-700",
    "700-600",
    "-560",
    "-9999",
    "-0",
    "-",
    "",
    "bytes=",
    "bytes",
    "items=0-99",
    "0-99,200-299",
    "0 - 99",
    "a-b",
    "0x0-0x9",
    "--1",
    "1--1",
    "+1-2",
    "1.0-2",
    "٠-٩",
    "bytes=bytes=0-9",
]


@pytest.mark.parametrize("unit", ["", "bytes=", "Bytes=", "bytes= ", " bytes="])
@pytest.mark.parametrize(("text", "start", "stop"), PARTS)
def test_a_part(unit, text, start, stop):
    assert parse_range(unit + text, SIZE) == ByteRange(start, stop, is_whole=False)


@pytest.mark.parametrize("unit", ["", "bytes="])
@pytest.mark.parametrize("text", WHOLES)
def test_the_whole_file(unit, text):
    assert parse_range(unit + text, SIZE) == ByteRange(0, SIZE, is_whole=True)


def test_no_header_means_the_whole_file():
    assert parse_range(None, SIZE) == ByteRange(0, SIZE, is_whole=True)


def test_the_header_of_a_part_names_its_last_byte_inclusively():
    assert content_range(100, 200, SIZE) == "bytes 100-199/560"


@given(
    st.one_of(st.text(), st.from_regex(r"(bytes=)?\d{0,20}-\d{0,20}", fullmatch=True)), st.integers(0, 2**40)
)
def test_any_text_gives_bytes_of_the_file(text, size_bytes):
    start, stop, is_whole = parse_range(text, size_bytes)
    assert 0 <= start <= stop <= size_bytes
    assert (start < stop) or size_bytes == 0
    assert is_whole is (stop - start == size_bytes)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", [" " * 1_000_000, "9" * 1_000_000, "bytes=" * 200_000, "-" * 1_000_000])
def test_a_long_header_costs_no_more_than_its_length(text):
    assert parse_range(text, SIZE).is_whole
