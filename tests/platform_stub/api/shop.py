"""A stub with devices and jobs, and a client that writes bytes and reads bytes."""

import asyncio
import contextlib
import json
import time

from platform_stub.protocol.token import device_resource, make_token, product_resource
from platform_stub.server import Stub

CONTENT = bytes(range(256)) * 40


async def until(is_so):
    """Let the loop run until something is so."""
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0)


class Answer:
    """A reply as it came."""

    def __init__(self, head, body, *, ended):
        self.head = head
        self.status_line, *self.lines = head.decode().split("\r\n")
        self.headers = dict(line.split(": ", 1) for line in self.lines)
        self.body = body
        self.ended = ended  # the connection ended with it

    @property
    def status(self):
        return int(self.status_line.split(" ")[1])

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.head!r} {self.body[:200]!r}"


class Raw:
    """A connection that speaks in bytes."""

    def __init__(self, address):
        self.address = address

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(*self.address)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def write(self, data):
        self.writer.write(data)

    async def read(self):
        """Read one reply; None when the connection ended before it."""
        async with asyncio.timeout(60):
            try:
                head = (await self.reader.readuntil(b"\r\n\r\n"))[:-4]
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            answer = Answer(head, b"", ended=False)
            if "Content-Length" in answer.headers:
                answer.body = await self.reader.readexactly(int(answer.headers["Content-Length"]))
            elif "Transfer-Encoding" in answer.headers:
                answer.body = await self.reader.readuntil(b"0\r\n\r\n")  # as it is on the wire
            else:
                answer.body = await self.reader.read()
            if answer.headers.get("Connection") == "close":
                answer.ended = await self.reader.read() == b""
        return answer

    def abort(self):
        """Leave at once, with a reset."""
        self.writer.transport.abort()

    async def ask(self, data):
        self.write(data)
        return await self.read()

    async def rest(self):
        """Read until the connection ends."""
        async with asyncio.timeout(60):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


class Shop:
    """A stub, its operator, two devices `d0` and `d1` with a pending FOTA job each, and one, `d2`, without."""

    def __init__(self, stub, client):
        self.stub, self.client = stub, client
        self.held = []  # connections that last as long as the shop

    async def open(self, *, content=CONTENT):
        self.account, self.product, self.ids, _ = await self.client.shop(devices=3)
        path = f"/v1/products/{self.product}/packages?kind=FOTA&name=big&target=9.0"
        package = await self.client.ok("POST", path, content, media="application/octet-stream")
        self.package = package["package_id"]
        self.md5 = package["md5"]
        await self.client.ok("POST", f"/v1/packages/{self.package}/verification-skip")
        order = {"package_id": self.package, "device_ids": self.ids[:2]}
        task = await self.client.ok("POST", f"{self.account}/tasks", order)
        self.task = task["task_id"]
        self.tids = [job["tid"] for job in await self.jobs()]
        self.devices = (await self.client.ok("GET", f"{self.account}/devices"))["devices"]
        products = (await self.client.ok("GET", f"{self.account}/products"))["products"]
        self.product_key = products[0]["access_key"]
        self.journal = await self.entries()
        return self

    async def jobs(self):
        return (await self.client.ok("GET", f"/v1/tasks/{self.task}/jobs"))["jobs"]

    async def states(self):
        return [job["state"] for job in await self.jobs()]

    async def entries(self):
        return (await self.client.ok("GET", f"{self.account}/journal"))["entries"]

    async def is_unharmed(self):
        """Nothing is in the journal that was not there, and no job has moved."""
        return await self.entries() == self.journal and set(await self.states()) == {"pending"}

    def device(self, at=0):
        return self.devices[at]["name"]

    def token(self, at=0, *, key=None, ahead_s=3600, res=None, version="2018-10-31"):
        device = self.devices[at]
        res = device_resource(self.product, device["name"]) if res is None else res
        return make_token(key or device["key"], res, int(time.time()) + ahead_s, version=version)

    def product_token(self, *, ahead_s=3600):
        return make_token(self.product_key, product_resource(self.product), int(time.time()) + ahead_s)

    def fuse(self, rest, at=0):
        return f"/fuse-ota/{self.product}/{self.device(at)}/{rest}"

    def studio(self, rest, at=0):
        return f"/ota/{self.product}/{self.device(at)}/{rest}"

    def south(self, rest, at=0):
        return f"/ota/{rest}{'&' if '?' in rest else '?'}dev_id={self.ids[at]}"

    def request(self, method, target, body=None, *, at=0, token=None, version="1.1", **headers):
        """Spell a request as most devices do."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {target} HTTP/{version}", "Host: ota.example"]
        lines.append(f"Authorization: {self.token(at) if token is None else token}")
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + data

    def connect(self):
        return Raw(self.stub.http_address)

    async def hold(self):
        """Connect, and wait until the stub has the connection; it ends with the shop."""
        before = set(self.stub.http.connections)
        raw = await self.connect().__aenter__()
        self.held.append(raw)
        await until(lambda: set(self.stub.http.connections) - before)
        (connection,) = set(self.stub.http.connections) - before
        return raw, connection

    async def ask(self, method, target, body=None, **more):
        async with self.connect() as raw:
            return await raw.ask(self.request(method, target, body, **more))

    async def send(self, data):
        """Write bytes on a connection of their own and read one reply."""
        async with self.connect() as raw:
            return await raw.ask(data)


@contextlib.asynccontextmanager
async def open_shop(client_of, **options):
    """Open a stub with a shop in it; `client_of` makes its operator."""
    content = options.pop("content", CONTENT)
    shop = None
    try:
        async with Stub(**options) as stub, client_of(stub) as client:
            shop = await Shop(stub, client).open(content=content)
            yield shop
    finally:
        for raw in () if shop is None else shop.held:
            await raw.__aexit__()
