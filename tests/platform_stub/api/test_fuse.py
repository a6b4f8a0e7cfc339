"""Generation C's download over HTTP: ranges, headers as they are spelled, refusals, and what strangers send."""

import asyncio
import time

import aiohttp
import pytest

from platform_stub.protocol.token import device_resource, make_token
from platform_stub.server import Stub
from tests.platform_stub.api.test_operator import Client

CONTENT = bytes(range(256)) * 40


@pytest.fixture
async def shop():
    """A stub with one device that has a pending job."""
    async with Stub() as stub, aiohttp.ClientSession(stub.http_url) as session:
        client = Client(session)
        base, product, ids, _ = await client.shop(devices=2)
        path = f"/v1/products/{product}/packages?kind=SOTA&name=big&target=9.0"
        package = await client.ok("POST", path, CONTENT, media="application/octet-stream")
        await client.ok("POST", f"/v1/packages/{package['package_id']}/verification-skip")
        order = {"package_id": package["package_id"], "device_ids": ids}
        task = await client.ok("POST", f"{base}/tasks", order)
        jobs = (await client.ok("GET", f"/v1/tasks/{task['task_id']}/jobs"))["jobs"]
        devices = (await client.ok("GET", f"{base}/devices"))["devices"]
        yield Shop(stub, session, client, product, devices, task["task_id"], [job["tid"] for job in jobs])


class Shop:
    def __init__(self, stub, session, client, product, devices, task_id, tids):
        self.stub, self.session, self.client = stub, session, client
        self.product, self.devices, self.task_id, self.tids = product, devices, task_id, tids

    def token(self, at=0, *, key=None, ahead_s=3600):
        device = self.devices[at]
        res = device_resource(self.product, device["name"])
        return make_token(key or device["key"], res, int(time.time()) + ahead_s)

    async def get(self, at=0, tid=None, token=None, **headers):
        path = f"/fuse-ota/{self.product}/{self.devices[at]['name']}/{tid or self.tids[at]}/download"
        named = {"Authorization": self.token(at) if token is None else token} | headers
        async with self.session.get(path, headers=named) as reply:
            return reply.status, reply.headers, await reply.read()

    async def state(self, at=0):
        jobs = (await self.client.ok("GET", f"/v1/tasks/{self.task_id}/jobs"))["jobs"]
        return jobs[at]["state"]


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, len(CONTENT)),
        ("bytes=-10", 206, len(CONTENT) - 10, len(CONTENT)),
        ("bytes=10000-999999", 206, 10_000, len(CONTENT)),
        (None, 200, 0, len(CONTENT)),
        ("bytes=0-999999", 200, 0, len(CONTENT)),
        ("bytes=99999-", 200, 0, len(CONTENT)),
        ("rubbish", 200, 0, len(CONTENT)),
    ],
)
async def test_a_range_is_answered(shop, asked, status, start, stop):
    headers = {} if asked is None else {"Range": asked}
    seen, answer, body = await shop.get(**headers)
    assert (seen, body) == (status, CONTENT[start:stop])
    assert answer["Ota-Errno"] == "0"
    assert answer["Content-Length"] == str(stop - start)
    assert answer["Content-Type"] == "application/octet-stream;charset=UTF-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="')
    expected = f"bytes {start}-{stop - 1}/{len(CONTENT)}" if status == 206 else None
    assert answer.get("Content-Range") == expected


async def test_the_first_good_byte_starts_the_job(shop):
    assert await shop.state() == "pending"
    await shop.get()
    assert await shop.state() == "downloading"


@pytest.mark.parametrize(
    ("why", "change", "errno"),
    [
        ("no token", lambda _: {"token": ""}, "6"),
        ("rubbish", lambda _: {"token": "version=1&res=2"}, "6"),
        ("another device's token", lambda s: {"token": s.token(1)}, "6"),
        ("another key", lambda s: {"token": s.token(key=s.devices[1]["key"])}, "6"),
        ("expired", lambda s: {"token": s.token(ahead_s=-5)}, "6"),
        ("more than ten years ahead", lambda s: {"token": s.token(ahead_s=11 * 365 * 86_400)}, "6"),
        ("another device's job", lambda s: {"tid": s.tids[1]}, "2"),
        ("no such job", lambda _: {"tid": 999_999}, "2"),
    ],
)
async def test_a_refused_download_names_its_errno_and_moves_nothing(shop, why, change, errno):
    status, headers, body = await shop.get(**change(shop))
    assert (status, headers["Ota-Errno"], body) == (200, errno, b"")
    assert await shop.state() == "pending"


async def test_a_cancelled_job_is_not_downloaded(shop):
    await shop.client.ok("POST", f"/v1/tasks/{shop.task_id}/cancellation")
    _, headers, body = await shop.get()
    assert (headers["Ota-Errno"], body) == ("5", b"")


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE"])
async def test_only_get_downloads(shop, method):
    path = f"/fuse-ota/{shop.product}/{shop.devices[0]['name']}/{shop.tids[0]}/download"
    async with shop.session.request(method, path, headers={"Authorization": shop.token()}) as reply:
        assert reply.status == 405
    assert await shop.state() == "pending"


async def raw(shop, request):
    reader, writer = await asyncio.open_connection(*shop.stub.http_address)
    writer.write(request)
    await writer.drain()
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return answer


async def test_headers_are_spelled_as_clients_compare_them(shop):
    """Several device clients compare header names byte for byte."""
    path = f"/fuse-ota/{shop.product}/{shop.devices[0]['name']}/{shop.tids[0]}/download"
    request = (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {shop.token()}\r\nRange: bytes=0-9\r\n"
        "Connection: close\r\n\r\n"
    )
    head = (await raw(shop, request.encode())).split(b"\r\n\r\n")[0].decode()
    names = {line.split(":")[0] for line in head.split("\r\n")[1:]}
    assert head.startswith("HTTP/1.1 206 ")
    assert {"Content-Length", "Content-Range", "Content-Type", "Ota-Errno", "Date"} <= names


@pytest.mark.parametrize(
    "path",
    [
        "/fuse-ota/",
        "/fuse-ota/p/d/1",
        "/fuse-ota/p/d/x/download",
        "/fuse-ota/../v1/accounts",
        "/fuse-ota/p/d/99999999999999999999999999/download",
        "/fuse-ota/p/%00/1/download",
        "/fuse-ota/p/d%2F..%2F..%2Fetc/1/download",
    ],
)
async def test_a_path_that_is_none_harms_nobody(shop, path):
    answer = await raw(shop, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), answer
    assert b"Traceback" not in answer
    assert (await shop.get())[0] == 200
