"""Ranges and downloads: every form of `Range` in every generation, what a part and the whole look like, how it fails."""

import re

import pytest

from tests.facts import golden, wire
from tests.facts.shop import CONTENT

FILE = bytes(number % 251 for number in range(1_000))
GENERATIONS = ("south", "studio", "fuse")


async def path_of(device, generation):
    return (
        f"/south/download/{await device.job_token()}"
        if generation == "south"
        else f"/{await device.tid()}/download"
    )


@pytest.mark.fact("R-1", "R-2", "R-3", "R-4", "R-5", "W-28")
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_every_form_of_range(shop, generation):
    device = await shop.told(content=FILE)
    path = await path_of(device, generation)
    for header, (first, last), is_whole in golden.RANGES:
        reply = await device.call(generation, "GET", path, headers=[f"Range: {header}"])
        assert reply.body == FILE[first : last + 1], header
        assert reply.status == (200 if is_whole else 206), header
        assert reply["Content-Length"] == str(last + 1 - first)
        if is_whole:
            assert "Content-Range" not in reply.names, header
        else:
            assert reply["Content-Range"] == f"bytes {first}-{last}/1000"


@pytest.mark.fact("R-4", "R-5", "R-8")
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_no_range_is_the_whole_file_whatever_the_query_says(shop, generation):
    device = await shop.told(content=FILE)
    path = await path_of(device, generation)
    whole = await device.call(generation, "GET", path)
    assert (whole.status, whole.body) == (200, FILE)
    target = (
        f"/ota{path}?dev_id={device.device_id}"
        if generation == "south"
        else f"{device.base(generation)}{path}?x=1"
    )
    auth = device.product_token() if generation == "south" else device.token()
    asked = await device.send("GET", f"{target}&range=0-9", auth=auth)
    assert (asked.status, asked.body) == (200, FILE)
    part = await device.send("GET", f"{target}&range=0-9", auth=auth, headers=["Range: 500-509"])
    assert (part.status, part.body) == (206, FILE[500:510])


@pytest.mark.fact("R-5", "R-6", "R-12", "W-1")
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_the_headers_of_a_good_download(shop, generation):
    device = await shop.device()
    await shop.task(await shop.package(FILE, file="meter-2.00.bin"), [device])
    path = await path_of(device, generation)
    for headers in ([], ["Range: bytes=0-99"]):
        reply = await device.call(generation, "GET", path, headers=headers)
        assert reply["Content-Type"] == "application/octet-stream;charset=UTF-8"
        assert reply["Content-Disposition"] == 'attachment; filename="meter-2.00.bin"'
        if generation != "south":
            assert reply["Ota-Errno"] == "0"
        assert b"Transfer-Encoding" not in reply.head


@pytest.mark.fact("R-7", "R-11")
async def test_every_part_checks_the_job_again(shop):
    device = await shop.told(content=FILE)
    tid = await device.tid()
    async with wire.connection(shop.http) as conn:
        target = device.base("fuse") + f"/{tid}/download"
        request = wire.request("GET", target, auth=device.token(), headers=["Range: bytes=0-99"])
        conn.send(request)
        assert (await conn.reply())["Ota-Errno"] == "0"
        await shop.operator("POST", f"/v1/jobs/{tid}/cancellation")
        conn.send(request)
        assert (await conn.reply())["Ota-Errno"] == "5"


@pytest.mark.fact("J-8", "R-7")
async def test_a_failed_download_starts_nothing(shop):
    device, other = await shop.told(), await shop.device()
    tid = await device.tid()
    reply = await other.fuse("GET", f"/{tid}/download")
    assert reply["Ota-Errno"] not in {"0", "5"}
    assert CONTENT not in reply.body
    assert await device.state() == "pending"


ONE_CHUNK = re.compile(rb"1\r\n[1-6]\r\n0\r\n\r\n")


def failed(reply, digit):
    """A download that failed in A or B: one digit in one chunk, and no Content-Length."""
    assert reply.status == 200
    assert "Content-Length" not in reply.names
    assert reply["Transfer-Encoding"] == "chunked"
    assert ONE_CHUNK.fullmatch(reply.raw_body), reply.raw_body
    assert reply.body in digit


