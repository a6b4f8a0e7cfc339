"""The stub as a process of its own, as its users run it, and an operator at its API."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from device_sim import Identity

READY_S = 60


class Process:
    """`ota-sim serve` in a process of its own."""

    def __init__(self, *options):
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
        command = [sys.executable, "-m", "scenarios.cli", "serve", *map(str, options)]
        self.popen = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.lines = []
        for line in self.popen.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("ready"):
                break
        else:
            raise AssertionError("\n".join(self.lines))

    def _address(self, word):
        line = next(line for line in self.lines if line.split()[:1] == [word])
        host, _, port = line.split()[1].removeprefix("http://").rpartition(":")
        return host, int(port)

    @property
    def http_address(self):
        return self._address("HTTP")

    @property
    def mqtt_address(self):
        return self._address("MQTT")

    def kill(self):
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        self.popen.stdout.close()

    def stop(self):
        """Ctrl-C; answers exit code and what was printed after that."""
        self.popen.send_signal(signal.SIGINT)
        rest, _ = self.popen.communicate(timeout=READY_S)
        return self.popen.returncode, rest


class Operator:
    """A blocking client of the operator API, from the standard library."""

    def __init__(self, address):
        self.base = f"http://{address[0]}:{address[1]}"

    def __call__(self, method, path, body=None, *, media="application/json", **headers):
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {"Content-Type": media} | {key.replace("_", "-"): value for key, value in headers.items()}
        request = urllib.request.Request(self.base + path, data=data or None, method=method, headers=named)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return json.loads(refused.read())

    def shop(self, count, *, free=0, grant=0, size=10_000):
        """An account with a charging date in the past, `count` devices, and a FOTA package to 2.0."""
        policy = {"charging_date_ms": 0, "free_devices": free}
        account = self("POST", "/v1/accounts", {"policy": policy})
        base = f"/v1/accounts/{account['account_id']}"
        self("POST", f"{base}/subscription")
        if grant:
            self("POST", f"{base}/licences/grants", {"count": grant, "contract": "C"})
        product = self("POST", f"{base}/products", {})["product_id"]
        sheet = "name,f_version,s_version\n" + "".join(f"d{at},1.0,1.0\n" for at in range(count))
        devices = self("POST", f"/v1/products/{product}/devices", sheet.encode(), media="text/csv")["devices"]
        package = self.package(product, "2.0", size)
        return base, product, devices, package

    def package(self, product, target, size=10_000, kind="FOTA"):
        path = f"/v1/products/{product}/packages?kind={kind}&name={kind}-{target}&target={target}"
        package = self("POST", path, os.urandom(size), media="application/octet-stream")
        self("POST", f"/v1/packages/{package['package_id']}/verification-skip")
        return package["package_id"]

    def task(self, base, package, devices, **more):
        order = {"package_id": package, "device_ids": [device["device_id"] for device in devices]}
        return self("POST", f"{base}/tasks", order, **more)


def identities(devices):
    """The fleet's view of registered devices."""
    fields = ("device_id", "product_id", "name", "key", "iccid", "imsi", "f_version", "s_version")
    return [Identity(**{name: device[name] for name in fields}) for device in devices]


@pytest.fixture
def serve():
    """Start `ota-sim serve` with options; whatever still runs at the end is killed."""
    started = []

    def start(*options):
        process = Process(*options)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.kill()
        process.popen.stdout.close()


async def in_thread(function, *args, **kwargs):
    """Do blocking work beside a running fleet."""
    return await asyncio.to_thread(function, *args, **kwargs)
