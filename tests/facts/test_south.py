"""Generation A, call by call."""

import re

import pytest

from tests.facts import wire
from tests.facts.shop import CONTENT, MD5

HOUR_MS = 3_600_000
CHECKED = ("target", "token", "size", "md5", "signal", "power", "retry", "interval", "type")


def errno(reply):
    assert reply.status == 200, reply.head
    return reply.json["errno"]


@pytest.mark.fact("S-1", "S-2", "S-errno-0")
async def test_versions_are_reported_and_shown(shop):
    device = await shop.device(f_version=None, s_version=None)
    shown = await device.south("GET", "/device/version")
    assert shown.body in {b'{"errno":0,"error":"succ","data":{}}', b'{"errno":0,"error":"succ"}'}
    assert errno(await device.south("POST", "/device/version", body={"s_version": "0.9"})) == 0
    assert (await device.south("GET", "/device/version")).json["data"] == {"s_version": "0.9"}
    assert errno(await device.south("POST", "/device/version", body={"f_version": "1.0"})) == 0
    assert (await device.south("GET", "/device/version")).json["data"] == {
        "f_version": "1.0",
        "s_version": "0.9",
    }
    both = {"f_version": "1.1", "s_version": "1.2"}
    reply = await device.south("POST", "/device/version", body=both)
    assert (errno(reply), reply.json["error"], reply.json.get("data") or None) == (0, "succ", None)
    assert await device.versions() == ("1.1", "1.2")


@pytest.mark.fact("S-3", "S-11", "G-2")
async def test_a_check_offers_the_job(shop):
    device = await shop.told(retry={"count": 3, "interval_s": 90}, signal=20, battery=60)
    query = {"manuf": "Y", "model": "Z", "type": 1, "version": "1.0", "cdn": "false"}
    reply = await device.south("GET", "/south/check", query)
    assert list(reply.json) == ["errno", "error", "data"]
    data = reply.json["data"]
    assert tuple(data) == CHECKED
    assert re.fullmatch(r"ota_[A-Za-z0-9]{20}", data.pop("token"))
    assert data == {
        "target": "2.00", "size": 560, "md5": MD5, "signal": 20, "power": 60, "retry": 3, "interval": 90, "type": 1,
    }  # fmt: skip
    assert await device.state() == "pending"  # a check alone starts nothing


@pytest.mark.fact("S-3", "S-4")
async def test_the_address_of_the_download_comes_with_cdn(shop):
    device = await shop.told()
    with_cdn = (await device.south("GET", "/south/check", {"type": 1, "version": "1.0", "cdn": "true"})).json[
        "data"
    ]
    assert with_cdn["ipPort"] == f"{shop.http[0]}:{shop.http[1]}"
    without = (await device.south("GET", "/south/check", {"type": 1, "version": "1.0"})).json["data"]
    assert "ipPort" not in without


@pytest.mark.fact("S-11", "O-5", "O-2")
async def test_a_differential_package_is_type_2(shop):
    device = await shop.device(s_version="0.9")
    package = await shop.package(kind="SOTA", start_version="0.9")
    await shop.task(package, [device])
    reply = await device.check("south", kind=2, version="0.9")
    assert reply.json["data"]["type"] == 2
    assert errno(await device.check("south", kind=1)) == 11  # FOTA: nothing


@pytest.mark.fact("S-5", "S-errno-4")
async def test_tasking_shows_what_is_under_way(shop):
    device = await shop.told()
    waiting = await device.south("GET", "/south/tasking", {"type": 1, "cdn": "false"})
    assert (waiting.json["errno"], waiting.json["error"]) == (4, "not found")
    offer = (await device.check("south")).json["data"]
    token = offer["token"]
    assert errno(await device.south("GET", f"/south/download/{token}/check")) == 0
    under_way = await device.south("GET", "/south/tasking", {"type": 1, "cdn": "false"})
    assert under_way.json["data"] == offer
    await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 101})
    assert errno(await device.south("GET", "/south/tasking", {"type": 1, "cdn": "false"})) == 0
    assert errno(await device.south("GET", "/south/tasking", {"type": 2, "cdn": "false"})) == 4
    await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 201})
    assert errno(await device.south("GET", "/south/tasking", {"type": 1, "cdn": "false"})) == 4


