"""Where the stub's CPU goes, by kind of work: a fleet that is updated (`reports`), and a task that is told of (`told`).

`python -m bench.profile [--devices 9000] [--rounds 3] [--against TREE] [--functions 20] [--write docs]`. The stub's process
takes a sample of itself as often as the kernel's clock allows, by its CPU time (SIGPROF: waiting costs nothing, and
nothing is traced). A sample belongs to the innermost frame that SHARES names; what runs in C, the kernel's and SQLite's work
too, belongs to the Python frame that called it. TREE is another checkout, measured in turns with this one.
"""

import argparse
import asyncio
import collections
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
INTERVAL_S = 0.001
LIMIT_S = 300

# What a frame's work is: kind, name, files (by how they end), functions (any when left out). The first that fits counts.
SHARES = (
    ("kernel", "write to a socket", ("asyncio/selector_events.py",), ("write", "_write_send", "_write_ready", "_write_sendmsg")),
    ("kernel", "read from a socket", ("asyncio/selector_events.py",), ("_read_ready__get_buffer", "_read_ready__data_received")),
    ("kernel", "accept and wait for sockets", ("/selectors.py", "/socket.py"), ()),
    ("kernel", "look whether the database is still there", ("/pathlib.py",), ()),
    ("database", "commits, each with its sync", ("sqlalchemy/engine/default.py",), ("do_commit", "do_begin")),
    ("database", "statements", ("store/dialect.py", "store/sqlite.py", "store/engine.py", "store/jobs.py", "store/devices.py",
                                "store/tasks.py", "store/accounts.py", "store/admission.py"), ()),
    ("database", "statements", ("sqlalchemy/",), ()),
    ("asyncio", "event loop", ("/asyncio/",), ()),
    ("aiohttp", "aiohttp's parser and connection", ("/aiohttp/",), ()),
    ("ours", "MQTT: packets, connections, windows", ("broker/embedded/", "protocol/mqtt/", "broker/subscriptions.py", "broker/profile.py"), ()),
    ("ours", "reports read", ("service/uplink.py", "protocol/messages.py", "service/reports.py"), ()),
    ("ours", "reports decided", ("service/batch.py", "service/caseload.py", "service/casebook.py", "/rules/", "service/platform.py"), ()),
    ("ours", "groups, settling", ("service/writer.py",), ()),
    ("ours", "devices told and answered", ("service/telling.py", "service/sessions.py", "service/injection.py"), ()),
    ("ours", "a task created", ("service/tasks.py", "service/accounts.py", "service/answers.py"), ()),
    ("ours", "HTTP calls: who calls, what for", ("service/credentials.py", "service/device_calls.py", "service/standing.py",
                                                 "service/contents.py", "protocol/token.py"), ()),
    ("ours", "HTTP calls: requests and replies", ("/api/", "protocol/ranges.py"), ()),
)  # fmt: skip
REST = ("other", "all else")
COLOURS = {
    "kernel": "#7a8a1e",
    "database": "#b05fd6",
    "asyncio": "#5f7fb0",
    "aiohttp": "#d4691e",
    "ours": "#2f81f7",
    "other": "#737b85",
}


# In the process that is looked at. It runs this file by its path, in any tree that has `bench.peer`.


