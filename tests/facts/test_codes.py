"""Every number that can be provoked, one test a number and generation, with the text where the facts give one."""

import asyncio
import json
import sqlite3

import pytest

from tests.facts import mqtt_wire as mqtt
from tests.facts.shop import open_shop

CHINESE, ENGLISH = "License余量不足", "remaining licenses are insufficient"


def said(reply):
    """(number, text) whatever the generation."""
    assert reply.status == 200, reply.head
    body = reply.json
    return (body["code"], body["msg"]) if "code" in body else (body["errno"], body["error"])


def number(reply):
    return said(reply)[0]


@pytest.mark.fact("S-errno-0", "F-code-0")
async def test_success_is_0_succ(shop):
    device = await shop.device()
    for generation, path in (("south", "/device/version"), ("studio", "/version"), ("fuse", "/version")):
        assert said(await device.call(generation, "GET", path)) == (0, "succ")


@pytest.mark.fact("S-errno-1", "F-code-10410")
async def test_an_unknown_device(shop):
    device, gone = await shop.devices(2)
    await shop.operator("POST", f"/v1/devices/{gone.device_id}/termination")
    assert number(await gone.south("GET", "/device/version")) == 1
    assert number(await gone.studio("GET", "/version", auth=device.product_token())) == 1
    assert number(await gone.fuse("GET", "/version", auth=device.product_token())) == 10410
    gone.name = "nobody"
    assert number(await gone.fuse("GET", "/version", auth=device.product_token())) == 10410
    assert number(await gone.studio("GET", "/version", auth=device.product_token())) == 1


@pytest.mark.fact("S-errno-2", "F-code-12001", "F-code-12010", "F-code-12015")
@pytest.mark.parametrize(
    ("query", "fuse"),
    [
        ("version=1.0", {12001}), ("type=1", {12001}), ("", {12001}),
        ("type=3&version=1.0", {12010}), ("type=0&version=1.0", {12010}), ("type=-1&version=1.0", {12010, 12015}),
        ("type=x&version=1.0", {12010, 12015}), ("type=&version=1.0", {12001, 12010, 12015}),
        ("type=1.0&version=1.0", {12010, 12015}), ("type=99999999999999999999&version=1.0", {12010, 12015}),
    ],
)  # fmt: skip
async def test_parameters_of_a_check(shop, query, fuse):
    device = await shop.told()
    assert number(await device.fuse("GET", f"/check?{query}")) in fuse
    assert number(await device.studio("GET", f"/check?{query}")) == 2
    south = await device.send(
        "GET", f"/ota/south/check?dev_id={device.device_id}&{query}", auth=device.product_token()
    )
    assert number(south) == 2


@pytest.mark.fact("F-code-12004", "S-errno-27")
@pytest.mark.parametrize("version", ["a" * 21, "1%200", "1/0", "%C3%BC", "1.0%0A"])
async def test_a_malformed_version(shop, version):
    device = await shop.told()
    assert number(await device.fuse("GET", f"/check?type=1&version={version}")) == 12004
    assert number(await device.studio("GET", f"/check?type=1&version={version}")) == 27
    body = {"f_version": "a" * 21, "s_version": "1.0"}
    assert number(await device.fuse("POST", "/version", body=body)) == 12004
    assert number(await device.studio("POST", "/version", body=body)) == 27
    assert await device.versions() == ("1.0", "1.0")


@pytest.mark.fact("F-code-12015", "S-errno-2")
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b"\xff", b"{" * 3_000])
async def test_a_body_that_is_no_object(shop, body):
    device = await shop.device()
    assert number(await device.fuse("POST", "/version", body=body)) in {12001, 12015}
    assert number(await device.studio("POST", "/version", body=body)) == 2
    assert number(await device.south("POST", "/device/version", body=body)) == 2
    assert await device.versions() == ("1.0", "1.0")