@pytest.mark.fact("S-6", "J-8", "S-errno-17")
async def test_the_token_check_starts_the_job(shop):
    device = await shop.told()
    token = await device.job_token()
    reply = await device.south("GET", f"/south/download/{token}/check")
    assert (errno(reply), reply.json["error"], reply.json.get("data") or None) == (0, "succ", None)
    assert await device.state() == "downloading"
    assert errno(await device.south("GET", f"/south/download/{token}/check")) == 0  # said once more
    await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 101})
    wrong = await device.south("GET", f"/south/download/{token}/check")
    assert errno(wrong) == 17


@pytest.mark.fact("S-6", "S-errno-17")
async def test_strict_checks_a_token_of_a_pending_job_alone(strict_shop):
    device = await strict_shop.told()
    token = await device.job_token()
    assert errno(await device.south("GET", f"/south/download/{token}/check")) == 0
    assert errno(await device.south("GET", f"/south/download/{token}/check")) == 17


@pytest.mark.fact("S-7", "J-8")
@pytest.mark.parametrize("auth", ["product", "device", None])
async def test_the_download_needs_no_authorization(shop, auth):
    device = await shop.told()
    token = await device.job_token()
    auth = {"product": device.product_token(), "device": device.token(), None: None}[auth]
    request = wire.request("GET", f"/ota/south/download/{token}", auth=auth, headers=["Range: bytes=0-255"])
    reply = await wire.exchange(shop.http, request)
    assert (reply.status, reply.body) == (206, CONTENT[:256])
    assert reply["Content-Range"] == "bytes 0-255/560"
    assert await device.state() == "downloading"


@pytest.mark.fact("S-7")
async def test_a_wrong_authorization_is_not_a_missing_one(shop):
    device = await shop.told()
    token = await device.job_token()
    reply = await wire.exchange(shop.http, wire.request("GET", f"/ota/south/download/{token}", auth="wrong"))
    assert reply.body == b"3"
    assert await device.state() == "pending"


@pytest.mark.fact("S-8", "J-1")
async def test_progress(shop):
    device = await shop.told()
    token = await device.job_token()
    path = f"/south/device/download/{token}/progress"
    await device.south("GET", f"/south/download/{token}/check")
    for step in (0, 10, 99, 101):
        reply = await device.south("POST", path, body={"step": step})
        assert (errno(reply), reply.json["error"]) == (0, "succ")
        assert (await device.job())["step"] == step
    assert await device.state() == "upgrading"


@pytest.mark.fact("S-9", "J-5")
async def test_report_takes_the_steps_numbers(shop):
    device = await shop.told()
    token = await device.job_token()
    for result, state in ((101, "upgrading"), (201, "success")):
        reply = await device.south("POST", "/south/report", {"token": token}, body={"result": result})
        assert errno(reply) == 0, reply.body
        assert await device.state() == state
    assert (await device.versions())[0] == "2.00"


@pytest.mark.fact("S-9", "J-9")
async def test_strict_wants_1xx_first(strict_shop):
    device = await strict_shop.told()
    token = await device.job_token()
    early = await device.south("POST", "/south/report", {"token": token}, body={"result": 201})
    assert errno(early) == 21
    assert await device.state() == "pending"
    for result in (101, 201):
        assert (
            errno(await device.south("POST", "/south/report", {"token": token}, body={"result": result})) == 0
        )
    assert await device.state() == "success"


@pytest.mark.fact("S-10")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_device_finds_its_number(shop, method):
    device = await shop.device()
    body = {"pid": device.product, "authInfo": device.name}
    reply = await device.send(method, "/ota/devInfo", auth=device.product_token(), body=body)
    assert reply.body == b'{"errno":0,"error":"succ","data":{"dev_id":"%d"}}' % device.device_id


