"""What a run needs of a platform's operator side, as a protocol, and the one that speaks our operator API over HTTP.

A refusal is an answer (`Refusal`), not an error. What can't be an answer, a platform that is not there, breaks down
or says what it can't, is an `OperatorFault`. Another platform is another class with these methods.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from msgspec import Struct

from platform_stub.protocol import operator as api
from platform_stub.protocol.errors import EnvironmentFault
from platform_stub.protocol.operator import ErrorCode

S = TypeVar("S", bound=Struct)

TIMEOUT_S: Final = 60.0
WAIT_MAX_MS: Final = 60_000
PAGE: Final = 10_000
TASKS_PAGE: Final = 100
_FAULTS: Final = frozenset({ErrorCode.FORBIDDEN, ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL})


class OperatorFault(EnvironmentFault):
    """The platform's operator side did not do its part; nothing can be said about the rules."""


class Refusal(Struct, frozen=True, kw_only=True):
    """The platform said no; nothing has changed. `details` holds needed, available, missing for B13."""

    code: ErrorCode
    message: str
    details: dict[str, Any] = {}


class Operator(Protocol):
    """A platform's operator side. Devices, packages and tasks go by the platform's own numbers."""

    async def open_account(self, name: str, policy: api.Policy, now_ms: int | None) -> api.Account:
        """Open an account; `now_ms` sets its clock."""

    async def account(self, account_id: int) -> api.Account:
        """Show an account."""

    async def subscribe(self, account_id: int) -> api.Account | Refusal:
        """Subscribe to the OTA service (B5)."""

    async def top_up(self, account_id: int, amount_fen: int) -> api.Account | Refusal:
        """Pay money in."""

    async def post(self, account_id: int, amount_fen: int, reason: str) -> api.Account | Refusal:
        """Move money, in or out."""

    async def buy(self, account_id: int, count: int) -> api.Account | Refusal:
        """Buy licences (B4)."""

    async def grant(self, account_id: int, count: int, contract: str) -> api.Account | Refusal:
        """Enter licences of a contract (B4)."""

    async def cancel_licences(self, account_id: int, count: int) -> api.Account | Refusal:
        """Ask for money back (B15)."""

    async def journal(self, account_id: int, after: int) -> list[api.JournalEntry]:
        """Read the journal from after a line on."""

    async def charging_date(self, account_id: int) -> api.ChargingDate:
        """Show the charging date and the notices."""

    async def set_charging_date(self, account_id: int, at_ms: int | None) -> api.ChargingDate | Refusal:
        """Announce, move or take off the charging date (B1)."""

    async def set_clock(
        self, account_id: int, *, to_ms: int | None = None, advance_ms: int | None = None
    ) -> api.Clock | Refusal:
        """Move the account's clock forward."""

    async def create_product(
        self, account_id: int, name: str, product_id: str | None, access_key: str | None = None
    ) -> api.Product | Refusal:
        """Make a product; id and access key are made up when left out."""

    async def register(
        self, product_id: str, devices: Sequence[api.RegisterDevice]
    ) -> list[api.Device] | Refusal:
        """Register devices, all or none."""

    async def devices(self, account_id: int) -> list[api.Device]:
        """List all devices of an account."""

    async def device(self, device_id: int) -> api.DeviceDetail | Refusal:
        """Show a device with its entitlement."""

    async def terminate(self, device_id: int) -> api.Device | Refusal:
        """Terminate a device (B10)."""

    async def move(self, device_id: int, product_id: str) -> api.Device | Refusal:
        """Move a device to another product (P12)."""

    async def replace_card(self, device_id: int, iccid: str, imsi: str) -> api.Device | Refusal:
        """Enter another card (B9)."""

    async def renew_key(self, device_id: int, key: str | None) -> api.Device | Refusal:
        """Give a device another key; None: the platform makes one up."""

    async def versions(self, product_id: str) -> api.VersionDistribution:
        """Show which versions a product's devices have."""

    async def add_package(
        self,
        product_id: str,
        kind: api.Kind,
        name: str,
        target: str,
        content: bytes,
        *,
        manufacturer: str = "",
        model: str = "",
        start_version: str | None = None,
    ) -> api.Package | Refusal:
        """Upload a package; with a start version it is a differential one."""

    async def skip_verification(self, package_id: int) -> api.Package | Refusal:
        """Skip a package's verification on purpose."""

    async def set_auto_add(self, package_id: int, policy: api.AutoAdd | None) -> api.Package | Refusal:
        """Set a package's auto-add policy, or take it off (P15)."""

    async def create_task(
        self, account_id: int, order: api.CreateTask, key: str | None = None
    ) -> api.Task | Refusal:
        """Create a task (B11); with an idempotency key it is created once, however often it is asked for (P13)."""

    async def tasks(self, account_id: int) -> list[api.Task]:
        """List all tasks of an account, newest first."""

    async def task(self, task_id: int, wait_ms: int = 0) -> api.Task:
        """Show a task, at the latest after `wait_ms`, sooner when none of its jobs is open."""

    async def cancel_task(self, task_id: int) -> api.Task | Refusal:
        """Cancel a task's open jobs (P9)."""

    async def pause_task(self, task_id: int) -> api.Task | Refusal:
        """Hold a task back."""

    async def resume_task(self, task_id: int) -> api.Task | Refusal:
        """Let a paused task go on."""

    async def cancel_job(self, tid: int) -> api.Job | Refusal:
        """Cancel one device's job (P9)."""

    async def retry_task(self, task_id: int) -> api.Task | Refusal:
        """Create a task for the failed devices of a task (B12)."""

    async def jobs(self, task_id: int, state: api.StateName | None = None) -> list[api.Job]:
        """List a task's jobs."""

    async def set_webhook(self, account_id: int, url: str, token: str) -> api.Webhook | Refusal:
        """Name the URL that new tasks are pushed to; it is checked first."""

    async def remove_webhook(self, account_id: int) -> Refusal | None:
        """Take the webhook off."""

    async def deliveries(self, account_id: int) -> list[api.Delivery]:
        """List the pushes to an account's webhook."""

    async def inject(self, fault: api.InjectFault) -> api.InjectedFault | Refusal:
        """Let the platform go wrong towards devices."""

    async def injected(self) -> list[api.InjectedFault]:
        """List the injected faults in force."""

    async def clear_injected(self, fault_id: int | None) -> Refusal | None:
        """Take an injected fault off, or all of them."""


