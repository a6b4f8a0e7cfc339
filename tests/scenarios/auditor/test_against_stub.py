"""The book and the stub play the same random history: every answer is the predicted one, and the audit passes.

Two readings of the rules that share no code meet here. The platform runs on a clock of the test's own; devices
report through its port, without a socket.
"""

import asyncio
import json
from base64 import b64encode
from random import Random

import aiohttp
import pytest

from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.operator import ErrorCode, Policy
from platform_stub.protocol.token import device_resource, make_token
from platform_stub.server import Stub
from scenarios.auditor import audit_database
from scenarios.auditor.orders import Terms
from scenarios.auditor.predict import Book

KEY = b64encode(bytes(16)).decode()
START_MS = 1_700_000_000_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
VERSIONS = ("1.0", "2.0", "3.0", "4.0")
FOTA, SOTA = UpdateKind.FOTA, UpdateKind.SOTA
TASK_COUNTS = "device_count needed available deducted deducted_purchased deducted_free grandfathered left"


class Nowhere:
    """A downlink for devices that have no socket."""

    def publish(self, session, suffix, payload, qos, delivered=None):
        pass

    def takes(self, session, suffix):
        return True

    def close(self, session):
        pass


class Pair:
    """A stub and a book, told the same."""

    def __init__(self, stub, http, rng):
        self.stub, self.http, self.rng, self.book = stub, http, rng, Book()
        self.now = {}  # account -> its clock
        self.home = {}  # device -> (product, name)
        self.tasks = {}  # the book's number -> the stub's
        self.packages = {}  # (account, kind, target) -> package id

    async def call(self, method, path, body=None, status=None):
        raw = isinstance(body, bytes)
        arguments = {"data": body} if raw else {"json": body}
        async with self.http.request(method, path, **arguments) as reply:
            answer = await reply.json()
            assert status is None or reply.status == status, answer
            return answer

    async def open_account(self, policy):
        body = {"policy": policy, "now_ms": START_MS}
        account = (await self.call("POST", "/v1/accounts", body, 201))["account_id"]
        self.book.open_account(account, Policy(**policy))
        self.now[account] = START_MS
        product = f"p{account}"
        path = f"/v1/accounts/{account}/products"
        await self.call("POST", path, {"product_id": product}, 201)
        for kind in UpdateKind:
            for target in VERSIONS:
                query = f"kind={kind.name}&name={kind.name}{target}&target={target}"
                package = await self.call(
                    "POST", f"/v1/products/{product}/packages?{query}", b"firmware", 201
                )
                self.packages[account, kind, target] = package["package_id"]
                if target != VERSIONS[-1]:  # the last one stays unverified
                    skip = f"/v1/packages/{package['package_id']}/verification-skip"
                    await self.call("POST", skip, {}, 200)
        return account

    async def register(self, account, count):
        names = [f"d{len(self.home) + i}" for i in range(count)]
        lines = "\n".join(json.dumps({"name": name, "key": KEY}) for name in names)
        async with self.http.post(
            f"/v1/products/p{account}/devices", data=lines, headers={"Content-Type": "application/x-ndjson"}
        ) as reply:
            answer = await reply.json()
            assert reply.status == 201, answer
        devices = {device["device_id"]: (f"p{account}", device["name"]) for device in answer["devices"]}
        self.home |= devices
        self.book.register(account, devices)

    async def report(self, device, kind, step):
        """Have a device say how its open job went; None of it is heard while arrears hold the job (P10)."""
        task = self.book._device(device).open_jobs[kind]
        jobs = await self.call("GET", f"/v1/tasks/{self.tasks[task]}/jobs?limit=1000")
        (tid,) = [job["tid"] for job in jobs["jobs"] if job["device_id"] == device]
        product, name = self.home[device]
        uplink = self.stub.platform.uplink
        session = uplink.connect(
            product, name, make_token(KEY, device_resource(product, name), 2**40, "sha1")
        )
        settled = asyncio.get_running_loop().create_future()
        payload = json.dumps({"id": "1", "version": "1.0", "params": {"tid": tid, "step": step}}).encode()
        uplink.received(session, "/ota/status", payload, settled.set_result)
        assert await settled
        uplink.disconnected(session)

    def agree(self, answer, predicted):
        """Compare an answer of the stub with the book's."""
        reason = None if predicted.accepted else predicted.reason.value
        assert answer.get("code") == reason, (answer, predicted)
        if predicted.reason is ErrorCode.LICENCES_INSUFFICIENT:
            details = answer["details"]
            seen = details["needed"], details["available"], details["missing"]
            assert seen == (predicted.needed, predicted.available, predicted.missing)
        if predicted.offenders:
            details = answer["details"]
            assert details["device_ids"] == list(predicted.offenders[:20])
            assert details["more"] == len(predicted.offenders[20:])

    def agree_task(self, answer, predicted):
        self.agree(answer, predicted)
        if predicted.task is not None:
            self.tasks[predicted.task] = answer["task_id"]
            for name in TASK_COUNTS.split():
                assert answer[name] == getattr(predicted, name), (name, answer, predicted)

    async def agree_on_accounts(self):
        for account in self.now:
            seen = await self.call("GET", f"/v1/accounts/{account}", status=200)
            licences = self.book.licences(account)
            assert seen["licences"] == {name: getattr(licences, name) for name in licences.__struct_fields__}
            assert seen["balance_fen"] == self.book.balance_fen(account)

    async def step(self):
        """Do one thing, drawn by chance, at both."""
        action, weight = zip(*ACTIONS.items(), strict=True)
        account = self.rng.choice(list(self.now))
        await self.rng.choices(action, weight)[0](self, account, f"/v1/accounts/{account}")

    async def create(self, account, path):
        device_ids = [self.rng.choice(list(self.home)) for _ in range(self.rng.choice((1, 2, 5, 12)))]
        if self.rng.random() < 0.8:  # mostly such as may be updated
            own = [key for key in device_ids if self.home[key][0] == f"p{account}"]
            device_ids = [key for key in own if not self.book._device(key).terminated] or device_ids
        if self.rng.random() < 0.05:
            device_ids.append(10**6)
        kind, target = self.rng.choice((FOTA, SOTA)), self.rng.choices(VERSIONS, (6, 6, 6, 1))[0]
        fault = ErrorCode.PACKAGE_NOT_VERIFIED if target == VERSIONS[-1] else None
        package = self.packages[account, kind, target]
        if self.rng.random() < 0.03:
            package, fault = 10**6, ErrorCode.PACKAGE_UNKNOWN
        now_ms = self.now[account]
        order, terms = self.draw_terms(now_ms)
        body = {"package_id": package, "device_ids": device_ids, **order}
        if terms.of_all:
            del body["device_ids"]
            device_ids = self.admitted(account, kind, target, terms)
        answer = await self.call("POST", f"{path}/tasks", body)
        predicted = self.book.create_task(
            account, device_ids, kind, now_ms, target=target, package_fault=fault, terms=terms
        )
        self.agree_task(answer, predicted)

    def draw_terms(self, now_ms):
        """Draw what a task says besides devices and target, for the API and for the book."""
        order, terms = {}, {}
        if self.rng.random() < 0.2:
            order["start_at_ms"] = terms["starts_ms"] = now_ms + self.rng.choice((-1, 0, MINUTE_MS, HOUR_MS))
        if self.rng.random() < 0.3:
            order["expires_after_ms"] = terms["expires_after_ms"] = self.rng.choice((MINUTE_MS, 2 * HOUR_MS))
        if self.rng.random() < 0.2:
            versions = self.rng.choice(([None], ["2.0"], [None, "2.0", "3.0"]))
            order["start_versions"], terms["start_versions"] = versions, tuple(versions)
        if self.rng.random() < 0.1:
            order["scope"], terms["of_all"] = "all", True
        return order, Terms(**terms)

    def admitted(self, account, kind, target, terms):
        living = [key for key in self.home if not self.book._device(key).terminated]
        own = [key for key in living if self.home[key][0] == f"p{account}"]
        versions = {key: self.book.version(key, kind) for key in own}
        return [key for key in own if versions[key] != target and terms.admit(versions[key])]

    async def end_jobs(self, account, path):
        for device in list(self.home):
            for kind, task in list(self.book._device(device).open_jobs.items()):
                payer = self.book._tasks[task].account
                if self.rng.random() < 0.5 or not self.book.may_run(task, self.now[payer]):
                    continue
                good = self.rng.random() < 0.6
                await self.report(device, kind, 201 if good else 206)
                if good:
                    self.book.job_succeeded(device, kind, self.now[payer])
                else:
                    self.book.job_failed(device, kind)

    async def retry(self, account, path):
        if self.tasks:
            task = self.rng.choice(list(self.tasks))
            answer = await self.call("POST", f"/v1/tasks/{self.tasks[task]}/retry", {})
            self.agree_task(answer, self.book.retry(task, self.now[self.book._tasks[task].account]))

    async def cancel(self, account, path):
        if self.tasks:
            task = self.rng.choice(list(self.tasks))
            answer = await self.call("POST", f"/v1/tasks/{self.tasks[task]}/cancellation", {})
            self.agree(answer, self.book.cancel_task(task))

    async def pause(self, account, path):
        if self.tasks:
            task = self.rng.choice(list(self.tasks))
            answer = await self.call("POST", f"/v1/tasks/{self.tasks[task]}/pause", {})
            self.agree(answer, self.book.pause_task(task))

    async def resume(self, account, path):
        if self.tasks:
            task = self.rng.choice(list(self.tasks))
            answer = await self.call("POST", f"/v1/tasks/{self.tasks[task]}/resume", {})
            self.agree(answer, self.book.resume_task(task))

    async def cancel_job(self, account, path):
        if self.tasks:
            task = self.rng.choice(list(self.tasks))
            jobs = await self.call("GET", f"/v1/tasks/{self.tasks[task]}/jobs?limit=1000")
            job = self.rng.choice(jobs["jobs"])
            answer = await self.call("POST", f"/v1/jobs/{job['tid']}/cancellation", {})
            self.agree(answer, self.book.cancel_job(task, job["device_id"]))

    async def agree_on_tasks(self):
        """Compare how each task and each job stands."""
        for number, task_id in self.tasks.items():
            seen = await self.call("GET", f"/v1/tasks/{task_id}")
            task = self.book._tasks[number]
            assert seen["state"] == self.book.task_state(number, self.now[task.account]), (seen, task)
            jobs = await self.call("GET", f"/v1/tasks/{task_id}/jobs?limit=1000")
            known = {key: state.name.lower() for key, state in task.jobs.items()}
            assert {job["device_id"]: job["state"] for job in jobs["jobs"]} == known

    async def buy(self, account, path):
        count = self.rng.choice((1, 3, 10))
        answer = await self.call("POST", f"{path}/licences/purchases", {"count": count})
        self.agree(answer, self.book.buy(account, count, self.now[account]))

    async def grant(self, account, path):
        count = self.rng.choice((1, 2))
        answer = await self.call("POST", f"{path}/licences/grants", {"count": count, "contract": "c"})
        self.agree(answer, self.book.grant(account, count))

    async def ask_back(self, account, path):
        answer = await self.call("POST", f"{path}/licences/cancellations", {"count": 1})
        self.agree(answer, self.book.cancel_licences(account))

    async def top_up(self, account, path):
        answer = await self.call("POST", f"{path}/top-ups", {"amount_fen": 700})
        self.agree(answer, self.book.top_up(account, 700, self.now[account]))

    async def post(self, account, path):
        amount_fen = self.rng.choice((-1, -400, -900, 99))
        answer = await self.call("POST", f"{path}/postings", {"amount_fen": amount_fen})
        self.agree(answer, self.book.post(account, amount_fen, self.now[account]))

    async def subscribe(self, account, path):
        self.agree(await self.call("POST", f"{path}/subscription", {}), self.book.subscribe(account))

    async def set_date(self, account, path):
        at_ms = self.rng.choice((None, self.now[account] + 1, self.now[account], self.now[account] - HOUR_MS))
        answer = await self.call("PUT", f"{path}/charging-date", {"at_ms": at_ms})
        self.agree(answer, self.book.set_charging_date(account, at_ms, self.now[account]))

    async def wait(self, account, path):
        span_ms = self.rng.choice((1, MINUTE_MS, 10 * MINUTE_MS, HOUR_MS))
        self.now[account] += span_ms
        self.book.pass_time(account, self.now[account])
        answer = await self.call("PUT", f"{path}/clock", {"advance_ms": span_ms}, 200)
        assert answer["now_ms"] == self.now[account]

    async def terminate(self, account, path):
        device = self.rng.choice(list(self.home))
        answer = await self.call("POST", f"/v1/devices/{device}/termination", {})
        self.agree(answer, self.book.terminate(device))
        await self.register(account, 1)

    async def move(self, account, path):
        device = self.rng.choice(list(self.home))
        answer = await self.call("POST", f"/v1/devices/{device}/move", {"product_id": f"p{account}"})
        if self.home[device][0] == f"p{account}":
            return  # it lives there already
        predicted = self.book.move(device, account)
        self.agree(answer, predicted)
        if predicted.accepted:
            self.home[device] = (f"p{account}", self.home[device][1])

    async def replace_card(self, account, path):
        device = self.rng.choice(list(self.home))
        await self.call("POST", f"/v1/devices/{device}/card", {"iccid": "8986"})  # B9: the book is not told


