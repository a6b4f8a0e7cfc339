"""What real clients need of a reply: spelling, sizes, lines, `Date`, framing. Compared as bytes."""

import re
import time
from email.utils import parsedate_to_datetime

import pytest

from tests.facts import wire
from tests.facts.shop import CONTENT, NOW_MS, open_shop

GENERATIONS = ("south", "studio", "fuse")
IMF_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
STATUS_LINE = re.compile(rb"HTTP/1\.1 \d{3} [ -~]*\r\n")
SPELLED = {
    "content-length": "Content-Length",
    "content-range": "Content-Range",
    "content-type": "Content-Type",
    "content-disposition": "Content-Disposition",
    "ota-errno": "Ota-Errno",
    "date": "Date",
    "connection": "Connection",
    "transfer-encoding": "Transfer-Encoding",
    "server": "Server",
}


async def tour(device):
    """(generation, what, reply) of every call of every generation, good and bad."""
    token, tid = await device.job_token(), await device.tid()
    query = {"type": 1, "version": "1.0", "cdn": "true", "manuf": "x", "model": "y"}
    calls = [
        ("south", "GET", "/device/version", None),
        ("south", "POST", "/device/version", {"f_version": "1.0"}),
        ("south", "POST", "/device/version", {"f_version": "bad version"}),
        ("south", "GET", f"/south/download/{token}/check", None),
        ("south", "GET", f"/south/download/{token}", None),
        ("south", "GET", "/south/download/ota_none", None),
        ("south", "GET", "/nosuch", None),
        ("south", "POST", f"/south/device/download/{token}/progress", {"step": 10}),
        ("south", "POST", f"/south/device/download/{token}/progress", {"step": 150}),
    ]
    for generation in ("studio", "fuse"):
        calls += [
            (generation, "GET", "/version", None),
            (generation, "POST", "/version", {"f_version": "1.0", "s_version": "1.0"}),
            (generation, "GET", "/check?type=1&version=1.0", None),
            (generation, "GET", "/check?type=9&version=1.0", None),
            (generation, "GET", f"/{tid}/check", None),
            (generation, "GET", f"/{tid}/download", None),
            (generation, "GET", "/4643/download", None),
            (generation, "POST", f"/{tid}/status", {"step": 20}),
            (generation, "POST", f"/{tid}/status", b"{"),
            (generation, "GET", "/nosuch", None),
        ]
    replies = [("south", "check", await device.south("GET", "/south/check", query)),
               ("south", "tasking", await device.south("GET", "/south/tasking", {"type": 1, "cdn": "true"}))]  # fmt: skip
    for generation, method, path, body in calls:
        replies.append(
            (generation, f"{method} {path}", await device.call(generation, method, path, body=body))
        )
    for generation in ("studio", "fuse"):
        for headers in (["Range: bytes=0-99"], ["Range: bytes=-1"]):
            reply = await device.call(generation, "GET", f"/{tid}/download", headers=headers)
            replies.append((generation, "part", reply))
        replies.append((generation, "no token", await device.call(generation, "GET", "/version", auth=None)))
    return replies


def is_download(reply):
    return not reply.body.startswith(b"{")


@pytest.mark.fact("W-1", "W-2", "W-4", "W-5", "W-6", "W-7", "W-8", "W-11")
async def test_every_reply_of_every_call(shop):
    device = await shop.device()
    await shop.task(await shop.package(file="a-firmware-file-with-quite-a-long-name-2.00.bin"), [device])
    for generation, what, reply in await tour(device):
        seen = f"{generation} {what}: {reply.head!r} {reply.body[:600]!r}"
        assert STATUS_LINE.match(reply.head), seen
        for line in reply.lines:
            assert re.fullmatch(rb"[A-Za-z-]+: [^ ].*", line), seen
        for name in reply.names:
            assert SPELLED.get(name.lower(), name) == name, seen
        assert IMF_DATE.fullmatch(reply["Date"]), seen
        if is_download(reply):
            limit = 768 if generation == "fuse" else 512
            assert len(reply.head) <= limit, seen
        else:
            assert b" " not in re.sub(rb'"[^"]*"', b'""', reply.body), seen
            assert b"\n" not in reply.body, seen
            assert reply["Content-Type"].startswith("application/json"), seen
            assert reply["Content-Length"] == str(len(reply.body)), seen
            if generation == "fuse":
                assert len(reply.body) <= 384, seen
                assert len(reply.head) <= 768, seen
            else:
                assert len(reply.head) + len(reply.body) <= 512, seen
        if generation != "fuse":
            assert len(reply.lines) <= 10, seen
        if b"Transfer-Encoding" in reply.head:
            assert is_download(reply), seen
            assert len(reply.body) == 1, seen


