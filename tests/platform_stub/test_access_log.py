"""The access log: each way a device can go wrong is one line, with the reason; and no line has a secret."""

import io
import json
import os
import re
import time

import pytest

from platform_stub.access_log import AsideFile, LineLog
from platform_stub.api.http_limits import LIMITS
from platform_stub.protocol.mqtt.packets import Connack, Connect, Disconnect, Publish, Subscribe, Will
from platform_stub.protocol.operator import InjectFault
from platform_stub.protocol.token import device_resource, make_token
from tests.platform_stub.api.conftest import operator
from tests.platform_stub.api.shop import CONTENT, open_shop, until
from tests.platform_stub.broker.client import device

LINE = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} (mqtt|south|studio|fuse|http) +\S+  \S.*")

DROPPED = "dropped: the device has left, or has not subscribed to it"


class Book:
    """A log in memory: the lines, and what follows the name in them."""

    def __init__(self):
        self.out = io.StringIO()
        self.log = LineLog(self.out)

    @property
    def lines(self):
        return self.out.getvalue().splitlines()

    def of(self, who):
        return [line.partition(f" {who}  ")[2] for line in self.lines if f" {who}  " in line]

    async def until(self, text):
        await until(lambda: text in self.out.getvalue())


@pytest.fixture
async def told():
    """A shop and its log, every line of which is looked through at the end."""
    book = Book()
    async with open_shop(operator, log=book.log) as shop:
        shop.book = book
        yield shop
    for line in book.lines:
        assert LINE.fullmatch(line), line
        assert not re.search(r"ota_[A-Za-z0-9]|sign=[^…]", line), line
        assert all(entry["key"] not in line for entry in shop.devices), line
        assert shop.product_key not in line


def who(shop, at=0):
    return f"{shop.product}/{shop.device(at)}"


async def test_a_refused_step_says_why(told):
    tid = told.tids[0]
    await told.ask("POST", told.fuse(f"{tid}/status"), {"step": 50})
    await told.ask("POST", told.studio(f"{tid}/status"), {"step": 1})
    await told.ask("POST", told.fuse(f"{tid}/status"), {"step": 7_777})
    await told.ask("POST", told.fuse(f"{tid + 99}/status"), {"step": 101})
    assert told.book.of(who(told)) == [
        f'POST /{tid}/status {{"step": 50}} -> 12016 invalid step (the job is pending)',
        f'POST /{tid}/status {{"step": 1}} -> 21 invalid state (the job is pending)',
        f'POST /{tid}/status {{"step": 7777}} -> 12016 invalid step (not a step)',
        f'POST /{tid + 99}/status {{"step": 101}} -> 12002 not found (the device has no job {tid + 99})',
    ]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ({"token": ""}, "no token"),
        ({"token": "version=2018-10-31&sign=S3cret"}, "token: res is missing"),
        ({"key": "AAAA"}, "wrong key: not signed with the device's key"),
        ({"ahead_s": -5}, "the token expired"),
        ({"ahead_s": 11 * 366 * 86_400}, "is more than ten years from"),
        ({"res": "products/x"}, "res products/x does not speak for this device"),
    ],
)
async def test_who_is_not_let_in_reads_why(told, token, reason):
    text = token["token"] if "token" in token else told.token(**token)
    await told.ask("GET", told.fuse("check?type=1&version=1.0"), token=text)
    (line,) = told.book.of(who(told))
    assert line.startswith("GET /check?type=1&version=1.0 -> 10403 authentication failed:")
    assert reason in line.rpartition(" (")[2]


async def test_every_generation_and_what_it_is_answered(told):
    """A check shows the offer without its token, a download range and size, a stranger who it says it is."""
    offer = await told.ask("GET", told.south("south/check?type=1&version=1.0"))
    token = offer.json["data"]["token"]
    await told.ask("GET", told.south(f"south/download/{token}/check"))
    await told.ask("GET", f"/ota/south/download/{token}", Range="bytes=0-99")
    await told.ask("GET", told.studio("check?type=2&version=1.0"))
    await told.ask("GET", f"/fuse-ota/{told.product}/nobody/version")
    await told.ask("GET", told.fuse("nothing/at/all/here"))
    await told.ask("GET", told.fuse(f"{told.tids[1]}/download"))
    south = [line for line in told.book.lines if " south " in line]
    assert f'-> 0 succ {{"target":"9.0","token":"ota_…","size":{len(CONTENT)},' in south[0]
    assert f"GET /ota/south/download/ota_…/check?dev_id={told.ids[0]} -> 0 succ" in south[1]
    assert south[2].endswith("GET /ota/south/download/ota_… bytes=0-99 -> 206, 100 bytes")
    mine = told.book.of(who(told))[3:]
    assert mine == [
        "GET /check?type=2&version=1.0 -> 10 not exist",
        "GET /nothing/at/all/here -> 404, 12002 not found",
        f"GET /{told.tids[1]}/download -> 200, 0 bytes (not found)",
    ]
    assert told.book.of(f"{told.product}/nobody") == [
        "GET /version -> 10410 device not exist (unknown device)"
    ]


