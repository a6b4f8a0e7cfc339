"""What a case is played on: a stub with one device, a relay for HTTP and one for MQTT before it, and the program.

It sets up, and knows what the platform and the wire say. What must be so is the cases' business.
"""

import asyncio
import contextlib
import random
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from device_sim import Flow
from platform_stub.protocol import operator as api
from platform_stub.protocol.errors import EnvironmentFault
from platform_stub.server import Stub
from scenarios.conform.doors import Stranger
from scenarios.conform.http_relay import HttpRelay
from scenarios.conform.mqtt_relay import MqttRelay
from scenarios.conform.program import Program
from scenarios.conform.record import Record
from scenarios.operator import HttpOperator, Refusal

T = TypeVar("T")

DEVICE_NAME: Final = "conform-1"
F_VERSION: Final = "1.0"
S_VERSION: Final = "0.9"
ICCID: Final = "89860412345678901234"
IMSI: Final = "460041234567890"
EXPIRES_MS: Final = 1_200_000
POLL_S: Final = 1
KEEPALIVE_S: Final = 10
OUTPUT: Final = "output.txt"
OWN_FOLDER: Final = "files"
"""Below a case's folder: what the program writes, and where it may keep what it must remember."""


class Bench:
    """One case's world. `jobs` are by the version they lead to."""

    def __init__(self, words: tuple[str, ...], flow: Flow, folder: Path) -> None:
        self.flow = flow
        self.changed = asyncio.Event()
        self._began_s = time.monotonic()
        self._words, self._folder = words, folder
        self._stack = contextlib.AsyncExitStack()
        self.record = Record(self.changed.set)
        self.operator: HttpOperator
        self.http: HttpRelay
        self.mqtt: MqttRelay
        self.stranger: Stranger
        self.program: Program
        self.account_id = 0
        self.product: api.Product
        self.device: api.Device
        self.timeline: list[api.TimelineEntry] = []
        self.tasks: dict[str, int] = {}
        self.jobs: dict[str, api.Job] = {}
        self.marks: dict[str, int] = {}

    def now_ms(self) -> int:
        """Read how long the case has run."""
        return int((time.monotonic() - self._began_s) * 1_000)

    async def __aenter__(self) -> Self:
        """Set everything up but the program, which is started by the case."""
        try:
            await self._set_up()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the program and take everything down."""
        await self._stack.aclose()

    async def _set_up(self) -> None:
        stub = await self._stack.enter_async_context(Stub())
        self.operator = await self._stack.enter_async_context(HttpOperator(stub.http_url))
        self.http = HttpRelay(stub.http_address, self.record, self.now_ms)
        self.mqtt = MqttRelay(stub.mqtt_address, self.record, self.now_ms)
        self.stranger = Stranger()
        for door in (self.http, self.mqtt, self.stranger):
            door.changed = self.changed.set
            await self._stack.enter_async_context(door)
        await self._register()
        self._make_folders()
        self.program = Program(self._words, self._told(), self._folder / OUTPUT)
        self._stack.push_async_callback(self.program.stop)

    def _make_folders(self) -> None:
        """Begin with nothing that an earlier run of the case has left."""
        try:
            shutil.rmtree(self._folder / OWN_FOLDER, ignore_errors=True)
            (self._folder / OWN_FOLDER).mkdir(parents=True)
            (self._folder / OUTPUT).unlink(missing_ok=True)
        except OSError as exc:
            raise EnvironmentFault(f"{self._folder} can't be used: {exc.strerror or exc}") from exc

    async def _register(self) -> None:
        operator = self.operator
        self.account_id = (await operator.open_account("conform", api.Policy(), None)).account_id
        sure(await operator.subscribe(self.account_id))
        self.product = sure(await operator.create_product(self.account_id, "conform", None))
        row = api.RegisterDevice(name=DEVICE_NAME)
        (self.device,) = sure(await operator.register(self.product.product_id, [row]))

    def _told(self) -> Mapping[str, str]:
        """Say what the program is told."""
        return {
            "OTA_HTTP": "{}:{}".format(*self.http.address),
            "OTA_MQTT": "{}:{}".format(*self.mqtt.address),
            "OTA_PRODUCT_ID": self.product.product_id,
            "OTA_DEVICE_NAME": self.device.name,
            "OTA_DEVICE_ID": str(self.device.device_id),
            "OTA_KEY": self.device.key,
            "OTA_PRODUCT_KEY": self.product.access_key,
            "OTA_F_VERSION": F_VERSION,
            "OTA_S_VERSION": S_VERSION,
            "OTA_ICCID": ICCID,
            "OTA_IMSI": IMSI,
            "OTA_FLOW": self.flow,
            "OTA_POLL": f"{POLL_S}s",
            "OTA_KEEPALIVE": str(KEEPALIVE_S),
            "OTA_DIR": str(self._folder / OWN_FOLDER),
        }

    def addresses(self) -> str:
        """Say where the program should connect to."""
        told = self._told()
        return f"{told['OTA_HTTP']} (HTTP) or {told['OTA_MQTT']} (MQTT)"

    # the platform

    async def look(self) -> None:
        """Read what the platform knows of the device and its jobs."""
        detail = sure(await self.operator.device(self.device.device_id))
        self.device, self.timeline = detail.device, detail.timeline
        for target, task_id in self.tasks.items():
            job = self.jobs.get(target)
            if job is None or job.state not in {"success", "failed", "cancelled"}:
                (self.jobs[target],) = await self.operator.jobs(task_id)

    async def offer(self, kind: api.Kind, target: str, size_bytes: int) -> None:
        """Order an update of the device to a package made up for it."""
        content = random.Random(f"{kind} {target}").randbytes(size_bytes)
        operator, product_id = self.operator, self.product.product_id
        package = sure(await operator.add_package(product_id, kind, f"{kind}-{target}", target, content))
        package = sure(await operator.skip_verification(package.package_id))
        order = api.CreateTask(
            package_id=package.package_id,
            device_ids=[self.device.device_id],
            expires_after_ms=EXPIRES_MS,
        )
        self.tasks[target] = sure(await operator.create_task(self.account_id, order)).task_id
        await self.look()

    async def advance(self, by_ms: int) -> None:
        """Let the account's clock go forward."""
        sure(await self.operator.set_clock(self.account_id, advance_ms=by_ms))

    def mark(self, name: str = "") -> None:
        """Remember where the record is now."""
        self.marks[name] = self.record.mark

    def since(self, name: str = "") -> int:
        """Say where the record was at a mark; its beginning where there was none."""
        return self.marks.get(name, 0)

    def sum_up(self) -> str:
        """Say where things are, in a line."""
        jobs = [
            f"the job to {target} is {job.state}" + (f" (step {job.step})" if job.step is not None else "")
            for target, job in self.jobs.items()
        ]
        calls = self.record.calls()
        last = f"the device's last word was {calls[-1].what}: {calls[-1].text}" if calls else _SILENT
        return "; ".join([*jobs, last])


_SILENT: Final = "the device has said nothing"


def sure(answer: T | Refusal) -> T:
    """Take an answer that can't be a refusal."""
    if isinstance(answer, Refusal):
        raise EnvironmentFault(f"the stub refuses what a case needs: {answer.message}")
    return answer
