"""A small honest platform for the fleet's tests: MQTT on the codec, downloads on aiohttp.web, over real sockets.

It keeps no licences and no database. What it should do badly is set from outside: lose replies, refuse logins, be silent.
"""

import asyncio
import hashlib
from collections import Counter, defaultdict

from aiohttp import web

from device_sim import Identity
from platform_stub.protocol import messages, topics
from platform_stub.protocol.mqtt.codec import Decoder, encode, encode_publish
from platform_stub.protocol.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
)
from platform_stub.protocol.ranges import content_range, parse_range
from platform_stub.protocol.token import device_resource, parse_token, verify

KEY = "KuF3NT/jUBJ62LNBB/A8XZA9CqS3Cu79B/ABmfA1UCw="
PACKAGE = bytes(range(256)) * 8  # 2,048 bytes


def identities(count, start=1):
    return [
        Identity(
            device_id=at,
            product_id="p1",
            name=f"dev-{at}",
            key=KEY,
            iccid=f"00{at}",
            imsi=f"0460{at}",
            f_version="1.0",
        )
        for at in range(start, start + count)
    ]


async def failed_to_connect(fleet):
    """Wait until a device has, where there is no platform that would see it try."""
    async with asyncio.timeout(60):
        while not fleet.snapshot().connect_failures:
            await asyncio.sleep(0.005)


class Job:
    def __init__(self, tid, name, target):
        self.tid, self.name, self.target = tid, name, target
        self.steps = []  # as told, repetitions left out
        self.over = 0  # the code that every further step gets

    @property
    def is_open(self):
        return not self.over and not any(step > 101 for step in self.steps)


class Session(asyncio.Protocol):
    def __init__(self, platform):
        self.platform, self.decoder, self.name = platform, Decoder(), ""
        self.present = False
        self.packet_id = 0

    def connection_made(self, transport):
        self.transport = transport
        self.platform.connected(self)

    def connection_lost(self, exc):
        self.platform.lost(self)

    def data_received(self, data):
        self.platform.bytes_in += len(data)
        for packet in self.decoder.feed(data):
            self.platform.packets[type(packet).__name__] += 1
            match packet:
                case Connect():
                    self.platform.login(self, packet)
                case Subscribe():
                    self.send(Suback(packet.packet_id, tuple(min(qos, 1) for _, qos in packet.filters)))
                    self.platform.filters[self.name] = [text for text, _ in packet.filters]
                case Publish():
                    self.platform.published(self, packet)
                case Pingreq():
                    self.send(Pingresp())
                case Puback():
                    self.platform.acknowledged += 1
                case Disconnect():
                    self.platform.left.append(self.name)
        self.platform.changed.set()

    def send(self, packet):
        self.transport.write(encode(packet))

    def publish(self, suffix, message, qos=1):
        self.packet_id = self.packet_id % 65_535 + 1
        topic = topics.topic_of("p1", self.name, suffix)
        self.transport.write(
            encode_publish(topic, messages.encode(message), qos, self.packet_id if qos else 0)
        )


