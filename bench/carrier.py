"""Brokers as processes of their own, and what those in Python have inside: a platform that counts what arrives.

`python -m bench.carrier embedded|amqtt|amqtt-alone` prints one JSON line when it listens, then does what lines on its
standard input say (`expect COUNT LAP`, `go COUNT LAP`, `figures`), answering each with a JSON line.
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.apart import Unmeasured
from bench.load import TURN, Ledger, inform_of, number_of, topic_of
from bench.memory import rss_bytes
from platform_stub.broker.embedded import EmbeddedBroker
from platform_stub.protocol import topics
from platform_stub.server import raise_descriptor_limit, relax_collector
from platform_stub.service.ports import Session

ANSWER_LIMIT_S = 60
AEDES_VERSION = "1.2.0"
INSTALL_LIMIT_S = 120
AMQTT_ROOT = "_sys"  # amqtt stops reading a client that publishes below `$`; as long as ours
MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
persistence false
log_type none
"""


class Embedded:
    """The embedded broker, and a platform that lets anyone in, takes all, and answers nothing."""

    def __init__(self):
        self.ledger = Ledger()
        self.sessions = {}

    async def start(self):
        self.broker = EmbeddedBroker(self, "127.0.0.1", 0)
        await self.broker.start()
        return self.broker.address

    async def go(self, count, lap):
        for number in range(count):
            self.broker.publish(self.sessions[number], topics.INFORM, inform_of(number, lap), 1)
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)

    def connect(self, product_id, client_id, password):
        number = number_of(client_id)
        session = Session(device_id=number, product_id=product_id, name=client_id)
        self.sessions[number] = session
        return session

    def subscribed(self, session, inform):
        session.told_by_inform = inform

    def disconnected(self, session):
        self.sessions.pop(session.device_id, None)

    def received(self, session, suffix, payload, settle):
        self.ledger.take(session.device_id, payload)
        settle(True)


class Amqtt:
    """amqtt as it is, with the plugins it needs and no more; a platform as a plugin, or none."""

    def __init__(self, has_platform):
        self.ledger = Ledger()
        self.has_platform = has_platform

    async def start(self):
        import logging

        from amqtt.broker import Broker
        from amqtt.contexts import BrokerConfig, ListenerConfig

        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        if self.has_platform:
            plugins["bench.amqtt_platform.Platform"] = {"take": self.take}
        listeners = {"default": ListenerConfig(bind="127.0.0.1:0")}
        self.broker = Broker(BrokerConfig(listeners=listeners, plugins=plugins))
        await self.broker.start()
        return self.broker._servers["default"].instance.sockets[0].getsockname()

    def take(self, message):
        self.ledger.take(number_of(message.topic.split("/", 3)[2]), bytes(message.data))

    async def go(self, count, lap):
        for number in range(count):
            topic = topic_of(AMQTT_ROOT, number, topics.INFORM)
            await self.broker.internal_message_broadcast(topic, inform_of(number, lap), 1)
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)


def cpu_s_of(pid):
    """Read what CPU a process has used, in the kernel and out of it; Unmeasured when there is none any more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        raise Unmeasured("its process has ended") from None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Carrier:
    """A broker's process, seen from the load."""

    root = topics.ROOT
    has_platform = True

    def __init__(self, *command, **pipes):
        self.process = subprocess.Popen(command, **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def cpu_s(self):
        """Read what CPU it has used, in the kernel and out of it."""
        return cpu_s_of(self.process.pid)

    def rss_bytes(self):
        """Read what of it is resident."""
        return rss_bytes(self.process.pid)


class PythonCarrier(Carrier):
    """The embedded broker or amqtt, which this file is the program of."""

    def __init__(self, kind):
        super().__init__(
            sys.executable, "-m", "bench.carrier", kind, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.address = tuple(json.loads(self.process.stdout.readline()))
        if kind != "embedded":
            self.root, self.has_platform = AMQTT_ROOT, kind == "amqtt"

    async def expect(self, count, lap):
        await self._ask(f"expect {count} {lap}")

    async def go(self, count, lap):
        await self._ask(f"go {count} {lap}")

    async def figures(self):
        return await self._ask("figures")

    async def _ask(self, what):
        def talk():
            self.process.stdin.write(what.encode() + b"\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

        return await asyncio.wait_for(asyncio.to_thread(talk), ANSWER_LIMIT_S)


class Mosquitto(Carrier):
    """mosquitto with its limits off; the platform is one of its clients."""

    has_platform = False

    def __init__(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = free.getsockname()
        self.folder = tempfile.TemporaryDirectory()
        config = Path(self.folder.name) / "mosquitto.conf"
        config.write_text(MOSQUITTO.format(port=self.address[1]))
        super().__init__(
            shutil.which("mosquitto"), "-c", str(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self):
        end_s = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(self.address, 1).close()
            except ConnectionRefusedError:
                assert self.process.poll() is None, "mosquitto does not start"
                assert time.monotonic() < end_s, "mosquitto does not listen"
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.folder.cleanup()


class Aedes(Carrier):
    """aedes under node; the platform is one of its clients."""

    has_platform = False

    def __init__(self):
        super().__init__("node", str(aedes_program()), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.address = tuple(json.loads(self.process.stdout.readline() or "null") or ())
        if not self.address:
            raise Unmeasured("aedes does not start")


def aedes_program():
    """Put aedes into a cache outside the tree, once; answers its program. Unmeasured: there is no node, or no package."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Unmeasured("node and npm are not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "ota-sim-bench" / f"aedes-{AEDES_VERSION}"
    program = folder / "broker.mjs"
    if not (folder / "node_modules" / "aedes").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"]
        try:
            done = subprocess.run(
                [*command, f"aedes@{AEDES_VERSION}"],
                capture_output=True,
                text=True,
                check=False,
                timeout=INSTALL_LIMIT_S,
            )
        except subprocess.TimeoutExpired:
            raise Unmeasured(
                f"npm install aedes@{AEDES_VERSION}: not done within {INSTALL_LIMIT_S} s"
            ) from None
        if done.returncode:
            words = (done.stderr.strip().splitlines() or ["no word why"])[0]
            raise Unmeasured(f"npm install aedes@{AEDES_VERSION}: {words}")
    program.write_text((Path(__file__).parent / "aedes_broker.mjs").read_text())
    return program


async def serve(kind):
    raise_descriptor_limit()
    relax_collector()
    far = Embedded() if kind == "embedded" else Amqtt(has_platform=kind == "amqtt")
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    print(json.dumps(await far.start()), flush=True)
    while line := await reader.readline():
        what, *numbers = line.decode().split()
        if what == "expect":
            far.ledger.expect(*map(int, numbers))
        elif what == "go":
            await far.go(*map(int, numbers))
        print(json.dumps(far.ledger.figures()), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
