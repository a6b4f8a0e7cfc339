"""The lean client against aiohttp.web, and against raw sockets that cut, delay and lie."""

import asyncio
import contextlib

import pytest
from aiohttp import web

from device_sim.transport.alarm import Alarm
from device_sim.transport.http import HttpPool
from device_sim.transport.http_connection import HEAD_BYTES_MAX, Head, Request

OK = b"HTTP/1.1 206 Partial Content\r\nOta-Errno: 0\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello"


class Reading:
    """A reader that keeps what it is told; `done` is set at the end."""

    def __init__(self):
        self.head = self.failure = None
        self.body = b""
        self.timed_out = False
        self.done = asyncio.Event()
        self.on_head = self.on_body = lambda: None

    def answer_began(self, head):
        self.head = head
        self.on_head()

    def answer_went_on(self, data):
        self.body += data
        self.on_body()

    def answer_ended(self):
        self.done.set()

    def answer_failed(self, reason, *, timed_out):
        self.failure, self.timed_out = reason, timed_out
        self.done.set()


@contextlib.contextmanager
def pool_of(address, size=2, timeout_ms=2_000):
    alarm = Alarm(asyncio.get_running_loop())
    crashes = []
    pool = HttpPool(address, size, alarm=alarm, timeout_ms=timeout_ms, crashed=crashes.append)
    yield pool
    pool.stop()
    alarm.stop()
    assert crashes == []


async def ask(pool, path="/x", start=0, stop=5, source=""):
    reading = Reading()
    pool.fetch(reading, Request(path, start, stop, "token", source=source))
    async with asyncio.timeout(60):
        await reading.done.wait()
    return reading


class Raw:
    """A server that writes what `script(connection, request)` gives: bytes, and the connection is kept; a list of
    pieces, and it is closed after them, or, when the last is HANG, left alone; None, and it is closed at once."""

    def __init__(self, script):
        self.script = script
        self.requests = []
        self.connections = 0
        self.writers = []

    async def __aenter__(self):
        self.tasks = set()
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        self.writers.append(writer)
        self.connections += 1
        connection, number = self.connections, 0
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                    number += 1
                    answer = self.script(connection, number)
                    for piece in [answer] if isinstance(answer, bytes) else answer or []:
                        if piece is HANG:
                            await asyncio.Event().wait()
                        writer.write(piece)
                        await writer.drain()
                        await asyncio.sleep(0)
                    if not isinstance(answer, bytes):
                        break
        except asyncio.CancelledError:
            pass  # asyncio's streams log a serving task that was cancelled
        finally:
            writer.close()


HANG = object()


async def test_ranges_from_aiohttp_on_one_connection():
    content = bytes(range(256)) * 1_000
    seen = []

    async def download(request):
        seen.append((request.headers["Authorization"], request.headers["Range"], request.transport))
        first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        headers = {"Ota-Errno": "0", "Content-Range": f"bytes {first}-{last}/{len(content)}"}
        return web.Response(status=206, body=content[first : last + 1], headers=headers)

    app = web.Application()
    app.router.add_get("/f", download)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with pool_of(runner.addresses[0]) as pool:
            got = b""
            for start in range(0, len(content), 100_000):
                stop = min(start + 100_000, len(content))
                reading = await ask(pool, "/f", start, stop)
                assert reading.failure is None
                assert reading.head._replace(date=b"") == Head(
                    206, "0", f"bytes {start}-{stop - 1}/{len(content)}", str(stop - start)
                )
                got += reading.body
            assert got == content
            assert {text for text, _, _ in seen} == {"token"}
            assert len({transport for _, _, transport in seen}) == 1
            assert (pool.answers, pool.body_bytes) == (3, len(content))
    finally:
        await runner.cleanup()


