"""Devices over aiomqtt: a task each, which awaits its messages and each PUBACK."""

import asyncio
import logging
import os

import aiomqtt

from bench.devices.job import KEEPALIVE_S, PASSWORD, PRODUCT, QOS, Job, arguments, run_all, wait_for_start
from platform_stub.server import raise_descriptor_limit


async def device(host, port, number, ready):
    """Be one device."""
    job = Job(number)
    client = aiomqtt.Client(
        host,
        port,
        identifier=job.name,
        username=PRODUCT,
        password=PASSWORD,
        keepalive=KEEPALIVE_S,
        timeout=60,
    )
    try:
        async with client:
            await client.subscribe(job.inform, QOS)
            ready.set_result(client)
            async for message in client.messages:
                payload = job.told(message.payload)
                while payload is not None:
                    await client.publish(job.status, payload, QOS)
                    payload = job.acknowledged()
    except aiomqtt.MqttError as exc:
        if not ready.done():
            ready.set_exception(exc)


async def main():
    host, port, count = arguments()
    raise_descriptor_limit()
    logging.getLogger("mqtt").setLevel(
        logging.CRITICAL
    )  # "There are 21 pending publish calls", for every device
    wait_for_start()
    tasks = []

    async def connect(number):
        ready = asyncio.get_running_loop().create_future()
        tasks.append(asyncio.create_task(device(host, port, number, ready)))
        return await ready

    await run_all(count, connect)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