class Sampler:
    """Counts the stacks that the CPU's time is spent in."""

    def __init__(self):
        self.stacks = collections.Counter()
        signal.signal(signal.SIGPROF, self._take)

    def _take(self, _number, frame):
        stack = []
        while frame is not None:
            stack.append(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
            frame = frame.f_back
        self.stacks[";".join(stack)] += 1

    def start(self):
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def stop(self):
        signal.setitimer(signal.ITIMER_PROF, 0)

    def take(self):
        stacks, self.stacks = self.stacks, collections.Counter()
        return stacks


def be_sampled(count):
    """Be `bench.peer stub`, sampled from `go` on: until it is answered (all are told), and until the next order."""
    sys.path[:] = [str(Path.cwd()), *(path for path in sys.path if path != str(HERE / "bench"))]
    from bench import peer

    sampler = Sampler()
    go, figures = peer.Whole.go, peer.figures

    async def sampled_go(whole):
        sampler.start()
        await go(whole)

    def sampled_figures(whole):
        sampler.stop()
        found = figures(whole)
        found["stacks"] = sampler.take()
        sampler.start()
        return found

    peer.Whole.go, peer.figures = sampled_go, sampled_figures
    asyncio.run(peer.main("stub", count, peer.PACKAGE_BYTES))


# In the process that looks.


class Sampled:
    """The stub's process, sampled. It has `bench.stub.Peer`'s shape."""

    def __init__(self, tree, count):
        from device_sim import Endpoint, Identity

        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "bench" / "profile.py"), "--be-sampled", "--devices", str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)},
        )  # fmt: skip
        ready = json.loads(self.process.stdout.readline())
        self.endpoint = Endpoint(http_address=tuple(ready["http"]), mqtt_address=tuple(ready["mqtt"]))
        self.identities = [Identity(**device) for device in ready["devices"]]

    async def ask(self, what):
        def talk():
            self.process.stdin.write(what.encode() + b"\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

        return await asyncio.to_thread(talk)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


async def reports(peer, count):
    """Update every device of a fleet once; answers CPU in µs a job, and the stacks."""
    from bench.stub import PROFILE
    from device_sim import Fleet

    fleet = Fleet(peer.endpoint, peer.identities, seed=1, profile=PROFILE)
    async with fleet:
        await fleet.ready(LIMIT_S)
        before = await peer.ask("figures")
        stacks = collections.Counter((await peer.ask("go"))["stacks"])
        async with asyncio.timeout(LIMIT_S):
            while fleet.snapshot().jobs_succeeded < count:
                await asyncio.sleep(0.01)
        after = await peer.ask("figures")
    return (after["cpu_s"] - before["cpu_s"]) / count * 1e6, stacks + collections.Counter(after["stacks"])


async def told(peer, count):
    """Tell devices that do nothing but acknowledge of a task; answers CPU in µs a device, and the stacks."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(80)
    devices = []

    async def connect(at, identity):
        async with gate:
            ready = loop.create_future()
            source = (f"127.0.0.{1 + at // 5_000}", 0)
            address = peer.endpoint.mqtt_address
            transport, _ = await loop.create_connection(
                lambda: _device(identity, ready), *address, local_addr=source
            )
            devices.append(transport)
            await ready

    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*(connect(*pair) for pair in enumerate(peer.identities)))
    before = await peer.ask("figures")
    after = await peer.ask("go")
    for transport in devices:
        transport.abort()
    return (after["cpu_s"] - before["cpu_s"]) / count * 1e6, collections.Counter(after["stacks"])


def _device(identity, ready):
    """Make the connection of a device that logs in, says its version, and acknowledges what it is sent."""
    from platform_stub.protocol import topics
    from platform_stub.protocol.mqtt.codec import Decoder, encode, encode_puback, encode_publish
    from platform_stub.protocol.mqtt.packets import Connack, Connect, Publish, Suback, Subscribe
    from platform_stub.protocol.token import device_resource, make_token

    product, name = identity.product_id, identity.name
    buffer = memoryview(bytearray(65_536))
    decoder = Decoder()

    class Device(asyncio.BufferedProtocol):
        def connection_made(self, transport):
            self.transport = transport
            token = make_token(identity.key, device_resource(product, name), int(time.time()) + 3_600)
            transport.write(encode(Connect(name, product, token.encode(), 300)))

        def get_buffer(self, sizehint):
            return buffer

        def buffer_updated(self, size):
            self.transport.write(b"".join(map(self.answer, decoder.feed(buffer[:size]))))

        def answer(self, packet):
            match packet:
                case Connack():
                    return encode(Subscribe(1, ((topics.topic_of(product, name, "/ota/#"), 1),)))
                case Suback():
                    said = b'{"id":"1","version":"1.0","params":{"f_version":"1.0","s_version":"1.0"}}'
                    return encode_publish(topics.topic_of(product, name, topics.VERSION), said, 1, 1)
                case Publish(topic=topic, packet_id=packet_id):
                    if topic.endswith(topics.VERSION_REPLY) and not ready.done():
                        ready.set_result(None)
                    return encode_puback(packet_id) if packet_id else b""
            return b""

    return Device()


def once(path, tree, count):
    peer = Sampled(tree, count)
    try:
        return asyncio.run({"reports": reports, "told": told}[path](peer, count))
    finally:
        peer.close()


def share_of(stack):
    """Name what a stack's time went to: its innermost frame that SHARES knows."""
    for entry in stack.split(";"):
        file, _, function = entry.rpartition(":")
        for kind, name, files, functions in SHARES:
            if any(f"/{part}".replace("//", "/") in file for part in files) and (
                not functions or function in functions
            ):
                return kind, name
    return REST


def shares(rounds):
    """Spread the median round's CPU over what it went to, by all rounds' samples; answers it with the CPU itself."""
    cpu_us = sorted(cpu for cpu, _ in rounds)[len(rounds) // 2]
    counted = collections.Counter()
    for _, stacks in rounds:
        for stack, count in stacks.items():
            counted[share_of(stack)] += count
    total = counted.total() or 1
    return cpu_us, {share: cpu_us * count / total for share, count in counted.items()}


def functions(rounds, most):
    """Say which functions the samples were in (`self`), and below which (`with all it calls`), in µs."""
    cpu_us = sorted(cpu for cpu, _ in rounds)[len(rounds) // 2]
    own, below, total = collections.Counter(), collections.Counter(), 0
    for _, stacks in rounds:
        for stack, count in stacks.items():
            frames = ["/".join(frame.split("/")[-3:]) for frame in stack.split(";")]
            own[frames[0]] += count
            for frame in set(frames):
                below[frame] += count
            total += count
    for title, found in (("self", own), ("with all it calls", below)):
        print(f"\n{title}")
        for frame, count in found.most_common(most):
            print(f"{cpu_us * count / total:8.1f} µs  {frame}")


def table(sides):
    """Spell a Markdown table of the shares, one column a side."""
    order = [*dict.fromkeys((kind, name) for kind, name, *_ in SHARES), REST]
    lines = [
        "| what it is | what | " + " | ".join(f"{name}, µs" for name in sides) + " |",
        "| --- | --- |" + " --- |" * len(sides),
    ]
    for share in order:
        seen = [found.get(share, 0.0) for _, found in sides.values()]
        if max(seen) >= 0.05:
            lines.append(f"| {share[0]} | {share[1]} | " + " | ".join(f"{us:.1f}" for us in seen) + " |")
    lines.append("| | **all** | " + " | ".join(f"**{cpu_us:.0f}**" for cpu_us, _ in sides.values()) + " |")
    return "\n".join(lines)


def picture(sides, title):
    """Draw a bar a side, cut into kinds of work."""
    import matplotlib as mpl

    from bench import plots

    with mpl.rc_context(plots.STYLE):
        made, (axes,) = plots.figure(1, height=0.9 + 0.5 * len(sides))
        for at, (cpu_us, found) in enumerate(sides.values()):
            left = 0.0
            for kind, colour in COLOURS.items():
                us = sum(part for (of, _), part in found.items() if of == kind)
                axes.barh(at, us, left=left, color=colour, label=kind if not at else None)
                if us > cpu_us * 0.04:
                    axes.text(left + us / 2, at, f"{us:.0f}", ha="center", va="center", color="white")
                left += us
        axes.set_yticks(range(len(sides)), list(sides))
        axes.invert_yaxis()
        axes.set_xlabel(title)
        axes.legend(ncols=len(COLOURS), loc="lower center", bbox_to_anchor=(0.5, 1.0))
        return plots.svg(made, title)


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument(
        "paths", nargs="*", choices=["reports", "told", []], help="which path; both when left out"
    )
    parser.add_argument("--devices", type=int, default=9_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, metavar="TREE", help="another checkout, measured in turns")
    parser.add_argument(
        "--functions", type=int, default=0, metavar="N", help="also name the N dearest functions"
    )
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write profile-PATH.svg there")
    parser.add_argument("--be-sampled", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.be_sampled:
        be_sampled(chosen.devices)
        return
    trees = ({"before": chosen.against.resolve()} if chosen.against else {}) | {"now": HERE}
    for path in chosen.paths or ("reports", "told"):
        taken = {name: [] for name in trees}
        for _ in range(chosen.rounds):
            for name, tree in trees.items():
                taken[name].append(once(path, tree, chosen.devices))
        sides = {name: shares(rounds) for name, rounds in taken.items()}
        a_unit = "job" if path == "reports" else "device"
        print(
            f"\n{path}: {chosen.devices:,} devices, CPU of the stub's process in µs a {a_unit}, {chosen.rounds} rounds\n\n{table(sides)}"
        )
        if chosen.functions:
            functions(taken["now"], chosen.functions)
        if chosen.write:
            (chosen.write / f"profile-{path}.svg").write_text(
                picture(sides, f"CPU of the stub's process, µs a {a_unit}")
            )


if __name__ == "__main__":
    main()