async def test_an_injected_fault_is_told_from_the_truth(told):
    for rule in (
        {"call": "version", "code": 12_014},
        {"call": "download", "cut_at_bytes": 5},
        {"call": "check", "delay_ms": 10},
    ):
        told.stub.platform.injection.add(InjectFault(**rule))
    await told.ask("GET", told.fuse("version"))
    async with told.connect() as raw:
        raw.write(told.request("GET", told.fuse(f"{told.tids[0]}/download")))
        await raw.rest()
    await told.ask("GET", told.fuse("check?type=2&version=1.0"))
    assert told.book.of(who(told)) == [
        "GET /version -> 12014 task expire (injected fault 1)",
        f"GET /{told.tids[0]}/download -> 200, 5 bytes of {len(CONTENT)}, then cut (injected fault 2)",
        "GET /check?type=2&version=1.0 -> 12012 not exist, 0.01 s later (injected fault 3)",
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET /fuse-ota/x y HTTP/1.1\r\n\r\n", "GET /fuse-ota/x y HTTP/1.1 -> 400 not an HTTP request"),
        (b"\x16\x03\x01\x02\x00 TLS\r\n\r\n", "-> 400 not an HTTP request"),
    ],
)
async def test_what_is_no_request_is_written_down(told, data, words):
    await told.send(data)
    (line,) = told.book.lines
    assert words in line
    assert re.search(r" 127\.0\.0\.1:[0-9]+  ", line)


async def test_limits_are_written_down(told):
    request = told.request("POST", told.fuse(f"{told.tids[0]}/status"), b"{}")
    too_long = b"Content-Length: %d" % (LIMITS.body_max_bytes + 1)
    await told.send(request.replace(b"Content-Length: 2", too_long))
    (line,) = told.book.of(who(told))
    assert "-> 413, 10001 the body is larger than" in line
    raw, connection = await told.hold()
    connection.sweep(connection._since_s + LIMITS.idle_s)
    assert await raw.rest() == b""
    assert told.book.lines[-1].endswith(f"connection ended: idle for {LIMITS.idle_s:.0f} s")


def password(shop, at=0, *, ahead_s=600, key=None):
    entry = shop.devices[at]
    return make_token(
        key or entry["key"], device_resource(shop.product, entry["name"]), int(time.time()) + ahead_s
    )


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"ahead_s": -60}, r"CONNECT refused with 5 \(the token expired 6[0-9] s ago: et=[0-9]+, .*\)"),
        ({"key": "AAAA"}, r"CONNECT refused with 5 \(wrong key: not signed with the device's key\)"),
    ],
)
async def test_a_token_that_is_refused_over_mqtt(told, how, words):
    async with device(told.stub.mqtt_address, told.device(), told.product) as dev:
        assert await dev.login(password(told, **how)) == 5
        assert await dev.is_closed()
    (line,) = told.book.of(who(told))
    assert re.fullmatch(words, line)


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (Connect("nobody", "P", b"x", 60), "P/nobody  CONNECT refused with 4 (token: "),
        (
            Connect("d", "P", b"x", 5),
            "P/d  CONNECT refused with 5 (keep-alive of 5 s: 10 to 1800 s are taken)",
        ),
        (
            Connect("d", "P", b"x", 60, will=Will("t", b"")),
            "CONNECT refused with 5 (flags: a will is not taken",
        ),
        (
            Connect("d", "P", b"x", 60, clean_session=False),
            "CONNECT refused with 5 (flags: clean session must",
        ),
        (Connect("", "P", b"x", 60), "CONNECT refused with 2 (no client id: it is the device's name)"),
        (Connect("d", "P", None, 60), "P/d  CONNECT refused with 4 (no password: it is the token)"),
        (Connect("d e", "P", b"", 60), "P/d_e  CONNECT refused with 4 (no password"),
        (b"hello, is this MQTT?", "connection ended: malformed packet ("),
    ],
)
async def test_a_connect_that_is_refused_says_why(told, packet, words):
    async with device(told.stub.mqtt_address) as dev:
        dev.send(packet)
        if not isinstance(packet, bytes):
            assert (await dev.expect(Connack)).code
        assert await dev.is_closed()
    (line,) = told.book.lines
    assert words in line