async def test_what_is_sent_is_what_a_device_sends():
    async with Raw(lambda *_: OK) as server:
        with pool_of(server.address) as pool:
            await ask(pool, "/fuse-ota/p/d/1/download", 0, 5)
            await ask(pool, "/whole", 0, 0)
        host = "{}:{}".format(*server.address)
        assert server.requests == [
            f"GET /fuse-ota/p/d/1/download HTTP/1.1\r\nHost: {host}\r\nAuthorization: token\r\nRange: bytes=0-4\r\n\r\n".encode(),
            f"GET /whole HTTP/1.1\r\nHost: {host}\r\nAuthorization: token\r\n\r\n".encode(),
        ]
        assert server.connections == 1


async def test_header_names_in_any_case_and_a_chunked_body():
    answer = (
        b"HTTP/1.1 200 OK\r\nota-ERRNO:   0  \r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    )
    async with Raw(lambda *_: answer) as server:
        with pool_of(server.address) as pool:
            reading = await ask(pool)
            assert (reading.head, reading.body) == (Head(200, "0", None, None), b"hello")
            assert (await ask(pool)).body == b"hello"
        assert server.connections == 1


async def test_every_cut_of_an_answer_into_two_pieces():
    cut = 0

    def script(*_):
        return [OK[:cut], OK[cut:]]

    async with Raw(script) as server:
        with pool_of(server.address) as pool:
            for cut in range(1, len(OK)):
                reading = await ask(pool)
                assert (reading.failure, reading.body) == (None, b"hello"), cut


async def test_connection_close_is_honoured():
    answer = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with Raw(lambda *_: answer) as server:
        with pool_of(server.address) as pool:
            assert [(await ask(pool)).body for _ in range(3)] == [b"hello"] * 3
        assert server.connections == 3


async def test_a_stale_kept_connection_is_replaced_without_a_word():
    def script(connection, number):
        return OK if number == 1 else None  # the second request on a connection meets its end

    async with Raw(script) as server:
        with pool_of(server.address, size=1) as pool:
            assert [(await ask(pool)).failure for _ in range(3)] == [None] * 3
        assert (server.connections, len(server.requests)) == (3, 5)


async def test_a_new_connection_that_ends_without_an_answer_fails():
    async with Raw(lambda *_: None) as server:
        with pool_of(server.address) as pool:
            reading = await ask(pool)
            assert (reading.failure, reading.timed_out) == ("the connection was closed", False)


async def test_a_kept_connection_that_is_cut_in_the_answer_fails():
    async with Raw(lambda _, number: OK if number == 1 else [OK[:30]]) as server:
        with pool_of(server.address) as pool:
            await ask(pool)
            assert (await ask(pool)).failure == "the connection was closed"
            assert (await ask(pool)).body == b"hello"


async def test_a_cut_body_gives_what_came():
    async with Raw(lambda *_: [OK[:-2]]) as server:
        with pool_of(server.address) as pool:
            reading = await ask(pool)
            assert (reading.body, reading.failure) == (b"hel", "the connection was closed")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([b"SSH-2.0-OpenSSH\r\n"], "what came is no HTTP answer"),
        ([b"HTTP/1.1 206 X\r\nContent-Length: x\r\n\r\n"], "what came is no HTTP answer"),
        (
            [b"HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
            "what came is no HTTP answer",
        ),
        (
            [b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2 * HEAD_BYTES_MAX],
            f"a head of more than {HEAD_BYTES_MAX} bytes",
        ),
        (OK + OK, "bytes that nobody asked for"),
        (OK + b"HTTP/1.1 2", "bytes that nobody asked for"),
        (
            [b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
            "what came is no HTTP answer",
        ),
    ],
)
async def test_answers_that_are_none(answer, why):
    async with Raw(lambda *_: answer) as server:
        with pool_of(server.address) as pool:
            assert why in (await ask(pool)).failure


async def test_bytes_on_an_idle_connection_close_it():
    async with Raw(lambda *_: OK) as server:
        with pool_of(server.address) as pool:
            await ask(pool)
            server.writers[0].write(b"HTTP/1.1 200 OK\r\n")
            async with asyncio.timeout(60):
                await asyncio.wait(server.tasks)  # its connection was closed by the client
            assert (await ask(pool)).body == b"hello"
        assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [([HANG], "no answer within 300 ms"), ([OK[:-2], HANG], "no more bytes within 300 ms")],
)
async def test_every_wait_has_its_limit(answer, why):
    async with Raw(lambda *_: answer) as server:
        with pool_of(server.address, timeout_ms=300) as pool:
            reading = await ask(pool)
            assert (reading.failure, reading.timed_out) == (why, True)


