"""Replies down to their bytes, and the sizes and line counts that real parsers have room for (section 6)."""

import json

import msgspec
import pytest

from platform_stub.api import fuse, south, studio
from platform_stub.api.device_request import DeviceRequest
from platform_stub.api.named import NamedTask, Versions
from platform_stub.api.reply import Reply, code_envelope, errno_envelope, http_date, json_reply, unreadable
from platform_stub.api.south import SouthTask
from platform_stub.protocol.calls import CallRefusal, Generation
from platform_stub.service.device_calls import PackageFile, Refused

NOW_MS = 1_800_000_000_000
DIALECTS = [south.DIALECT, studio.DIALECT, fuse.DIALECT]
VERSION = "9" * 20
TID = 2**63 - 1


def spell(reply, *, closes=True, is_http_1_0=False):
    head = reply.head(NOW_MS, closes=closes, is_http_1_0=is_http_1_0)
    return head, bytes(reply.payload(is_http_1_0=is_http_1_0))


def assert_fits(dialect, reply):
    """A and B: 10 header lines and 512 bytes, JSON body included; C: headers of 768 and a JSON body of 384."""
    head, body = spell(reply)
    is_json = b"application/json" in head
    if dialect.generation is Generation.FUSE:
        assert len(head) <= 768
        assert not is_json or len(body) <= 384, len(body)
    else:
        assert len(head.strip().split(b"\r\n")) - 1 <= 10
        assert len(head) + (len(body) if is_json else 0) <= 512, (head, body)


def test_the_bytes_of_a_reply():
    reply = json_reply(errno_envelope(0, "succ"), now_ms=NOW_MS)
    head, body = spell(reply, closes=False)
    assert head == (
        b"HTTP/1.1 200 OK\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\n"
        b"Content-Type: application/json\r\nContent-Length: 26\r\n\r\n"
    )
    assert body == b'{"errno":0,"error":"succ"}'


def test_the_order_of_keys():
    assert errno_envelope(0, "succ", b'{"a":1}') == b'{"errno":0,"error":"succ","data":{"a":1}}'
    spelled = code_envelope(0, "succ", b'{"a":1}')
    assert list(json.loads(spelled)) == ["code", "msg", "data", "request_id"]
    assert b" " not in spelled


def test_a_request_id_is_new_each_time():
    ids = {json.loads(code_envelope(0, "succ"))["request_id"] for _ in range(100)}
    assert len(ids) == 100
    assert all(len(text) == 32 and set(text) <= set("0123456789abcdef") for text in ids)


@pytest.mark.parametrize(
    ("closes", "is_http_1_0", "line"),
    [(False, False, None), (True, False, b"close"), (False, True, b"keep-alive"), (True, True, b"close")],
)
def test_the_connection_line(closes, is_http_1_0, line):
    head, _ = spell(json_reply(b"{}"), closes=closes, is_http_1_0=is_http_1_0)
    assert (b"Connection: %b\r\n" % line in head) if line else b"Connection" not in head


@pytest.mark.parametrize("status", [200, 206, 404, 503, 599, 299])
def test_a_space_follows_the_status_code(status):
    head, _ = spell(Reply(status=status, lines=b""))
    assert head.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    ("now_ms", "date"),
    [
        (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (999, b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (NOW_MS, b"Fri, 15 Jan 2027 08:00:00 GMT"),
        (10**18, b"Fri, 31 Dec 9999 23:59:59 GMT"),
        (-1_000, b"Thu, 01 Jan 1970 00:00:00 GMT"),
    ],
)
def test_a_date(now_ms, date):
    assert http_date(now_ms) == b"Date: %b\r\n" % date


def test_a_failed_download_is_one_chunk_with_its_size_in_hex():
    head, body = spell(Reply(lines=b"", chunk=b"3"), closes=False)
    assert (b"Transfer-Encoding: chunked\r\n" in head, body) == (True, b"1\r\n3\r\n0\r\n\r\n")
    head, body = spell(Reply(lines=b"", chunk=b"3"), is_http_1_0=True)
    assert (b"Transfer-Encoding" in head, body) == (False, b"3")


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.generation.value)
def test_every_refusal_fits(dialect):
    for why in CallRefusal:
        assert_fits(dialect, dialect.refuse(Refused(why), NOW_MS))
        assert_fits(dialect, dialect.refuse(Refused(why, "x" * 120), NOW_MS))
        assert_fits(dialect, dialect.refuse_download(Refused(why), NOW_MS))
    assert_fits(dialect, unreadable(dialect.generation, 400, '"' * 100, b"Allow: GET, POST\r\n"))


def test_the_largest_task_fits():
    task = NamedTask(VERSION, TID, 31_457_280, "f" * 32, 3, 2)
    for dialect in DIALECTS[1:]:
        assert_fits(dialect, dialect.accept(NOW_MS, task))
    south_task = SouthTask(VERSION, "ota_" + "x" * 20, 31_457_280, "f" * 32, 1_000, 100, 1_000, 86_400, 2,
        "[0000:0000:0000:0000:0000:0000:0000:0001]:65535")  # fmt: skip
    assert_fits(south.DIALECT, south.DIALECT.accept(NOW_MS, south_task))
    for dialect in DIALECTS:
        assert_fits(dialect, dialect.accept(NOW_MS, Versions(VERSION, VERSION)))


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.generation.value)
@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("fw_1.0-a.bin", b"fw_1.0-a.bin"),
        ('a"b\r\nSet-Cookie: x', b"a_b__Set-Cookie__x"),
        ("固件.zip", b"__.zip"),
        ("x" * 300 + ".bin", b"x" * 60 + b".bin"),
        ("", b""),
    ],
)
def test_the_largest_download_fits_whatever_the_files_name(dialect, name, spelled):
    reply = dialect.give(PackageFile(bytes(31_457_280), name), "bytes=30000000-31457278", NOW_MS)
    assert_fits(dialect, reply)
    assert b'filename="%b"\r\n' % spelled in reply.lines


def test_every_refusal_has_a_number_in_every_generation():
    for dialect in DIALECTS:
        assert set(dialect.table) == set(CallRefusal)


def test_structs_are_spelled_in_the_wires_order():
    assert list(msgspec.to_builtins(NamedTask("1", 2, 3, "4", 5, 6))) == [
        "target", "tid", "size", "md5", "status", "type"
    ]  # fmt: skip
    south_task = SouthTask("1", "2", 3, "4", 5, 6, 7, 8, 9, "0")
    assert list(msgspec.to_builtins(south_task)) == [
        "target", "token", "size", "md5", "signal", "power", "retry", "interval", "type", "ipPort"
    ]  # fmt: skip


def test_a_request_reads_its_query_once():
    request = DeviceRequest("GET", ("p", "d", "check"), "type=1")
    assert request.query is request.query
