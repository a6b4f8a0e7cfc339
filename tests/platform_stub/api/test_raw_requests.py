"""Requests as real devices send them, byte by byte over a socket, and replies read the same way.

Source: onenet-protocol, section 6.
"""

import asyncio

import pytest

JSON_KEYS = {"Content-Type", "Content-Length", "Date"}


def fuse_check(shop, *, version="1.1", **headers):
    return shop.request("GET", shop.fuse("check?type=1&version=1.0"), version=version, **headers)


def is_check(shop, answer, at=0):
    return answer.status == 200 and answer.json["data"]["tid"] == shop.tids[at]


async def test_a_reply_is_spelled_as_clients_compare_it(shop):
    """Several clients compare names byte for byte, and want one space after the colon and after the code."""
    async with shop.connect() as raw:
        answer = await raw.ask(fuse_check(shop))
    assert answer.head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert set(answer.headers) == JSON_KEYS
    assert answer.headers["Content-Type"] == "application/json"
    assert all(line.partition(":")[2][:1] == " " != line.partition(":")[2][1:2] for line in answer.lines)


async def test_a_download_is_spelled_as_clients_compare_it(shop):
    answer = await shop.ask("GET", shop.fuse(f"{shop.tids[0]}/download"), Range="bytes=0-9")
    assert answer.head.startswith(b"HTTP/1.1 206 Partial Content\r\n")
    assert set(answer.headers) == {
        "Date", "Content-Type", "Content-Length", "Content-Range", "Content-Disposition", "Ota-Errno"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("why", "spell"),
    [
        ("no space after Host:", lambda r: r.replace(b"Host: ", b"Host:")),
        ("a host with a port", lambda r: r.replace(b"ota.example", b"ota.example:80")),
        ("lower-case names", lambda r: r.replace(b"Host", b"host").replace(b"Authorization", b"authorization")),
        ("upper-case names", lambda r: r.replace(b"Authorization", b"AUTHORIZATION")),
        ("an absolute target", lambda r: r.replace(b"GET /", b"GET http://iot-api.heclouds.com/")),
        ("an absolute https target on the plain port", lambda r: r.replace(b"GET /", b"GET https://iot-api.heclouds.com/")),
        ("an absolute target with a port", lambda r: r.replace(b"GET /", b"GET https://iot-api.heclouds.com:443/")),
        ("doubled slashes", lambda r: r.replace(b"/check", b"//check").replace(b"/fuse-ota/", b"//fuse-ota///")),
        ("a slash at the end", lambda r: r.replace(b"/check?", b"/check/?")),
        ("a fragment", lambda r: r.replace(b" HTTP/", b"#top HTTP/")),
        ("other query parameters", lambda r: r.replace(b"?type", b"?a=b&&c&type")),
        ("other headers", lambda r: r.replace(b"Host:", b"X-Anything: 1\r\nAccept: */*\r\nHost:")),
        ("an encoded letter", lambda r: r.replace(b"/check", b"/%63heck")),
    ],
)  # fmt: skip
async def test_an_odd_spelling_is_understood(shop, why, spell):
    request = fuse_check(shop)
    spelled = spell(request)
    assert spelled != request
    assert is_check(shop, await shop.send(spelled)), why


@pytest.mark.parametrize(
    ("why", "body", "spell"),
    [
        ("a padded Content-Length", b'{"step":10}', lambda r: r.replace(b"Content-Length: ", b"Content-Length:     ")),
        ("a Content-Length padded behind", b'{"step":10}', lambda r: r.replace(b"Content-Length: 11", b"Content-Length: 11   ")),
        ("lower-case content-length", b'{"step":10}', lambda r: r.replace(b"Content-Length", b"content-length")),
        ("line ends that are counted in", b'{"step":10}\r\n\r\n', lambda r: r),
        ("white space before", b' \r\n{"step" : 10 }', lambda r: r),
        ("extra fields", b'{"step":10,"desc":"10%","a":[{}]}', lambda r: r),
        ("no content type", b'{"step":10}', lambda r: r.replace(b"Content-Type: application/json\r\n", b"")),
        ("another content type", b'{"step":10}', lambda r: r.replace(b"application/json", b"text/plain;charset=utf-8")),
        ("an unasked-for Expect", b'{"step":10}', lambda r: r.replace(b"Host:", b"Expect: 100-continue\r\nHost:")),
    ],
)  # fmt: skip
async def test_an_odd_body_is_understood(shop, why, body, spell):
    tid = shop.tids[0]
    await shop.ask("GET", shop.fuse(f"{tid}/check"))
    answer = await shop.send(spell(shop.request("POST", shop.fuse(f"{tid}/status"), body)))
    assert (answer.status, answer.json["code"]) == (200, 0), why
    assert (await shop.jobs())[0]["step"] == 10


