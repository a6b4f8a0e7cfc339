"""A small honest platform for HTTP fleets: the three generations on plain sockets, written from the protocol facts.

It keeps no licences and no database. What it should do badly is set from outside: refuse, cut, be silent, lie.
"""

import asyncio
import json
import re
from collections import Counter, defaultdict

from platform_stub.protocol.token import judge, parse_token
from tests.device_sim.core.story import md5
from tests.device_sim.platform import KEY, PACKAGE

NO_TASK = {"fuse": (12012, "not exist"), "studio": (10, "not exist"), "south": (11, "not exists")}
OVER = {"fuse": (20, "task finish"), "studio": (22, "cancelled"), "south": (22, "cancelled")}
NO_AUTH = {"fuse": (10403, "authentication failed"), "studio": (1, "auth"), "south": (1, "auth")}
HANG = object()
CUT = object()


class Job:
    def __init__(self, tid, name, kind, target):
        self.tid, self.name, self.kind, self.target = tid, name, kind, target
        self.token = f"ota_{tid:020}"
        self.is_checked = False
        self.steps = []  # as told, repetitions left out
        self.told = []  # repetitions included
        self.is_cancelled = False

    @property
    def is_open(self):
        return not self.is_cancelled and not any(step > 101 for step in self.steps)


class Connection(asyncio.Protocol):
    def __init__(self, platform):
        self.platform, self.pending, self.requests = platform, b"", 0

    def connection_made(self, transport):
        self.transport = transport
        self.platform.open.add(self)
        self.platform.connections += 1
        self.platform.open_max = max(self.platform.open_max, len(self.platform.open))

    def connection_lost(self, exc):
        self.platform.open.discard(self)
        self.platform.changed.set()

    def data_received(self, data):
        self.pending += data
        while b"\r\n\r\n" in self.pending:
            head, _, rest = self.pending.partition(b"\r\n\r\n")
            line, *lines = head.decode().split("\r\n")
            headers = dict(each.split(": ", 1) for each in lines)
            size = int(headers.get("Content-Length", 0))
            if len(rest) < size:
                return
            self.pending = rest[size:]
            self.requests += 1
            method, target, _ = line.split(" ")
            self.platform.requested(self, method, target, headers, rest[:size])

    def send(self, status, headers, body=b""):
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)


