"""What a fleet is let loose on: an account with its licences, devices and package, made over the operator API.

Each run has an account of its own, charged from the start and without free licences: it buys one licence a device, so
that afterwards the count says whether one was lost or given away. Money is fen, times are milliseconds.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from device_sim.identity import Identity
from platform_stub.protocol import operator as api
from platform_stub.protocol.errors import EnvironmentFault
from scenarios.operator import Operator, Refusal

T = TypeVar("T")

START_VERSION: Final = "1.0"
TARGET_VERSION: Final = "2.0"
REGISTERED_AT_ONCE: Final = 10_000
TASK_LIFE_MS: Final = 86_400_000
CONTENT_SEED: Final = bytes(range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What was made. `devices` are in the order of their IDs."""

    account_id: int
    product_id: str
    package_id: int
    kind: api.Kind
    devices: Sequence[api.Device]
    bought: int

    @property
    def identities(self) -> list[Identity]:
        """Give the devices as a fleet takes them."""
        return [Identity.of(device) for device in self.devices]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What the platform says when all is over."""

    jobs: Mapping[str, int]  # by state
    unfinished: Mapping[int, str]  # state by device ID, of the jobs that are no success
    jobless: Sequence[int]  # devices of the task without a job
    outdated: Sequence[int]  # devices whose version is not the target
    licences: api.Licences
    deducted: int

    @property
    def updated(self) -> int:
        """How many devices were updated."""
        return self.jobs.get("success", 0)


async def prepare_ground(
    operator: Operator, devices: int, kind: api.Kind, size_bytes: int, say: Callable[[str], None]
) -> Ground:
    """Make it all, and say on the way how far it is. OperatorFault and EnvironmentFault say what was refused."""
    say("opening an account")
    policy = api.Policy(free_devices=0, charging_date_ms=int(time.time() * 1_000))
    account = await operator.open_account("load fleet", policy, None)
    account_id = account.account_id
    taken(await operator.subscribe(account_id), "subscribe")
    taken(await operator.top_up(account_id, devices * account.policy.price_fen or 1), "top the account up")
    taken(await operator.buy(account_id, devices), f"sell {devices:,} licences")
    product = taken(await operator.create_product(account_id, "load fleet", None), "make a product")
    registered: list[api.Device] = []
    for first in range(0, devices, REGISTERED_AT_ONCE):
        say(f"registering devices: {first:,} of {devices:,}")
        wanted = [
            api.RegisterDevice(name=f"load-{number}", f_version=START_VERSION, s_version=START_VERSION)
            for number in range(first + 1, min(first + REGISTERED_AT_ONCE, devices) + 1)
        ]
        answer = taken(await operator.register(product.product_id, wanted), "register the devices")
        if len(answer) != len(wanted):
            raise EnvironmentFault(
                f"the platform registered {len(answer):,} devices where {len(wanted):,} were asked for"
            )
        registered += answer
    say("uploading the package")
    package = taken(
        await operator.add_package(
            product.product_id, kind, "load-fleet", TARGET_VERSION, content_of(size_bytes)
        ),
        "take the package",
    )
    taken(await operator.skip_verification(package.package_id), "skip the package's verification")
    return Ground(
        account_id=account_id,
        product_id=product.product_id,
        package_id=package.package_id,
        kind=kind,
        devices=sorted(registered, key=lambda device: device.device_id),
        bought=devices,
    )


async def order_update(operator: Operator, ground: Ground) -> api.Task:
    """Create the one task for all devices. EnvironmentFault: it was refused."""
    order = api.CreateTask(
        package_id=ground.package_id,
        device_ids=[device.device_id for device in ground.devices],
        name="load fleet",
        expires_after_ms=TASK_LIFE_MS,
    )
    return taken(await operator.create_task(ground.account_id, order), "create the task")


async def see_aftermath(operator: Operator, ground: Ground, task: api.Task) -> Aftermath:
    """Ask the platform for each job, each version and the licences."""
    jobs = await operator.jobs(task.task_id)
    found = {device.device_id: device for device in await operator.devices(ground.account_id)}
    held = {job.device_id for job in jobs}
    ids = [device.device_id for device in ground.devices]
    return Aftermath(
        jobs=dict(Counter(job.state for job in jobs)),
        unfinished={job.device_id: job.state for job in jobs if job.state != "success"},
        jobless=[device_id for device_id in ids if device_id not in held],
        outdated=[
            device_id for device_id in ids if _version(found.get(device_id), ground.kind) != TARGET_VERSION
        ],
        licences=(await operator.account(ground.account_id)).licences,
        deducted=task.deducted,
    )


def content_of(size_bytes: int) -> bytes:
    """Make a package's content of that size."""
    return (CONTENT_SEED * (size_bytes // len(CONTENT_SEED) + 1))[:size_bytes]


def taken(answer: T | Refusal, what: str) -> T:
    """Take what was answered; EnvironmentFault for a refusal, as nothing can be measured then."""
    if isinstance(answer, Refusal):
        raise EnvironmentFault(f"the platform did not {what}: {answer.message}")
    return answer


def _version(device: api.Device | None, kind: api.Kind) -> str | None:
    if device is None:
        return None
    return device.f_version if kind == "FOTA" else device.s_version
