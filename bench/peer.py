"""The far end of a fleet, as a process: the whole stub, a broker with nothing behind it, or bare HTTP handlers.

`python -m bench.peer stub|nothing|bare N [BYTES]` (the package's size, 16 KiB when left out) prints one JSON line when it is ready, then does what lines on its standard input
say: `go` starts one job for each device, `figures` prints CPU seconds, memory and counts, and the end of input ends it.
"""

import asyncio
import gc
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

from aiohttp import web

from bench.memory import rss_bytes
from platform_stub.broker.embedded import EmbeddedBroker
from platform_stub.protocol import messages, topics
from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules import events as ev
from platform_stub.server import Stub, raise_descriptor_limit, relax_collector
from platform_stub.service import accounts, catalogue, tasks
from platform_stub.service.ports import Session

PACKAGE_BYTES = 16 * 1024
CONTENT = bytes(range(256)) * (PACKAGE_BYTES // 256)


def made_up(count):
    """Give devices that nobody has registered."""
    return [
        {"device_id": at + 1, "product_id": "bench", "name": f"d{at}", "key": "c2VjcmV0", "iccid": "", "imsi": "",
         "f_version": "1.0", "s_version": "1.0"}
        for at in range(count)
    ]  # fmt: skip


class Nothing:
    """A broker with nothing behind it: lets anyone in, answers at once, keeps nothing."""

    def __init__(self, count, size_bytes):
        assert size_bytes == PACKAGE_BYTES
        self.count = count
        self.sessions = {}
        self.told_s = None
        self.reports = 0

    async def __aenter__(self):
        self.broker = EmbeddedBroker(self, "127.0.0.1", 0)
        await self.broker.start()
        self.mqtt_address = self.broker.address
        app = web.Application()
        app.router.add_get("/fuse-ota/{tail:.*}", self._download)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, backlog=4096).start()
        self.http_address = self.runner.addresses[0][:2]
        return self

    async def __aexit__(self, *_):
        await self.broker.stop()
        await self.runner.cleanup()

    async def _download(self, request):
        start, _, stop = request.headers["Range"].removeprefix("bytes=").partition("-")
        first, last = int(start), min(int(stop), len(CONTENT) - 1)
        headers = {
            "Content-Type": "application/octet-stream;charset=UTF-8",
            "Ota-Errno": "0",
            "Content-Range": f"bytes {first}-{last}/{len(CONTENT)}",
        }
        whole = first == 0 and last == len(CONTENT) - 1
        return web.Response(
            status=200 if whole else 206, body=memoryview(CONTENT)[first : last + 1], headers=headers
        )

    def identities(self):
        return made_up(self.count)

    def connect(self, product_id, client_id, password):
        session = Session(device_id=int(client_id[1:]) + 1, product_id=product_id, name=client_id)
        self.sessions[session.device_id] = session
        return session

    def subscribed(self, session, inform):
        session.told_by_inform = inform

    def disconnected(self, session):
        self.sessions.pop(session.device_id, None)

    def received(self, session, suffix, payload, settle):
        self.reports += 1
        reply = topics.REPLIES.get(suffix)
        kinds = {topics.VERSION: messages.VersionReport, topics.STATUS: messages.StatusReport}
        if reply and suffix in kinds:
            message = messages.decode(payload, kinds[suffix])
            self.broker.publish(session, reply, messages.encode(messages.Reply(id=message.id)), 1)
        settle(True)

    async def go(self):
        md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
        self.left, self.started = len(self.sessions), time.perf_counter()
        for session in self.sessions.values():
            tid = session.device_id
            params = messages.InformParams(
                tid=tid, type=1, target="2.0", size=len(CONTENT), md5=md5,
                url=f"/fuse-ota/{session.product_id}/{session.name}/{tid}/download",
            )  # fmt: skip
            inform = messages.encode(messages.Inform(id=str(tid), params=params))
            self.broker.publish(session, topics.INFORM, inform, 1, self._delivered)

    def _delivered(self):
        self.left -= 1
        if not self.left:
            self.told_s = time.perf_counter() - self.started