@pytest.mark.fact("F-code-10001")
async def test_a_request_that_can_not_be_read_is_a_bad_parameter(shop):
    device = await shop.device()
    large = await device.fuse("POST", "/version", body=b" " * 100_000)
    assert (large.status, large.json["code"]) == (413, 10001)
    twice = await device.fuse("POST", "/version", body=b"{}", headers=["Content-Length: 2"])
    assert (twice.status, twice.json["code"]) == (400, 10001)


@pytest.mark.fact("F-code-12015", "S-errno-2")
async def test_ill_typed_versions(shop):
    device = await shop.device()
    body = {"f_version": 1, "s_version": ["1.0"]}
    assert number(await device.fuse("POST", "/version", body=body)) in {12004, 12015}
    assert number(await device.studio("POST", "/version", body=body)) in {2, 27}
    assert number(await device.south("POST", "/device/version", body=body)) in {2, 27}


@pytest.mark.fact("S-errno-11", "U-errno-10", "F-code-12012")
async def test_no_task(shop):
    device = await shop.device()
    assert said(await device.check("south")) == (11, "not exists")
    assert number(await device.check("studio")) == 10
    assert said(await device.check("fuse")) == (12012, "not exist")


@pytest.mark.fact("F-code-12002", "S-errno-4")
async def test_another_devices_job(shop):
    device, other = await shop.told(), await shop.told()
    tid, token = await other.tid(), await other.job_token()
    for path, body in ((f"/{tid}/check", None), (f"/{tid}/status", {"step": 101})):
        method = "POST" if body else "GET"
        assert number(await device.fuse(method, path, body=body)) == 12002
        assert number(await device.studio(method, path, body=body)) == 4
    assert number(await device.south("GET", f"/south/download/{token}/check")) == 4
    assert (
        number(await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 1})) == 4
    )
    assert number(await device.south("POST", "/south/report", {"token": token}, body={"result": 101})) == 4
    assert await other.state() == "pending"


@pytest.mark.fact("S-errno-4", "S-errno-2", "F-code-12002")
async def test_no_such_job(shop):
    device = await shop.device()
    for path in ("/4643/check", "/0/check"):
        assert number(await device.fuse("GET", path)) == 12002
        assert number(await device.studio("GET", path)) == 4
    none = "ota_" + "a" * 20
    assert number(await device.south("GET", f"/south/download/{none}/check")) == 4
    assert (
        number(await device.south("POST", f"/south/device/download/{none}/progress", body={"step": 1})) == 4
    )
    assert number(await device.south("POST", "/south/report", body={"result": 101})) in {2, 4}


@pytest.mark.fact("S-errno-7", "F-code-10500", "M-25")
async def test_a_commit_that_fails(shop):
    """Another process holds the database: nothing can be written, no call says yes, and over MQTT there is no PUBACK."""
    device = await shop.told()
    tid = await device.tid()
    body = {"f_version": "9.0", "s_version": "9.0"}
    paths = {"south": "/device/version", "studio": "/version", "fuse": "/version"}
    other = sqlite3.connect(shop.stub.database, isolation_level=None, timeout=0)
    try:
        async with device.line() as line:
            await line.subscribe("/ota/version_reply")
            other.execute("BEGIN IMMEDIATE")
            report = json.dumps({"id": "1", "version": "1.0", "params": body}).encode()
            line.send(mqtt.publish(line.prefix + "/ota/version", report, qos=1))
            replies = await asyncio.gather(
                *(device.call(generation, "POST", path, body=body) for generation, path in paths.items())
            )
            assert await line.ended()
            other.execute("ROLLBACK")
    finally:
        other.close()
    assert [reply.json.get("code", reply.json.get("errno")) for reply in replies] == [7, 7, 10500]
    assert {reply.status for reply in replies} <= {200, 503}
    assert await device.versions() == ("1.0", "1.0")
    assert await device.tid() == tid


@pytest.mark.fact("S-errno-8", "O-2", "O-21")
@pytest.mark.parametrize(("manufacturer", "model"), [("999", "10101"), ("102", "99999")])
async def test_another_manufacturer_or_model_fails_the_job(shop, manufacturer, model):
    device = await shop.device()
    await shop.task(await shop.package(kind="SOTA", manufacturer="102", model="10101"), [device])
    query = {"type": 2, "version": "1.0", "cdn": "false", "manuf": manufacturer, "model": model}
    assert number(await device.south("GET", "/south/check", query)) == 8
    assert await device.state() == "failed"