async def test_a_devices_life_over_mqtt(told):
    """Informs empty and filled, a report with its code and reason, a filter and a topic that are not its own."""
    name, tid = told.device(), told.tids[0]
    async with device(told.stub.mqtt_address, name, told.product) as dev:
        assert await dev.login(password(told)) == 0
        dev.send(Subscribe(1, ((dev.topic("/ota/inform"), 1), ("$sys/other/x/#", 0))))
        await dev.receive()
        await dev.expect(Publish)
        dev.publish("/ota/version", b'{"id":"1","version":"1.0","params":{"f_version":"1.0"}}', 0)
        await dev.expect(Publish)
        status = json.dumps({"id": "2", "version": "1.0", "params": {"tid": tid, "step": 50}})
        dev.publish("/ota/status", status.encode(), 0)
        await told.book.until(f"(the job is pending; {DROPPED})")
        dev.publish("/ota/statu", b"{}", 0)
        assert await dev.is_closed()
    assert told.book.of(who(told)) == [
        "CONNECT accepted",
        "SUBSCRIBE granted, informs included",
        "SUBSCRIBE refused: $sys/other/x/# is not this device's to read",
        "-> empty inform",
        '/ota/version {"id":"1","version":"1.0","params":{"f_version":"1.0"}}',
        f'-> /ota/version_reply {{"id":"1","code":200,"msg":"success"}} ({DROPPED})',
        f"-> inform of job {tid}: 9.0, {len(CONTENT)} bytes",
        f"/ota/status {status}",
        f'-> /ota/status_reply {{"id":"2","code":12016,"msg":"invalid step"}} (the job is pending; {DROPPED})',
        f"connection ended: publish to an illegal topic ($sys/{told.product}/{name}/ota/statu)",
    ]


async def test_faults_over_mqtt_are_told(told):
    told.stub.platform.injection.add(InjectFault(generation="mqtt", call="version", silent=True))
    async with device(told.stub.mqtt_address, told.device(), told.product) as dev:
        assert await dev.login(password(told)) == 0
        await dev.subscribe("/ota/version_reply")
        dev.publish("/ota/version", b'{"id":"1","version":"1.0","params":{"f_version":"1.0"}}', 0)
        await told.book.until("(not sent: injected fault 1)")
        dev.send(Disconnect())
        assert await dev.is_closed()
    assert told.book.of(who(told))[-1] == "connection ended: the client left"


async def test_without_a_log_nothing_is_written_and_all_is_answered():
    async with open_shop(operator) as shop:
        assert shop.stub.platform.log is None
        assert (await shop.ask("GET", shop.fuse("version"))).json["code"] == 0


def test_a_line_has_the_time_of_this_machine():
    out = io.StringIO()
    LineLog(out, lambda: 1_700_000_000_123).write("fuse", "p/d", "GET /x")
    clock = time.strftime("%H:%M:%S", time.localtime(1_700_000_000))
    assert out.getvalue() == f"{clock}.123 fuse   p/d  GET /x\n"


def test_a_file_that_takes_no_more_ends_the_log_and_nothing_else(caplog):
    out = io.StringIO()
    log = LineLog(out)
    out.close()
    log.write("fuse", "p/d", "GET /x")
    log.write("fuse", "p/d", "GET /y")
    assert [record.getMessage() for record in caplog.records] == [
        "the access log ends here: I/O operation on closed file"
    ]


def test_a_reader_that_stands_still_stops_nobody():
    reading, writing = os.pipe()
    out = AsideFile(writing, lines_max=5)
    for _ in range(100):  # more than a pipe and the queue hold
        out.write("x" * 99_999 + "\n")
    with os.fdopen(reading, encoding="utf-8") as reader:
        assert len(reader.readline()) == 100_000
        for _ in range(20):  # what is queued comes when it is read, and then the rest is accounted for
            out.write("later\n")
            if "lines are left out: they were not read in time" in reader.readline():
                break
        else:
            pytest.fail("what was left out was never said")
        assert out.close()
    os.close(writing)


def test_a_stub_ends_though_its_log_is_not_read():
    reading, writing = os.pipe()
    out = AsideFile(writing)
    out.write("x" * 999_999)
    assert not out.close()
    os.close(reading)


def test_what_was_written_is_there_when_it_is_closed(tmp_path):
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    out = AsideFile(descriptor)
    for at in range(1_000):
        out.write(f"{at}\n")
    assert out.close()
    os.close(descriptor)
    assert path.read_text() == "".join(f"{at}\n" for at in range(1_000))


async def test_what_can_not_be_written_ends_the_log(caplog):
    descriptor = os.open("/dev/full", os.O_WRONLY)
    log = LineLog(AsideFile(descriptor))

    def is_told():
        log.write("fuse", "p/d", "GET /x")
        return caplog.messages

    await until(is_told)
    assert caplog.messages == ["the access log ends here: [Errno 28] No space left on device"]
    os.close(descriptor)