@pytest.mark.fact("S-10", "S-errno-1")
@pytest.mark.parametrize(
    "body",
    [
        {"pid": "{pid}", "authInfo": "nobody"},
        {"pid": "nosuch", "authInfo": "d1"},
        {"pid": "{pid}"},
        {"authInfo": "d1"},
        {},
        [],
        b"",
        b"{",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_is_not_found(shop, method, body):
    device = await shop.device()
    if isinstance(body, dict) and body.get("pid") == "{pid}":
        body = body | {"pid": device.product}
    reply = await device.send(method, "/ota/devInfo", auth=device.product_token(), body=body)
    assert errno(reply) in {1, 2}


@pytest.mark.fact("S-10", "T-8")
async def test_finding_a_number_wants_a_token_too(shop):
    device, other = await shop.devices(2)
    body = {"pid": device.product, "authInfo": device.name}
    for auth in (None, "wrong", other.token()):
        assert errno(await device.send("POST", "/ota/devInfo", auth=auth, body=body)) == 1


@pytest.mark.fact("S-12", "S-errno-12", "S-errno-4")
async def test_a_jobs_token_lasts_48_hours(shop):
    device = await shop.told(expires_after_ms=10 * 24 * HOUR_MS)
    token = await device.job_token()
    await shop.advance(47 * HOUR_MS)
    assert await device.job_token() == token
    assert errno(await device.south("GET", f"/south/download/{token}/check")) == 0
    await shop.advance(2 * HOUR_MS)
    assert (
        errno(await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 1})) == 12
    )
    assert errno(await device.south("GET", f"/south/download/{token}/check")) == 12
    assert (await device.south("GET", f"/south/download/{token}")).body == b"3"
    later = await device.job_token()
    assert later != token
    assert (
        errno(await device.south("POST", f"/south/device/download/{later}/progress", body={"step": 1})) == 0
    )
    assert (
        errno(await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 2})) == 12
    )


@pytest.mark.fact("S-13", "S-errno-27")
@pytest.mark.parametrize("version", ["", "a" * 21, "1 0", "1/0", "ü", "1.0\n", "v(1)"])
async def test_a_malformed_version_is_27(shop, version):
    device = await shop.device()
    assert errno(await device.south("POST", "/device/version", body={"f_version": version})) == 27
    if version:
        assert (
            errno(await device.south("GET", "/south/check", {"type": 1, "version": version, "cdn": "false"}))
            == 27
        )
    assert await device.versions() == ("1.0", "1.0")


@pytest.mark.fact("S-13")
@pytest.mark.parametrize("version", ["1", "a" * 20, "A_z-0.9", "..."])
async def test_a_version_at_its_bounds(shop, version):
    device = await shop.device()
    assert errno(await device.south("POST", "/device/version", body={"f_version": version})) == 0
    assert await device.versions() == (version, "1.0")


@pytest.mark.fact("S-14", "J-13", "S-errno-20")
async def test_reporting_the_target_completes_the_job(shop):
    device = await shop.told()
    token = await device.job_token()
    assert errno(await device.south("POST", "/device/version", body={"f_version": "2.00"})) == 0
    assert await device.state() == "success"
    after = await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 5})
    assert errno(after) == 20
    assert errno(await device.check("south", version="2.00")) == 11


@pytest.mark.fact("S-15")
@pytest.mark.parametrize("generation", ["south", "studio", "fuse"])
async def test_a_check_overwrites_the_stored_version(shop, generation):
    device = await shop.device()
    await device.check(generation, kind=1, version="1.7")
    assert await device.versions() == ("1.7", "1.0")
    await device.check(generation, kind=2, version="1.8")
    assert await device.versions() == ("1.7", "1.8")
    await shop.task(await shop.package(), [device])
    await device.check(generation, kind=1, version="1.9")
    assert await device.versions() == ("1.9", "1.8")


@pytest.mark.fact("S-18")
async def test_a_thousand_requests_a_connection(shop):
    device = await shop.device()
    target = f"/ota/device/version?dev_id={device.device_id}"
    request = wire.request("GET", target, auth=device.product_token())
    async with wire.connection(shop.http) as conn:
        for _ in range(1_000):
            conn.send(request)
            assert (await conn.reply()).status == 200
        assert await conn.ended()
