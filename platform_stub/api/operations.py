"""Every operation of the operator API, as one table: routes and the OpenAPI document are made from it."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from platform_stub.api.call import Call
from platform_stub.api.registration import read_devices
from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.protocol.messages import Version
from platform_stub.rules import events as ev
from platform_stub.service import accounts, catalogue, tasks
from platform_stub.service.answers import Rejection, malformed, not_found
from platform_stub.service.idempotency import Done, once
from platform_stub.service.writer import Tx
from platform_stub.store import accounts as account_rows
from platform_stub.store import devices as device_rows
from platform_stub.store import packages as package_rows
from platform_stub.store import tasks as task_rows

Answer = msgspec.Struct | Rejection
Outcome = Answer | Done | web.StreamResponse
Run = Callable[[Call], Awaitable[Outcome]]

LARGE_DEVICES: Final = 5_000
"""From here on a transaction runs in a thread (decision 3)."""
LARGE_BYTES: Final = 1_000_000
WAIT_MAX_MS: Final = 60_000
CSV_COLUMNS: Final = ("device_id", "product_id", "name", "key", "iccid", "imsi", "f_version", "s_version")


class AccountList(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts, by ascending id."""

    accounts: list[api.Account]


class ProductList(msgspec.Struct, frozen=True, kw_only=True):
    """All products of an account."""

    products: list[api.Product]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A row of the table. `path` holds `{account}`, `{device}` ...; `query` names what the query may hold."""

    method: str
    path: str
    summary: str
    answer: type[msgspec.Struct]
    run: Run
    body: type[msgspec.Struct] | None = None
    status: int = HTTPStatus.OK
    query: tuple[str, ...] = ()
    media: tuple[str, ...] = ("application/json",)


def _writes(
    status: int, use_case: Callable[[Tx, Call], Answer], large: Callable[[Call], bool] | None = None
) -> Run:
    async def run(call: Call) -> Outcome:
        return await call.platform.write(
            lambda tx: once(tx, call.key, status, lambda inner: use_case(inner, call)),
            large=large is not None and large(call),
        )

    return run


def _has_large_body(call: Call) -> bool:
    return len(call.body) >= LARGE_BYTES


def _is_large_task(call: Call) -> bool:
    task_id = call.id("task")
    task = call.platform.read(lambda conn: task_rows.load(conn, task_id))
    return task is not None and task.device_count >= LARGE_DEVICES


def _reads(query: Callable[[Connection, Call], Answer]) -> Run:
    async def run(call: Call) -> Outcome:
        return call.platform.read(lambda conn: query(conn, call))

    return run


def _act(command: Callable[[Call], ev.Command]) -> Run:
    return _writes(HTTPStatus.OK, lambda tx, call: accounts.act(tx, call.id("account"), command(call)))


def _post(call: Call) -> ev.Command:
    request = call.read(api.Post)
    return ev.Post(amount_fen=request.amount_fen, reason=request.reason)


def _grant(call: Call) -> ev.Command:
    request = call.read(api.GrantLicences)
    return ev.Grant(count=request.count, contract=request.contract)


async def _set_clock(call: Call) -> Outcome:
    account_id = call.id("account")
    request = call.read(api.SetClock)
    outcome = await call.platform.write(lambda tx: accounts.set_clock(tx, account_id, request))
    call.platform.clock_moved(account_id)
    return outcome


def _show_clock(conn: Connection, call: Call) -> Answer:
    account = accounts.show(conn, call.id("account"), call.platform.real_ms())
    return account if isinstance(account, Rejection) else api.Clock(now_ms=account.now_ms)


def _list_accounts(conn: Connection, call: Call) -> Answer:
    real_ms = call.platform.real_ms()
    grandfathered = task_rows.grandfathered_by_account(conn)
    rows = account_rows.load_all(conn)
    return AccountList(
        accounts=[accounts.describe(row, real_ms, grandfathered.get(row.account_id, 0)) for row in rows]
    )


def _list_products(conn: Connection, call: Call) -> Answer:
    account_id = call.id("account")
    if account_rows.load(conn, account_id) is None:
        return not_found("account", account_id)
    return ProductList(
        products=[catalogue.show_product(row) for row in device_rows.load_products(conn, account_id)]
    )


async def _register(call: Call) -> Outcome:
    large = len(call.body) >= LARGE_BYTES
    reading = partial(read_devices, call.body, call.content_type)
    requests = await asyncio.to_thread(reading) if large else reading()
    if isinstance(requests, Rejection):
        return requests
    run = _writes(
        HTTPStatus.CREATED,
        lambda tx, inner: catalogue.register(tx, inner.path["product"], requests),
        lambda _: len(requests) >= LARGE_DEVICES,
    )
    return await run(call)


async def _list_devices(call: Call) -> Outcome:
    account_id = call.id("account")
    if call.query.get("format") == "csv" or call.accept.startswith("text/csv"):
        return await call.platform.read_aside(lambda conn: _export(conn, account_id))
    after = call.number("after", 0, 2**62)
    return call.platform.read(lambda conn: catalogue.show_devices(conn, account_id, after, call.limit()))


def _export(conn: Connection, account_id: int) -> Outcome:
    if account_rows.load(conn, account_id) is None:
        return not_found("account", account_id)
    sheet = io.StringIO()
    rows = csv.writer(sheet, lineterminator="\n")
    rows.writerow(CSV_COLUMNS)
    for row in device_rows.stream_living(conn, account_id):
        rows.writerow([getattr(row, name) for name in CSV_COLUMNS])
    return web.Response(text=sheet.getvalue(), content_type="text/csv")


def _show_device(conn: Connection, call: Call) -> Answer:
    return catalogue.detail(conn, call.id("device"), call.platform.sessions)


PackageName = Annotated[str, msgspec.Meta(min_length=1, max_length=20, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]


class PackageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a package's upload says in its query."""

    kind: api.Kind
    name: PackageName
    target: Version


