"""Requests as real devices send them, each as raw bytes; and what stays refused."""

import json

import pytest

from tests.facts import wire
from tests.facts.shop import CONTENT

V = {"f_version": "1.2", "s_version": "1.3"}
BODY = json.dumps(V, separators=(",", ":")).encode()


async def post_version(shop, device, data):
    """A version report spelled by the test, and whether it was taken."""
    reply = await wire.exchange(shop.http, data)
    assert (reply.status, reply.json["code"]) == (200, 0), reply
    assert await device.versions() == ("1.2", "1.3")


def lines(*those, body=b""):
    return b"\r\n".join(one.encode() if isinstance(one, str) else one for one in those) + b"\r\n\r\n" + body


@pytest.mark.fact("W-20", "W-21", "W-22")
@pytest.mark.parametrize(
    "names",
    [
        ("Host:iot-api.heclouds.com", "Authorization: {auth}", "Content-Length: {size}"),
        ("Host:iot-api.heclouds.com", "Authorization:{auth}", "Content-Length:{size}"),
        ("Host: iot-api.heclouds.com:80", "Authorization: {auth}", "Content-Length:     {size}"),
        ("Host: iot-api.heclouds.com", "Authorization: {auth}", "Content-Length: {size}   "),
        ("host: iot-api.heclouds.com", "authorization: {auth}", "content-length: {size}"),
        ("HOST: iot-api.heclouds.com", "AUTHORIZATION: {auth}", "CONTENT-LENGTH: {size}"),
        ("Content-Length: {size}", "Authorization:   {auth}", "Host: iot-api.heclouds.com"),
    ],
)
async def test_headers_as_they_are_spelled_out_there(shop, names):
    device = await shop.device()
    spelled = [name.format(auth=device.token(), size=len(BODY)) for name in names]
    target = device.base("fuse") + "/version"
    await post_version(shop, device, lines(f"POST {target} HTTP/1.1", *spelled, body=BODY))


@pytest.mark.fact("W-22", "R-1")
async def test_a_range_in_lower_case(shop):
    device = await shop.told()
    target = device.base("fuse") + f"/{await device.tid()}/download"
    data = lines(
        f"GET {target} HTTP/1.1", "host: x", f"authorization: {device.token()}", "range: bytes=10-19"
    )
    reply = await wire.exchange(shop.http, data)
    assert (reply.status, reply.body) == (206, CONTENT[10:20])


@pytest.mark.fact("W-23")
@pytest.mark.parametrize(
    "base",
    [
        "http://iot-api.heclouds.com",
        "https://iot-api.heclouds.com",
        "http://x:80",
        "https://iot-api.heclouds.com:443",
        "HTTP://X",
    ],
)
async def test_absolute_targets(shop, base):
    device = await shop.device()
    target = base + device.base("fuse") + "/version"
    await post_version(shop, device, wire.request("POST", target, auth=device.token(), body=V, host="x"))
    for path in ("/ota/device/version?dev_id=" + str(device.device_id), device.base("studio") + "/version"):
        reply = await wire.exchange(shop.http, wire.request("GET", base + path, auth=device.product_token()))
        assert reply.json["data"] == V


@pytest.mark.fact("W-24")
@pytest.mark.parametrize("tail", [b"\r\n", b"\r\n\r\n", b"\n", b" \r\n"])
async def test_a_body_with_line_ends_counted_in(shop, tail):
    device = await shop.told()
    target = device.base("fuse") + "/version"
    await post_version(shop, device, wire.request("POST", target, auth=device.token(), body=BODY + tail))
    tid = await device.tid(version="1.2")
    assert (await device.fuse("POST", f"/{tid}/status", body=b'{"step":101}' + tail)).json["code"] == 0
    assert (await device.studio("POST", f"/{tid}/status", body=b'{"step":101}' + tail)).json["errno"] == 0
    south = await device.south("POST", "/device/version", body=b'{"f_version":"1.2"}' + tail)
    assert south.json["errno"] == 0


@pytest.mark.fact("W-25", "W-26")
async def test_a_get_with_a_body_is_read_and_the_connection_goes_on(shop):
    device = await shop.device()
    get = wire.request("GET", device.base("fuse") + "/version", auth=device.token(), body=b'{"a":1}')
    plain = wire.request("GET", device.base("fuse") + "/version", auth=device.token())
    async with wire.connection(shop.http) as conn:
        for data in (get, plain, get):
            conn.send(data)
            assert (await conn.reply()).json["code"] == 0
        conn.send(get + plain)  # both at once
        assert (await conn.reply()).json["code"] == 0
        assert (await conn.reply()).json["code"] == 0


@pytest.mark.fact("W-25")
@pytest.mark.parametrize("generation", ["south", "studio", "fuse"])
async def test_a_get_with_a_length_and_no_body_is_answered_at_once_and_ends(shop, generation):
    device = await shop.device()
    target = {"south": f"/ota/device/version?dev_id={device.device_id}"}.get(generation)
    target = target or device.base(generation) + "/version"
    async with wire.connection(shop.http) as conn:
        conn.send(wire.request("GET", target, auth=device.product_token(), headers=["Content-Length: 41"]))
        reply = await conn.reply()
        assert reply.json["data"]["f_version"] == "1.0"
        assert await conn.ended()


