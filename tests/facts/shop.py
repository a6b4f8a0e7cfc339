"""A shop over the operator API: an account, a product, devices, packages, tasks; and each device's calls as bytes."""

import hashlib
import itertools
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

from platform_stub.server import Stub
from tests.facts import mqtt_wire, wire
from tests.facts.signing import token

NOW_MS = 1_760_000_000_000  # the accounts' clock at the start; real time is another one
NOW_S = NOW_MS // 1_000
ET = NOW_S + 30 * 86_400
CONTENT = bytes(range(256)) * 2 + bytes(48)  # 560 bytes
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


class Refused(AssertionError):
    """The operator API said no where a test wanted a yes."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


class Operator:
    """The operator API, each call on a connection of its own."""

    def __init__(self, address):
        self.address = address

    async def raw(self, method, path, body=None, media="application/json", headers=()):
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        lines = [f"Content-Type: {media}", *headers] if content is not None else list(headers)
        host = f"{self.address[0]}:{self.address[1]}"
        data = wire.request(
            method, path, body=content if content is not None else b"", headers=lines, host=host
        )
        return await wire.exchange(self.address, data)

    async def __call__(self, method, path, body=None, media="application/json", headers=()):
        reply = await self.raw(method, path, body, media, headers)
        if reply.status >= 300:
            raise Refused(reply.status, reply.body.decode())
        return reply.json if reply.body else None


@dataclass
class Device:
    """A device with its credentials and the calls of the three generations."""

    shop: "Shop"
    device_id: int
    product: str
    name: str
    key: str
    product_key: str

    @property
    def res(self):
        return f"products/{self.product}/devices/{self.name}"

    def token(self, et=ET, **how):
        return token(self.key, self.res, et, **how)

    def product_token(self, et=ET, **how):
        return token(self.product_key, f"products/{self.product}", et, **how)

    def user_token(self, et=ET, version="2022-05-01", **how):
        return token(
            self.shop.account["access_key"], f"userid/{self.shop.account_id}", et, version=version, **how
        )

    async def send(self, method, target, *, auth=True, body=None, headers=()):
        auth = self.token() if auth is True else auth
        data = wire.request(method, target, auth=auth, body=body, headers=headers)
        return await wire.exchange(self.shop.http, data)

    async def south(self, method, path, query=None, *, auth=True, body=None, headers=()):
        """Generation A: `path` below `/ota`, `dev_id` filled in; the product's key signs."""
        auth = self.product_token() if auth is True else auth
        facts = {"dev_id": self.device_id} | (query or {})
        return await self.send(
            method, f"/ota{path}?{urlencode(facts)}", auth=auth, body=body, headers=headers
        )

    def base(self, generation):
        return {"studio": "/ota", "fuse": "/fuse-ota"}[generation] + f"/{self.product}/{self.name}"

    async def studio(self, method, path, *, auth=True, body=None, headers=()):
        return await self.send(method, self.base("studio") + path, auth=auth, body=body, headers=headers)

    async def fuse(self, method, path, *, auth=True, body=None, headers=()):
        return await self.send(method, self.base("fuse") + path, auth=auth, body=body, headers=headers)

    async def call(self, generation, method, path, **more):
        return await getattr(self, generation)(method, path, **more)

    async def check(self, generation="fuse", kind=1, version="1.0"):
        """The reply to a check of B or C; A's needs no `manuf` and `model`."""
        if generation == "south":
            return await self.south("GET", "/south/check", {"type": kind, "version": version, "cdn": "false"})
        return await self.call(generation, "GET", f"/check?type={kind}&version={version}")

    async def tid(self, kind=1, version="1.0"):
        reply = (await self.check("fuse", kind, version)).json
        assert reply["code"] == 0, reply
        return reply["data"]["tid"]

    async def job_token(self, kind=1, version="1.0"):
        reply = (await self.check("south", kind, version)).json
        assert reply["errno"] == 0, reply
        return reply["data"]["token"]

    async def step(self, tid, step, generation="fuse"):
        return (await self.call(generation, "POST", f"/{tid}/status", body={"step": step})).json

    async def state(self):
        """The state of the device's newest job, by the operator API."""
        return (await self.job())["state"]

    async def job(self):
        for task in (await self.shop.operator("GET", f"{self.shop.base}/tasks"))["tasks"]:
            jobs = (await self.shop.operator("GET", f"/v1/tasks/{task['task_id']}/jobs"))["jobs"]
            for job in jobs:
                if job["device_id"] == self.device_id:
                    return job
        raise AssertionError(f"{self.name} has no job")

    async def versions(self):
        device = (await self.shop.operator("GET", f"/v1/devices/{self.device_id}"))["device"]
        return device["f_version"], device["s_version"]

    @asynccontextmanager
    async def line(self, *, keepalive=60, password=None):
        """Logged in over MQTT."""
        async with mqtt_wire.line(self.shop.mqtt, self.product, self.name) as line:
            answer = await line.login(self.name, self.product, password or self.token(), keepalive=keepalive)
            assert answer == b"\x00\x00", answer
            yield line


