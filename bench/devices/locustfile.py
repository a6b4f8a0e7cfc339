"""Devices over Locust's own MQTT user (paho-mqtt under gevent), one user a device.

Started by `bench.clients` as `locust -f`; with OTA_BENCH_SELECTORS=1 each waits with a selector of its own, which Locust calls
`use_loop_selectors` and does not do unless told. Locust spawns all users whether they are connected or not; what is printed
as connected is who was granted the subscription.
"""

import os
import sys

import gevent
from locust import constant, events, task
from locust.contrib.mqtt import MqttUser

from bench.devices.job import PASSWORD, PRODUCT, QOS, Job, say, wait_for_start

SILENCE_S, PAUSE_S = 5, 0.05
HOST, PORT, COUNT = os.environ["OTA_BENCH_FAR_END"].split()
granted = []


class Device(MqttUser):
    """One device."""

    host, port = HOST, int(PORT)
    username, password = PRODUCT, PASSWORD
    use_loop_selectors = os.environ.get("OTA_BENCH_SELECTORS") == "1"
    wait_time = constant(3600)
    born = 0

    def __init__(self, environment):
        self.job = Job(Device.born)
        Device.born += 1
        self.client_id = self.job.name
        super().__init__(environment)
        client, connected, subscribed, published = (
            self.client, self.client.on_connect, self.client.on_subscribe, self.client.on_publish
        )  # fmt: skip

        def on_connect(*told):
            connected(*told)
            client.subscribe(self.job.inform, QOS)

        def on_subscribe(*told):
            subscribed(*told)
            granted.append(self)

        def on_publish(*told):
            published(*told)
            self.report(self.job.acknowledged())

        client.on_connect, client.on_subscribe, client.on_publish = on_connect, on_subscribe, on_publish
        client.on_message = lambda _client, _data, message: self.report(self.job.told(message.payload))

    def report(self, payload):
        if payload is not None:
            self.client.publish(self.job.status, payload, QOS)

    @task
    def stay(self):
        """Do nothing: the job is done in callbacks."""


@events.test_start.add_listener
def _before(**_):
    wait_for_start()
    gevent.spawn(_count)


def _count():
    """Say how many came, once nobody has come for some seconds."""
    seen, silent_s = 0, 0.0
    while len(granted) < int(COUNT) and silent_s < SILENCE_S:
        gevent.sleep(PAUSE_S)
        silent_s = silent_s + PAUSE_S if len(granted) == seen else 0.0
        seen = len(granted)
    say(connected=len(granted), made=Device.born, why="")
    gevent.get_hub().threadpool.apply(sys.stdin.readline)
    os._exit(0)
