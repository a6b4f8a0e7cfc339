"""A device program that shares no code with ours: flows fuse and mqtt, right, or wrong in one way (`WRONG=...`).

The wrong ways are in `WRONGS`; what each must fail is in `test_wrong_devices`.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import struct
import sys
import time
from urllib.parse import quote

WRONG = os.environ.get("WRONG", "")
HTTP = os.environ["OTA_HTTP"].rsplit(":", 1)
MQTT = os.environ["OTA_MQTT"].rsplit(":", 1)
PID, NAME, KEY = os.environ["OTA_PRODUCT_ID"], os.environ["OTA_DEVICE_NAME"], os.environ["OTA_KEY"]
BASE = f"/fuse-ota/{PID}/{NAME}"
ROOT = f"$sys/{PID}/{NAME}"
OVER = {20, 12002, 12012, 12013, 12014}
AGAIN = {500, 10500, 10403, 10410}
SIZE_MAX = 4 * 2**20
TRIES = 5


class Bad(Exception):
    """The other end is no use at the moment."""


def token():
    res, et = f"products/{PID}/devices/{NAME}", str(int(time.time()) + 90_000)
    text = f"{et}\nsha1\n{res}\n2018-10-31"
    sign = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), "sha1").digest()).decode()
    return f"version=2018-10-31&res={quote(res, safe='')}&et={et}&method=sha1&sign={quote(sign, safe='')}"


async def request(method, path, body=b"", start=None, most=64 * 1024):
    """Do a call on a connection of its own; gives status, headers and body."""
    host, port, path = *HTTP, path
    if path.startswith("http://"):
        host, port, path = re.fullmatch(r"http://([^:/]+):([0-9]+)(.*)", path).groups()
    try:
        async with asyncio.timeout(4):
            reader, writer = await asyncio.open_connection(host, int(port), limit=65_536)
            try:
                head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token()}\r\nConnection: close\r\n"
                if start is not None:
                    head += f"Range: bytes={start}-\r\n"
                writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines[1:])
                }
                if not re.fullmatch(r"HTTP/1.1 [0-9]{3} .*", lines[0]):
                    raise Bad(lines[0])
                while WRONG == "patient" and "content-length" not in headers:
                    await reader.read(65_536)
                length = int(headers.get("content-length", -1))
                if not 0 <= length <= most:
                    raise Bad(f"length {length}")
                return int(lines[0][9:12]), headers, await reader.readexactly(length)
            except asyncio.IncompleteReadError as exc:
                if (
                    exc.expected
                    and start is not None
                    and b"\r\n\r\n" not in exc.partial
                    and "headers" in locals()
                ):
                    return int(lines[0][9:12]), headers, exc.partial  # what has come of a package is kept
                raise Bad("cut") from exc
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError, asyncio.LimitOverrunError) as exc:
        raise Bad(repr(exc)) from exc


def parsed(body):
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as exc:
        if WRONG == "brittle":
            os._exit(3)
        raise Bad("no JSON") from exc
    if not isinstance(said, dict):
        raise Bad("no object")
    return said


class Device:
    def __init__(self):
        self.versions = {1: os.environ["OTA_F_VERSION"], 2: os.environ["OTA_S_VERSION"]}
        self.done = set()

    def said_versions(self):
        return {"f_version": self.versions[1], "s_version": self.versions[2]}

    async def do(self, job):
        """Do a job from its download to its last report."""
        if job["size"] > SIZE_MAX:
            return await self.step(job, 102)
        content = b"" if WRONG == "boastful" else await self.download(job)
        if isinstance(content, int):
            if content == 5:
                if WRONG == "complaining":
                    await self.step(job, 107)
                return None
            return await self.step(job, content)
        if (
            WRONG not in {"boastful", "trusting"}
            and hashlib.md5(content, usedforsecurity=False).hexdigest() != job["md5"]
        ):
            return await self.step(job, 205)
        for step in (100, 101) if WRONG == "wordy" else (101,):
            code = await self.step(job, step)
        if code in OVER:
            if WRONG == "complaining":
                await self.step(job, 107)
            return None
        self.versions[job["type"]] = job["target"]
        code = await self.step(job, 201)
        if WRONG != "forgetful":
            await self.report_version()
        return code

    async def download(self, job):
        """Fetch a package: its bytes, 5 when the job is over, or the step of a failure."""
        content, tries = b"", 0
        while len(content) < job["size"]:
            tries += 1
            if tries > TRIES:
                return 107
            if tries > 1:
                await asyncio.sleep(0.1 * tries)
            start = 0 if WRONG == "restarting" else len(content)
            try:
                status, headers, body = await request("GET", job["url"], start=start, most=SIZE_MAX)
            except Bad:
                continue
            if WRONG == "restarting":
                content = b""
            errno = headers.get("ota-errno", "")
            if errno not in {"0", "3", "6", ""}:
                return 5 if errno == "5" else 107
            if WRONG == "trusting" and status in {200, 206}:
                content += body
                continue
            found = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)", headers.get("content-range", ""))
            if errno != "0" or (status == 206 and (found is None or int(found[1]) != len(content))):
                continue
            if (int(found[3]) if found else int(headers["content-length"])) != job["size"]:
                continue
            if status == 200:
                content = b""
            content += body
            tries = 0 if body else tries
        return content


class FuseDevice(Device):
    async def run(self):
        if WRONG == "curious":
            with contextlib.suppress(Bad):
                await self.ask(1)
        await self.report_version()
        while True:
            for kind in (1, 2):
                with contextlib.suppress(Bad):
                    job = await self.ask(kind)
                    if job is not None:
                        await self.do(job)
            await asyncio.sleep(0.005 if WRONG == "restless" else 0.4)

    async def ask(self, kind):
        status, _, body = await request("GET", f"{BASE}/check?type={kind}&version={self.versions[kind]}")
        said = parsed(body)
        if status != 200 or said.get("code") != 0:
            return None
        return job_of({**said["data"], "type": kind, "url": f"{BASE}/{said['data'].get('tid')}/download"})

    async def call(self, path, body):
        pause = 0.1
        while True:
            with contextlib.suppress(Bad):
                status, _, answer = await request("POST", path, json.dumps(body).encode())
                code = parsed(answer).get("code") if status < 500 else 500
                if code not in AGAIN and isinstance(code, int):
                    return code
            if WRONG == "giving-up":
                return 0
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2)

    async def report_version(self):
        return await self.call(f"{BASE}/version", self.said_versions())

    async def step(self, job, step):
        return await self.call(f"{BASE}/{job['tid']}/status", {"step": step})


def job_of(said):
    """Read a job; None for what is none."""
    job = {name: said.get(name) for name in ("tid", "type", "target", "size", "md5", "url")}
    texts = [job[name] for name in ("target", "md5", "url")]
    if any(type(job[name]) is not int or job[name] < 0 for name in ("tid", "type", "size")) or job[
        "type"
    ] not in {1, 2}:
        return None
    if any(type(text) is not str for text in texts):
        return None
    if WRONG not in {"generous", "smuggling"} and not re.fullmatch(r"/[!-~]*", job["url"]):
        return None
    return None if WRONG not in {"generous", "smuggling"} and ":" in job["url"] else job


class MqttDevice(Device):
    def __init__(self):
        super().__init__()
        self.writer = None
        self.serial = 0
        self.waiting = {}
        self.busy = None
        self.jobs = asyncio.Queue()

    async def run(self):
        worker = asyncio.create_task(self.work())
        pause = 0.1
        while True:
            began = time.monotonic()
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, Bad, TimeoutError):
                await self.connected()
            self.writer = None
            if WRONG == "leaving":
                await asyncio.sleep(3600)
            pause = 0.1 if time.monotonic() - began > 5 else min(pause * 2, 2)
            await asyncio.sleep(0.005 if WRONG == "hammering" else pause)
            assert not worker.done(), worker.exception()

    async def work(self):
        while True:
            job = await self.jobs.get()
            self.busy = job["tid"]
            if await self.do(job) is not None:
                self.done.add(job["tid"])
            self.busy = None

    async def connected(self):
        reader, writer = await asyncio.open_connection(MQTT[0], int(MQTT[1]))
        try:
            login = b"".join(text16(part) for part in (NAME, PID, token()))
            keepalive = int(os.environ.get("OTA_KEEPALIVE", "60"))
            writer.write(frame(0x10, text16("MQTT") + b"\x04\xc2" + struct.pack(">H", keepalive) + login))
            head, body = await packet(reader)
            if head != 0x20 or body[1]:
                raise Bad("refused")
            filters = b"".join(
                text16(f"{ROOT}{name}") + b"\x01" for name in ("/ota/#", "/thing/property/post/reply")
            )
            writer.write(frame(0x82, b"\x00\x01" + filters))
            self.writer = writer
            versions = asyncio.create_task(self.report_version())
            pings = asyncio.create_task(self.ping(keepalive))
            try:
                while True:
                    self.received(*await packet(reader))
            finally:
                versions.cancel()
                pings.cancel()
        finally:
            writer.close()

    async def ping(self, keepalive):
        while WRONG != "pulseless":
            await asyncio.sleep(keepalive * 0.8)
            if self.writer is not None:
                self.writer.write(b"\xc0\x00")

    def received(self, head, body):
        if head >> 4 != 3:
            return
        size = struct.unpack(">H", body[:2])[0]
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        if head & 6:
            self.writer.write(frame(0x40, rest[:2]))
            rest = rest[2:]
        try:
            said = parsed(rest)
        except Bad:
            return
        if topic == f"{ROOT}/ota/inform":
            self.informed(said)
        elif topic in {f"{ROOT}/ota/version_reply", f"{ROOT}/ota/status_reply"}:
            name = said.get("id")
            if WRONG == "credulous" and topic.endswith("status_reply") and self.waiting:
                name = next(reversed(self.waiting))
            future = self.waiting.get(name) if isinstance(name, str) else None
            if future is not None and not future.done() and isinstance(said.get("code"), int):
                future.set_result(said["code"])

    def informed(self, said):
        params = said.get("params")
        job = job_of(params) if isinstance(params, dict) else None
        if WRONG != "mute":
            self.publish(
                "/ota/inform_reply",
                {"id": str(said.get("id"))[:15], "code": 200 if job or params == {} else 100},
            )
        known = job is None or job["tid"] in self.done or job["tid"] == self.busy
        if WRONG == "doubling":
            known = job is None
        if not known and (
            WRONG == "doubling" or all(job["tid"] != other["tid"] for other in self.jobs._queue)
        ):
            self.jobs.put_nowait(job)

    def publish(self, suffix, said):
        if self.writer is not None:
            self.serial += 1
            payload = json.dumps(said).encode()
            self.writer.write(
                frame(0x32, text16(ROOT + suffix) + struct.pack(">H", self.serial % 60_000 + 1) + payload)
            )

    async def report(self, suffix, params):
        self.serial += 1
        name, pause = str(self.serial), 1.0
        while True:
            future = self.waiting[name] = asyncio.get_running_loop().create_future()
            self.publish(suffix, {"id": name, "version": "1.0", "params": params})
            with contextlib.suppress(TimeoutError):
                code = await asyncio.wait_for(future, pause)
                if code not in AGAIN:
                    self.waiting.pop(name, None)
                    return 0 if code == 200 else code
                await asyncio.sleep(0.2)
            if WRONG == "giving-up":
                return 0
            if WRONG == "renaming":
                self.serial += 1
                name = str(self.serial)
            pause = min(pause * 2, 8)

    async def report_version(self):
        return await self.report("/ota/version", self.said_versions())

    async def step(self, job, step):
        return await self.report("/ota/status", {"tid": job["tid"], "step": step})


def text16(text):
    return struct.pack(">H", len(text.encode())) + text.encode()


def frame(head, body):
    size, length = len(body), b""
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | (128 if size else 0)])
        if not size:
            return bytes([head]) + length + body


async def packet(reader):
    head = (await reader.readexactly(1))[0]
    size = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if head >> 4 in {0, 15} or size > 300_000:
        raise Bad("no MQTT")
    return head, await reader.readexactly(size)


def main():
    if WRONG == "stillborn":
        print("no such sensor: /dev/ttyUSB7", flush=True)  # noqa: T201 - a program, not a test
        sys.exit(4)
    if WRONG == "absent":
        print("waiting for the network", flush=True)  # noqa: T201 - a program, not a test
        time.sleep(3600)
    device = {"fuse": FuseDevice, "mqtt": MqttDevice}[os.environ["OTA_FLOW"]]()
    asyncio.run(device.run())


if __name__ == "__main__":
    main()