@dataclass
class Shop:
    """A subscribed account that pays nothing, and its product."""

    operator: Operator
    http: tuple
    mqtt: tuple
    stub: Stub
    account: dict
    product: dict
    numbers: "itertools.count" = field(default_factory=lambda: itertools.count(1))

    @property
    def account_id(self):
        return self.account["account_id"]

    @property
    def base(self):
        return f"/v1/accounts/{self.account_id}"

    @property
    def pid(self):
        return self.product["product_id"]

    async def devices(self, count=1, *, names=None, product=None, **facts):
        product = product or self.product
        names = names or [f"d{next(self.numbers)}" for _ in range(count)]
        facts = {"f_version": "1.0", "s_version": "1.0"} | facts
        lines = "\n".join(json.dumps({"name": name} | facts) for name in names).encode()
        path = f"/v1/products/{product['product_id']}/devices"
        rows = (await self.operator("POST", path, lines, "application/x-ndjson"))["devices"]
        return [
            Device(self, row["device_id"], row["product_id"], row["name"], row["key"], product["access_key"])
            for row in rows
        ]

    async def device(self, **facts):
        return (await self.devices(**facts))[0]

    async def upload(self, content=CONTENT, *, product=None, **facts):
        facts = {"kind": "FOTA", "name": f"p{next(self.numbers)}", "target": "2.00"} | facts
        path = f"/v1/products/{product or self.pid}/packages?{urlencode(facts)}"
        return await self.operator("POST", path, content, "application/octet-stream")

    async def package(self, content=CONTENT, **facts):
        """Uploaded, its verification skipped."""
        package = await self.upload(content, **facts)
        await self.operator("POST", f"/v1/packages/{package['package_id']}/verification-skip")
        return package

    async def task(self, package, devices, **facts):
        order = {"package_id": package["package_id"]} | facts
        if devices is not None:
            order["device_ids"] = [device.device_id for device in devices]
        return await self.operator("POST", f"{self.base}/tasks", order)

    async def told(self, *, content=CONTENT, **facts):
        """A device with a pending FOTA job from 1.0 to 2.00."""
        device = await self.device()
        await self.task(await self.package(content), [device], **facts)
        return device

    async def advance(self, ms):
        return await self.operator("PUT", f"{self.base}/clock", {"advance_ms": ms})


@asynccontextmanager
async def open_shop(*, strict=False, now_ms=NOW_MS, product_id=None, policy=None, **more):
    """A stub on free ports, and a shop in it."""
    async with Stub(strict=strict, **more) as stub:
        operator = Operator(stub.http_address)
        account = await operator("POST", "/v1/accounts", {"now_ms": now_ms, "policy": policy or {}})
        base = f"/v1/accounts/{account['account_id']}"
        await operator("POST", f"{base}/subscription")
        wanted = {} if product_id is None else {"product_id": product_id}
        product = await operator("POST", f"{base}/products", wanted)
        yield Shop(operator, stub.http_address, stub.mqtt_address, stub, account, product)
