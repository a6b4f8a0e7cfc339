"""Three generations on one port: paths, handles of a job, envelopes, byte for byte."""

import re

import pytest

from tests.facts import wire
from tests.facts.shop import CONTENT, MD5

REQUEST_ID = re.compile(rb"[0-9a-f]{32}")
FUSE = re.compile(
    rb'\{"code":(\d+),"msg":"([^"]*)"(,"data":(.*))?,"request_id":"([0-9a-f]{32})"\}', re.DOTALL
)
A_TOKEN = re.compile(r"ota_[A-Za-z0-9]{20}")


@pytest.mark.fact("G-1", "G-3")
async def test_one_port_serves_all_three_whatever_the_host(shop):
    device = await shop.device()
    for host in ("ota.heclouds.com", "studio-ota.heclouds.com", "iot-api.heclouds.com", "127.0.0.1", "x:99"):
        for target, auth in (
            (f"/ota/device/version?dev_id={device.device_id}", device.product_token()),
            (f"/ota/{device.product}/{device.name}/version", device.token()),
            (f"/fuse-ota/{device.product}/{device.name}/version", device.token()),
        ):
            reply = await wire.exchange(shop.http, wire.request("GET", target, auth=auth, host=host))
            assert reply.json["data"] == {"f_version": "1.0", "s_version": "1.0"}, (host, target)


@pytest.mark.fact("G-3", "W-4", "S-2")
@pytest.mark.parametrize("generation", ["south", "studio"])
async def test_the_envelope_of_a_and_b_byte_for_byte(shop, generation):
    device = await shop.device()
    path = "/device/version" if generation == "south" else "/version"
    reply = await device.call(generation, "GET", path)
    assert reply.body == b'{"errno":0,"error":"succ","data":{"f_version":"1.0","s_version":"1.0"}}'
    posted = await device.call(generation, "POST", path, body={"f_version": "1.1", "s_version": "1.1"})
    assert posted.body in {b'{"errno":0,"error":"succ"}', b'{"errno":0,"error":"succ","data":{}}'}
    refused = await device.call(generation, "GET", path, auth="none")
    assert re.match(rb'\{"errno":1,"error":"[^"]+"', refused.body), refused.body


@pytest.mark.fact("G-4", "W-4", "F-2", "F-code-0")
async def test_the_envelope_of_c_byte_for_byte(shop):
    device = await shop.device()
    reply = await device.fuse("GET", "/version")
    found = FUSE.fullmatch(reply.body)
    assert found, reply.body
    assert found.group(1, 2, 4) == (b"0", b"succ", b'{"f_version":"1.0","s_version":"1.0"}')
    again = FUSE.fullmatch((await device.fuse("GET", "/version")).body)
    assert again[5] != found[5]  # each answer has its own id
    posted = await device.fuse("POST", "/version", body={"f_version": "1.1", "s_version": "1.1"})
    assert FUSE.fullmatch(posted.body), posted.body
    refused = FUSE.fullmatch((await device.check()).body)
    assert refused, (await device.check()).body
    assert refused.group(1, 2) == (b"12012", b"not exist")


@pytest.mark.fact("G-2", "G-7", "F-3")
async def test_handles_of_jobs(shop):
    one, other, third = await shop.devices(3)
    await shop.task(await shop.package(), [one, other, third])
    tids = [await device.tid() for device in (one, other, third)]
    assert all(isinstance(tid, int) for tid in tids)
    assert len(set(tids)) == 3  # one number a device, not one a task
    tokens = [await device.job_token() for device in (one, other, third)]
    assert all(A_TOKEN.fullmatch(token) for token in tokens), tokens
    assert len(set(tokens)) == 3
    assert await one.job_token() == tokens[0]  # a later check within its life gives the same
    assert (await other.check("studio")).json["data"]["tid"] == tids[1]


@pytest.mark.fact("G-5")
async def test_the_device_is_a_number_in_a_and_a_path_in_b_and_c(shop):
    device, other = await shop.devices(2)
    await device.studio("POST", "/version", body={"f_version": "3.0", "s_version": "3.0"})
    await other.fuse("POST", "/version", body={"f_version": "4.0", "s_version": "4.0"})
    assert (await device.south("GET", "/device/version")).json["data"]["f_version"] == "3.0"
    assert (await other.south("GET", "/device/version")).json["data"]["f_version"] == "4.0"
    for dev_id in ("", "x", "-1", "999999999", "1e3", "99999999999999999999999"):
        reply = await device.south("GET", "/device/version", {"dev_id": dev_id})
        assert (reply.status, reply.json["errno"] in {1, 2}) == (200, True), dev_id
    missing = await device.send("GET", "/ota/device/version", auth=device.product_token())
    assert missing.json["errno"] in {1, 2}


