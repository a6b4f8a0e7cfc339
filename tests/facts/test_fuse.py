"""Generations B and C, call by call."""

import json

import pytest

from tests.facts.shop import CONTENT, MD5

BOTH = ("studio", "fuse")


def number(reply):
    assert reply.status == 200, reply.head
    return reply.json["code"] if "code" in reply.json else reply.json["errno"]


@pytest.mark.fact("F-1", "F-2", "F-code-12001")
async def test_c_wants_both_versions_and_b_takes_one(shop):
    device = await shop.device()
    assert number(await device.fuse("POST", "/version", body={"f_version": "1.5", "s_version": "1.6"})) == 0
    assert (await device.fuse("GET", "/version")).json["data"] == {"f_version": "1.5", "s_version": "1.6"}
    for body in ({"f_version": "1.7"}, {"s_version": "1.7"}, {}):
        assert number(await device.fuse("POST", "/version", body=body)) == 12001
    assert await device.versions() == ("1.5", "1.6")
    assert number(await device.studio("POST", "/version", body={"s_version": "1.8"})) == 0
    assert (await device.studio("GET", "/version")).json["data"] == {"f_version": "1.5", "s_version": "1.8"}


@pytest.mark.fact("F-3", "W-3", "W-4", "G-4", "G-3")
@pytest.mark.parametrize("generation", BOTH)
async def test_a_check_byte_for_byte(shop, generation):
    device = await shop.told()
    reply = await device.check(generation)
    tid = reply.json["data"]["tid"]
    data = b'"data":{"target":"2.00","tid":%d,"size":560,"md5":"%s","status":1,"type":1}' % (
        tid,
        MD5.encode(),
    )
    if generation == "studio":
        assert reply.body == b'{"errno":0,"error":"succ",%s}' % data
    else:
        head, _, rest = reply.body.partition(b',"request_id":')
        assert head == b'{"code":0,"msg":"succ",' + data
        assert len(json.loads(rest[:-1])) == 32


@pytest.mark.fact("F-3", "O-5")
@pytest.mark.parametrize("generation", BOTH)
async def test_type_2_is_a_differential_package(shop, generation):
    device = await shop.device(s_version="0.9")
    await shop.task(await shop.package(kind="SOTA", start_version="0.9"), [device])
    assert (await device.check(generation, kind=2, version="0.9")).json["data"]["type"] == 2


@pytest.mark.fact("F-4", "J-7", "J-8")
@pytest.mark.parametrize("generation", BOTH)
async def test_the_jobs_state_from_start_to_end(shop, generation):
    device = await shop.told()
    tid = await device.tid()

    async def state():
        reply = await device.call(generation, "GET", f"/{tid}/check?dev_id=7&anything=1")
        assert list(reply.json["data"]) == ["status"]
        return reply.json["data"]["status"]

    assert (await device.check(generation)).json["data"]["status"] == 1
    assert await state() == 2  # looking at a pending job starts it
    assert (await device.check(generation)).json["data"]["status"] == 2
    await device.step(tid, 101, generation)
    assert await state() == 3
    assert (await device.check(generation)).json["data"]["status"] == 3
    await device.step(tid, 201, generation)
    assert await state() == 4
    assert number(await device.check(generation, version="1.0")) in {10, 12012}


@pytest.mark.fact("F-4", "J-7")
@pytest.mark.parametrize("generation", BOTH)
async def test_the_state_of_a_failed_job_is_5(shop, generation):
    device = await shop.told()
    tid = await device.tid()
    await device.step(tid, 107, generation)
    assert (await device.call(generation, "GET", f"/{tid}/check")).json["data"] == {"status": 5}


@pytest.mark.fact("F-5", "J-8")
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("generation", BOTH)
async def test_a_download_with_and_without_a_slash(shop, generation, slash):
    device = await shop.told()
    tid = await device.tid()
    reply = await device.call(generation, "GET", f"/{tid}/download{slash}")
    assert (reply.status, reply.body, reply["Ota-Errno"]) == (200, CONTENT, "0")
    assert await device.state() == "downloading"


@pytest.mark.fact("F-6", "J-1", "J-3", "J-5")
@pytest.mark.parametrize("generation", BOTH)
async def test_steps_with_extra_fields(shop, generation):
    device = await shop.told()
    tid = await device.tid()
    await device.call(generation, "GET", f"/{tid}/check")
    for step in (1, 50, 101, 201):
        body = {"step": step, "msg": "x", "info": {"a": [1]}}
        reply = await device.call(generation, "POST", f"/{tid}/status", body=body)
        assert number(reply) == 0
        assert reply.json.get("data") in (None, {})
        assert (await device.job())["step"] == step
    assert await device.state() == "success"


@pytest.mark.fact("F-6", "S-8")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"step"',
        b'{"step":',
        b"\xff\xfe",
        b"{}",
        b'{"step":"1"}',
        b'{"step":1.5}',
        b'{"step":null}',
        b'{"step":-1}',
        b'{"step":99999999999999999999}',
        b'{"step":[1]}',
        b"[" * 3_000,
    ],
)
async def test_a_status_that_is_none_changes_nothing(shop, body):
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    await device.fuse("GET", f"/{tid}/check")
    assert number(await device.fuse("POST", f"/{tid}/status", body=body)) in {10001, 12001, 12015, 12016}
    assert number(await device.studio("POST", f"/{tid}/status", body=body)) in {2, 21, 24}
    assert number(await device.south("POST", f"/south/device/download/{token}/progress", body=body)) in {
        2,
        21,
        24,
    }
    assert (await device.state(), (await device.job())["step"]) == ("downloading", None)


@pytest.mark.fact("F-3", "S-3", "S-11")
@pytest.mark.parametrize("generation", ["south", "studio", "fuse"])
async def test_a_job_of_each_kind_side_by_side(shop, generation):
    device = await shop.device()
    await shop.task(await shop.package(target="2.00"), [device])
    await shop.task(await shop.package(kind="SOTA", target="3.00"), [device])
    assert (await device.check(generation, kind=1)).json["data"]["target"] == "2.00"
    assert (await device.check(generation, kind=2)).json["data"]["target"] == "3.00"


@pytest.mark.fact("F-3", "J-13", "F-code-12013", "S-errno-20")
@pytest.mark.parametrize(("generation", "number_wanted"), [("south", 20), ("studio", 20), ("fuse", 12013)])
async def test_a_check_that_reports_the_target_ends_the_job(shop, generation, number_wanted):
    device = await shop.told()
    assert number(await device.check(generation, version="2.00")) == number_wanted
    assert await device.state() == "success"
    assert await device.versions() == ("2.00", "1.0")


@pytest.mark.fact("J-13", "J-14", "J-15", "F-code-12013", "F-code-12014", "F-code-20")
async def test_cs_check_says_how_the_last_job_ended(shop):
    reported, expired, cancelled, updated = await shop.devices(4)
    await shop.task(await shop.package(), [reported, expired, cancelled, updated])
    await reported.fuse("POST", "/version", body={"f_version": "2.00", "s_version": "1.0"})
    await shop.operator("POST", f"/v1/jobs/{await cancelled.tid()}/cancellation")
    await updated.step(await updated.tid(), 201)
    await shop.advance(600_000)
    assert number(await reported.check(version="2.00")) == 12013
    assert number(await expired.check()) == 12014
    assert number(await cancelled.check()) == 20
    assert number(await updated.check(version="2.00")) == 12012