class Bare:
    """aiohttp handlers that do nothing: what its server costs without a platform."""

    told_s = None
    reports = 0

    def __init__(self, count, size_bytes):
        self.count = count
        self.content = bytes(size_bytes)
        self.answer = (
            b'{"code":0,"msg":"succ","data":{"target":"2.0","tid":4643,"size":%d,"md5":"%b","status":1,"type":1},'
            b'"request_id":"0123456789abcdef0123456789abcdef"}'
            % (size_bytes, hashlib.md5(self.content, usedforsecurity=False).hexdigest().encode())
        )

    async def __aenter__(self):
        app = web.Application()
        base = "/fuse-ota/{product}/{device}"
        app.router.add_get(base + "/version", self._answer)
        app.router.add_post(base + "/version", self._take)
        app.router.add_get(base + "/check", self._answer)
        app.router.add_get(base + "/{tid}/download", self._download)
        app.router.add_post(base + "/{tid}/status", self._take)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, backlog=4096).start()
        self.http_address = self.mqtt_address = self.runner.addresses[0][:2]
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    def identities(self):
        return made_up(self.count)

    async def go(self):
        """Every device has its job already."""

    async def _answer(self, request):
        if request.query.get("type") == "2":
            return web.Response(body=b'{"code":12012,"msg":"not exist"}', content_type="application/json")
        return web.Response(body=self.answer, content_type="application/json")

    async def _take(self, request):
        await request.read()
        return web.Response(body=self.answer, content_type="application/json")

    async def _download(self, request):
        first, _, last = request.headers["Range"].removeprefix("bytes=").partition("-")
        body = memoryview(self.content)[int(first) : int(last) + 1]
        headers = {
            "Content-Type": "application/octet-stream;charset=UTF-8",
            "Content-Range": f"bytes {first}-{last}/{len(self.content)}",
            "Ota-Errno": "0",
        }
        return web.Response(status=206, body=body, headers=headers)


class Whole:
    """The whole stub: tokens, rules, and a commit before each answer."""

    def __init__(self, count, size_bytes):
        self.count = count
        self.content = bytes(range(256)) * (size_bytes // 256)
        self.told_s = None
        self.folder = tempfile.TemporaryDirectory()

    async def __aenter__(self):
        self.stub = await Stub(data=Path(self.folder.name) / "data").__aenter__()
        self.platform = self.stub.platform
        self.http_address, self.mqtt_address = self.stub.http_address, self.stub.mqtt_address
        account = await self._write(
            accounts.open_account, api.OpenAccount(policy=api.Policy(charging_date_ms=0))
        )
        self.account = account.account_id
        await self._write(accounts.act, self.account, ev.Subscribe())
        await self._write(accounts.act, self.account, ev.Grant(count=self.count, contract="bench"))
        product = await self._write(catalogue.create_product, self.account, api.CreateProduct())
        names = [
            api.RegisterDevice(name=f"d{at}", f_version="1.0", s_version="1.0") for at in range(self.count)
        ]
        self.devices = (await self._write(catalogue.register, product.product_id, names)).devices
        self.package = await self._write(
            catalogue.add_package, product.product_id, UpdateKind.FOTA, "p", "2.0", self.content
        )
        await self._write(catalogue.skip_verification, self.package.package_id)
        return self

    async def __aexit__(self, *_):
        await self.stub.__aexit__(None, None, None)
        self.folder.cleanup()

    async def _write(self, use_case, *args):
        return await self.platform.write(lambda tx: use_case(tx, *args))

    def identities(self):
        fields = ("device_id", "product_id", "name", "key", "iccid", "imsi", "f_version", "s_version")
        return [{name: getattr(device, name) for name in fields} for device in self.devices]

    @property
    def reports(self):
        return self.stub.broker.snapshot.published_up

    async def go(self):
        started = time.perf_counter()
        ids = [device.device_id for device in self.devices]
        request = api.CreateTask(package_id=self.package.package_id, device_ids=ids)
        large = len(ids) >= 5_000
        await self.platform.write(lambda tx: tasks.create(tx, self.account, request), large=large)
        while self.platform.sessions.informs_delivered < len(self.platform.sessions):
            await asyncio.sleep(0.001)
        self.told_s = time.perf_counter() - started


def figures(peer):
    cpu_s = time.process_time()  # before the collection, which is ours
    gc.collect()
    return {
        "cpu_s": cpu_s,
        "rss": rss_bytes(),
        "told_s": peer.told_s,
        "reports": peer.reports,
    }


async def main(kind, count, size_bytes):
    raise_descriptor_limit()
    relax_collector()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with {"stub": Whole, "nothing": Nothing, "bare": Bare}[kind](count, size_bytes) as peer:
        ready = {"http": peer.http_address, "mqtt": peer.mqtt_address, "devices": peer.identities()}
        print(json.dumps(ready), flush=True)
        while line := (await reader.readline()).strip():
            if line == b"go":
                await peer.go()
            print(json.dumps(figures(peer)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else PACKAGE_BYTES))
