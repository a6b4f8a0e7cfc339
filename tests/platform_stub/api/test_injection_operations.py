"""Injected faults over the operator API."""

import json
import time

from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.packets import Publish
from platform_stub.protocol.token import device_resource, make_token
from platform_stub.service.injection import spoil_md5
from tests.platform_stub.api.test_operator import client, stub  # noqa: F401 - fixtures
from tests.platform_stub.broker.client import device

PATH = "/v1/injected-faults"


async def test_faults_come_and_go(client, stub):  # noqa: F811
    first = await client.ok("POST", PATH, {"call": "check", "generation": "fuse", "status": 503, "times": 1})
    second = await client.ok("POST", PATH, {"silent": True, "share": 0.5, "device_ids": [1, 2]})
    assert (first["fault_id"], first["struck"], first["rule"]["status"]) == (1, 0, 503)
    assert stub.platform.injection.pick("check", "fuse", 7, "p").rule.status == 503
    listed = (await client.ok("GET", PATH))["faults"]
    assert [(fault["fault_id"], fault["struck"]) for fault in listed] == [(1, 1), (2, 0)]
    assert await client.ok("DELETE", f"{PATH}/1") == first | {"struck": 1}
    assert (await client("DELETE", f"{PATH}/1"))[0] == 404
    assert (await client("DELETE", f"{PATH}/x"))[0] == 404
    assert await client.ok("DELETE", PATH) == {"faults": [second | {"waits_for": None}]}
    assert await client.ok("GET", PATH) == {"faults": []}
    assert stub.platform.injection.is_empty


async def test_a_fault_that_says_nothing_sensible_is_refused(client, stub):  # noqa: F811
    for body, words in (
        ({}, "nothing would go wrong"),
        ({"silent": True, "code": 1}, "silent means no answer"),
        ({"status": 200}, "$.status"),
        ({"share": 2, "silent": True}, "$.share"),
        ({"call": "downlod", "silent": True}, "$.call"),
        ({"cut": 5}, "cut"),
    ):
        status, answer = await client("POST", PATH, body)
        assert (status, answer["code"]) == (400, "malformed"), body
        assert words in answer["message"]
    assert stub.platform.injection.is_empty


async def test_what_a_fault_waits_for_is_named_until_it_is_there(client):  # noqa: F811
    """Devices may come later, so their fault is taken; who mistyped an ID reads so in the answer."""
    rule = {"silent": True, "product_id": "later", "device_ids": [1, 2, 901, 902, 903, 904, 905, 906]}
    added = await client.ok("POST", PATH, rule)
    assert added["waits_for"] == "product later; device 1, 2, 901, 902, 903 and 3 more"
    _, _, ids, _ = await client.shop(devices=2)
    assert ids == [1, 2]
    (shown,) = (await client.ok("GET", PATH))["faults"]
    assert shown["waits_for"] == "product later; device 901, 902, 903, 904, 905 and 1 more"
    assert (await client.ok("POST", PATH, {"silent": True, "device_ids": ids}))["waits_for"] is None
    assert (await client.ok("POST", PATH, {"silent": True}))["waits_for"] is None


async def test_a_device_at_the_broker_feels_them_and_no_other_does(client, stub):  # noqa: F811
    base, product_id, ids, task = await client.shop(devices=2)
    package = await client.ok("GET", f"/v1/packages/{task['package_id']}")
    await client.ok("POST", PATH, {"call": "version", "code": 10_500, "times": 1, "device_ids": ids[:1]})
    await client.ok("POST", PATH, {"call": "inform", "wrong_md5": True, "device_ids": ids[:1]})
    await client.ok("POST", f"{base}/tasks", task)
    heard = {}
    for device_id in ids:
        row = (await client.ok("GET", f"/v1/devices/{device_id}"))["device"]
        token = make_token(row["key"], device_resource(product_id, row["name"]), int(time.time()) + 600)
        async with device(stub.mqtt_address, row["name"], product_id) as dev:
            assert await dev.login(token) == 0
            await dev.subscribe("/ota/version_reply", qos=0)
            dev.publish(topics.VERSION, b'{"id":"1","version":"1.0","params":{"f_version":"1.0"}}', 0)
            reply = await dev.expect(Publish)
            await dev.subscribe("/ota/inform", qos=0)
            inform = await dev.expect(Publish)
        heard[device_id] = json.loads(reply.payload)["code"], json.loads(inform.payload)["params"]["md5"]
    assert heard == {ids[0]: (10_500, spoil_md5(package["md5"])), ids[1]: (200, package["md5"])}
    assert [fault["struck"] for fault in (await client.ok("GET", PATH))["faults"]] == [1, 1]
