"""Devices over this project's own link, `device_sim.transport`: the same that a fleet's devices use."""

import asyncio
import os
import time

from bench.devices.job import KEEPALIVE_S, PASSWORD, PRODUCT, Job, arguments, run_all, wait_for_start
from bench.load import name_of
from device_sim.transport.dialler import Dialler
from device_sim.transport.mqtt import MqttLink
from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.packets import Connect
from platform_stub.server import raise_descriptor_limit


class Link(MqttLink):
    """Tells the device when all that it sent is acknowledged; a fleet's device waits for the platform's answer instead."""

    __slots__ = ()

    def buffer_updated(self, nbytes):
        before = self._unacknowledged
        super().buffer_updated(nbytes)
        if before is not None and self._unacknowledged is None:
            self._owner.acknowledged()


class Device:
    """The owner of a link."""

    __slots__ = ("dialler", "job", "link", "ready", "source")

    def __init__(self, number, dialler, ready):
        self.job, self.dialler, self.ready, self.source = Job(number), dialler, ready, ""

    def make_stream(self):
        prefix = self.job.inform.removesuffix(topics.INFORM)
        self.link = Link(
            self,
            prefix,
            (topics.INFORM,),
            keepalive_s=KEEPALIVE_S,
            connect_timeout_ms=30_000,
            ping_timeout_ms=30_000,
        )
        return self.link

    def dial_failed(self, reason):
        self.ready.set_exception(OSError(reason))

    def login(self):
        return Connect(name_of(self.job.number), PRODUCT, PASSWORD.encode(), KEEPALIVE_S)

    def now_ms(self):
        return time.monotonic_ns() // 1_000_000

    def link_made(self):
        pass

    def link_up(self, now_ms):
        self.dialler.release(self)
        self.ready.set_result(self)

    def link_down(self, reason, refused):
        if not self.ready.done():
            self.ready.set_exception(OSError(reason))

    def link_gone(self):
        pass

    def crashed(self, error):
        raise error

    def received(self, suffix, payload, now_ms):
        self.report(self.job.told(payload))

    def acknowledged(self):
        self.report(self.job.acknowledged())

    def report(self, payload):
        if payload is not None:
            self.link.send(topics.STATUS, payload)
            self.link.flush()


async def main():
    host, port, count = arguments()
    raise_descriptor_limit()
    wait_for_start()
    dialler = Dialler((host, port), 80)

    async def connect(number):
        device = Device(number, dialler, asyncio.get_running_loop().create_future())
        dialler.request(device)
        device = await device.ready
        device.ready = None
        return device

    await run_all(count, connect)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
