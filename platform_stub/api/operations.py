"""Every operation of the operator API, as one table: routes and the OpenAPI document are made from it."""

import asyncio
import csv
import io
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from platform_stub.api import injection_operations, login_operations, webhook_operations
from platform_stub.api.call import Call
from platform_stub.api.operation import (
    ACCOUNT,
    CREATED,
    CURSOR_MAX,
    Answer,
    Operation,
    Outcome,
    Run,
    reads,
    writes,
)
from platform_stub.api.registration import read_devices
from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.protocol.messages import Version
from platform_stub.protocol.wording import text, word_mistake
from platform_stub.rules import events as ev
from platform_stub.service import accounts, catalogue, life, tasks
from platform_stub.service.answers import Rejection, malformed, not_found
from platform_stub.service.writer import Tx
from platform_stub.store import accounts as account_rows
from platform_stub.store import devices as device_rows

LARGE_BYTES: Final = 1_000_000
WAIT_MAX_MS: Final = 60_000
CSV_COLUMNS: Final = ("device_id", "product_id", "name", "key", "iccid", "imsi", "f_version", "s_version")


def _has_large_body(call: Call) -> bool:
    return len(call.body) >= LARGE_BYTES


def _may_end_hold(call: Call) -> bool:
    """Whether arrears hold the account's pending jobs: all their deadlines move when that ends (P10)."""
    account_id, real_ms = call.id("account"), call.platform.real_ms()
    return call.platform.read(lambda conn: accounts.is_held(conn, account_id, real_ms))


def _is_large_task(call: Call) -> bool:
    task_id = call.id("task")
    return call.platform.read(lambda conn: tasks.is_large(conn, task_id))


def _act(command: Callable[[Call], ev.Command]) -> Run:
    return writes(
        HTTPStatus.OK, lambda tx, call: accounts.act(tx, call.id("account"), command(call)), _may_end_hold
    )


def _post(call: Call) -> ev.Command:
    request = call.read(api.Post)
    return ev.Post(amount_fen=request.amount_fen, reason=request.reason)


def _grant(call: Call) -> ev.Command:
    request = call.read(api.GrantLicences)
    return ev.Grant(count=request.count, contract=request.contract)


async def _set_clock(call: Call) -> Outcome:
    account_id = call.id("account")
    request = call.read(api.SetClock)
    return await call.platform.timers.advance(account_id, request)


def _show_clock(conn: Connection, call: Call) -> Answer:
    account = accounts.show(conn, call.id("account"), call.platform.real_ms())
    return account if isinstance(account, Rejection) else api.Clock(now_ms=account.now_ms)


async def _register(call: Call) -> Outcome:
    large = len(call.body) >= LARGE_BYTES
    reading = partial(read_devices, call.body, call.content_type)
    listed = await asyncio.to_thread(reading) if large else reading()
    if isinstance(listed, Rejection):
        return listed
    run = writes(
        HTTPStatus.CREATED,
        lambda tx, inner: catalogue.register(tx, inner.path["product"], listed.devices, listed.place),
        lambda _: len(listed.devices) >= tasks.LARGE_DEVICES,
    )
    return await run(call)


async def _list_devices(call: Call) -> Outcome:
    account_id = call.id("account")
    if call.query.get("format") == "csv" or call.accept.startswith("text/csv"):
        return await call.platform.read_aside(lambda conn: _export(conn, account_id))
    after = call.number("after", 0, CURSOR_MAX)
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
    return life.show(conn, call.id("device"), call.platform.sessions, call.platform.real_ms())


PackageName = Annotated[
    str, text(20, r"^[^\x00-\x1f\x7f]+$(?!\n)", "a package's name: 1 to 20 characters on one line")
]


class PackageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a package's upload says in its query; a `start_version` makes it a differential one."""

    kind: api.Kind
    name: PackageName
    target: Version
    file: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    manufacturer: api.ModelCode | None = None
    model: api.ModelCode | None = None
    start_version: Version | None = None


async def _add_package(call: Call) -> Outcome:
    try:
        query = msgspec.convert(dict(call.query), PackageQuery)
    except msgspec.ValidationError as exc:
        return malformed(f"query: {word_mistake(exc, PackageQuery)}")
    kind = UpdateKind[query.kind]
    facts = catalogue.PackageFacts(
        manufacturer=query.manufacturer,
        model=query.model,
        file_name=query.file,
        start_version=query.start_version,
    )

    def use_case(tx: Tx, inner: Call) -> Answer:
        product_id = inner.path["product"]
        return catalogue.add_package(tx, product_id, kind, query.name, query.target, inner.body, facts=facts)

    return await writes(HTTPStatus.CREATED, use_case, _has_large_body)(call)


async def _show_versions(call: Call) -> Outcome:
    product_id = call.path["product"]
    return await call.platform.read_aside(lambda conn: catalogue.show_versions(conn, product_id))