async def _add_package(call: Call) -> Outcome:
    try:
        facts = msgspec.convert(dict(call.query), PackageQuery)
    except msgspec.ValidationError as exc:
        return malformed(f"query: {exc}")
    kind = UpdateKind[facts.kind]

    def use_case(tx: Tx, inner: Call) -> Answer:
        return catalogue.add_package(tx, inner.path["product"], kind, facts.name, facts.target, inner.body)

    return await _writes(HTTPStatus.CREATED, use_case, _has_large_body)(call)


def _show_package(conn: Connection, call: Call) -> Answer:
    row = package_rows.load(conn, call.id("package"))
    return not_found("package", call.path["package"]) if row is None else catalogue.show_package(row)


def _list_packages(conn: Connection, call: Call) -> Answer:
    account_id = call.id("account")
    if account_rows.load(conn, account_id) is None:
        return not_found("account", account_id)
    return api.Packages(
        packages=[catalogue.show_package(row) for row in package_rows.load_all(conn, account_id)]
    )


async def _create_task(call: Call) -> Outcome:
    account_id, request = call.id("account"), call.read(api.CreateTask)
    run = _writes(
        HTTPStatus.CREATED,
        lambda tx, _: tasks.create(tx, account_id, request),
        lambda _: len(request.device_ids or ()) >= LARGE_DEVICES,
    )
    return await run(call)


async def _show_task(call: Call) -> Outcome:
    task_id = call.id("task")
    wait_ms = call.number("wait_ms", 0, WAIT_MAX_MS)
    if wait_ms:
        await call.platform.wait_for_task(task_id, wait_ms / 1000)
    return call.platform.read(lambda conn: tasks.describe(conn, task_id))


def _list_tasks(conn: Connection, call: Call) -> Answer:
    before = call.number("before", 0, 2**62) or None
    return tasks.show_page(conn, call.id("account"), before, call.limit())


def _list_jobs(conn: Connection, call: Call) -> Answer:
    name = call.query.get("state")
    names = {state.name.lower(): state for state in JobState}
    if name is not None and name not in names:
        return malformed(f"query state: one of {', '.join(names)} is wanted, not {name[:40]!r}")
    state = None if name is None else names[name]
    return tasks.show_jobs(conn, call.id("task"), state, call.number("after", 0, 2**62), call.limit())


def _operation(
    method: str, path: str, summary: str, answer: type[msgspec.Struct], run: Run, **more: Any
) -> Operation:
    return Operation(method=method, path=path, summary=summary, answer=answer, run=run, **more)


_ACCOUNT: Final = "/v1/accounts/{account}"
_CREATED: Final = HTTPStatus.CREATED