async def test_a_chunked_body_is_understood(shop):
    tid = shop.tids[0]
    await shop.ask("GET", shop.fuse(f"{tid}/check"))
    request = shop.request("POST", shop.fuse(f"{tid}/status"), Transfer_Encoding="chunked")
    answer = await shop.send(request + b'6\r\n{"step\r\n5\r\n":10}\r\n0\r\n\r\n')
    assert answer.json["code"] == 0
    assert (await shop.jobs())[0]["step"] == 10


async def test_a_body_may_come_after_its_head(shop):
    """A device that writes head and body apart loses neither the answer nor its connection."""
    request = shop.request("POST", shop.fuse("version"), b'{"f_version":"1.0","s_version":"1.0"}')
    head, _, body = request.partition(b"\r\n\r\n")
    async with shop.connect() as raw:
        for at in range(0, len(head), 7):
            raw.write(head[at : at + 7])
            await raw.writer.drain()
        raw.write(b"\r\n\r\n" + body[:5])
        await raw.writer.drain()
        await asyncio.sleep(0)
        assert (await raw.ask(body[5:])).json["code"] == 0
        assert is_check(shop, await raw.ask(fuse_check(shop)))


async def test_expect_is_continued(shop):
    request = shop.request(
        "POST", shop.fuse("version"), b'{"f_version":"1.0","s_version":"1.0"}', Expect="100-continue"
    )
    head, _, body = request.partition(b"\r\n\r\n")
    async with shop.connect() as raw:
        raw.write(head + b"\r\n\r\n")
        assert await raw.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await raw.ask(body)).json["code"] == 0


async def test_a_get_may_have_a_body(shop):
    """Its body is read past: the connection goes on behind it."""
    async with shop.connect() as raw:
        answer = await raw.ask(shop.request("GET", shop.fuse("check?type=1&version=1.0"), b'{"a":1}'))
        assert is_check(shop, answer)
        assert not answer.ended
        assert is_check(shop, await raw.ask(fuse_check(shop)))


async def test_a_get_that_announces_a_body_and_sends_none_is_answered_at_once(shop):
    """Then the connection ends: what would come next could be the body or a request."""
    async with shop.connect() as raw:
        answer = await raw.ask(fuse_check(shop, Content_Length=41))
        assert is_check(shop, answer)
        assert answer.headers["Connection"] == "close"
        assert answer.ended


async def test_a_late_body_does_not_cost_the_answer(shop):
    """What comes after an answer that ends the connection is thrown away, and no reset overtakes the answer."""
    async with shop.connect() as raw:
        raw.write(fuse_check(shop, Content_Length=60_000))
        await raw.writer.drain()
        raw.write(b"x" * 50_000)
        answer = await raw.read()
    assert is_check(shop, answer)
    assert answer.ended


async def test_requests_may_be_pipelined(shop):
    """They are answered in their order."""
    async with shop.connect() as raw:
        raw.write(
            b"".join(
                shop.request("GET", shop.fuse("check?type=1&version=1.0", at), at=at) for at in (0, 1, 0)
            )
        )
        for at in (0, 1, 0):
            assert is_check(shop, await raw.read(), at)


async def test_many_requests_may_be_pipelined(shop):
    """More than are parsed ahead."""
    async with shop.connect() as raw:
        raw.write(fuse_check(shop) * 200)
        for _ in range(200):
            assert is_check(shop, await raw.read())