async def test_nobody_listens():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()
    with pool_of(address) as pool:
        reading = await ask(pool)
        assert reading.failure == "{}:{}: Connection refused".format(*address)
        assert not reading.timed_out


async def test_no_more_connections_than_the_pool_has():
    running = most = 0
    go = asyncio.Event()

    async def download(_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go.wait()
        running -= 1
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/x", download)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with pool_of(runner.addresses[0], size=3) as pool:
            asking = [asyncio.create_task(ask(pool), name=str(at)) for at in range(20)]
            async with asyncio.timeout(60):
                while running < 3:
                    await asyncio.sleep(0.002)
            go.set()
            assert {(await task).body for task in asking} == {b"ok"}
        assert most == 3
    finally:
        await runner.cleanup()


async def test_a_cancelled_request_is_not_sent_and_a_cancelled_answer_not_told():
    async with Raw(lambda *_: OK) as server:
        with pool_of(server.address, size=1) as pool:
            first, second, third = Reading(), Reading(), Reading()
            first.on_head = lambda: pool.cancel(first)
            for reading in (first, second, third):
                pool.fetch(reading, Request("/x", 0, 5, "token"))
            pool.cancel(second)
            async with asyncio.timeout(60):
                await third.done.wait()
            assert (first.head.status, first.body, first.done.is_set()) == (206, b"", False)
            assert (second.head, third.body) == (None, b"hello")
        assert (server.connections, len(server.requests)) == (1, 2)  # what was left of the first was read


async def test_a_long_unwanted_answer_costs_its_connection():
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + bytes(500_000)
    async with Raw(lambda connection, _: long if connection == 1 else OK) as server:
        with pool_of(server.address, size=1) as pool:
            first = Reading()
            first.on_body = lambda: pool.cancel(first)
            pool.fetch(first, Request("/x", 0, 5, "token"))
            assert (await ask(pool)).body == b"hello"
        assert server.connections == 2


async def test_a_reader_that_asks_again_at_the_end_of_its_answer():
    async with Raw(lambda *_: OK) as server:
        with pool_of(server.address, size=1) as pool:
            left = [3]
            done = asyncio.Event()

            class Again(Reading):
                def answer_ended(self):
                    left[0] -= 1
                    if left[0]:
                        pool.fetch(self, Request("/x", 0, 5, "token"))
                    else:
                        done.set()

            pool.fetch(Again(), Request("/x", 0, 5, "token"))
            async with asyncio.timeout(60):
                await done.wait()
        assert (server.connections, len(server.requests)) == (1, 3)


async def test_a_mistake_in_a_reader_is_told():
    async with Raw(lambda *_: OK) as server:
        alarm, crashes = Alarm(asyncio.get_running_loop()), asyncio.Queue()
        pool = HttpPool(server.address, 1, alarm=alarm, timeout_ms=1_000, crashed=crashes.put_nowait)
        reading = Reading()
        reading.on_body = lambda: 1 // 0
        pool.fetch(reading, Request("/x", 0, 5, "token"))
        async with asyncio.timeout(60):
            assert isinstance(await crashes.get(), ZeroDivisionError)
        pool.stop()
        alarm.stop()


async def call(pool, method, path, body=b""):
    reading = Reading()
    pool.fetch(reading, Request(path, 0, 0, "token", method, body))
    async with asyncio.timeout(60):
        await reading.done.wait()
    return reading


async def test_golden_calls():
    """What a device of generation C sends for a report and a check, to the byte."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    sizes = []

    class Whole(Raw):
        async def serve(self, reader, writer):
            self.tasks.add(asyncio.current_task())
            for size in sizes:
                self.requests.append(await reader.readexactly(size))
                writer.write(reply)
            writer.close()

    async with Whole(None) as server:
        host = "{}:{}".format(*server.address)
        wanted = [
            f'POST /fuse-ota/p1/d7/version HTTP/1.1\r\nHost: {host}\r\nAuthorization: token\r\nContent-Type: application/json\r\nContent-Length: 37\r\n\r\n{{"s_version":"1.0","f_version":"2.0"}}'.encode(),
            f"GET /fuse-ota/p1/d7/check?type=1&version=1.0 HTTP/1.1\r\nHost: {host}\r\nAuthorization: token\r\n\r\n".encode(),
        ]
        sizes += map(len, wanted)
        with pool_of(server.address, size=1) as pool:
            first = await call(
                pool, "POST", "/fuse-ota/p1/d7/version", b'{"s_version":"1.0","f_version":"2.0"}'
            )
            assert (first.head.status, first.body) == (200, b"{}")
            await call(pool, "GET", "/fuse-ota/p1/d7/check?type=1&version=1.0")
        assert server.requests == wanted


async def test_a_connection_is_given_up_after_so_many_requests():
    async with Raw(lambda *_: OK) as server:
        with pool_of(server.address, size=1) as pool:
            assert pool.requests_max == 1_000  # generation A takes no more
            pool.requests_max = 3
            assert [(await ask(pool)).failure for _ in range(7)] == [None] * 7
        assert (server.connections, len(server.requests)) == (3, 7)


async def test_a_failed_download_of_one_byte_without_a_length():
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream;charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n3\r\n0\r\n\r\n"
    async with Raw(lambda *_: answer) as server:
        with pool_of(server.address) as pool:
            assert [((r := await ask(pool)).head, r.body) for _ in range(2)] == [
                (Head(200, None, None, None), b"3")
            ] * 2
        assert server.connections == 1


async def test_those_who_wait_are_served_in_their_order():
    async with Raw(lambda *_: OK) as server:
        with pool_of(server.address, size=1) as pool:
            readings = [Reading() for _ in range(50)]
            for at, reading in enumerate(readings):
                pool.fetch(reading, Request(f"/{at}", 0, 0, "token"))
            pool.cancel(readings[7])
            async with asyncio.timeout(60):
                await readings[-1].done.wait()
        paths = [int(request.split()[1][1:]) for request in server.requests]
        assert paths == [at for at in range(50) if at != 7]


async def test_who_has_an_address_of_its_own_asks_from_there_on_a_connection_of_its_own():
    """A pool of one: a kept connection makes room, and what was opened from elsewhere is not kept."""
    async with Raw(lambda *_: OK) as server:
        with pool_of(server.address, size=1) as pool:
            for source in ("", "127.64.0.9", "", "127.64.0.9", "127.65.0.1"):
                reading = await ask(pool, source=source)
                assert (reading.body, reading.failure) == (b"hello", None)
            hosts = [writer.get_extra_info("peername")[0] for writer in server.writers]
            assert hosts == ["127.0.0.1", "127.64.0.9", "127.0.0.1", "127.64.0.9", "127.65.0.1"]


async def test_those_who_wait_for_a_pool_are_served_wherever_they_ask_from():
    async with Raw(lambda *_: OK) as server:
        with pool_of(server.address, size=2) as pool:
            readings = await asyncio.gather(
                *(ask(pool, source=f"127.64.1.{at}" if at % 3 else "") for at in range(1, 31))
            )
            assert {reading.body for reading in readings} == {b"hello"}
            hosts = [writer.get_extra_info("peername")[0] for writer in server.writers]
            assert sum(host.startswith("127.64.") for host in hosts) == 20