OPERATIONS: Final = (
    _operation("POST", "/v1/accounts", "Open an account under a policy", api.Account,
        _writes(_CREATED, lambda tx, call: accounts.open_account(tx, call.read(api.OpenAccount))),
        body=api.OpenAccount, status=_CREATED),
    _operation("GET", "/v1/accounts", "List all accounts", AccountList, _reads(_list_accounts)),
    _operation("GET", _ACCOUNT, "Show an account with its licences", api.Account,
        _reads(lambda conn, call: accounts.show(conn, call.id("account"), call.platform.real_ms()))),
    _operation("POST", f"{_ACCOUNT}/subscription", "Subscribe to the OTA service (B5)", api.Account,
        _act(lambda _: ev.Subscribe())),
    _operation("POST", f"{_ACCOUNT}/top-ups", "Pay money in", api.Account,
        _act(lambda call: ev.Post(amount_fen=call.read(api.TopUp).amount_fen, reason="top-up")), body=api.TopUp),
    _operation("POST", f"{_ACCOUNT}/postings", "Move money: positive in, negative out", api.Account,
        _act(_post), body=api.Post),
    _operation("POST", f"{_ACCOUNT}/licences/purchases", "Buy licences online (B4, P11)", api.Account,
        _act(lambda call: ev.Buy(count=call.read(api.BuyLicences).count)), body=api.BuyLicences),
    _operation("POST", f"{_ACCOUNT}/licences/grants", "Enter licences of an offline contract (B4)", api.Account,
        _act(_grant), body=api.GrantLicences),
    _operation("POST", f"{_ACCOUNT}/licences/cancellations", "Ask for money back: always refused (B15)", api.Account,
        _act(lambda call: ev.CancelPurchase(count=call.read(api.CancelLicences).count)), body=api.CancelLicences),
    _operation("GET", f"{_ACCOUNT}/journal", "Read the journal, oldest first", api.Journal,
        _reads(lambda conn, call: accounts.show_journal(
            conn, call.id("account"), call.number("after", 0, 2**62), call.limit())),
        query=("after", "limit")),
    _operation("PUT", f"{_ACCOUNT}/charging-date", "Announce, postpone or take off the charging date (B1)",
        api.ChargingDate,
        _writes(HTTPStatus.OK, lambda tx, call: accounts.set_charging_date(
            tx, call.id("account"), call.read(api.SetChargingDate).at_ms)),
        body=api.SetChargingDate),
    _operation("GET", f"{_ACCOUNT}/charging-date", "Show the charging date and the notices sent", api.ChargingDate,
        _reads(lambda conn, call: accounts.show_charging_date(conn, call.id("account")))),
    _operation("GET", f"{_ACCOUNT}/clock", "Read the account's clock", api.Clock, _reads(_show_clock)),
    _operation("PUT", f"{_ACCOUNT}/clock", "Move the account's clock forward", api.Clock, _set_clock,
        body=api.SetClock),
    _operation("POST", f"{_ACCOUNT}/products", "Make a product", api.Product,
        _writes(_CREATED, lambda tx, call: catalogue.create_product(
            tx, call.id("account"), call.read(api.CreateProduct))),
        body=api.CreateProduct, status=_CREATED),
    _operation("GET", f"{_ACCOUNT}/products", "List an account's products", ProductList, _reads(_list_products)),
    _operation("POST", "/v1/products/{product}/devices", "Register devices, all or none", api.Registered, _register,
        body=api.RegisterDevice, status=_CREATED,
        media=("application/json", "application/x-ndjson", "text/csv")),
    _operation("GET", f"{_ACCOUNT}/devices", "List devices, or export the living ones as CSV (format=csv)",
        api.DevicePage, _list_devices, query=("after", "limit", "format")),
    _operation("GET", "/v1/devices/{device}", "Show a device with entitlement and timeline", api.DeviceDetail,
        _reads(_show_device)),
    _operation("POST", "/v1/devices/{device}/termination", "Terminate a device (B10)", api.Device,
        _writes(HTTPStatus.OK, lambda tx, call: catalogue.terminate(tx, call.id("device")))),
    _operation("POST", "/v1/devices/{device}/move", "Move a device to another product (P12)", api.Device,
        _writes(HTTPStatus.OK, lambda tx, call: catalogue.move(tx, call.id("device"), call.read(api.MoveDevice))),
        body=api.MoveDevice),
    _operation("POST", "/v1/devices/{device}/card", "Replace a device's card (B9)", api.Device,
        _writes(HTTPStatus.OK, lambda tx, call: catalogue.replace_card(
            tx, call.id("device"), call.read(api.ReplaceCard))),
        body=api.ReplaceCard),
    _operation("POST", "/v1/products/{product}/packages", "Upload an update package", api.Package, _add_package,
        status=_CREATED, query=("kind", "name", "target"), media=("application/octet-stream",)),
    _operation("GET", f"{_ACCOUNT}/packages", "List an account's packages", api.Packages, _reads(_list_packages)),
    _operation("GET", "/v1/packages/{package}", "Show a package", api.Package, _reads(_show_package)),
    _operation("POST", "/v1/packages/{package}/verification-skip", "Skip a package's verification", api.Package,
        _writes(HTTPStatus.OK, lambda tx, call: catalogue.skip_verification(tx, call.id("package")))),
    _operation("POST", f"{_ACCOUNT}/tasks", "Create a task: deducts one licence per device without one (B11)",
        api.Task, _create_task, body=api.CreateTask, status=_CREATED),
    _operation("GET", f"{_ACCOUNT}/tasks", "List tasks, newest first", api.Tasks, _reads(_list_tasks),
        query=("before", "limit")),
    _operation("GET", "/v1/tasks/{task}", "Show a task; wait_ms waits until no job is open", api.Task, _show_task,
        query=("wait_ms",)),
    _operation("POST", "/v1/tasks/{task}/cancellation", "Cancel a task's open jobs (P9)", api.Task,
        _writes(HTTPStatus.OK, lambda tx, call: tasks.cancel(tx, call.id("task")), _is_large_task)),
    _operation("POST", "/v1/tasks/{task}/retry", "Create a task for the devices that failed (B12)", api.Task,
        _writes(_CREATED, lambda tx, call: tasks.retry(tx, call.id("task")), _is_large_task), status=_CREATED),
    _operation("GET", "/v1/tasks/{task}/jobs", "List a task's jobs", api.Jobs, _reads(_list_jobs),
        query=("state", "after", "limit")),
)  # fmt: skip