_Method = Literal["GET", "POST", "PUT", "DELETE"]


class _Anything(Struct, frozen=True):
    """An answer in which nothing is looked for."""


class HttpOperator:
    """The operator API at `url`, over kept connections; every call has a time limit."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession
        self._decoders: dict[type[Struct], msgspec.json.Decoder[Any]] = {}

    async def __aenter__(self) -> Self:
        """Open the session; connections are made when they are needed."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._session.close()

    async def open_account(self, name: str, policy: api.Policy, now_ms: int | None) -> api.Account:
        """POST /v1/accounts."""
        body = api.OpenAccount(name=name, policy=policy, now_ms=now_ms)
        return self._sure(await self._call("POST", "/v1/accounts", api.Account, body), "open an account")

    async def account(self, account_id: int) -> api.Account:
        """GET /v1/accounts/{id}."""
        return self._sure(
            await self._call("GET", f"/v1/accounts/{account_id}", api.Account), "show the account"
        )

    async def subscribe(self, account_id: int) -> api.Account | Refusal:
        """POST .../subscription."""
        return await self._act(account_id, "subscription", None)

    async def top_up(self, account_id: int, amount_fen: int) -> api.Account | Refusal:
        """POST .../top-ups."""
        return await self._act(account_id, "top-ups", api.TopUp(amount_fen=amount_fen))

    async def post(self, account_id: int, amount_fen: int, reason: str) -> api.Account | Refusal:
        """POST .../postings."""
        return await self._act(account_id, "postings", api.Post(amount_fen=amount_fen, reason=reason))

    async def buy(self, account_id: int, count: int) -> api.Account | Refusal:
        """POST .../licences/purchases."""
        return await self._act(account_id, "licences/purchases", api.BuyLicences(count=count))

    async def grant(self, account_id: int, count: int, contract: str) -> api.Account | Refusal:
        """POST .../licences/grants."""
        body = api.GrantLicences(count=count, contract=contract)
        return await self._act(account_id, "licences/grants", body)

    async def cancel_licences(self, account_id: int, count: int) -> api.Account | Refusal:
        """POST .../licences/cancellations."""
        return await self._act(account_id, "licences/cancellations", api.CancelLicences(count=count))

    async def journal(self, account_id: int, after: int) -> list[api.JournalEntry]:
        """GET .../journal, page by page."""
        entries: list[api.JournalEntry] = []
        at: int | None = after
        while at is not None:
            path = f"/v1/accounts/{account_id}/journal?after={at}&limit={PAGE}"
            page = self._sure(await self._call("GET", path, api.Journal), "read the journal")
            entries += page.entries
            at = page.next_after
        return entries

    async def charging_date(self, account_id: int) -> api.ChargingDate:
        """GET .../charging-date."""
        path = f"/v1/accounts/{account_id}/charging-date"
        return self._sure(await self._call("GET", path, api.ChargingDate), "show the charging date")

    async def set_charging_date(self, account_id: int, at_ms: int | None) -> api.ChargingDate | Refusal:
        """PUT .../charging-date."""
        path = f"/v1/accounts/{account_id}/charging-date"
        return await self._call("PUT", path, api.ChargingDate, api.SetChargingDate(at_ms=at_ms))

    async def set_clock(
        self, account_id: int, *, to_ms: int | None = None, advance_ms: int | None = None
    ) -> api.Clock | Refusal:
        """PUT .../clock."""
        body = api.SetClock(to_ms=to_ms, advance_ms=advance_ms)
        return await self._call("PUT", f"/v1/accounts/{account_id}/clock", api.Clock, body)

    async def create_product(
        self, account_id: int, name: str, product_id: str | None, access_key: str | None = None
    ) -> api.Product | Refusal:
        """POST .../products."""
        body = api.CreateProduct(name=name, product_id=product_id, access_key=access_key)
        return await self._call("POST", f"/v1/accounts/{account_id}/products", api.Product, body)

    async def register(
        self, product_id: str, devices: Sequence[api.RegisterDevice]
    ) -> list[api.Device] | Refusal:
        """POST /v1/products/{id}/devices as NDJSON, all in one request."""
        encode = msgspec.json.Encoder().encode
        lines = b"\n".join(map(encode, devices))
        path = f"/v1/products/{product_id}/devices"
        answer = await self._call("POST", path, api.Registered, lines, media="application/x-ndjson")
        return answer if isinstance(answer, Refusal) else answer.devices

    async def devices(self, account_id: int) -> list[api.Device]:
        """GET .../devices, page by page."""
        devices: list[api.Device] = []
        at: int | None = 0
        while at is not None:
            path = f"/v1/accounts/{account_id}/devices?after={at}&limit={PAGE}"
            page = self._sure(await self._call("GET", path, api.DevicePage), "list the devices")
            devices += page.devices
            at = page.next_after
        return devices

    async def device(self, device_id: int) -> api.DeviceDetail | Refusal:
        """GET /v1/devices/{id}."""
        return await self._call("GET", f"/v1/devices/{device_id}", api.DeviceDetail)

    async def terminate(self, device_id: int) -> api.Device | Refusal:
        """POST .../termination."""
        return await self._call("POST", f"/v1/devices/{device_id}/termination", api.Device)

    async def move(self, device_id: int, product_id: str) -> api.Device | Refusal:
        """POST .../move."""
        body = api.MoveDevice(product_id=product_id)
        return await self._call("POST", f"/v1/devices/{device_id}/move", api.Device, body)

    async def replace_card(self, device_id: int, iccid: str, imsi: str) -> api.Device | Refusal:
        """POST .../card."""
        body = api.ReplaceCard(iccid=iccid, imsi=imsi)
        return await self._call("POST", f"/v1/devices/{device_id}/card", api.Device, body)

    async def renew_key(self, device_id: int, key: str | None) -> api.Device | Refusal:
        """POST .../key."""
        return await self._call("POST", f"/v1/devices/{device_id}/key", api.Device, api.RenewKey(key=key))

    async def versions(self, product_id: str) -> api.VersionDistribution:
        """GET /v1/products/{id}/versions."""
        path = f"/v1/products/{product_id}/versions"
        return self._sure(await self._call("GET", path, api.VersionDistribution), "show the versions")

    async def add_package(
        self,
        product_id: str,
        kind: api.Kind,
        name: str,
        target: str,
        content: bytes,
        *,
        manufacturer: str = "",
        model: str = "",
        start_version: str | None = None,
    ) -> api.Package | Refusal:
        """POST /v1/products/{id}/packages."""
        facts = {"kind": kind, "name": name, "target": target, "manufacturer": manufacturer, "model": model}
        facts["start_version"] = start_version or ""
        query = urlencode({key: value for key, value in facts.items() if value})
        path = f"/v1/products/{product_id}/packages?{query}"
        return await self._call("POST", path, api.Package, content, media="application/octet-stream")

    async def skip_verification(self, package_id: int) -> api.Package | Refusal:
        """POST .../verification-skip."""
        return await self._call("POST", f"/v1/packages/{package_id}/verification-skip", api.Package)

    async def set_auto_add(self, package_id: int, policy: api.AutoAdd | None) -> api.Package | Refusal:
        """PUT .../auto-add."""
        body = api.SetAutoAdd(auto_add=policy)
        return await self._call("PUT", f"/v1/packages/{package_id}/auto-add", api.Package, body)

    async def create_task(
        self, account_id: int, order: api.CreateTask, key: str | None = None
    ) -> api.Task | Refusal:
        """POST .../tasks."""
        path = f"/v1/accounts/{account_id}/tasks"
        return await self._call("POST", path, api.Task, order, key=key)

    async def tasks(self, account_id: int) -> list[api.Task]:
        """GET .../tasks, page by page."""
        tasks: list[api.Task] = []
        before = ""
        while True:
            path = f"/v1/accounts/{account_id}/tasks?limit={TASKS_PAGE}{before}"
            page = self._sure(await self._call("GET", path, api.Tasks), "list the tasks")
            tasks += page.tasks
            if page.next_before is None:
                return tasks
            before = f"&before={page.next_before}"

    async def task(self, task_id: int, wait_ms: int = 0) -> api.Task:
        """GET /v1/tasks/{id}, as a long poll when `wait_ms` is given."""
        path = f"/v1/tasks/{task_id}?wait_ms={min(wait_ms, WAIT_MAX_MS)}"
        timeout_s = self._timeout_s + wait_ms / 1_000
        return self._sure(await self._call("GET", path, api.Task, timeout_s=timeout_s), "show the task")

    async def cancel_task(self, task_id: int) -> api.Task | Refusal:
        """POST .../cancellation."""
        return await self._call("POST", f"/v1/tasks/{task_id}/cancellation", api.Task)

    async def pause_task(self, task_id: int) -> api.Task | Refusal:
        """POST .../pause."""
        return await self._call("POST", f"/v1/tasks/{task_id}/pause", api.Task)

    async def resume_task(self, task_id: int) -> api.Task | Refusal:
        """POST .../resume."""
        return await self._call("POST", f"/v1/tasks/{task_id}/resume", api.Task)

    async def cancel_job(self, tid: int) -> api.Job | Refusal:
        """POST /v1/jobs/{tid}/cancellation."""
        return await self._call("POST", f"/v1/jobs/{tid}/cancellation", api.Job)

    async def retry_task(self, task_id: int) -> api.Task | Refusal:
        """POST .../retry."""
        return await self._call("POST", f"/v1/tasks/{task_id}/retry", api.Task)

    async def jobs(self, task_id: int, state: api.StateName | None = None) -> list[api.Job]:
        """GET .../jobs, page by page."""
        jobs: list[api.Job] = []
        at: int | None = 0
        which = f"&state={state}" if state else ""
        while at is not None:
            path = f"/v1/tasks/{task_id}/jobs?after={at}&limit={PAGE}{which}"
            page = self._sure(await self._call("GET", path, api.Jobs), "list the jobs")
            jobs += page.jobs
            at = page.next_after
        return jobs

    async def set_webhook(self, account_id: int, url: str, token: str) -> api.Webhook | Refusal:
        """PUT .../webhook."""
        body = api.SetWebhook(url=url, token=token)
        return await self._call("PUT", f"/v1/accounts/{account_id}/webhook", api.Webhook, body)

    async def remove_webhook(self, account_id: int) -> Refusal | None:
        """DELETE .../webhook."""
        answer = await self._call("DELETE", f"/v1/accounts/{account_id}/webhook", _Anything)
        return answer if isinstance(answer, Refusal) else None

    async def deliveries(self, account_id: int) -> list[api.Delivery]:
        """GET .../webhook/deliveries, page by page."""
        deliveries: list[api.Delivery] = []
        at: int | None = 0
        while at is not None:
            path = f"/v1/accounts/{account_id}/webhook/deliveries?after={at}&limit={TASKS_PAGE}"
            page = self._sure(await self._call("GET", path, api.Deliveries), "list the deliveries")
            deliveries += page.deliveries
            at = page.next_after
        return deliveries

    async def inject(self, fault: api.InjectFault) -> api.InjectedFault | Refusal:
        """POST /v1/injected-faults."""
        return await self._call("POST", "/v1/injected-faults", api.InjectedFault, fault)

    async def injected(self) -> list[api.InjectedFault]:
        """GET /v1/injected-faults."""
        answer = await self._call("GET", "/v1/injected-faults", api.InjectedFaults)
        return self._sure(answer, "list the injected faults").faults

    async def clear_injected(self, fault_id: int | None) -> Refusal | None:
        """DELETE /v1/injected-faults, or one of them."""
        which = "" if fault_id is None else f"/{fault_id}"
        answer = await self._call("DELETE", f"/v1/injected-faults{which}", _Anything)
        return answer if isinstance(answer, Refusal) else None

    async def _act(self, account_id: int, what: str, body: Struct | None) -> api.Account | Refusal:
        return await self._call("POST", f"/v1/accounts/{account_id}/{what}", api.Account, body)

    def _sure(self, answer: S | Refusal, what: str) -> S:
        """Take an answer that can't be a refusal."""
        if isinstance(answer, Refusal):
            raise OperatorFault(f"the platform did not {what}: {answer.message}")
        return answer

    async def _call(
        self,
        method: _Method,
        path: str,
        kind: type[S],
        body: Struct | bytes | None = None,
        *,
        media: str = "application/json",
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> S | Refusal:
        """Do one call and read its answer."""
        content = msgspec.json.encode(body) if isinstance(body, Struct) else body
        headers = {"Content-Type": media} if content is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        where = f"{method} {self._url}{path}"
        try:
            async with self._session.request(
                method,
                self._url + path,
                data=content,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s or self._timeout_s),
            ) as response:
                status, answer = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise OperatorFault(f"{where}: {_why(exc)}") from exc
        return self._read(where, status, answer, kind)

    def _read(self, where: str, status: int, answer: bytes, kind: type[S]) -> S | Refusal:
        try:
            if status < 400:  # noqa: PLR2004 - HTTP's line between answers and refusals
                decoder = self._decoders.get(kind)
                if decoder is None:
                    decoder = self._decoders[kind] = msgspec.json.Decoder(kind)
                return decoder.decode(answer)  # type: ignore[no-any-return]
            error = msgspec.json.decode(answer, type=api.ErrorBody)
            code = ErrorCode(error.code)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as exc:
            raise OperatorFault(
                f"{where}: HTTP {status} with an answer that is not the API's: {exc}"
            ) from exc
        if code in _FAULTS:
            raise OperatorFault(f"{where}: {error.code}: {error.message}")
        return Refusal(code=code, message=error.message, details=error.details)


def _why(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    return str(exc) or type(exc).__name__
