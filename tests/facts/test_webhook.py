"""The webhook, with a receiver of our own on a plain socket: the check, the push byte for byte, and what it must not delay."""

import asyncio
import hashlib
import json
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.facts.shop import NOW_MS

TOKEN = "s3cret"


class Receiver:
    """An HTTP server of twenty lines; `answers` are the bodies it gives to GET and POST."""

    def __init__(self):
        self.requests = asyncio.Queue()
        self.check, self.push_status = "PASSED", 200
        self.url = ""

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            names = {
                line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:] if line
            }
            body = await reader.readexactly(int(names.get("content-length", 0)))
            method, target, _ = lines[0].split(" ")
            await self.requests.put((method, target, names, body))
            text = self.check if method == "GET" else "ok"
            status = 200 if method == "GET" else self.push_status
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode()
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def next(self, method):
        async with asyncio.timeout(60):
            while True:
                request = await self.requests.get()
                if request[0] == method:
                    return request


@asynccontextmanager
async def receiver():
    one = Receiver()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    one.url = f"http://{host}:{port}/hook"
    try:
        yield one
    finally:
        server.close()
        await server.wait_closed()


def signature(uid):
    return hashlib.md5(f"{TOKEN}{uid}".encode(), usedforsecurity=False).hexdigest()


async def set_webhook(shop, url):
    return await shop.operator.raw("PUT", f"{shop.base}/webhook", {"url": url, "token": TOKEN})


@pytest.mark.fact("O-18")
@pytest.mark.parametrize("query", ["", "?who=me"])
async def test_the_url_is_checked_with_the_signature(shop, query):
    async with receiver() as hook:
        reply = await set_webhook(shop, hook.url + query)
        assert reply.status == 200, reply.body
        method, target, _, _ = await hook.next("GET")
        assert method == "GET"
        assert urlsplit(target).path == "/hook"
        wanted = f"signature={signature(shop.account_id)}"
        assert urlsplit(target).query == (f"who=me&{wanted}" if query else wanted)
        assert (await shop.operator("GET", f"{shop.base}/webhook"))["url"] == hook.url + query


@pytest.mark.fact("O-18")
@pytest.mark.parametrize("answer", ["FAILED", "", "passed", "PASSED!", "PASS"])
async def test_any_other_answer_than_passed_is_a_no(shop, answer):
    async with receiver() as hook:
        hook.check = answer
        reply = await set_webhook(shop, hook.url)
        assert 400 <= reply.status < 500
        assert reply.json["code"] == "webhook_unverified"
    assert (await shop.operator.raw("GET", f"{shop.base}/webhook")).status == 404


@pytest.mark.fact("O-18")
async def test_nobody_there_is_a_no(shop):
    async with receiver() as hook:
        url = hook.url
    reply = await set_webhook(shop, url)
    assert (400 <= reply.status < 500, reply.json["code"]) == (True, "webhook_unverified")


@pytest.mark.fact("O-19")
async def test_a_task_is_pushed_byte_for_byte(shop):
    devices = await shop.devices(3)
    package = await shop.package()
    async with receiver() as hook:
        await set_webhook(shop, hook.url)
        task = await shop.task(package, devices, notification="webhook", start_at_ms=NOW_MS + 3_600_000)
        _, target, names, body = await hook.next("POST")
        assert urlsplit(target).path == "/hook"
        assert names["content-type"].startswith("application/json")
        date = json.loads(body)["info"]["date"]
        assert NOW_MS <= date <= NOW_MS + 60_000
        ids = ",".join(str(device.device_id) for device in devices)
        wanted = (
            f'{{"info":{{"uid":{shop.account_id},"date":{date}}},"signature":"{signature(shop.account_id)}",'
            f'"msg":{{"dids":[{ids}],"startTime":{NOW_MS + 3_600_000},"version":"2.00"}}}}'
        )
        assert body == wanted.encode()
        async with asyncio.timeout(60):
            state = ""
            while state != "delivered":
                deliveries = await shop.operator("GET", f"{shop.base}/webhook/deliveries")
                state = deliveries["deliveries"][0]["state"]
        (delivery,) = (await shop.operator("GET", f"{shop.base}/webhook/deliveries"))["deliveries"]
        assert (delivery["task_id"], delivery["attempts"], delivery["status"]) == (task["task_id"], 1, 200)


@pytest.mark.fact("O-19")
async def test_a_task_by_platform_is_not_pushed(shop):
    (device,), package = await shop.devices(1), await shop.package()
    async with receiver() as hook:
        await set_webhook(shop, hook.url)
        await shop.task(package, [device])
        assert (await shop.operator("GET", f"{shop.base}/webhook/deliveries"))["deliveries"] == []
        assert (await device.check()).json["code"] == 0


@pytest.mark.fact("O-19")
async def test_a_push_that_fails_is_tried_again_and_delays_nothing(shop):
    (device,), package = await shop.devices(1), await shop.package()
    async with receiver() as hook:
        await set_webhook(shop, hook.url)
        hook.push_status = 500
        await shop.task(package, [device], notification="webhook")
        first = await hook.next("POST")
        assert (await device.check()).json["code"] == 0  # a device that asks is told
        hook.push_status = 200
        second = await hook.next("POST")
        assert json.loads(second[3])["msg"] == json.loads(first[3])["msg"]


@pytest.mark.fact("O-19")
async def test_a_webhook_task_sends_no_inform(shop):
    (device,), package = await shop.devices(1), await shop.package()
    async with receiver() as hook, device.line() as line:
        await set_webhook(shop, hook.url)
        await line.subscribe("/ota/inform")
        await shop.task(package, [device], notification="webhook")
        await hook.next("POST")
        assert await line.silent()


@pytest.mark.fact("O-19")
async def test_without_a_webhook_there_is_no_task_by_webhook(shop):
    (device,), package = await shop.devices(1), await shop.package()
    order = {"package_id": package["package_id"], "device_ids": [device.device_id], "notification": "webhook"}
    reply = await shop.operator.raw("POST", f"{shop.base}/tasks", order)
    assert (reply.status, reply.json["code"]) == (409, "conflict")
