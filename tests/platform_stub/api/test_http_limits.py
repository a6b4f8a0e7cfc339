"""What a connection is held to: slow senders, floods, and bodies that are too large; who is only patient goes on.

The clock of the sweep is an argument, so nothing here waits for it. The limits are `api.http_limits`.
"""

import asyncio
import tracemalloc

import aiohttp
import pytest

from platform_stub.api.http_limits import HttpLimits
from tests.platform_stub.api.conftest import operator
from tests.platform_stub.api.shop import open_shop, until

HEAD = b"GET /fuse-ota/p/d/check HTTP/1.1\r\nHost: x"


def sweep(shop, ahead_s):
    shop.stub.http.sweep(asyncio.get_running_loop().time() + ahead_s)


def check(shop):
    return shop.request("GET", shop.fuse("check?type=1&version=1.0"))


async def test_a_head_has_ten_seconds(shop):
    raw, connection = await shop.hold()
    raw.write(HEAD)
    await until(lambda: connection._head_since_s is not None)
    sweep(shop, 9)
    assert connection.transport is not None
    sweep(shop, 11)
    answer = await raw.read()
    assert (answer.status, answer.json["code"], answer.ended) == (408, 10001, True)
    assert await shop.is_unharmed()


async def test_a_head_that_goes_on_byte_by_byte_has_no_more(shop):
    raw, connection = await shop.hold()
    raw.write(HEAD)
    await until(lambda: connection._head_since_s is not None)
    since = connection._head_since_s
    for _ in range(5):
        before = connection._head_bytes
        raw.write(b"x")
        await until(lambda before=before: connection._head_bytes > before)
    assert connection._head_since_s == since
    sweep(shop, 11)
    assert (await raw.read()).status == 408


@pytest.mark.parametrize(
    ("path", "key"), [("/fuse-ota/", "code"), ("/ota/south/", "errno"), ("/v1/", "message")]
)
async def test_a_slow_head_is_refused_in_the_generations_envelope(shop, path, key):
    raw, connection = await shop.hold()
    raw.write(b"POST " + path.encode() + b" HTTP/1.1\r\n")
    await until(lambda: connection._head_since_s is not None)
    sweep(shop, 11)
    assert key in (await raw.read()).json


async def test_a_body_must_go_on(shop):
    request = shop.request("POST", shop.fuse("version"), b'{"f_version":"1.0","s_version":"1.0"}')
    raw, connection = await shop.hold()
    raw.write(request[:-20])
    await until(lambda: connection._is_serving)
    sweep(shop, 14)
    read = connection._body.total_bytes
    raw.write(request[-20:-10])
    await until(lambda: connection._body.total_bytes > read)
    sweep(shop, 14)
    assert connection.transport is not None
    sweep(shop, 16)
    answer = await raw.read()
    assert (answer.status, answer.json["code"], answer.ended) == (408, 10001, True)
    assert await shop.is_unharmed()


