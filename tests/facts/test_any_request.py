"""Requests with a slip of the pen, by the hundred: each is answered below 500 or cut off, and nobody else notices.

A mutation flips, drops, doubles or inserts bytes of a good request of any call; what it was is in the seed.
"""

import asyncio
import json
import logging
import random

import pytest

from tests.facts import mqtt_wire as mqtt
from tests.facts import wire

JUNK = (b"\x00", b"\xff", b"%00", b"%2F", b"..", b"//", b"\r\n", b"\n", b" ", b":", b"=", b"&", b"+", b"#", b"?", b"-1", b"'",
        b"99999999999999999999", b"1e9", b"[" * 200, b'{"a":' * 50, b"A" * 9_000, "ü".encode(), b"%C3%28", b"$sys/#")  # fmt: skip


def mutated(draw, data):
    data = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        at = draw.randrange(len(data))
        match draw.randrange(4):
            case 0:
                data[at] = draw.randrange(256)
            case 1:
                del data[at : at + draw.choice((1, 2, 8, 40))]
            case 2:
                data[at:at] = draw.choice(JUNK)
            case 3:
                data[at:at] = data[at : at + draw.choice((1, 5, 30))]
        if not data:
            return b"\r\n\r\n"
    return bytes(data)


async def good_requests(device):
    tid, token = await device.tid(), await device.job_token()
    dev_id, auth, product_auth = device.device_id, device.token(), device.product_token()
    calls = [
        ("GET", f"/ota/south/check?dev_id={dev_id}&type=1&version=1.0&cdn=true&manuf=x&model=y", None),
        ("GET", f"/ota/south/tasking?dev_id={dev_id}&type=1&cdn=false", None),
        ("POST", f"/ota/device/version?dev_id={dev_id}", {"f_version": "1.0"}),
        ("GET", f"/ota/south/download/{token}/check?dev_id={dev_id}", None),
        ("GET", f"/ota/south/download/{token}", None),
        ("POST", f"/ota/south/device/download/{token}/progress?dev_id={dev_id}", {"step": 10}),
        ("POST", f"/ota/south/report?dev_id={dev_id}&token={token}", {"result": 150}),
        ("POST", "/ota/devInfo", {"pid": device.product, "authInfo": device.name}),
    ]
    south = [wire.request(method, path, auth=product_auth, body=body) for method, path, body in calls]
    for base in (device.base("studio"), device.base("fuse")):
        calls = [
            ("POST", "/version", {"f_version": "1.0", "s_version": "1.0"}), ("GET", "/version", None),
            ("GET", "/check?type=1&version=1.0", None), ("GET", f"/{tid}/check", None),
            ("GET", f"/{tid}/download", None), ("POST", f"/{tid}/status", {"step": 20}),
        ]  # fmt: skip
        south += [
            wire.request(method, base + path, auth=auth, body=body, headers=["Range: bytes=10-20"])
            for method, path, body in calls
        ]
    return south


async def survive(address, data):
    """The status of the answer; None when the connection ended without one."""
    async with wire.connection(address) as conn:
        conn.send(data)
        conn.end_of_sending()
        try:
            return (await conn.reply()).status
        except (asyncio.IncompleteReadError, ConnectionError):
            return None


@pytest.mark.parametrize("seed", range(6))
async def test_http(shop, seed, caplog):
    device, other = await shop.told(), await shop.told()
    draw = random.Random(seed)
    good = await good_requests(device)
    before = await shop.operator("GET", f"{shop.base}/journal")
    with caplog.at_level(logging.WARNING):
        for _ in range(150):
            data = mutated(draw, draw.choice(good))
            status = await survive(shop.http, data)
            assert status is None or status < 500, data
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert await shop.operator("GET", f"{shop.base}/journal") == before
    assert (await other.state(), (await other.check()).json["code"]) == ("pending", 0)
    assert (await device.fuse("GET", "/version")).json["code"] == 0


@pytest.mark.parametrize("seed", range(6))
async def test_mqtt(shop, seed, caplog):
    device, other = await shop.told(), await shop.told()
    draw = random.Random(seed)
    tid = (await device.job())["tid"]
    prefix = f"$sys/{device.product}/{device.name}"
    body = {
        "id": "1",
        "version": "1.0",
        "params": {"tid": tid, "step": 101, "f_version": "1.0", "iccid": {"value": "1"}},
    }
    topics = ("/ota/version", "/ota/status", "/ota/inform_reply", "/thing/property/post", "/dp/post/json")
    good = [mqtt.publish(prefix + topic, json.dumps(body).encode(), qos=1) for topic in topics]
    good += [mqtt.subscribe(prefix + "/ota/#"), mqtt.unsubscribe(prefix + "/ota/#"), mqtt.PING]
    login = mqtt.connect(device.name, device.product, device.token())
    with caplog.at_level(logging.WARNING):
        for _ in range(80):
            sent = (
                [login, mutated(draw, draw.choice(good))] if draw.random() < 0.8 else [mutated(draw, login)]
            )
            async with mqtt.line(shop.mqtt, device.product, device.name) as line:
                line.send(*sent, mqtt.PING, b"\xe0\x00")
                line.end_of_sending()
                while await line.packet() is not None:
                    pass
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert (await other.state(), (await other.check()).json["code"]) == ("pending", 0)
    async with other.line() as line:
        assert await line.silent()
