"""HTTP as bytes, read leniently and passed on as it came."""

import asyncio

import pytest

from scenarios.conform.http_wire import HEAD_BYTES_MAX, NoHttp, made, read_answer, read_request


def stream(data):
    reader = asyncio.StreamReader(limit=HEAD_BYTES_MAX)
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    ("data", "body", "ends"),
    [
        (b"GET /x HTTP/1.1\r\nHost:h\r\n\r\n", b"", False),
        (b"POST /x HTTP/1.1\r\nHost: h\r\ncontent-length:     2\r\n\r\nab", b"ab", False),
        (
            b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            b"2\r\nab\r\n0\r\n\r\n",
            False,
        ),
        (b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n", b"", True),
        (b"GET /x HTTP/1.0\r\n\r\n", b"", True),
        (b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\nab", b"ab", True),
    ],
)
async def test_a_request_is_kept_as_it_came(data, body, ends):
    request = await read_request(stream(data))
    assert (request.target, request.body, request.ends, request.raw) == ("/x", body, ends, data)


async def test_a_get_that_announces_a_body_and_sends_none_is_not_waited_for():
    reader = asyncio.StreamReader()
    reader.feed_data(b"GET /x HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
    request = await read_request(reader)  # W-25
    assert (request.body, request.ends) == (b"", True)


async def test_the_end_of_a_connection_is_no_request():
    assert await read_request(stream(b"")) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET /x HTTP/1.1\r\nHost: h",
        b"\x10\x20MQTT\r\n\r\n",
        b"GET /x HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES_MAX * 2,
        b"POST /x HTTP/1.1\r\nContent-Length: -4\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    ],
)
async def test_what_is_no_request(data):
    with pytest.raises(NoHttp):
        await read_request(stream(data))


async def test_the_range_is_replaced():
    request = await read_request(stream(b"GET /x HTTP/1.1\r\nHost: h\r\nrange: bytes=5-9\r\n\r\n"))
    assert request.asking_for("bytes=1-2").raw == b"GET /x HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\n\r\n"
    assert request.asking_for(None).raw == b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


async def test_an_answer_is_kept_and_changed():
    data = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nOta-Errno: 0\r\n\r\nabc"
    answer = await read_answer(stream(data))
    assert (answer.status, answer.body, answer.header("ota-errno"), answer.raw()) == (206, b"abc", "0", data)
    other = answer.with_body(b"x").with_header("Ota-Errno", None)
    assert other.raw() == b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx"


@pytest.mark.parametrize(
    ("data", "body", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", b"abc", False),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n5\r\n0\r\n\r\n",
            b"1\r\n5\r\n0\r\n\r\n",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"zz\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\nto its end", b"to its end", True),
    ],
)
async def test_how_an_answer_ends(data, body, whole):
    answer = await read_answer(stream(data))
    assert (answer.body, answer.is_whole) == (body, whole)


async def test_no_answer():
    assert await read_answer(stream(b"")) is None
    assert await read_answer(stream(b"HTTP/1.1 200")) is None


def test_an_answer_of_ones_own():
    assert made(503, "Spoilt", b"x").raw() == (
        b"HTTP/1.1 503 Spoilt\r\nContent-Type: application/json\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    )