ACTIONS = {
    Pair.create: 30,
    Pair.end_jobs: 10,
    Pair.retry: 6,
    Pair.cancel: 2,
    Pair.cancel_job: 2,
    Pair.pause: 4,
    Pair.resume: 3,
    Pair.buy: 6,
    Pair.grant: 2,
    Pair.ask_back: 1,
    Pair.top_up: 5,
    Pair.post: 4,
    Pair.subscribe: 12,
    Pair.set_date: 4,
    Pair.wait: 10,
    Pair.terminate: 2,
    Pair.move: 3,
    Pair.replace_card: 1,
}
POLICIES = (
    {"charging_date_ms": START_MS + HOUR_MS, "free_devices": 4},
    {"charging_date_ms": START_MS, "free_devices": 3, "deduction_order": "free_first"},
    {"free_devices": 0, "grandfathered_when": "update_succeeded", "arrears_hold": "creation"},
    {"charging_date_ms": 0, "price_fen": 0, "free_devices": 5},
)


@pytest.mark.parametrize("seed", range(6))
async def test_every_answer_is_the_predicted_one(tmp_path, seed):
    rng = Random(seed)
    async with (
        Stub(data=tmp_path / "data", real_ms=lambda: START_MS) as stub,
        aiohttp.ClientSession(stub.http_url) as http,
    ):
        stub.platform.attach(Nowhere())
        pair = Pair(stub, http, rng)
        for policy in rng.sample(POLICIES, 2):
            await pair.register(await pair.open_account(policy), 12)
        for _ in range(120):
            await pair.step()
            await pair.agree_on_accounts()
        await pair.agree_on_tasks()
        live = audit_database(tmp_path / "data")
        assert live.ok, live.findings
        assert live.tasks == len(pair.tasks)
    report = audit_database(tmp_path / "data")
    assert report.ok, report.findings