class HttpPlatform:
    """`async with HttpPlatform() as platform`: the target of a fleet whose devices are 1, 2, ... named dev-1, ..."""

    def __init__(self, package=PACKAGE):
        self.package = package
        self.jobs, self.versions = {}, {}
        self.requests = []  # (device name, method, target)
        self.peers = {}  # name -> the address of its last request
        self.calls = defaultdict(list)  # name -> targets of its calls
        self.ranges = []
        self.resources, self.token_ends, self.hosts = set(), set(), set()
        self.open = set()
        self.connections = self.open_max = self.downloads = 0
        self.mischief = {}  # kind of call -> what to do instead, so many times: [what, times]
        self.refuse = set()  # names
        self.gates = {}  # "call" or "download" -> an asyncio.Event that those answers wait for
        self.held = Counter()
        self.keys = {}  # res -> key
        self.now_s = None
        self.changed = asyncio.Event()
        self.http_address = self.mqtt_address = ("127.0.0.1", 0)

    async def __aenter__(self):
        self.tasks = set()
        await self.listen()
        return self

    async def listen(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Connection(self), *self.http_address, backlog=1024)
        self.http_address = self.mqtt_address = self.server.sockets[0].getsockname()

    async def __aexit__(self, *_):
        await self.stop()
        for task in self.tasks:
            task.cancel()

    async def stop(self):
        self.server.close()
        for connection in list(self.open):
            connection.transport.abort()
        await self.server.wait_closed()

    async def until(self, condition):
        async with asyncio.timeout(60):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def order(self, names, target="2.0", kind=1):
        made = []
        for name in names:
            job = Job(len(self.jobs) + 1, name, kind, target)
            self.jobs[job.tid] = job
            made.append(job)
        return made

    def go_wrong(self, call, what, times=10**6):
        self.mischief[call] = [what, times]

    # what comes in

    def requested(self, connection, method, target, headers, body):
        path, _, query = target.partition("?")
        fields = dict(each.split("=") for each in query.split("&")) if query else {}
        flow, name, call, job = self.find(path, fields)
        assert method == ("POST" if body else "GET")
        if body:
            assert headers["Content-Type"] == "application/json"
        self.requests.append((name, method, target))
        self.peers[name] = connection.transport.get_extra_info("peername")[0]
        if call != "download":
            self.calls[name].append(target)
        token = parse_token(headers["Authorization"])
        self.resources.add(token.res)
        self.hosts.add(headers["Host"])
        self.token_ends.add(token.et)
        self.changed.set()
        work = (connection, flow, name, call, job, headers, fields, json.loads(body or b"null"), token)
        kind = "download" if call == "download" else "call"
        if kind in self.gates:
            self.tasks.add(asyncio.create_task(self.answer_later(kind, work)))
        else:
            self.answer(*work)

    def hold(self, kind):
        """Let answers of this kind wait for `let_go`."""
        self.gates[kind] = asyncio.Event()

    def let_go(self, kind):
        self.gates.pop(kind).set()

    async def answer_later(self, kind, work):
        self.held[kind] += 1
        self.changed.set()
        await self.gates[kind].wait()
        self.held[kind] -= 1
        self.answer(*work)
        self.changed.set()

    def find(self, path, fields):
        """Say which flow, device, call and job a request is about."""
        if found := re.fullmatch(
            r"/(fuse-ota|ota)/p1/(dev-\d+)/(version|check|(\d+)/(status|download))", path
        ):
            flow = {"fuse-ota": "fuse", "ota": "studio"}[found[1]]
            job = self.jobs[int(found[4])] if found[4] else None
            return flow, found[2], found[5] or found[3], job
        name = f"dev-{fields['dev_id']}" if "dev_id" in fields else ""
        if path == "/ota/device/version":
            return "south", name, "version", None
        if path == "/ota/south/check":
            return "south", name, "check", None
        if path == "/ota/south/report":
            return "south", name, "status", self.by_token(fields["token"])
        if found := re.fullmatch(r"/ota/south/device/download/(ota_\d+)/progress", path):
            return "south", name, "status", self.by_token(found[1])
        found = re.fullmatch(r"/ota/south/download/(ota_\d+)(/check)?", path)
        job = self.by_token(found[1])
        return "south", job.name, "token" if found[2] else "download", job

    def by_token(self, token):
        return next(job for job in self.jobs.values() if job.token == token)

    def answer(self, connection, flow, name, call, job, headers, fields, body, token):
        mischief = self.mischief.get(call)
        instead = None
        if mischief and mischief[1] > 0:
            mischief[1] -= 1
            instead = mischief[0]
        if instead is HANG:
            return
        if isinstance(instead, bytes):
            connection.transport.write(instead)
            return
        if callable(instead):
            instead(connection, job)
            return
        key = self.keys.get(token.res, KEY)
        is_good = judge(token, key, self.now_s or 0).value == "good" and name not in self.refuse
        if call == "download":
            self.download(connection, flow, job, headers)
            return
        code, text, data = (
            self.carry_out(flow, name, call, job, fields, body) if is_good else (*NO_AUTH[flow], None)
        )
        if instead is CUT:  # it was carried out, and the answer is lost
            connection.transport.abort()
            return
        names = ("code", "msg") if flow == "fuse" else ("errno", "error")
        reply = {names[0]: code, names[1]: text} | ({} if data is None else {"data": data})
        text = json.dumps(reply, separators=(",", ":")).encode()
        connection.send(200, {"Content-Type": "application/json", "Content-Length": len(text)}, text)

    def carry_out(self, flow, name, call, job, fields, body):
        match call:
            case "version":
                self.versions[name] = (body.get("f_version"), body.get("s_version"))
            case "check":
                return self.check(flow, name, int(fields["type"]))
            case "token":
                job.is_checked = True
            case "status":
                return self.step(flow, job, body.get("step", body.get("result")))
        return 0, "succ", None

    def check(self, flow, name, kind):
        for job in self.jobs.values():
            if job.name == name and job.kind == kind and job.is_open:
                data = {"target": job.target, "size": len(self.package), "md5": md5(self.package), "type": 1}
                data |= {"token": job.token} if flow == "south" else {"tid": job.tid, "status": 1}
                return 0, "succ", data
        return *NO_TASK[flow], None

    def step(self, flow, job, step):
        job.told.append(step)
        if job.steps and job.steps[-1] == step:
            return 0, "succ", None
        if not job.is_open:
            return *OVER[flow], None
        job.steps.append(step)
        return 0, "succ", None

    def download(self, connection, flow, job, headers):
        self.downloads += 1
        assert flow != "south" or job.is_checked
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", headers["Range"]).groups())
        self.ranges.append((first, last))
        size = len(self.package)
        part = self.package[first : last + 1]
        head = {"Content-Type": "application/octet-stream;charset=UTF-8", "Content-Length": len(part)}
        if flow != "south":
            head["Ota-Errno"] = "0"
        head["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{size}"
        cut = self.mischief.get("body")
        if cut and cut[1] > 0:
            cut[1] -= 1
            connection.send(206, head, part[: cut[0]])
            connection.transport.close()
            return
        connection.send(206, head, part)


def fail_in_one_byte(byte):
    def instead(connection, _):
        connection.send(200, {"Transfer-Encoding": "chunked"}, b"1\r\n" + byte + b"\r\n0\r\n\r\n")

    return instead


def unavailable(connection, _):
    connection.send(503, {"Content-Length": 0})