@pytest.mark.fact("W-6", "W-11", "W-10")
async def test_the_longest_replies_fit_too():
    """The longest names, versions and numbers there can be, in every reply that carries them."""
    async with open_shop(product_id="P" * 32) as shop:
        (device,) = await shop.devices(names=["d" * 64], f_version="1" * 20)
        package = await shop.package(
            bytes(30_000), target="t" * 20, manufacturer="m" * 32, model="o" * 32, file=f"{'f' * 60}.bin"
        )
        await shop.task(package, [device], retry={"count": 10, "interval_s": 86_400}, signal=100, battery=100)
        query = {"type": 1, "version": "1" * 20, "cdn": "true"}
        for generation in GENERATIONS:
            if generation == "south":
                reply = await device.south("GET", "/south/check", query)
            else:
                reply = await device.check(generation, version="1" * 20)
            assert reply.json["data"]["target"] == "t" * 20
            assert len(reply.head) + len(reply.body) <= 512 or generation == "fuse"
            assert len(reply.body) <= 384
        tid, token = await device.tid(version="1" * 20), await device.job_token(version="1" * 20)
        for path, generation, limit in (
            (f"/south/download/{token}", "south", 512), (f"/{tid}/download", "studio", 512),
            (f"/{tid}/download", "fuse", 768),
        ):  # fmt: skip
            reply = await device.call(generation, "GET", path, headers=["Range: bytes=10000-29998"])
            assert reply.status == 206
            assert len(reply.head) <= limit
            assert len(reply.lines) <= 10
        for junk in ("x" * 300, "%22" * 300, "%C3%BC" * 300):
            replies = [
                await device.send(
                    "GET", f"/ota/south/check?dev_id=1&type=1&version={junk}", auth=device.product_token()
                )
            ]
            for generation in ("studio", "fuse"):
                replies.append(await device.call(generation, "GET", f"/check?type={junk}&version=1"))
                replies.append(await device.call(generation, "GET", f"/check?type=1&version={junk}"))
                replies.append(await device.call(generation, "GET", "/version", auth=junk))
                replies.append(
                    await device.call(generation, "POST", "/version", body={"f_version": junk, junk: junk})
                )
            for reply in replies:
                assert len(reply.head) + len(reply.body) <= 512, reply
                assert len(reply.body) <= 384


@pytest.mark.fact("W-2")
async def test_the_status_line_byte_for_byte(shop):
    device = await shop.told()
    assert (await device.fuse("GET", "/version")).head.startswith(b"HTTP/1.1 200 OK\r\n")
    part = await device.fuse("GET", f"/{await device.tid()}/download", headers=["Range: 0-1"])
    assert part.head.startswith(b"HTTP/1.1 206 Partial Content\r\n")


@pytest.mark.fact("W-3")
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_md5_is_lower_case_hex(shop, generation):
    device = await shop.told(content=b"0")  # its MD5 has letters in it
    assert (await device.check(generation)).json["data"]["md5"] == "cfcd208495d565ef66e7dff9f98764da"


@pytest.mark.fact("W-5")
async def test_date_is_the_accounts_time(shop):
    device = await shop.told()

    async def dates():
        replies = await tour(device)
        return {what: parsedate_to_datetime(reply["Date"]).timestamp() for _, what, reply in replies
                if what not in {"no token", "GET /south/download/ota_none", "GET /nosuch"}}  # fmt: skip

    for what, at in (await dates()).items():
        assert NOW_MS / 1_000 - 1 <= at <= NOW_MS / 1_000 + 60, what
    await shop.advance(100_000)
    for what, at in (await dates()).items():
        assert NOW_MS / 1_000 + 99 <= at <= NOW_MS / 1_000 + 160, what


@pytest.mark.fact("W-5")
async def test_two_accounts_have_two_dates(shop):
    async with open_shop(now_ms=NOW_MS + 10**9) as other:
        one, two = await shop.device(), await other.device()
        apart = [
            parsedate_to_datetime((await device.fuse("GET", "/version"))["Date"]) for device in (one, two)
        ]
    assert 999_000 < (apart[1] - apart[0]).total_seconds() < 1_001_000


@pytest.mark.fact("W-5")
async def test_date_is_on_every_other_reply_too(shop):
    for data in (
        wire.request("GET", "/nosuch"), wire.request("GET", "/openapi.json", host="127.0.0.1"),
        wire.request("GET", "/v1/accounts"), b"nonsense\r\n\r\n",
    ):  # fmt: skip
        reply = await wire.exchange(shop.http, data)
        assert IMF_DATE.fullmatch(reply["Date"]), reply.head
        assert abs(parsedate_to_datetime(reply["Date"]).timestamp() - time.time()) < 60


@pytest.mark.fact("W-9")
async def test_answers_come_within_3_s(shop):
    device = await shop.told()
    begun = time.monotonic()
    replies = await tour(device)
    assert (time.monotonic() - begun) / len(replies) < 3


@pytest.mark.fact("W-10")
async def test_made_up_names_keep_the_resource_short(shop):
    device = await shop.device()
    string_to_sign = f"{2**31}\nsha256\n{device.res}\n2018-10-31"
    assert len(device.product) == 10
    assert len(string_to_sign) <= 64


@pytest.mark.fact("W-7", "W-1")
async def test_a_byte_comparing_client_finds_its_headers(shop):
    """As the official library does: it looks for the name, a colon and one space, in this spelling."""
    device = await shop.told()
    reply = await device.fuse("GET", f"/{await device.tid()}/download", headers=["Range: bytes=0-99"])
    for text in (b"\r\nContent-Length: 100\r\n", b"\r\nContent-Range: bytes 0-99/560\r\n", b"\r\nOta-Errno: 0\r\n",
                 b"\r\nContent-Type: application/octet-stream;charset=UTF-8\r\n"):  # fmt: skip
        assert text in reply.head
    assert reply.body == CONTENT[:100]