class Platform:
    """`async with Platform() as platform`: the target of a fleet."""

    def __init__(self, package=PACKAGE):
        self.package = package
        self.sessions, self.jobs, self.filters = {}, {}, {}
        self.versions, self.cards = {}, {}
        self.reports = defaultdict(list)  # (name, suffix) -> payloads, repetitions included
        self.packets = Counter()
        self.left = []
        self.was_connected = False
        self.token_ends = set()  # et of every token, MQTT and HTTP
        self.logins = []  # names, in their order
        self.hosts = {}  # name -> the address of its last login
        self.acknowledged = self.bytes_in = self.downloads = 0
        self.connecting = self.connecting_max = self.downloading = self.downloading_max = 0
        self.lose = Counter()  # suffix -> replies that are not sent
        self.refuse = {}  # name -> CONNACK code
        self.is_silent = False
        self.greeting = None  # raw bytes instead of a CONNACK
        self.hold_downloads = None  # an asyncio.Event to wait for
        self.errno = "0"
        self.unavailable = 0  # downloads that are answered 503
        self.changed = asyncio.Event()

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.all = set()
        self.mqtt = await loop.create_server(lambda: Session(self), "127.0.0.1", 0, backlog=4096)
        self.mqtt_address = self.mqtt.sockets[0].getsockname()
        app = web.Application()
        app.router.add_get("/fuse-ota/{pid}/{name}/{tid}/download", self.download)
        self.runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.http_address = self.runner.addresses[0]
        return self

    async def __aexit__(self, *_):
        self.mqtt.close()
        self.drop_all()
        await self.mqtt.wait_closed()
        await self.runner.cleanup()

    def drop_all(self):
        for session in list(self.all):
            session.transport.abort()

    async def until(self, condition):
        """Wait until something that devices did makes the condition true."""
        async with asyncio.timeout(60):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    # MQTT

    def connected(self, session):
        self.all.add(session)
        self.was_connected = True
        self.connecting += 1
        self.connecting_max = max(self.connecting, self.connecting_max)

    def lost(self, session):
        self.all.discard(session)
        if not session.name:
            self.connecting -= 1
        if self.sessions.get(session.name) is session:
            del self.sessions[session.name]
        self.changed.set()

    def login(self, session, packet):
        self.logins.append(packet.client_id)
        self.hosts[packet.client_id] = session.transport.get_extra_info("peername")[0]
        self.changed.set()
        if self.is_silent:
            return
        if self.greeting is not None:
            session.transport.write(self.greeting)
            return
        token = parse_token(packet.password.decode())
        self.token_ends.add(token.et)
        code = self.refuse.get(packet.client_id, 0)
        if token.res != device_resource(packet.username, packet.client_id) or not verify(token, KEY):
            code = 5
        session.send(Connack(code=code))
        if code:
            session.transport.close()
            return
        self.connecting -= 1
        session.name = packet.client_id
        self.sessions[session.name] = session

    def published(self, session, packet):
        parsed = topics.parse_topic(packet.topic)
        assert parsed is not None
        assert (parsed.product_id, parsed.device_name) == ("p1", session.name)
        assert packet.qos == 1
        session.send(Puback(packet.packet_id))
        self.reports[session.name, parsed.suffix].append(packet.payload)
        self.changed.set()
        {
            topics.VERSION: self.version_reported,
            topics.STATUS: self.step_reported,
            topics.PROPERTY_POST: self.card_posted,
            topics.INFORM_REPLY: lambda *_: None,
        }[parsed.suffix](session, packet.payload)

    def reply(self, session, suffix, message_id, code=200):
        if self.lose[suffix] > 0:
            self.lose[suffix] -= 1
            return
        session.publish(topics.REPLIES[suffix], messages.Reply(id=message_id, code=code))

    def version_reported(self, session, payload):
        message = messages.decode(payload, messages.VersionReport)
        self.versions[session.name] = message.params.f_version
        session.present = True
        self.reply(session, topics.VERSION, message.id)
        for job in self.jobs.values():
            if job.name == session.name and job.is_open and not job.steps:
                self.tell(job)

    def card_posted(self, session, payload):
        message = messages.decode(payload, messages.PropertyPost)
        self.cards[session.name] = (message.params.iccid.value, message.params.imsi.value)
        self.reply(session, topics.PROPERTY_POST, message.id)

    def step_reported(self, session, payload):
        message = messages.decode(payload, messages.StatusReport)
        job, step = self.jobs[message.params.tid], message.params.step
        if job.steps and job.steps[-1] == step:
            self.reply(session, topics.STATUS, message.id)
        elif not job.is_open:
            self.reply(session, topics.STATUS, message.id, job.over or 20)
        else:
            job.steps.append(step)
            self.reply(session, topics.STATUS, message.id)

    # the operator

    def order(self, names, target="2.0"):
        """Make a job for each device; those that are present are told."""
        made = []
        for name in names:
            job = Job(len(self.jobs) + 1, name, target)
            self.jobs[job.tid] = job
            made.append(job)
            if name in self.sessions and self.sessions[name].present:
                self.tell(job)
        return made

    def tell(self, job):
        params = messages.InformParams(
            tid=job.tid,
            type=1,
            target=job.target,
            size=len(self.package),
            md5=hashlib.md5(self.package, usedforsecurity=False).hexdigest(),
            url=f"/fuse-ota/p1/{job.name}/{job.tid}/download",
        )
        self.sessions[job.name].publish(topics.INFORM, messages.Inform(id=str(job.tid), params=params))

    # HTTP

    async def download(self, request):
        self.downloads += 1
        self.downloading += 1
        self.downloading_max = max(self.downloading, self.downloading_max)
        self.changed.set()
        try:
            if self.hold_downloads is not None:
                await self.hold_downloads.wait()
            return self.answer(request)
        finally:
            self.downloading -= 1

    def answer(self, request):
        token = parse_token(request.headers["Authorization"])
        assert token.res == device_resource(request.match_info["pid"], request.match_info["name"])
        assert verify(token, KEY)
        self.token_ends.add(token.et)
        if self.unavailable:
            self.unavailable -= 1
            return web.Response(status=503)
        job = self.jobs[int(request.match_info["tid"])]
        if self.errno != "0" or not job.is_open:
            return web.Response(headers={"Ota-Errno": self.errno if self.errno != "0" else "5"})
        part = parse_range(request.headers.get("Range"), len(self.package))
        headers = {"Ota-Errno": "0", "Content-Type": "application/octet-stream;charset=UTF-8"}
        if part.is_whole:
            return web.Response(body=self.package, headers=headers)
        headers["Content-Range"] = content_range(part.start, part.stop, len(self.package))
        return web.Response(status=206, body=self.package[part.start : part.stop], headers=headers)
