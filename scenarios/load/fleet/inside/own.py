"""Inside Locust, when `locust -f locustfile_fleet.py` runs by itself: a user's own account, devices, and their updates.

The operator's calls go through the user's HTTP client, so they are in the statistics; the devices' latencies come from
the shard's process. What is not done in time is a failure for each device that is missing.
"""

# mypy: disallow-untyped-calls=False
# gevent and Locust have few annotations

import time
from typing import Any, Final

import gevent
import msgspec
from gevent.event import Event as Happened
from locust.exception import StopUser

from device_sim.identity import Identity
from device_sim.shards.messages import Failed, Mark, Snapshot, Start
from platform_stub.protocol import operator as api
from scenarios.load.fleet.ground import START_VERSION, TASK_LIFE_MS, content_of
from scenarios.load.fleet.inside.feed import ShardStatistics
from scenarios.load.fleet.inside.process import ShardProcess

NDJSON: Final = {"Content-Type": "application/x-ndjson"}
BYTES: Final = {"Content-Type": "application/octet-stream"}
VERSION_FIELDS: Final = {"FOTA": "f_version", "SOTA": "s_version"}


def add_options(parser: Any) -> None:
    """Add what a user of the locustfile may say: command line, environment, and the web page's form."""
    group = parser.add_argument_group("ota-sim fleet", "What one user is made of.")
    group.add_argument(
        "--fleet-devices", type=int, default=1_000, env_var="OTA_FLEET_DEVICES", help="Devices of one user."
    )
    group.add_argument(
        "--fleet-mqtt",
        default="127.0.0.1:1883",
        env_var="OTA_FLEET_MQTT",
        help="Where devices log in; --host is where they download, and where the operator API is.",
    )
    group.add_argument(
        "--fleet-kind",
        choices=["FOTA", "SOTA"],
        default="FOTA",
        env_var="OTA_FLEET_KIND",
        help="What is updated.",
    )
    group.add_argument(
        "--fleet-size", type=int, default=16_384, env_var="OTA_FLEET_SIZE", help="Bytes of a package."
    )
    group.add_argument(
        "--fleet-limit",
        type=float,
        default=120.0,
        env_var="OTA_FLEET_LIMIT",
        help="Seconds after which devices that are not connected, or not updated, are missing.",
    )


class OwnFleet:
    """The devices of one user, and the account that they are in."""

    def __init__(self, user: Any) -> None:
        self._user = user
        self._client = user.client
        self._options = user.environment.parsed_options
        self._statistics = ShardStatistics(user.environment)
        self._moved = Happened()
        self._last: Snapshot | None = None
        self._updates = 0
        self._shard: ShardProcess | None = None
        self._is_over = False

    def start(self) -> None:
        """Make account and devices, start their process, and wait until they are connected."""
        count = self._options.fleet_devices
        policy = api.Policy(free_devices=0, charging_date_ms=int(time.time() * 1_000))
        account = self._call(
            "open account", "/v1/accounts", api.Account, api.OpenAccount(name="locust", policy=policy)
        )
        self._account = f"/v1/accounts/{account.account_id}"
        self._call("subscribe", f"{self._account}/subscription", api.Account, None)
        self._call(
            "grant licences",
            f"{self._account}/licences/grants",
            api.Account,
            api.GrantLicences(count=count, contract="locust"),
        )
        product = self._call("make product", f"{self._account}/products", api.Product, api.CreateProduct())
        self._product = product.product_id
        self._devices = self._register(count)
        identities = [Identity.of(device) for device in self._devices]
        self._shard = ShardProcess()
        http, mqtt = _address(self._user.host), _address(self._options.fleet_mqtt)
        self._shard.tell(Start(http=http, mqtt=mqtt, identities=identities))
        gevent.spawn(self._listen, self._shard)
        self._wait("connect", lambda now: now.counts.present, count)

    def update(self) -> None:
        """Update each device once."""
        self._updates += 1
        assert self._shard is not None
        before = self._ended()
        package = self._package(f"1.{self._updates}")
        order = api.CreateTask(
            package_id=package.package_id,
            device_ids=[device.device_id for device in self._devices],
            expires_after_ms=TASK_LIFE_MS,
        )
        self._shard.tell(Mark(name="told", at_ns=time.monotonic_ns()))
        self._call("create task", f"{self._account}/tasks", api.Task, order)
        self._wait("job", lambda _: self._ended() - before, len(self._devices))

    def stop(self) -> None:
        """Let the devices leave, and their process end."""
        if self._shard is not None:
            self._shard.end()

    def _register(self, count: int) -> list[api.Device]:
        lines = b"\n".join(
            msgspec.json.encode(
                api.RegisterDevice(name=f"load-{number}", f_version=START_VERSION, s_version=START_VERSION)
            )
            for number in range(1, count + 1)
        )
        path = f"/v1/products/{self._product}/devices"
        registered: api.Registered = self._call("register devices", path, api.Registered, lines, NDJSON)
        return registered.devices

    def _package(self, target: str) -> api.Package:
        kind, size = self._options.fleet_kind, self._options.fleet_size
        path = f"/v1/products/{self._product}/packages?kind={kind}&name={target}&target={target}"
        package = self._call("upload package", path, api.Package, content_of(size), BYTES)
        path = f"/v1/packages/{package.package_id}/verification-skip"
        skipped: api.Package = self._call("skip verification", path, api.Package, None)
        return skipped

    def _call(self, name: str, path: str, kind: Any, body: Any, headers: dict[str, str] | None = None) -> Any:
        """Do an operator's call and read its answer; the user stops when it is refused, and Locust counts it."""
        content = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        if headers is None and content is not None:
            headers = {"Content-Type": "application/json"}
        with self._client.request(
            "POST", path, data=content, headers=headers, name=name, catch_response=True
        ) as answer:
            try:
                return _read(answer, kind)
            except ValueError as exc:
                answer.failure(f"{name}: {exc}")
                raise StopUser from exc

    def _listen(self, shard: ShardProcess) -> None:
        for event in shard.events():
            if isinstance(event, Snapshot):
                self._last = event
                self._statistics.take(event)
            elif isinstance(event, Failed):
                self._statistics.missing("shard", 1, event.what)
            self._moved.set()
        self._is_over = True
        self._moved.set()

    def _ended(self) -> int:
        if self._last is None:
            return 0
        counts = self._last.counts
        return counts.jobs_succeeded + counts.jobs_failed + counts.jobs_ended

    def _wait(self, name: str, count_of: Any, wanted: int) -> None:
        """Wait until so many did it; those that did not in time are failures."""
        end_s = time.monotonic() + self._options.fleet_limit
        while True:
            done = 0 if self._last is None else count_of(self._last)
            if done >= wanted:
                return
            left_s = end_s - time.monotonic()
            if self._is_over or left_s <= 0:
                break
            self._moved.clear()
            self._moved.wait(left_s)
        why = (
            "the shard's process has ended"
            if self._is_over
            else f"missing after {self._options.fleet_limit:g} s"
        )
        self._statistics.missing(name, wanted - done, why)
        if self._is_over:
            raise StopUser


def _read(answer: Any, kind: Any) -> Any:
    """Read an answer; ValueError: it is a refusal, or none of the API's."""
    if not 200 <= answer.status_code < 300:  # noqa: PLR2004 - HTTP's line of what was done
        raise ValueError(answer.text or f"HTTP {answer.status_code}")
    return msgspec.json.decode(answer.content, type=kind)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rstrip("/").rpartition("//")[2].rpartition(":")
    return host.strip("[]"), int(port)
