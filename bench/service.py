"""The platform without sockets: what each thing that a device reports costs, commit included, in µs of CPU.

`python -m bench.service [--rounds 5] [--group 70]`, and in another checkout `PYTHONPATH=. python PATH/bench/service.py`. The
database is in /dev/shm where there is one: a sync's waiting is no CPU. Devices report in groups, in an order that is not
the table's. The least of all rounds is shown: other work on the machine can only add.
"""

import argparse
import asyncio
import gc
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path[:] = [path for path in sys.path if path != str(Path(__file__).resolve().parent)]

DEVICES = 2_100
SHM = "/dev/shm" if Path("/dev/shm").is_dir() else None


class Radio:
    """A broker that reaches every device at once: remembers each one's job."""

    def __init__(self):
        self.tids = {}

    def publish(self, session, suffix, payload, qos, delivered=None):
        if delivered is not None:
            self.tids[session.device_id] = json.loads(payload)["params"]["tid"]

    def takes(self, session, suffix):
        return True

    def close(self, session):
        """Nobody is closed here."""


class Desk:
    """A platform with devices that are connected and have reported."""

    def __init__(self, store, platform, group):
        self.store, self.platform, self.group = store, platform, group
        self.radio = Radio()
        platform.attach(self.radio)

    async def write(self, use_case, *args):
        return await self.platform.write(lambda tx: use_case(tx, *args))

    async def prepare(self):
        from platform_stub.protocol import operator as api
        from platform_stub.protocol.calls import Generation
        from platform_stub.protocol.codes import UpdateKind
        from platform_stub.rules import events as ev
        from platform_stub.service import accounts, catalogue
        from platform_stub.service.credentials import Caller
        from platform_stub.service.ports import Session

        opened = await self.write(
            accounts.open_account, api.OpenAccount(policy=api.Policy(charging_date_ms=0))
        )
        self.account = opened.account_id
        await self.write(accounts.act, self.account, ev.Subscribe())
        await self.write(accounts.act, self.account, ev.Grant(count=DEVICES, contract="bench"))
        product = (await self.write(catalogue.create_product, self.account, api.CreateProduct())).product_id
        wanted = [
            api.RegisterDevice(name=f"d{at}", f_version="1.0", s_version="1.0") for at in range(DEVICES)
        ]
        self.devices = (await self.write(catalogue.register, product, wanted)).devices
        self.package = await self.write(
            catalogue.add_package, product, UpdateKind.FOTA, "p", "2.0", bytes(64)
        )
        await self.write(catalogue.skip_verification, self.package.package_id)
        self.sessions, self.callers = [], []
        for device in self.devices:
            about = {
                "device_id": device.device_id,
                "product_id": product,
                "name": device.name,
                "account_id": self.account,
            }
            session = Session(**about, told_by_inform=True)
            self.platform.sessions.open(session)
            self.sessions.append(session)
            self.callers.append(Caller(**about, generation=Generation.FUSE, now_ms=self.platform.real_ms()))
        for some in (self.sessions, self.callers):
            random.Random(1).shuffle(some)

    async def report(self, suffix, payload_of):
        """Let all devices report, a group at a time."""
        settled = []
        for at in range(0, DEVICES, self.group):
            some = self.sessions[at : at + self.group]
            settled.clear()
            for session in some:
                payload = payload_of(self.radio.tids.get(session.device_id, 0))
                self.platform.uplink.received(session, suffix, payload, settled.append)
            while len(settled) < len(some):
                await asyncio.sleep(0)
            assert all(settled)

    async def download(self):
        """Let all devices ask for a range of the package."""
        for at in range(0, DEVICES, self.group):
            some = self.callers[at : at + self.group]
            await asyncio.gather(
                *(
                    self.platform.device_calls.open_download(caller, self.radio.tids[caller.device_id])
                    for caller in some
                )
            )

    async def tell(self):
        """Create a task for all devices, and wait until they are told."""
        from platform_stub.protocol import operator as api
        from platform_stub.service import tasks

        ids = [device.device_id for device in self.devices]
        await self.write(
            tasks.create, self.account, api.CreateTask(package_id=self.package.package_id, device_ids=ids)
        )
        while len(self.radio.tids) < DEVICES:
            await asyncio.sleep(0)


def versions(version):
    return lambda _: (
        b'{"id":"1","version":"1.0","params":{"f_version":"%s","s_version":"1.0"}}' % version.encode()
    )


def step(number):
    return lambda tid: b'{"id":"1","version":"1.0","params":{"tid":%d,"step":%d}}' % (tid, number)


async def measure(group):
    """Update all devices once; answers µs of CPU a device by what they did."""
    from platform_stub.service.platform import Platform
    from platform_stub.store.engine import open_store

    spent_us = {}
    with tempfile.TemporaryDirectory(dir=SHM) as folder:
        store = open_store(Path(folder) / "data")
        platform = Platform(store, lambda: time.time_ns() // 1_000_000)
        desk = Desk(store, platform, group)
        await desk.prepare()
        await desk.report("/ota/version", versions("1.0"))
        for name, work in (
            ("task created, all told", desk.tell),
            (
                "inform reply",
                lambda: desk.report("/ota/inform_reply", lambda tid: b'{"id":"%d","code":200}' % tid),
            ),
            ("first range asked for", desk.download),
            ("next range asked for", desk.download),
            ("progress", lambda: desk.report("/ota/status", step(50))),
            ("101", lambda: desk.report("/ota/status", step(101))),
            ("201", lambda: desk.report("/ota/status", step(201))),
            ("new version", lambda: desk.report("/ota/version", versions("2.0"))),
        ):
            gc.collect()
            started = time.process_time()
            await work()
            spent_us[name] = (time.process_time() - started) / DEVICES * 1e6
        await platform.close()
        store.close()
    return spent_us


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--group", type=int, default=70, help="how many devices report at once")
    chosen = parser.parse_args()
    rounds = [asyncio.run(measure(chosen.group)) for _ in range(chosen.rounds)]
    least = {name: min(taken[name] for taken in rounds) for name in rounds[0]}
    print(
        f"{DEVICES:,} devices, {chosen.group} at once, {chosen.rounds} rounds, the least of them: µs of CPU a device"
    )
    for name, us in (least | {"all": sum(least.values())}).items():
        print(f"{us:8.1f}  {name}")


if __name__ == "__main__":
    main()