async def test_an_operators_body_must_go_on_too(shop):
    raw, connection = await shop.hold()
    raw.write(b"POST /v1/accounts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
    await until(lambda: connection._is_serving)
    sweep(shop, 16)
    answer = await raw.read()
    assert (answer.status, answer.json["code"]) == (400, "malformed")
    assert await raw.rest() == b""


async def test_who_says_nothing_is_let_go_after_fifteen_seconds(shop):
    raw, connection = await shop.hold()
    sweep(shop, 14)
    assert connection.transport is not None
    sweep(shop, 16)
    assert await raw.rest() == b""


async def test_a_device_may_be_idle_between_requests(shop):
    """A fleet keeps connections between ranges: 75 s once a request was good."""
    raw, _ = await shop.hold()
    assert (await raw.ask(check(shop))).status == 200
    sweep(shop, 74)
    assert (await raw.ask(check(shop))).status == 200
    sweep(shop, 76)
    assert await raw.rest() == b""


async def test_a_bad_request_earns_no_patience(shop):
    raw, _ = await shop.hold()
    assert (await raw.ask(shop.request("GET", "/fuse-ota/none"))).status == 404
    sweep(shop, 16)
    assert await raw.rest() == b""


async def test_a_long_poll_of_the_operator_is_not_cut(shop):
    raw, connection = await shop.hold()
    raw.write(f"GET /v1/tasks/{shop.task}?wait_ms=60000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    await until(lambda: connection._is_serving)
    connection.sweep(asyncio.get_running_loop().time() + 1_000)
    await shop.client.ok("POST", f"/v1/tasks/{shop.task}/cancellation")
    assert (await raw.read()).json["jobs"]["cancelled"] == 2


async def test_a_connection_that_was_answered_is_not_held_open_by_what_still_comes(shop):
    raw, connection = await shop.hold()
    raw.write(shop.request("POST", shop.fuse("version"), Content_Length=100_000_000))
    assert (await raw.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
    await until(lambda: connection._is_lingering)
    sweep(shop, 6)
    assert connection.transport is None


async def test_the_sweep_goes_by_itself():
    """A short limit of our own, and no hand on the sweep."""
    async with open_shop(operator, limits=HttpLimits(idle_s=0.0)) as shop, shop.connect() as raw:
        assert await raw.rest() == b""


BIG = bytes(8 * 2**20)


async def test_who_takes_no_answer_is_cut_off_and_who_takes_it_slowly_is_not():
    async with open_shop(operator, content=BIG) as shop:
        raw, connection = await shop.hold()
        raw.reader._limit = 1  # stop reading from the socket
        raw.write(shop.request("GET", shop.fuse(f"{shop.tids[0]}/download")))
        await until(lambda: connection._paused and raw.reader._paused)
        sweep(shop, 1)
        before = connection._answer_left
        while connection.transport.get_write_buffer_size() == before:
            assert await raw.reader.read(2**20)
        sweep(shop, 299)
        await until(lambda: connection._paused)
        sweep(shop, 500)  # it went on: the time begins again
        assert connection.transport is not None
        sweep(shop, 900)
        assert len(await raw.rest()) < len(BIG)


async def test_a_download_waits_in_memory_by_the_slice():
    async with open_shop(operator, content=BIG) as shop:
        path, tid = shop.fuse(f"{shop.tids[0]}/download"), shop.tids[0]
        assert tid
        raws = []
        await shop.ask("GET", path, Range="0-1")
        tracemalloc.start()
        try:
            for _ in range(8):
                raw, connection = await shop.hold()
                raw.reader._limit = 1
                raw.write(shop.request("GET", path))
                await until(lambda connection=connection: connection._paused)
                await until(lambda raw=raw: raw.reader._paused)
                raws.append(raw)
            assert tracemalloc.get_traced_memory()[1] < 2 * len(BIG)  # of 8 times that
        finally:
            tracemalloc.stop()
        for raw in raws:
            assert (await raw.reader.readexactly(2**20)).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("why", "flood"),
    [
        ("more headers than are read", b"".join(b"X-%d: 1\r\n" % at for at in range(100))),
        ("a line without end", b"X: " + b"y" * 9_000 + b"\r\n"),
    ],
)
async def test_a_flood_of_headers_is_refused(shop, why, flood):
    answer = await shop.send(HEAD + b"\r\n" + flood + b"\r\n")
    assert (answer.status, answer.json["code"], answer.ended) == (400, 10001, True), why
    assert await shop.is_unharmed()


async def test_a_head_without_end_is_refused(shop):
    raw, connection = await shop.hold()
    raw.write(HEAD + b"\r\n")
    for at in range(40):
        raw.write(b"X-%d: " % at + b"y" * 1_000 + b"\r\n")
        await until(lambda: connection._is_deaf or connection._head_bytes)
        await raw.writer.drain()
    answer = await raw.read()
    assert (answer.status, answer.json["code"], answer.ended) == (431, 10001, True)


async def test_a_target_without_end_is_refused(shop):
    answer = await shop.send(b"GET /fuse-ota/" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.json["code"], answer.ended) == (400, 10001, True)


@pytest.mark.parametrize("framing", ["announced", "in chunks"])
async def test_a_body_of_100_mb_is_refused_and_not_kept(shop, framing):
    more = {"Content_Length": 100_000_000} if framing == "announced" else {"Transfer_Encoding": "chunked"}
    piece = b"x" * 65_536 if framing == "announced" else b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    raw, _ = await shop.hold()
    tracemalloc.start()
    try:
        raw.write(shop.request("POST", shop.fuse("version"), **more))
        for _ in range(100_000_000 // 65_536):
            raw.write(piece)
            await raw.writer.drain()
        answer = await raw.read()
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()
    assert (answer.status, answer.json["code"], answer.ended) == (413, 10001, True)
    assert await shop.is_unharmed()
    assert (await shop.send(check(shop))).status == 200


async def test_a_body_of_a_device_has_some_room(shop):
    body = b'{"f_version":"1.0","s_version":"1.0","x":"' + b"y" * 4_000 + b'"}'
    assert (await shop.ask("POST", shop.fuse("version"), body)).json["code"] == 0
    assert (await shop.ask("POST", shop.fuse("version"), body + b" " * 200)).status == 413


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_unfolds_is_refused(shop, coding):
    """A small body that decodes to a large one counts as the large one."""
    compressor = aiohttp.compression_utils.ZLibCompressor(encoding=coding)
    bomb = await compressor.compress(b" " * 50_000_000) + compressor.flush()
    piece = bomb[:4_000]
    answer = await shop.send(shop.request("POST", shop.fuse("version"), piece, Content_Encoding=coding))
    assert (answer.status, answer.ended) in {(413, True), (413, False)}


async def test_the_operator_may_send_more(shop):
    """A package of 2 MiB, past aiohttp's own limit of one."""
    path = f"/v1/products/{shop.product}/packages?kind=FOTA&name=large&target=9.1"
    package = await shop.client.ok("POST", path, bytes(2 * 2**20), media="application/octet-stream")
    assert package["size_bytes"] == 2 * 2**20


async def test_the_stub_stops_with_connections_in_every_state():
    """Idle, in a head, in a body, answered and lingering: none keeps it from stopping."""
    async with open_shop(operator) as shop:
        raws = [await shop.hold() for _ in range(4)]
        raws[1][0].write(HEAD)
        raws[2][0].write(shop.request("POST", shop.fuse("version"), Content_Length=100))
        raws[3][0].write(shop.request("GET", shop.fuse("check?type=1&version=1.0"), Content_Length=100))
        await until(lambda: raws[1][1]._head_since_s is not None)
        await until(lambda: raws[2][1]._is_serving)
        await until(lambda: raws[3][1]._is_lingering)
    for raw, _ in raws:
        await raw.rest()