async def test_who_sends_many_at_once_takes_turns_with_the_others(shop):
    """A thousand queued requests of one device keep no other waiting for all of them."""
    before = shop.stub.http.requests_count
    async with shop.connect() as hasty, shop.connect() as other:
        hasty.write(fuse_check(shop) * 1_000)
        assert is_check(shop, await hasty.read())
        assert is_check(shop, await other.ask(fuse_check(shop)))
        assert shop.stub.http.requests_count - before < 900


async def test_what_was_sent_by_someone_who_has_left_is_not_carried_out(shop, caplog):
    before = shop.stub.http.requests_count
    async with shop.connect() as raw:
        raw.write(fuse_check(shop) * 1_000)
        assert is_check(shop, await raw.read())
        raw.abort()
    assert await shop.is_unharmed()
    assert shop.stub.http.requests_count - before < 900
    assert "socket.send() raised exception" not in caplog.text


async def test_a_device_and_an_operator_share_a_connection(shop):
    """One port, whoever asks, in any order."""
    page = b"GET /v1/accounts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    async with shop.connect() as raw:
        raw.write(fuse_check(shop) + page + fuse_check(shop) + page)
        assert is_check(shop, await raw.read())
        assert "accounts" in (await raw.read()).json
        assert is_check(shop, await raw.read())
        assert "accounts" in (await raw.read()).json


async def test_a_south_connection_ends_after_a_thousand_requests(shop):
    """Section 4, generation A."""
    request = shop.request("GET", shop.south("device/version"), token=shop.token())
    async with shop.connect() as raw:
        for count in range(1, 1_001):
            answer = await raw.ask(request)
            assert answer.json["errno"] == 0
            assert ("Connection" in answer.headers) is (count == 1_000)
        assert answer.ended


async def test_a_fuse_connection_does_not(shop):
    async with shop.connect() as raw:
        for _ in range(1_001):
            answer = await raw.ask(fuse_check(shop))
        assert "Connection" not in answer.headers


async def test_a_device_may_ask_to_close(shop):
    answer = await shop.send(fuse_check(shop, Connection="close"))
    assert is_check(shop, answer)
    assert (answer.headers["Connection"], answer.ended) == ("close", True)


@pytest.mark.parametrize(
    ("headers", "connection"),
    [
        ({}, "close"),
        ({"Connection": "keep-alive"}, "keep-alive"),
        ({"Connection": "Keep-Alive"}, "keep-alive"),
    ],
)
async def test_http_1_0_is_spoken(shop, headers, connection):
    async with shop.connect() as raw:
        answer = await raw.ask(
            fuse_check(shop, version="1.0", **headers).replace(b"Host: ota.example\r\n", b"")
        )
        assert is_check(shop, answer)
        assert answer.headers["Connection"] == connection
        if connection == "keep-alive":
            assert is_check(shop, await raw.ask(fuse_check(shop, version="1.0", **headers)))


