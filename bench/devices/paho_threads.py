"""Devices over paho-mqtt as its documentation starts them: a thread each (`loop_start`). It waits with select()."""

import os
import sys
import threading

import paho.mqtt.client as mqtt

from bench.devices.job import KEEPALIVE_S, PASSWORD, PRODUCT, QOS, Job, arguments, say, wait_for_start
from platform_stub.server import raise_descriptor_limit

GIVE_UP_S = 2


def connect(host, port, number):
    """Connect a device; answers it, or None when its subscription is not there in time."""
    job, subscribed = Job(number), threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=job.name)
    client.username_pw_set(PRODUCT, PASSWORD)

    def report(payload):
        if payload is not None:
            client.publish(job.status, payload, QOS)

    client.on_connect = lambda *_: client.subscribe(job.inform, QOS)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _client, _data, message: report(job.told(message.payload))
    client.on_publish = lambda *_: report(job.acknowledged())
    client.connect(host, port, KEEPALIVE_S)
    client.loop_start()
    if subscribed.wait(GIVE_UP_S):
        return client
    client.disconnect()
    return None


def main():
    host, port, count = arguments()
    raise_descriptor_limit()
    threading.stack_size(256 * 1024)
    wait_for_start()
    clients, why = [], ""
    for number in range(count):
        client = connect(host, port, number)
        if client is None:
            why = f"device {number + 1:,} is never subscribed: select() takes no descriptor above 1,023, and a client has three"
            break
        clients.append(client)
    say(connected=len(clients), why=why)
    sys.stdin.readline()
    os._exit(0)


if __name__ == "__main__":
    main()
