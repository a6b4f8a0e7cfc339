"""What travels over MQTT: OneNET's topics, and the three that the stub adds, as JSON typed in from the facts."""

import asyncio
import json

import pytest

from tests.facts import mqtt_wire as mqtt
from tests.facts.shop import CONTENT, MD5, open_shop

V = {"id": "7", "version": "1.0", "params": {"f_version": "1.0", "s_version": "1.0"}}


async def present(line):
    """Subscribed to everything, and shown to speak the added topics."""
    await line.subscribe("/ota/#")
    line.send(mqtt.publish(line.prefix + "/ota/version", json.dumps(V).encode(), qos=1))
    replies = []
    while not any(message.topic.endswith("/version_reply") for message in replies):
        replies.append(await line.message())
    return replies


async def filled(line):
    """The next inform with a job in it."""
    while True:
        message = await line.message()
        if message.topic == line.prefix + "/ota/inform" and message.json["params"]:
            return message


@pytest.mark.fact("M-20", "M-21", "M-25")
async def test_a_property_is_answered_and_the_card_kept(shop):
    device = await shop.device()
    async with device.line() as line:
        await line.subscribe("/thing/#")
        body = b'{"id":"123","version":"1.0","params":{"iccid":{"value":"89860000000000000001"},"imsi":{"value":"460001"}}}'
        line.send(mqtt.publish(line.prefix + "/thing/property/post", body, qos=1))
        reply = await line.message("/thing/property/post/reply")
        assert reply.payload == b'{"id":"123","code":200,"msg":"success"}'
    shown = (await shop.operator("GET", f"/v1/devices/{device.device_id}"))["device"]
    assert (shown["iccid"], shown["imsi"]) == ("89860000000000000001", "460001")


@pytest.mark.fact("M-20")
async def test_other_properties_are_answered_too(shop):
    device = await shop.device()
    async with device.line() as line:
        await line.subscribe("/thing/property/post/reply")
        body = b'{"id":"9","version":"1.0","params":{"temp":{"value":21.5,"time":1706673129818}}}'
        assert await line.ask("/thing/property/post", body) == {"id": "9", "code": 200, "msg": "success"}


@pytest.mark.fact("M-22")
async def test_data_points_are_accepted_or_rejected(shop):
    device = await shop.device()
    async with device.line() as line:
        await line.subscribe("/dp/post/json/accepted", "/dp/post/json/rejected")
        line.send(mqtt.publish(line.prefix + "/dp/post/json", b'{"id":1,"dp":{"s":[{"v":1,"t":1}]}}', qos=1))
        assert (await line.message("/dp/post/json/accepted")).payload == b'{"id":1}'
        line.send(mqtt.publish(line.prefix + "/dp/post/json", b'{"id":"one"', qos=1))
        await line.message("/dp/post/json/rejected")


@pytest.mark.fact("M-23", "M-27")
async def test_a_device_that_has_shown_nothing_gets_an_empty_inform(shop):
    device = await shop.device()
    async with device.line() as line:
        await line.subscribe("/ota/#")
        await shop.task(await shop.package(), [device])
        inform = await line.message("/ota/inform")
    assert (inform.qos, inform.retain) == (0, False)
    assert inform.size < 256
    body = inform.json
    assert list(body) == ["id", "version", "params"]
    assert (body["version"], body["params"]) == ("1.0", {})
    assert isinstance(body["id"], str)
    assert 1 <= len(body["id"]) <= 15
    assert b" " not in inform.payload


@pytest.mark.fact("M-23")
async def test_an_empty_inform_is_below_256_bytes_at_the_longest_names_too(shop):
    product = await shop.operator("POST", f"{shop.base}/products", {"product_id": "p" * 32})
    (device,) = await shop.devices(names=["d" * 64], product=product)
    package = await shop.package(product=product["product_id"])
    await shop.task(package, [device])
    async with device.line() as line:
        await line.subscribe("/ota/inform")
        assert (await line.message("/ota/inform")).size < 256


@pytest.mark.fact("M-7")
async def test_a_pending_job_is_told_at_each_subscription(shop):
    device = await shop.told()
    async with device.line() as line:
        for _ in range(3):
            await line.subscribe("/ota/inform")
            assert (await line.message("/ota/inform")).json["params"] == {}
    async with device.line() as line:
        await line.subscribe("/ota/inform")
        assert (await line.message("/ota/inform")).json["params"] == {}


@pytest.mark.fact("M-7")
async def test_without_a_job_nothing_is_told(shop):
    device = await shop.device()
    async with device.line() as line:
        await line.subscribe("/ota/inform")
        assert await line.silent()


@pytest.mark.fact("M-26", "M-27", "M-28")
async def test_a_version_report_makes_a_device_present(shop):
    device = await shop.told()
    async with device.line() as line:
        await present(line)
        inform = await filled(line)
        assert inform.qos == 1
        job = await device.job()
        url = inform.json["params"].pop("url")
        assert inform.json["params"] | {"url": 0} == {
            "tid": job["tid"], "type": 1, "target": "2.00", "size": 560, "md5": MD5, "url": 0,
        }  # fmt: skip
        assert url.endswith(f"/{device.product}/{device.name}/{job['tid']}/download")
        reply = await device.send("GET", url)
        assert reply.body == CONTENT
        assert await device.state() == "downloading"