async def test_who_has_stopped_sending_still_gets_the_answer(shop):
    async with shop.connect() as raw:
        raw.write(fuse_check(shop))
        raw.writer.write_eof()
        answer = await raw.read()
        assert is_check(shop, answer)
        assert await raw.rest() == b""


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/fuse-ota/p/d/check", "code"),
        ("/ota/south/check", "errno"),
        ("/ota/p/d/check", "errno"),
        ("/else", "message"),
    ],
)
@pytest.mark.parametrize(
    ("why", "spell"),
    [
        ("no Host", lambda p: b"GET %b HTTP/1.1\r\n\r\n" % p),
        ("bare LF", lambda p: b"GET %b HTTP/1.1\nHost: x\n\n" % p),
        ("a space before the colon", lambda p: b"GET %b HTTP/1.1\r\nHost : x\r\n\r\n" % p),
        ("two Content-Lengths", lambda p: b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na" % p),
        ("Content-Length and chunks", lambda p: b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % p),
        ("a Content-Length that is none", lambda p: b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n" % p),
        ("a negative Content-Length", lambda p: b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" % p),
        ("a NUL in a header", lambda p: b"GET %b HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n" % p),
        ("a folded header", lambda p: b"GET %b HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n" % p),
        ("a method that is none", lambda p: b"FETCH %b HTTP/1.1\r\nHost: x\r\n\r\n" % p),
        ("a version that is none", lambda p: b"GET %b HTTP/9.9\r\nHost: x\r\n\r\n" % p),
    ],
)  # fmt: skip
async def test_what_stays_refused_is_answered_in_the_generations_envelope(shop, why, spell, path, told):
    answer = await shop.send(spell(path.encode()))
    assert answer.status == 400, why
    assert told in answer.json
    assert answer.json[told] in {10001, 2} or told == "message"
    assert (answer.headers["Connection"], answer.ended) == ("close", True)
    assert await shop.is_unharmed()


async def test_rubbish_is_refused(shop):
    """TLS on the plain port, for one."""
    answer = await shop.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200))
    assert (answer.status, answer.ended) == (400, True)


async def test_good_requests_before_a_bad_one_are_answered(shop):
    async with shop.connect() as raw:
        assert is_check(shop, await raw.ask(fuse_check(shop)))
        answer = await raw.ask(b"GET /fuse-ota/x HTTP/1.1\r\nHost : x\r\n\r\n")
        assert (answer.status, answer.json["code"], answer.ended) == (400, 10001, True)


async def test_chunks_that_are_none_end_the_connection(shop):
    """The reader of the body is told; it would wait for ever."""
    request = shop.request("POST", shop.fuse("version"), Transfer_Encoding="chunked")
    async with shop.connect() as raw:
        answer = await raw.ask(request + b"zz\r\n")
    assert (answer.status, answer.json["code"], answer.ended) == (400, 10001, True)


@pytest.mark.parametrize(
    ("request_line", "more"),
    [
        (b"CONNECT iot-api.heclouds.com:443", b""),
        (b"OPTIONS *", b""),
        (b"PRI *", b""),
        (b"GET /fuse-ota/p/d/version", b"Upgrade: websocket\r\nConnection: Upgrade\r\n"),
        (b"GET /fuse-ota/p/d/version", b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"),
    ],
)
async def test_what_is_not_spoken_here_is_answered_and_harms_nobody(shop, request_line, more):
    async with shop.connect() as raw:
        raw.write(request_line + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + more + b"\r\n")
        raw.writer.write_eof()
        answer = await raw.read()
    assert answer.status in {200, 400, 404, 405}
    assert await shop.is_unharmed()
    assert is_check(shop, await shop.send(fuse_check(shop)))


async def test_a_device_on_another_host_is_served(shop):
    """The guard of the operator's API, which answers this machine only, is not for devices."""
    request = fuse_check(shop).replace(b"ota.example", b"iot-api.heclouds.com")
    assert is_check(shop, await shop.send(request))
    page = b"GET /v1/accounts HTTP/1.1\r\nHost: iot-api.heclouds.com\r\n\r\n"
    assert (await shop.send(page)).status == 403


@pytest.mark.parametrize(("path", "key", "code"), [("fuse", "code", 10500), ("studio", "errno", 7)])
async def test_a_store_that_cannot_commit_is_said(shop, path, key, code):
    """HTTP 503, so that the device tries again: nothing has changed (decision 3)."""
    shop.stub.database.unlink()
    rest = getattr(shop, path)("version")
    answer = await shop.ask("POST", rest, {"f_version": "7.7", "s_version": "1"})
    assert (answer.status, answer.json[key]) == (503, code)
    answer = await shop.ask("GET", getattr(shop, path)(f"{shop.tids[0]}/download"))
    assert (answer.status, answer.headers["Ota-Errno"]) == (503, "3")


@pytest.mark.parametrize(
    "break_lines",
    [lambda r: r.replace(b"\r\n", b"\n"), lambda r: r.replace(b"ota.example\r\n", b"ota.example\n")],
)
async def test_lines_that_end_in_a_bare_lf_are_told_how_they_should(shop, break_lines):
    async with shop.connect() as raw:
        answer = await raw.ask(break_lines(fuse_check(shop)))
    assert (answer.status, answer.json["msg"]) == (400, "not an HTTP request: lines end in CRLF")
    async with shop.connect() as raw:
        answer = await raw.ask(fuse_check(shop, version="one"))
    assert answer.status == 400
    assert "CRLF" not in answer.json["msg"]