@pytest.mark.fact("S-errno-9", "F-code-12011", "O-5")
async def test_another_start_version_of_a_differential_package(shop):
    for generation, wanted in (("south", 9), ("studio", 9), ("fuse", 12011)):
        device = await shop.device()
        await shop.task(await shop.package(start_version="1.0"), [device])
        assert number(await device.check(generation, version="1.1")) == wanted
        if generation == "south":
            assert (await device.state(), (await device.job())["step"]) == ("failed", 107)


@pytest.mark.fact("S-errno-12", "F-code-12014", "J-14")
async def test_an_expired_job(shop):
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    await shop.advance(601_000)
    assert await device.state() == "failed"
    assert (await device.job())["step"] == 208
    assert (
        number(await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 1})) == 12
    )
    assert number(await device.studio("POST", f"/{tid}/status", body={"step": 101})) == 12
    assert said(await device.fuse("POST", f"/{tid}/status", body={"step": 101})) == (12014, "task expire")
    assert (await device.fuse("GET", f"/{tid}/download"))["Ota-Errno"] == "5"


@pytest.mark.fact("S-errno-17")
async def test_a_token_check_of_an_upgrading_job(shop):
    device = await shop.told()
    token = await device.job_token()
    await device.south("POST", "/south/report", {"token": token}, body={"result": 101})
    assert number(await device.south("GET", f"/south/download/{token}/check")) == 17


@pytest.mark.fact("S-errno-20", "F-code-20")
@pytest.mark.parametrize("end", [201, 107, 206])
async def test_a_finished_job(shop, end):
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    await device.step(tid, end)
    assert (
        number(await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 1})) == 20
    )
    assert number(await device.south("POST", "/south/report", {"token": token}, body={"result": 205})) == 20
    assert number(await device.studio("POST", f"/{tid}/status", body={"step": 1})) == 20
    assert said(await device.fuse("POST", f"/{tid}/status", body={"step": 1})) == (20, "task finish")


@pytest.mark.fact("S-errno-21", "F-code-12016", "J-10", "J-11")
async def test_a_step_out_of_place(shop):
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    await device.step(tid, 101)
    south = await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 50})
    assert said(south) == (21, "invalid state")
    assert number(await device.studio("POST", f"/{tid}/status", body={"step": 50})) == 21
    assert number(await device.fuse("POST", f"/{tid}/status", body={"step": 50})) == 12016
    assert (await device.job())["step"] == 101


@pytest.mark.fact("F-code-12016", "S-errno-24")
@pytest.mark.parametrize("step", [108, 150, 200, 209, 300, 1_000_000, -1])
async def test_what_is_no_step(shop, step):
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    assert number(await device.fuse("POST", f"/{tid}/status", body={"step": step})) in {12015, 12016}
    assert number(await device.studio("POST", f"/{tid}/status", body={"step": step})) in {2, 21, 24}
    assert number(await device.south("POST", "/south/report", {"token": token}, body={"result": step})) == 24
    assert await device.state() == "pending"


@pytest.mark.fact("F-code-12016")
async def test_no_step_is_an_invalid_step_in_c(shop):
    device = await shop.told()
    tid = await device.tid()
    assert number(await device.fuse("POST", f"/{tid}/status", body={"step": 150})) == 12016


@pytest.mark.fact("S-errno-24")
@pytest.mark.parametrize("result", ["x", 1.5, None, [], {}])
async def test_a_malformed_result(shop, result):
    device = await shop.told()
    token = await device.job_token()
    assert number(await device.south("POST", "/south/report", {"token": token}, body={"result": result})) in {
        2,
        24,
    }
    assert await device.state() == "pending"