@pytest.mark.fact("M-26")
async def test_each_version_report_has_pending_jobs_told_again(shop):
    device = await shop.told()
    async with device.line() as line:
        await present(line)
        first = await filled(line)
        for _ in range(2):
            line.send(mqtt.publish(line.prefix + "/ota/version", json.dumps(V).encode(), qos=1))
            assert (await filled(line)).json == first.json


@pytest.mark.fact("M-26")
async def test_a_device_that_comes_back_is_told_of_its_download(shop):
    """It may have lost its memory with its power; one that goes on passes over the repeat."""
    device = await shop.told()
    async with device.line() as line:
        await present(line)
        first = (await filled(line)).json
        assert (await device.send("GET", first["params"]["url"])).body == CONTENT
    assert await device.state() == "downloading"
    async with device.line() as line:
        assert len(await present(line)) == 1  # no empty inform at the subscription: nothing is pending
        assert (await filled(line)).json == first


@pytest.mark.fact("M-26")
async def test_a_download_that_was_paused_meanwhile_is_told_after_the_pause(shop):
    device = await shop.device()
    task = await shop.task(await shop.package(), [device])
    async with device.line() as line:
        await present(line)
        first = (await filled(line)).json
        await device.send("GET", first["params"]["url"])
    await shop.operator("POST", f"/v1/tasks/{task['task_id']}/pause")
    async with device.line() as line:
        await present(line)
        assert await line.silent()
    await shop.operator("POST", f"/v1/tasks/{task['task_id']}/resume")
    async with device.line() as line:
        await present(line)
        assert (await filled(line)).json == first


@pytest.mark.fact("M-26")
async def test_what_upgrades_is_not_told_again(shop):
    device = await shop.told()
    async with device.line() as line:
        await present(line)
        tid = (await filled(line)).json["params"]["tid"]
        await line.ask("/ota/status", {"id": "9", "version": "1.0", "params": {"tid": tid, "step": 101}})
    async with device.line() as line:
        await present(line)
        assert await line.silent()


@pytest.mark.fact("M-26")
async def test_presence_ends_with_the_connection(shop):
    device = await shop.told()
    async with device.line() as line:
        await present(line)
        await filled(line)
    async with device.line() as line:
        await line.subscribe("/ota/#")
        assert (await line.message("/ota/inform")).json["params"] == {}


@pytest.mark.fact("M-26")
async def test_a_job_made_while_a_device_is_offline_reaches_it(shop):
    device = await shop.device()
    async with device.line() as line:
        await present(line)
    await shop.task(await shop.package(), [device])
    async with device.line() as line:
        await present(line)
        assert (await filled(line)).json["params"]["target"] == "2.00"


@pytest.mark.fact("M-24")
@pytest.mark.parametrize("code", [200, 0])
async def test_an_inform_accepted_is_noted(shop, code):
    device = await shop.told()
    async with device.line() as line:
        await line.subscribe("/ota/inform")
        message = await line.message("/ota/inform")
        answer = {"id": message.json["id"], "code": code, "msg": "ok", "message": "ok", "data": {}}
        line.send(mqtt.publish(line.prefix + "/ota/inform_reply", json.dumps(answer).encode(), qos=1))
        await line.expect(mqtt.PUBACK)
    assert await device.state() == "pending"  # the disconnect failed nothing
    assert (await device.check()).json["code"] == 0


@pytest.mark.fact("M-24")
async def test_a_refused_inform_leaves_the_job_and_is_told_again(shop):
    device = await shop.told()
    async with device.line() as line:
        await line.subscribe("/ota/inform")
        message = await line.message("/ota/inform")
        answer = json.dumps({"id": message.json["id"], "code": 100}).encode()
        line.send(mqtt.publish(line.prefix + "/ota/inform_reply", answer, qos=1))
        await line.expect(mqtt.PUBACK)
        assert await device.state() == "pending"
        await line.subscribe("/ota/inform")
        assert (await line.message("/ota/inform")).json["params"] == {}


@pytest.mark.fact("M-28", "J-13", "J-5")
async def test_versions_over_mqtt(shop):
    device = await shop.told()
    async with device.line() as line:
        await line.subscribe("/ota/version_reply")
        body = {"id": "15", "version": "1.0", "params": {"f_version": "1.1"}}
        assert await line.ask("/ota/version", body) == {"id": "15", "code": 200, "msg": "success"}
        assert await device.versions() == ("1.1", "1.0")
        body = {"id": "16", "version": "1.0", "params": {"f_version": "2.00", "s_version": "1.2"}}
        assert (await line.ask("/ota/version", body))["code"] == 200
        assert await device.versions() == ("2.00", "1.2")
    assert await device.state() == "success"