@pytest.mark.fact("G-6", "G-1")
@pytest.mark.parametrize("generation", ["studio", "fuse"])
async def test_the_six_calls_of_b_and_c(shop, generation):
    device = await shop.told()
    assert (
        number(
            await device.call(generation, "POST", "/version", body={"f_version": "1.0", "s_version": "1.1"})
        )
        == 0
    )
    versions = await device.call(generation, "GET", "/version")
    assert versions.json["data"] == {"f_version": "1.0", "s_version": "1.1"}
    offer = (await device.check(generation)).json["data"]
    assert offer == {"target": "2.00", "tid": offer["tid"], "size": 560, "md5": MD5, "status": 1, "type": 1}
    tid = offer["tid"]
    state = await device.call(generation, "GET", f"/{tid}/check")
    assert state.json["data"] == {"status": 2}
    assert (await device.call(generation, "GET", f"/{tid}/download")).body == CONTENT
    for step in (50, 100, 201):
        assert number(await device.call(generation, "POST", f"/{tid}/status", body={"step": step})) == 0
    assert await device.state() == "success"


def number(reply):
    assert reply.status == 200
    return reply.json["code"] if "code" in reply.json else reply.json["errno"]


@pytest.mark.fact("G-8")
async def test_a_business_error_is_http_200(shop):
    device = await shop.device()
    for generation in ("south", "studio", "fuse"):
        assert (await device.check(generation)).status == 200
        assert (await device.call(generation, "GET", "/99/check")).status in {200, 404}
    assert (await device.fuse("GET", "/99/check")).status == 200
    assert (await device.studio("GET", "/99/check")).status == 200
    assert (
        await device.south("POST", "/south/device/download/ota_x/progress", body={"step": 1})
    ).status == 200
    assert (await device.fuse("GET", "/version", auth="none")).status == 200
    assert (await device.fuse("GET", "/99/download")).status == 200


@pytest.mark.fact("G-9")
async def test_the_older_spelling_of_a(shop):
    device = await shop.told()
    query = {"type": 1, "version": "1.0", "manuf": "x", "model": "y", "cdn": "false"}
    offer = (await device.south("GET", "/check", query)).json["data"]
    token = offer["token"]
    assert offer["target"] == "2.00"
    assert (await device.south("GET", f"/download/{token}/check")).json["errno"] == 0
    assert (await device.south("GET", f"/download/{token}")).body == CONTENT
    for result in (101, 201):
        reply = await device.south("POST", "/report", {"token": token}, body={"result": result})
        assert reply.json["errno"] == 0, reply.body
    assert await device.state() == "success"


@pytest.mark.fact("G-9")
@pytest.mark.parametrize("word", ["south", "device", "download", "check", "report", "devInfo"])
async def test_words_of_paths_are_no_product_ids(shop, word):
    reply = await shop.operator.raw("POST", f"{shop.base}/products", {"product_id": word})
    assert 400 <= reply.status < 500, reply.body


@pytest.mark.fact("G-5", "W-27")
@pytest.mark.parametrize("generation", ["studio", "fuse"])
@pytest.mark.parametrize(
    "path",
    [
        "/nosuch",
        "",
        "/version/x",
        "/0/nosuch",
        "/-1/check",
        "/x/check",
        "/1e3/check",
        "/99999999999999999999/check",
        "/%00/check",
        "/..%2F..%2Fversion",
    ],
)
async def test_paths_that_are_none_are_answered_in_the_envelope(shop, generation, path):
    device = await shop.told()
    reply = await device.call(generation, "GET", path)
    assert reply.status in {200, 400, 404, 405}
    assert number_of(reply) != 0
    assert await device.state() == "pending"


def number_of(reply):
    return reply.json.get("code", reply.json.get("errno"))


@pytest.mark.fact("G-5")
@pytest.mark.parametrize("name", ["..", "a%2Fb", "%00", "a+b", "a%23b", "%24sys", "a" * 5000])
async def test_names_that_are_none_reach_nothing(shop, name):
    device = await shop.device()
    for base in ("/fuse-ota", "/ota"):
        reply = await device.send(
            "GET", f"{base}/{device.product}/{name}/version", auth=device.product_token()
        )
        assert reply.status in {200, 400, 404}
        assert number_of(reply) != 0