async def _create_task(call: Call) -> Outcome:
    account_id, request = call.id("account"), call.read(api.CreateTask)
    run = writes(
        HTTPStatus.CREATED,
        lambda tx, _: tasks.create(tx, account_id, request),
        lambda _: request.scope == "all" or len(request.device_ids or ()) >= tasks.LARGE_DEVICES,
    )
    return await run(call)


async def _show_task(call: Call) -> Outcome:
    task_id = call.id("task")
    wait_ms = call.number("wait_ms", 0, WAIT_MAX_MS)
    if wait_ms:
        await call.platform.wait_for_task(task_id, wait_ms / 1000)
    return call.platform.read(lambda conn: tasks.describe(conn, task_id, call.platform.real_ms()))


def _list_tasks(conn: Connection, call: Call) -> Answer:
    before = call.number("before", 0, CURSOR_MAX) or None
    return tasks.show_page(conn, call.id("account"), before, call.limit(), call.platform.real_ms())


def _list_jobs(conn: Connection, call: Call) -> Answer:
    name = call.query.get("state")
    names = {state.name.lower(): state for state in JobState}
    if name is not None and name not in names:
        return malformed(f"query state: one of {', '.join(names)} is wanted, not {name[:40]!r}")
    state = None if name is None else names[name]
    return tasks.show_jobs(conn, call.id("task"), state, call.number("after", 0, CURSOR_MAX), call.limit())


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("POST", "/v1/accounts", "Open an account under a policy", api.Account,
        writes(CREATED, lambda tx, call: accounts.open_account(tx, call.read(api.OpenAccount))),
        body=api.OpenAccount, status=CREATED),
    Operation("GET", "/v1/accounts", "List all accounts", api.AccountList,
        reads(lambda conn, call: accounts.show_all(conn, call.platform.real_ms()))),
    Operation("GET", ACCOUNT, "Show an account with its licences", api.Account,
        reads(lambda conn, call: accounts.show(conn, call.id("account"), call.platform.real_ms()))),
    Operation("POST", f"{ACCOUNT}/subscription", "Subscribe to the OTA service (B5)", api.Account,
        _act(lambda _: ev.Subscribe())),
    Operation("POST", f"{ACCOUNT}/top-ups", "Pay money in", api.Account,
        _act(lambda call: ev.Post(amount_fen=call.read(api.TopUp).amount_fen, reason="top-up")), body=api.TopUp),
    Operation("POST", f"{ACCOUNT}/postings", "Move money: positive in, negative out", api.Account,
        _act(_post), body=api.Post),
    Operation("POST", f"{ACCOUNT}/licences/purchases", "Buy licences online (B4, P11)", api.Account,
        _act(lambda call: ev.Buy(count=call.read(api.BuyLicences).count)), body=api.BuyLicences),
    Operation("POST", f"{ACCOUNT}/licences/grants", "Enter licences of an offline contract (B4)", api.Account,
        _act(_grant), body=api.GrantLicences),
    Operation("POST", f"{ACCOUNT}/licences/cancellations", "Ask for money back: always refused (B15)", api.Account,
        _act(lambda call: ev.CancelPurchase(count=call.read(api.CancelLicences).count)), body=api.CancelLicences),
    Operation("GET", f"{ACCOUNT}/journal", "Read the journal, oldest first", api.Journal,
        reads(lambda conn, call: accounts.show_journal(
            conn, call.id("account"), call.number("after", 0, CURSOR_MAX), call.limit())),
        query=("after", "limit")),
    Operation("PUT", f"{ACCOUNT}/charging-date", "Announce, postpone or take off the charging date (B1)",
        api.ChargingDate,
        writes(HTTPStatus.OK, lambda tx, call: accounts.set_charging_date(
            tx, call.id("account"), call.read(api.SetChargingDate).at_ms), _may_end_hold),
        body=api.SetChargingDate),
    Operation("GET", f"{ACCOUNT}/charging-date", "Show the charging date and the notices sent", api.ChargingDate,
        reads(lambda conn, call: accounts.show_charging_date(conn, call.id("account")))),
    Operation("GET", f"{ACCOUNT}/clock", "Read the account's clock", api.Clock, reads(_show_clock)),
    Operation("PUT", f"{ACCOUNT}/clock", "Move the account's clock forward, stopping at what is due",
        api.Clock, _set_clock,
        body=api.SetClock),
    Operation("POST", f"{ACCOUNT}/products", "Make a product", api.Product,
        writes(CREATED, lambda tx, call: catalogue.create_product(
            tx, call.id("account"), call.read(api.CreateProduct))),
        body=api.CreateProduct, status=CREATED),
    Operation("GET", f"{ACCOUNT}/products", "List an account's products", api.ProductList,
        reads(lambda conn, call: catalogue.show_products(conn, call.id("account")))),
    Operation("POST", "/v1/products/{product}/devices", "Register devices, all or none", api.Registered, _register,
        body=api.RegisterDevice, is_list_too=True, status=CREATED,
        media=("application/json", "application/x-ndjson", "text/csv")),
    Operation("GET", f"{ACCOUNT}/devices", "List devices, or export the living ones as CSV (format=csv)",
        api.DevicePage, _list_devices, query=("after", "limit", "format")),
    Operation("GET", "/v1/devices/{device}", "Show a device with entitlement and timeline", api.DeviceDetail,
        reads(_show_device)),
    Operation("POST", "/v1/devices/{device}/termination", "Terminate a device (B10)", api.Device,
        writes(HTTPStatus.OK, lambda tx, call: life.terminate(tx, call.id("device")))),
    Operation("POST", "/v1/devices/{device}/move", "Move a device to another product (P12)", api.Device,
        writes(HTTPStatus.OK, lambda tx, call: life.move(tx, call.id("device"), call.read(api.MoveDevice))),
        body=api.MoveDevice),
    Operation("POST", "/v1/devices/{device}/card", "Replace a device's card (B9)", api.Device,
        writes(HTTPStatus.OK, lambda tx, call: life.replace_card(
            tx, call.id("device"), call.read(api.ReplaceCard))),
        body=api.ReplaceCard),
    Operation("POST", "/v1/devices/{device}/key", "Give a device another key; its connection ends", api.Device,
        writes(HTTPStatus.OK, lambda tx, call: life.renew_key(tx, call.id("device"), call.read(api.RenewKey))),
        body=api.RenewKey),
    Operation("POST", "/v1/products/{product}/packages", "Upload an update package", api.Package, _add_package,
        status=CREATED, query=PackageQuery.__struct_fields__, query_type=PackageQuery,
        media=("application/octet-stream",)),
    Operation("GET", f"{ACCOUNT}/packages", "List an account's packages", api.Packages,
        reads(lambda conn, call: catalogue.show_packages(conn, call.id("account")))),
    Operation("GET", "/v1/packages/{package}", "Show a package", api.Package,
        reads(lambda conn, call: catalogue.show_package(conn, call.id("package")))),
    Operation("POST", "/v1/packages/{package}/verification-skip", "Skip a package's verification", api.Package,
        writes(HTTPStatus.OK, lambda tx, call: catalogue.skip_verification(tx, call.id("package")))),
    Operation("PUT", "/v1/packages/{package}/auto-add", "Say which later devices a package takes in (P15)",
        api.Package,
        writes(HTTPStatus.OK, lambda tx, call: catalogue.set_auto_add(
            tx, call.id("package"), call.read(api.SetAutoAdd).auto_add)),
        body=api.SetAutoAdd),
    Operation("GET", "/v1/products/{product}/versions", "Count which versions a product's living devices run",
        api.VersionDistribution, _show_versions),
    Operation("POST", f"{ACCOUNT}/tasks", "Create a task: deducts one licence per device without one (B11)",
        api.Task, _create_task, body=api.CreateTask, status=CREATED),
    Operation("GET", f"{ACCOUNT}/tasks", "List tasks, newest first", api.Tasks, reads(_list_tasks),
        query=("before", "limit")),
    Operation("GET", "/v1/tasks/{task}", "Show a task; wait_ms waits until no job is open", api.Task, _show_task,
        query=("wait_ms",)),
    Operation("POST", "/v1/tasks/{task}/cancellation", "Cancel a task's open jobs (P9)", api.Task,
        writes(HTTPStatus.OK, lambda tx, call: tasks.cancel(tx, call.id("task")), _is_large_task)),
    Operation("POST", "/v1/tasks/{task}/pause", "Pause a task: pending jobs wait, downloads take no step",
        api.Task, writes(HTTPStatus.OK, lambda tx, call: tasks.pause(tx, call.id("task")), _is_large_task)),
    Operation("POST", "/v1/tasks/{task}/resume", "Let a paused task go on; its devices are told again",
        api.Task, writes(HTTPStatus.OK, lambda tx, call: tasks.resume(tx, call.id("task")), _is_large_task)),
    Operation("POST", "/v1/jobs/{job}/cancellation", "Cancel one device's job (P9)", api.Job,
        writes(HTTPStatus.OK, lambda tx, call: tasks.cancel_job(tx, call.id("job")))),
    Operation("POST", "/v1/tasks/{task}/retry", "Create a task for the devices that failed (B12)", api.Task,
        writes(CREATED, lambda tx, call: tasks.retry(tx, call.id("task")), _is_large_task), status=CREATED),
    Operation("GET", "/v1/tasks/{task}/jobs", "List a task's jobs", api.Jobs, reads(_list_jobs),
        query=("state", "after", "limit")),
    *webhook_operations.OPERATIONS,
    *injection_operations.OPERATIONS,
    *login_operations.OPERATIONS,
)  # fmt: skip
