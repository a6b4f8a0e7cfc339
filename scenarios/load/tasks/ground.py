"""What creators stand on: accounts with their licences, products, packages and devices, made over the operator API.

The calls are given out as values and their answers taken in, so that the command makes them with its client and a
locustfile with its own. Each run has accounts of its own, charged from their start on, that buy enough for every
device; so the count afterwards says whether a licence was lost or given away. Money is fen.
"""

from collections.abc import Generator, Iterable
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from platform_stub.protocol import operator as api
from scenarios.load.tasks.plan import TaskPlan

REGISTERED_AT_ONCE: Final = 10_000
LICENSED_AT_ONCE: Final = 100_000
START_VERSION: Final = "1.0"
TARGET_VERSION: Final = "2.0"
CONTENT: Final = bytes(range(256)) * 4
TASK_LIFE_MS: Final = 86_400_000
MONEY_FEN: Final = 10**12
"""More than a run can spend."""
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
BYTES: Final = "application/octet-stream"

Range = tuple[int, int]
T = TypeVar("T")


class Ask(Struct, frozen=True, kw_only=True):
    """A call of the operator API; `what` says it in words, `answer` is what comes back."""

    what: str
    method: Literal["GET", "POST"]
    path: str
    answer: Any
    body: bytes = b""
    media: str = JSON


Steps = Generator[Ask, Any, T]


class AccountGround(Struct, frozen=True, kw_only=True):
    """An account of the run, with what is updated there."""

    account_id: int
    product_id: str
    package_id: int


class Slot(Struct, frozen=True, kw_only=True):
    """A creator's share: which of the accounts, its own devices, and new ones, as ranges of device IDs."""

    account: int
    own: list[Range]
    fresh: list[Range] = []
    licensed: bool = False  # whether the own ones have their licence already


class Ground(Struct, frozen=True, kw_only=True):
    """What was made for a run."""

    accounts: list[AccountGround]
    slots: list[Slot] = []

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return sum(count_of(slot.own) + count_of(slot.fresh) for slot in self.slots)


def prepare(plan: TaskPlan, name: str, now_ms: int, creators: int) -> Steps[Ground]:
    """Make the accounts, and the devices of `creators` of them. `name` begins what is made, so that runs don't meet."""
    ground = Ground(accounts=[], slots=[])
    for at in range(plan.accounts):
        account = yield from open_account(f"{name}-{at}", now_ms)
        ground.accounts.append(account)
    for index in range(creators):
        slot = yield from make_slot(plan, ground.accounts, index, plan.fresh_each(creators), name)
        ground.slots.append(slot)
    return ground


def open_account(name: str, now_ms: int) -> Steps[AccountGround]:
    """Open an account with money, a product and a package."""
    policy = api.Policy(charging_date_ms=now_ms)
    body = api.OpenAccount(name=name, policy=policy)
    account: api.Account = yield _post("open an account", "/v1/accounts", api.Account, body)
    at = f"/v1/accounts/{account.account_id}"
    yield _post("subscribe", f"{at}/subscription", api.Account)
    yield _post("pay money in", f"{at}/top-ups", api.Account, api.TopUp(amount_fen=MONEY_FEN))
    product: api.Product = yield _post(
        "make a product", f"{at}/products", api.Product, api.CreateProduct(name=name)
    )
    query = urlencode({"kind": "FOTA", "name": name, "target": TARGET_VERSION})
    upload = Ask(
        what="upload a package",
        method="POST",
        path=f"/v1/products/{product.product_id}/packages?{query}",
        answer=api.Package,
        body=CONTENT,
        media=BYTES,
    )
    package: api.Package = yield upload
    yield _post(
        "skip the package's verification", f"/v1/packages/{package.package_id}/verification-skip", api.Package
    )
    return AccountGround(
        account_id=account.account_id, product_id=product.product_id, package_id=package.package_id
    )


def make_slot(
    plan: TaskPlan, accounts: list[AccountGround], index: int, fresh: int, name: str
) -> Steps[Slot]:
    """Buy licences and register the devices of creator number `index`."""
    which = index % len(accounts)
    account = accounts[which]
    total = plan.own_each + fresh
    yield _post(
        "buy licences",
        f"/v1/accounts/{account.account_id}/licences/purchases",
        api.Account,
        api.BuyLicences(count=total),
    )
    ids = yield from _register(account.product_id, f"{name}-{index}", total)
    own = ids[: plan.own_each]
    is_licensed = plan.licensed is not None and bool(own)
    if is_licensed:
        yield from _license(account, own)
    return Slot(
        account=which, own=ranges_of(own), fresh=ranges_of(ids[plan.own_each :]), licensed=is_licensed
    )


def _register(product_id: str, name: str, count: int) -> Steps[list[int]]:
    ids: list[int] = []
    encode = msgspec.json.Encoder().encode
    for start in range(0, count, REGISTERED_AT_ONCE):
        lines = (
            encode(api.RegisterDevice(name=f"{name}-{at}", f_version=START_VERSION))
            for at in range(start, min(start + REGISTERED_AT_ONCE, count))
        )
        made: api.Registered = yield Ask(
            what="register devices",
            method="POST",
            path=f"/v1/products/{product_id}/devices",
            answer=api.Registered,
            body=b"\n".join(lines),
            media=NDJSON,
        )
        ids += [device.device_id for device in made.devices]
    return ids


def _license(account: AccountGround, ids: list[int]) -> Steps[None]:
    """Let the devices have their licences: a task binds them, and its end gives nothing back (P9)."""
    for start in range(0, len(ids), LICENSED_AT_ONCE):
        body = order_of(account, ids[start : start + LICENSED_AT_ONCE])
        task: api.Task = yield Ask(
            what="license devices by a task",
            method="POST",
            path=f"/v1/accounts/{account.account_id}/tasks",
            answer=api.Task,
            body=body,
        )
        yield _post("cancel that task", f"/v1/tasks/{task.task_id}/cancellation", api.Task)


def order_of(account: AccountGround, ids: "list[int] | tuple[int, ...]") -> bytes:
    """Spell a creation."""
    order = api.CreateTask(
        package_id=account.package_id, device_ids=list(ids), name="load", expires_after_ms=TASK_LIFE_MS
    )
    return msgspec.json.encode(order)


def _post(what: str, path: str, answer: Any, body: Struct | None = None) -> Ask:
    content = b"" if body is None else msgspec.json.encode(body)
    return Ask(what=what, method="POST", path=path, answer=answer, body=content)


def ranges_of(ids: Iterable[int]) -> list[Range]:
    """Join neighbours."""
    ranges: list[Range] = []
    for each in ids:
        if ranges and each == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], each)
        else:
            ranges.append((each, each))
    return ranges


def ids_of(ranges: Iterable[Range]) -> list[int]:
    """Give all numbers of ranges."""
    return [each for first, last in ranges for each in range(first, last + 1)]


def count_of(ranges: Iterable[Range]) -> int:
    """Count the numbers of ranges."""
    return sum(last - first + 1 for first, last in ranges)
