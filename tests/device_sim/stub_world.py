"""A stub with an operator, an account and devices, for tests of fleets against the real platform."""

import asyncio
import contextlib
import itertools
import json

import msgspec
from aiohttp import ClientSession

from device_sim import FLOWS, Profile, read_devices_csv
from platform_stub.server import Stub

QUICK = Profile(
    poll_ms=60,
    start_jitter_ms=20,
    chunk_bytes=1_000,
    reply_interval_ms=60_000,  # the stub loses nothing, and a reply or an answer that is late is no mistake
    backoff_base_ms=20,
    backoff_max_ms=100,
    refused_base_ms=40,
    download_retry_ms=20,
    http_timeout_ms=60_000,
)
PACKAGE = bytes(range(256)) * 12  # 3,072 bytes: four ranges


class World:
    """An operator, an account, and devices of all flows in turn."""

    def __init__(self, session, stub):
        self.session, self.stub = session, stub

    async def ask(self, method, path, body=None, media="application/json"):
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        async with self.session.request(method, path, data=data, headers={"Content-Type": media}) as reply:
            assert reply.ok, (reply.status, await reply.text())
            return await reply.json()

    async def populate(self, count):
        self.account = (await self.ask("POST", "/v1/accounts"))["account_id"]
        await self.ask("POST", f"/v1/accounts/{self.account}/subscription")
        product = await self.ask("POST", f"/v1/accounts/{self.account}/products")
        self.product, self.product_key = product["product_id"], product["access_key"]
        sheet = b"name,f_version\n" + b"".join(b"d%d,1.0\n" % at for at in range(1, count + 1))
        await self.ask("POST", f"/v1/products/{self.product}/devices", sheet, "text/csv")
        async with self.session.get(
            f"/v1/accounts/{self.account}/devices", params={"format": "csv"}
        ) as reply:
            found = read_devices_csv("export", await reply.text())
        flows = itertools.cycle(FLOWS)
        self.identities = [msgspec.structs.replace(each, flow=next(flows)) for each in found]
        self.package = await self.add_package("2.0")

    async def add_package(self, target, kind="FOTA", more=""):
        path = f"/v1/products/{self.product}/packages?kind={kind}&name={kind}-{target}&target={target}{more}"
        package = (await self.ask("POST", path, PACKAGE, "application/octet-stream"))["package_id"]
        await self.ask("POST", f"/v1/packages/{package}/verification-skip")
        return package

    async def order(self, devices=None, package=None):
        chosen = [each.device_id for each in self.identities] if devices is None else devices
        body = {"package_id": package or self.package, "device_ids": chosen}
        return (await self.ask("POST", f"/v1/accounts/{self.account}/tasks", body))["task_id"]

    async def counts(self, task):
        return (await self.ask("GET", f"/v1/tasks/{task}"))["jobs"]

    async def until(self, task, **wanted):
        """Wait until the task's jobs stand so."""
        async with asyncio.timeout(30):
            while True:
                counts = await self.counts(task)
                if wanted.items() <= counts.items():
                    return
                await asyncio.sleep(0.02)

    async def until_any(self, task):
        """Wait until a job of the task is under way."""
        async with asyncio.timeout(30):
            while (await self.counts(task))["pending"] == len(self.identities):
                await asyncio.sleep(0.002)

    async def versions(self):
        found = await self.ask("GET", f"/v1/accounts/{self.account}/devices?limit=1000")
        return {each["device_id"]: each["f_version"] for each in found["devices"]}


@contextlib.asynccontextmanager
async def open_world(count, **options):
    """A stub, and devices of all flows in turn."""
    async with Stub(**options) as stub, ClientSession(stub.http_url) as session:
        world = World(session, stub)
        await world.populate(count)
        yield world