@pytest.mark.fact("R-9", "R-10", "W-8")
async def test_how_a_download_of_a_fails(shop):
    device, other = await shop.told(), await shop.told()
    none = f"/south/download/ota_{'a' * 20}"
    failed(await device.south("GET", none), {b"1", b"3"})
    failed(await device.south("GET", "/south/download/xyz"), {b"1", b"3", b"5"})
    token = await device.job_token()
    failed(await device.south("GET", f"/south/download/{token}", auth="wrong"), {b"3"})
    failed(await device.south("GET", f"/south/download/{token}", auth=other.token()), {b"1", b"3"})
    await device.step(await device.tid(), 107)
    failed(await device.south("GET", f"/south/download/{token}"), {b"1", b"3"})


@pytest.mark.fact("R-9", "R-10", "R-11", "W-8")
async def test_how_a_download_of_b_fails(shop):
    device, other = await shop.told(), await shop.told()
    tid = await other.tid()
    for path, auth, digit, errno in (
        ("/4643/download", True, {b"1"}, "2"),
        (f"/{tid}/download", True, {b"1"}, "2"),
        (f"/{tid}/download", "wrong", {b"3"}, "6"),
        (f"/{tid}/download", None, {b"3"}, "6"),
    ):
        reply = await device.studio("GET", path, auth=auth)
        failed(reply, digit)
        assert reply["Ota-Errno"] == errno
    await other.step(tid, 107)
    failed(await other.studio("GET", f"/{tid}/download"), {b"1"})


@pytest.mark.fact("R-11")
async def test_how_a_download_of_c_fails(shop):
    device, other = await shop.told(), await shop.told()
    tid = await other.tid()
    for path, auth, errno in (
        ("/4643/download", True, "2"),
        (f"/{tid}/download", True, "2"),
        (f"/{tid}/download", "wrong", "6"),
        (f"/{tid}/download", None, "6"),
    ):
        reply = await device.fuse("GET", path, auth=auth)
        assert (reply.status, reply["Ota-Errno"], reply.body) == (200, errno, b"")
        assert reply["Content-Length"] == "0"
    name, other.name = other.name, "nobody"
    assert (await other.fuse("GET", f"/{tid}/download", auth=other.product_token()))["Ota-Errno"] == "1"
    other.name = name
    assert await other.state() == "pending"


@pytest.mark.fact("R-11", "J-14", "J-15")
@pytest.mark.parametrize("generation", ["studio", "fuse"])
@pytest.mark.parametrize("end", ["expired", "cancelled"])
async def test_expired_and_cancelled_is_5(shop, generation, end):
    device = await shop.told()
    tid = await device.tid()
    if end == "expired":
        await shop.advance(600_000)
    else:
        await shop.operator("POST", f"/v1/jobs/{tid}/cancellation")
    assert (await device.call(generation, "GET", f"/{tid}/download"))["Ota-Errno"] == "5"


@pytest.mark.fact("R-9", "R-11")
@pytest.mark.parametrize("code", [2, 3, 4, 6])
async def test_what_only_a_fault_can_say(shop, code):
    """The reasons that never come up by themselves can be injected."""
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    await shop.operator("POST", "/v1/injected-faults", {"call": "download", "code": code})
    for generation in ("studio", "fuse"):
        assert (await device.call(generation, "GET", f"/{tid}/download"))["Ota-Errno"] == str(code)
    failed(await device.south("GET", f"/south/download/{token}"), {b"%d" % code})


@pytest.mark.fact("R-2", "R-12")
async def test_parts_make_the_whole(shop):
    content = bytes(number * 7 % 256 for number in range(65_536 + 17))
    device = await shop.told(content=content)
    tid = await device.tid()
    got = b""
    async with wire.connection(shop.http) as conn:
        while len(got) < len(content):
            headers = [f"Range: bytes={len(got)}-{len(got) + 4_095}"]
            target = device.base("fuse") + f"/{tid}/download"
            conn.send(wire.request("GET", target, auth=device.token(), headers=headers))
            reply = await conn.reply()
            assert reply.status == 206
            got += reply.body
    assert got == content
