"""Devices over paho-mqtt, all on one selector: its own calls for a loop of the user's, in one thread."""

import os
import selectors
import socket
import sys
import time

import paho.mqtt.client as mqtt

from bench.devices.job import KEEPALIVE_S, PASSWORD, PRODUCT, QOS, Job, arguments, say, wait_for_start
from platform_stub.server import raise_descriptor_limit

SILENCE_S = 5
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Loop:
    """The selector, and who is subscribed."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.subscribed = 0

    def add(self, host, port, number):
        job = Job(number)
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=job.name)
        client.username_pw_set(PRODUCT, PASSWORD)

        def report(payload):
            if payload is not None:
                client.publish(job.status, payload, QOS)

        client.on_connect = lambda *_: client.subscribe(job.inform, QOS)
        client.on_subscribe = lambda *_: self.count()
        client.on_message = lambda _client, _data, message: report(job.told(message.payload))
        client.on_publish = lambda *_: report(job.acknowledged())
        client.connect(host, port, KEEPALIVE_S)
        client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(client.socket(), READ, client)

    def count(self):
        self.subscribed += 1

    def turn(self, timeout_s):
        """Serve whoever is ready; True when someone was."""
        events = self.selector.select(timeout_s)
        for key, mask in events:
            client = key.data
            if client is None:
                return False
            if mask & READ:
                client.loop_read()
            while client.want_write() and client.loop_write() == 0:
                pass
        return bool(events)


def main():
    host, port, count = arguments()
    raise_descriptor_limit()
    wait_for_start()
    loop = Loop()
    for number in range(count):
        loop.add(host, port, number)
        loop.turn(0)
    end_s = time.monotonic() + SILENCE_S
    while loop.subscribed < count and time.monotonic() < end_s:
        if loop.turn(0.1):
            end_s = time.monotonic() + SILENCE_S
    say(connected=loop.subscribed, why="" if loop.subscribed == count else "no word of the others")
    loop.selector.register(sys.stdin, READ, None)
    while loop.turn(None):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