@pytest.mark.fact("M-28", "M-29")
@pytest.mark.parametrize(
    ("suffix", "params"),
    [
        ("/ota/version", {"f_version": ""}),
        ("/ota/version", {"f_version": "a" * 21}),
        ("/ota/version", {"f_version": "1 0"}),
        ("/ota/version", {"f_version": 1}),
        ("/ota/status", {"tid": 1}),
        ("/ota/status", {"step": 1}),
        ("/ota/status", {"tid": "x", "step": 1}),
        ("/ota/status", {"tid": 1, "step": -1}),
        ("/ota/status", None),
    ],
)
async def test_a_report_that_is_none_is_refused_and_changes_nothing(shop, suffix, params):
    device = await shop.told()
    async with device.line() as line:
        await line.subscribe(suffix + "_reply")
        reply = await line.ask(suffix, {"id": "3", "version": "1.0", "params": params})
        assert reply["id"] == "3"
        assert reply["code"] not in {0, 200}
    assert await device.versions() == ("1.0", "1.0")
    assert await device.state() == "pending"


@pytest.mark.fact("M-29", "J-1", "J-2", "J-5", "J-8", "J-11")
async def test_steps_over_mqtt(shop):
    device = await shop.told()
    async with device.line() as line:
        await line.subscribe("/ota/status_reply")
        tid = (await device.job())["tid"]

        async def code(step, tid=tid):
            body = {"id": "5", "version": "1.0", "params": {"tid": tid, "step": step}}
            return (await line.ask("/ota/status", body))["code"]

        assert await code(50) == 12016  # pending: nothing has been downloaded
        await device.fuse("GET", f"/{tid}/check")
        assert await code(0) == 200
        assert await code(50) == 200
        assert await code(50) == 200
        assert await code(100) == 200
        assert await device.state() == "upgrading"
        assert await code(51) == 12016
        assert await code(201) == 200
        assert await code(201) == 200
        assert await code(206) == 20
        assert await code(5, tid + 1000) == 12002
        assert await code(99_999) in {12015, 12016}
    assert await device.state() == "success"
    assert await device.versions() == ("2.00", "1.0")


@pytest.mark.fact("M-29")
async def test_another_devices_job_is_not_found(shop):
    device, other = await shop.told(), await shop.device()
    tid = (await device.job())["tid"]
    async with other.line() as line:
        await line.subscribe("/ota/status_reply")
        body = {"id": "5", "version": "1.0", "params": {"tid": tid, "step": 101}}
        assert (await line.ask("/ota/status", body))["code"] == 12002
    assert await device.state() == "pending"


@pytest.mark.fact("M-25")
async def test_what_is_acknowledged_is_there(shop):
    """The PUBACK and the reply come after the commit: who has one of them finds the report kept."""
    devices = await shop.devices(20)

    async def report(device):
        async with device.line() as line:
            body = b'{"id":"1","version":"1.0","params":{"f_version":"1.7"}}'
            line.send(mqtt.publish(line.prefix + "/ota/version", body, qos=1))
            await line.expect(mqtt.PUBACK)
        return await device.versions()

    async with asyncio.timeout(30):
        assert await asyncio.gather(*map(report, devices)) == [("1.7", "1.0")] * len(devices)


@pytest.mark.fact("M-25")
async def test_a_repeated_report_is_answered_again(shop):
    device = await shop.told()
    tid = (await device.job())["tid"]
    async with device.line() as line:
        await line.subscribe("/ota/status_reply")
        body = {"id": "8", "version": "1.0", "params": {"tid": tid, "step": 101}}
        first = await line.ask("/ota/status", body)
        assert (
            await line.ask("/ota/status", body, packet_id=8)
            == first
            == {"id": "8", "code": 200, "msg": "success"}
        )


@pytest.mark.fact("M-29", "J-9", "J-13", "M-28")
async def test_strict_over_mqtt(strict_shop):
    device = await strict_shop.told()
    tid = (await device.job())["tid"]
    async with device.line() as line:
        await line.subscribe("/ota/status_reply", "/ota/version_reply")
        codes = []
        for step in (201, 101):
            body = {"id": "5", "version": "1.0", "params": {"tid": tid, "step": step}}
            codes.append((await line.ask("/ota/status", body))["code"])
        assert codes == [12016, 200]
        body = {"id": "6", "version": "1.0", "params": {"f_version": "2.00"}}
        assert (await line.ask("/ota/version", body))["code"] == 200
    assert await device.state() == "upgrading"


@pytest.mark.fact("M-25", "M-20")
async def test_on_amqtt_too_the_reply_comes_after_the_commit():
    async with open_shop(broker="amqtt") as shop:
        device = await shop.device()
        async with device.line() as line:
            await line.subscribe("/ota/version_reply")
            body = {"id": "1", "version": "1.0", "params": {"f_version": "1.7"}}
            assert await line.ask("/ota/version", body) == {"id": "1", "code": 200, "msg": "success"}
            assert await device.versions() == ("1.7", "1.0")
