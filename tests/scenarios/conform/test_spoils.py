"""What a device gets through the relay when an answer is spoilt, byte by byte, and what the record says of it."""

import asyncio
import contextlib

import pytest

from scenarios.conform.asked import Asked
from scenarios.conform.doors import Stranger
from scenarios.conform.http_relay import HttpRelay, Rule, good_span
from scenarios.conform.http_wire import Answer
from scenarios.conform.record import Record
from scenarios.conform.spoils import (
    Changed,
    CutAfter,
    Drip,
    Endless,
    Fewer,
    HalfUnder,
    Held,
    HugeHead,
    Late,
    More,
    NoAnswer,
    Other,
    Raw,
    Says,
)

CONTENT = bytes(range(100))
ASK = b"GET /fuse-ota/p/d/7/download HTTP/1.1\r\nHost: h\r\nRange: bytes=10-29\r\n\r\n"
PART = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-29/100\r\nContent-Length: 20\r\n\r\n"


async def platform(reader, writer):
    """Answer one request: the part that it asks for, or everything."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        _, _, wish = asked.partition("Range: bytes=")
        if wish:
            first, _, last = wish.partition("\r\n")[0].partition("-")
            body = CONTENT[int(first) : int(last) + 1]
            head = f"206 Partial Content\r\nContent-Range: bytes {first}-{last}/100"
        else:
            head, body = "200 OK", CONTENT
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("call", "status", "headers", "given"),
    [
        ("download", 200, (b"Ota-Errno: 0",), (0, 3)),
        ("download", 200, (), (0, 3)),
        ("download", 200, (b"Ota-Errno: 5",), None),
        ("download", 206, (b"Content-Range: bytes 7-9/20",), (7, 10)),
        ("download", 206, (b"Content-Range: bytes x",), None),
        ("download", 404, (), None),
        ("download", 200, (b"Transfer-Encoding: chunked",), None),
        ("check", 200, (), None),
    ],
)
def test_which_bytes_of_the_package_an_answer_gives(call, status, headers, given):
    """A refusal comes with HTTP 200 and a body too: its Ota-Errno says so (R-11)."""
    answer = Answer(status_line=b"HTTP/1.1 %d X" % status, lines=headers, body=b"abc")
    assert good_span(Asked(call=call), answer) == given


@contextlib.asynccontextmanager
async def relayed(*rules):
    server = await asyncio.start_server(platform, "127.0.0.1", 0)
    record = Record(lambda: None)
    async with server, HttpRelay(server.sockets[0].getsockname(), record, lambda: 0) as relay:
        relay.rules += rules
        yield relay


async def answer_to(relay, *, most=2_000_000):
    """Ask, and read until the relay closes, or has sent a whole plain answer."""
    reader, writer = await asyncio.open_connection(*relay.address)
    got = b""
    try:
        writer.write(ASK)
        writer.write_eof()
        while len(got) < most and (data := await reader.read(65_536)):
            got += data
    finally:
        writer.close()
    return got


def spoilt(spoil, **more):
    return Rule(when=lambda asked: asked.call == "download", spoil=spoil, **more)


@pytest.mark.parametrize(
    ("spoil", "body", "good"),
    [
        (None, CONTENT[10:30], (10, 30)),
        (CutAfter(5), CONTENT[10:15], (10, 15)),
        (CutAfter(0), b"", (10, 10)),
        (Fewer(3), CONTENT[10:27], (10, 27)),
        (More(4), CONTENT[10:30] + b"\xaa" * 4, (10, 30)),
        (Drip(0), CONTENT[10:30], (10, 30)),
        (Late(0), CONTENT[10:30], (10, 30)),
    ],
)
async def test_the_announced_part_and_what_comes_of_it(spoil, body, good):
    async with relayed(*([] if spoil is None else [spoilt(spoil)])) as relay:
        assert await answer_to(relay) == PART + body
        (answer,) = relay.record.down("download")
        assert (answer.handle, answer.status, answer.good) == ("7", 206, good)


async def test_the_request_is_written_down():
    async with relayed() as relay:
        await answer_to(relay)
        (asked,) = relay.record.up("download")
        assert (asked.handle, asked.start, asked.text) == (
            "7",
            10,
            "GET /fuse-ota/p/d/7/download bytes=10-29",
        )
        assert relay.header_names == {"host", "range"}


async def test_a_changed_body_has_its_own_length_and_gives_nothing_good():
    async with relayed(spoilt(Changed(lambda body: body[::-1]))) as relay:
        got = await answer_to(relay)
        assert got.endswith(b"Content-Length: 20\r\n\r\n" + CONTENT[10:30][::-1])
        assert relay.record.down("download")[0].good is None


async def test_half_under_a_content_range_of_its_own():
    async with relayed(spoilt(HalfUnder("bytes 9-3/x"))) as relay:
        got = await answer_to(relay)
        assert got.startswith(b"HTTP/1.1 206 Partial Content\r\n")
        assert got.count(b"Content-Range") == 1
        assert got.endswith(b"Content-Range: bytes 9-3/x\r\n\r\n" + CONTENT[10:20])
        assert relay.record.down("download")[0].good == (10, 20)


@pytest.mark.parametrize(("wish", "good"), [("bytes=40-49", (40, 50)), (None, (0, 100))])
async def test_other_bytes_are_good_for_what_they_are(wish, good):
    async with relayed(spoilt(Other(lambda _, __: wish, "other"))) as relay:
        assert (await answer_to(relay)).endswith(CONTENT[slice(*good)])
        assert relay.record.down("download")[0].good == good


@pytest.mark.parametrize(
    ("spoil", "begins"),
    [
        (Says(503, b"no"), b"HTTP/1.1 503 "),
        (Raw(b"SSH-2.0\r\n"), b"SSH-2.0\r\n"),
        (HugeHead(9_000), b"HTTP/1.1 206 "),
    ],
)
async def test_what_is_no_part(spoil, begins):
    async with relayed(spoilt(spoil)) as relay:
        got = await answer_to(relay)
        assert got.startswith(begins)
        assert len(got) > 9_000 or not isinstance(spoil, HugeHead)


@pytest.mark.parametrize("announces", [False, True])
async def test_a_body_without_an_end_goes_on_until_the_device_leaves(announces):
    async with relayed(spoilt(Endless(announces=announces))) as relay:
        assert len(await answer_to(relay, most=1_000_000)) >= 1_000_000
        assert relay.record.down("download")[0].good is None


async def test_no_answer_reaches_the_platform_and_never_the_device():
    async with relayed(spoilt(NoAnswer())) as relay:
        assert await answer_to(relay) == b""
        assert relay.record.down("download")[0].text == "no answer"


async def test_what_is_held_waits_for_the_word():
    async with relayed(spoilt(Held())) as relay:
        asking = asyncio.create_task(answer_to(relay))
        while not relay.rules[0].struck:
            await asyncio.sleep(0)
        assert not relay.record.down("download")
        relay.held.set()
        assert (await asking).endswith(CONTENT[10:30])


async def test_a_rule_strikes_so_often_and_the_first_one_decides():
    async with relayed(spoilt(CutAfter(1), left=1), spoilt(CutAfter(2), left=1)) as relay:
        got = [await answer_to(relay) for _ in range(3)]
        assert [len(each) - len(PART) for each in got] == [1, 2, 20]
        assert [rule.struck for rule in relay.rules] == [1, 1]


async def test_what_can_not_be_read_is_written_down():
    async with relayed() as relay:
        reader, writer = await asyncio.open_connection(*relay.address)
        writer.write(b"\x10\x20MQTT\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        (note,) = relay.record.entries
        assert (note.way, note.what) == ("note", "unread")


async def test_a_door_that_is_shut_turns_away_and_counts():
    async with Stranger() as door:
        door.shut()
        for _ in range(2):
            reader, writer = await asyncio.open_connection(*door.address)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        assert (door.opened, door.turned_away) == (2, 2)
        door.let_in()
        reader, writer = await asyncio.open_connection(*door.address)
        writer.write(b"hello")
        while door.taken != b"hello":
            await asyncio.sleep(0)
        door.end_all()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