@pytest.mark.fact("W-26")
async def test_keep_alive_and_close(shop):
    device = await shop.device()

    def get(*headers, version="1.1"):
        data = wire.request("GET", device.base("fuse") + "/version", auth=device.token(), headers=headers)
        return data.replace(b"HTTP/1.1", b"HTTP/" + version.encode())

    async with wire.connection(shop.http) as conn:
        for headers in (
            (),
            ("Connection: keep-alive",),
            ("Connection: Keep-Alive",),
            ("connection:keep-alive",),
        ):
            conn.send(get(*headers))
            assert (await conn.reply()).json["code"] == 0
        conn.send(get("Connection: close"))
        assert (await conn.reply()).json["code"] == 0
        assert await conn.ended()
    async with wire.connection(shop.http) as conn:
        conn.send(get(version="1.0"))
        assert (await conn.reply()).json["code"] == 0
        assert await conn.ended()
    async with wire.connection(shop.http) as conn:
        conn.send(get("Connection: keep-alive", version="1.0"))
        assert (await conn.reply()).json["code"] == 0
        conn.send(get("Connection: close"))
        assert (await conn.reply()).json["code"] == 0


@pytest.mark.fact("W-27")
async def test_doubled_slashes(shop):
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    path = f"//fuse-ota//{device.product}/{device.name}///{tid}//check"
    assert (await device.send("GET", path)).json["data"] == {"status": 2}
    assert (await device.send("GET", f"//ota/{device.product}//{device.name}/version")).json["errno"] == 0
    assert (await device.send("GET", f"/ota//south//download/{token}/")).body == CONTENT
    assert (await device.send("GET", f"http://x//fuse-ota/{device.product}/{device.name}//version")).json[
        "code"
    ] == 0


@pytest.mark.fact("W-28", "R-2", "R-3")
async def test_a_range_past_the_end_is_never_416(shop):
    device = await shop.told()
    tid = await device.tid()
    for header in ("bytes=560-", "bytes=560-1023", "bytes=4096-8191"):
        reply = await device.fuse("GET", f"/{tid}/download", headers=[f"Range: {header}"])
        assert (reply.status, reply.body) == (200, CONTENT), header
    reply = await device.fuse("GET", f"/{tid}/download", headers=["Range: bytes=512-1023"])
    assert (reply.status, reply.body, reply["Content-Range"]) == (206, CONTENT[512:], "bytes 512-559/560")


async def refused(shop, device, data):
    """400 and the end, and nothing done."""
    async with wire.connection(shop.http) as conn:
        conn.send(data)
        conn.end_of_sending()
        reply = await conn.reply()
        assert reply.status == 400, reply
        assert await conn.ended()
    assert await device.versions() == ("1.0", "1.0")


@pytest.mark.fact("W-30")
async def test_no_host(shop):
    device = await shop.device()
    target = device.base("fuse") + "/version"
    names = (f"Authorization: {device.token()}", f"Content-Length: {len(BODY)}")
    await refused(shop, device, lines(f"POST {target} HTTP/1.1", *names, body=BODY))


@pytest.mark.fact("W-31")
async def test_bare_lf(shop):
    device = await shop.device()
    data = wire.request("POST", device.base("fuse") + "/version", auth=device.token(), body=V)
    head, _, body = data.partition(wire.HEAD_END)
    await refused(shop, device, head.replace(b"\r\n", b"\n") + b"\n\n" + body)


@pytest.mark.fact("W-32")
@pytest.mark.parametrize("line", ["Authorization : {auth}", "Authorization\t: {auth}"])
async def test_a_space_before_the_colon(shop, line):
    device = await shop.device()
    target = device.base("fuse") + "/version"
    names = ("Host: x", line.format(auth=device.token()), f"Content-Length: {len(BODY)}")
    await refused(shop, device, lines(f"POST {target} HTTP/1.1", *names, body=BODY))


@pytest.mark.fact("W-33")
@pytest.mark.parametrize("second", [len(BODY), len(BODY) - 1])
async def test_two_lengths(shop, second):
    device = await shop.device()
    target = device.base("fuse") + "/version"
    names = (
        "Host: x",
        f"Authorization: {device.token()}",
        f"Content-Length: {len(BODY)}",
        f"Content-Length: {second}",
    )
    await refused(shop, device, lines(f"POST {target} HTTP/1.1", *names, body=BODY))


@pytest.mark.fact("W-30", "W-33", "G-3", "G-4")
@pytest.mark.parametrize(
    ("base", "field", "number"),
    [("/fuse-ota/p/d", "code", 10001), ("/ota/p/d", "errno", 2), ("/ota/device", "errno", 2)],
)
async def test_a_refused_request_is_answered_in_the_generations_envelope(shop, base, field, number):
    data = lines(f"POST {base}/version HTTP/1.1", "Content-Length: 2", "Content-Length: 2", body=b"{}")
    reply = await wire.exchange(shop.http, data)
    assert reply.status == 400
    assert reply.json[field] == number