@pytest.mark.fact("S-errno-22", "F-code-20", "J-15", "O-15")
async def test_a_cancelled_job(shop):
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    await device.fuse("GET", f"/{tid}/check")
    await shop.operator("POST", f"/v1/jobs/{tid}/cancellation")
    assert await device.state() == "cancelled"
    assert (
        number(await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 1})) == 22
    )
    assert number(await device.south("POST", "/south/report", {"token": token}, body={"result": 101})) == 22
    assert number(await device.south("GET", f"/south/download/{token}/check")) == 22
    assert number(await device.studio("POST", f"/{tid}/status", body={"step": 1})) == 22
    assert said(await device.fuse("POST", f"/{tid}/status", body={"step": 1})) == (20, "task finish")
    assert (await device.fuse("GET", f"/{tid}/check")).json.get("data", {"status": 6}) == {"status": 6}
    for generation in ("studio", "fuse"):
        assert (await device.call(generation, "GET", f"/{tid}/download"))["Ota-Errno"] == "5"
    assert await device.state() == "cancelled"


@pytest.mark.fact("S-errno-32")
async def test_only_differential_packages_for_other_versions(shop):
    device = await shop.device()
    package = await shop.package(start_version="5.0")
    await shop.operator(
        "PUT", f"/v1/packages/{package['package_id']}/auto-add", {"auto_add": {"start_versions": None}}
    )
    assert number(await device.check("south", version="1.0")) == 32


@pytest.mark.fact("S-errno-5116", "U-errno-10", "F-code-12012", "S-16", "O-17", "O-20")
async def test_an_auto_add_without_a_licence():
    async with open_shop(policy={"charging_date_ms": 0, "free_devices": 1}) as shop:
        package = await shop.package()
        await shop.operator("PUT", f"/v1/packages/{package['package_id']}/auto-add", {"auto_add": {}})
        first, device = await shop.devices(2)
        assert number(await first.check("south")) == 0
        account = await shop.operator("GET", shop.base)
        assert account["licences"]["left"] == 0
        assert said(await device.check("south")) == (5116, ENGLISH)
        assert said(await device.check("studio")) == (10, ENGLISH)
        assert said(await device.check("fuse")) == (12012, ENGLISH)
        tasks = (await shop.operator("GET", f"{shop.base}/tasks"))["tasks"]
        assert [task["device_count"] for task in tasks] == [1]


@pytest.mark.fact("F-code-12013", "J-13")
async def test_a_job_that_a_version_report_ended(shop):
    device = await shop.told()
    tid = await device.tid()
    assert number(await device.fuse("POST", "/version", body={"f_version": "2.00", "s_version": "1.0"})) == 0
    assert said(await device.fuse("GET", f"/{tid}/check")) == (12013, "task succ")


@pytest.mark.fact("S-errno-old", "U-errno-10", "F-code-12012", "J-10", "O-14")
async def test_a_paused_job(shop):
    device = await shop.device()
    task = await shop.task(await shop.package(), [device])
    tid, token = await device.tid(), await device.job_token()
    await device.fuse("GET", f"/{tid}/check")
    await shop.operator("POST", f"/v1/tasks/{task['task_id']}/pause")
    assert (
        number(await device.south("POST", f"/south/device/download/{token}/progress", body={"step": 50}))
        == 19
    )
    assert number(await device.studio("POST", f"/{tid}/status", body={"step": 50})) == 10
    assert said(await device.fuse("POST", f"/{tid}/status", body={"step": 50})) == (12012, "not exist")
    assert (await device.job())["step"] is None


@pytest.mark.fact("S-errno-11", "F-code-12012", "U-errno-10")
async def test_a_job_held_by_arrears_is_no_task():
    async with open_shop(policy={"charging_date_ms": 0}) as shop:
        device = await shop.told()
        await shop.operator("POST", f"{shop.base}/postings", {"amount_fen": -1})
        assert number(await device.check("south")) == 11
        assert number(await device.check("studio")) == 10
        assert said(await device.check("fuse")) == (12012, "not exist")
        await shop.operator("POST", f"{shop.base}/top-ups", {"amount_fen": 1})
        assert number(await device.check("fuse")) == 0
