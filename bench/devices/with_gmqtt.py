"""Devices over gmqtt. Its publish() can't be awaited; so that each report follows a PUBACK, a subclass listens for those."""

import asyncio
import logging
import os

import gmqtt
from gmqtt.mqtt.constants import MQTTv311

from bench.devices.job import KEEPALIVE_S, PASSWORD, PRODUCT, QOS, Job, arguments, run_all, wait_for_start
from platform_stub.server import raise_descriptor_limit


class Device(gmqtt.Client):
    """One device."""

    def __init__(self, number):
        self.job = Job(number)
        super().__init__(self.job.name)
        self.ready = asyncio.get_running_loop().create_future()
        self.on_message = lambda _client, _topic, payload, _qos, _properties: self.told(payload)
        self.on_subscribe = lambda *_: self.ready.set_result(self)

    def told(self, payload):
        self.report(self.job.told(payload))
        return 0

    def report(self, payload):
        if payload is not None:
            self.publish(self.job.status, payload, qos=QOS)

    async def come(self, host, port):
        self.set_auth_credentials(PRODUCT, PASSWORD)
        await self.connect(host, port, keepalive=KEEPALIVE_S, version=MQTTv311)
        self.subscribe(self.job.inform, qos=QOS)
        await self.ready
        return self


def listen_for_pubacks(device):
    """Have a device told of its PUBACKs, at the place where gmqtt itself takes them."""
    handler = device._package_handler
    took = handler._handle_puback_packet

    def taken(cmd, packet):
        took(cmd, packet)
        device.report(device.job.acknowledged())

    handler._handle_puback_packet = taken


async def main():
    host, port, count = arguments()
    raise_descriptor_limit()
    logging.getLogger("gmqtt").setLevel(logging.CRITICAL)
    wait_for_start()

    async def connect(number):
        device = Device(number)
        listen_for_pubacks(device)
        return await device.come(host, port)

    await run_all(count, connect)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
