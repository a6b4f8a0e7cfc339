"""A platform with devices in the field: a broker without a network, a hand-set clock, calls at the service's ports."""

import asyncio
import json

from platform_stub.protocol import operator as api
from platform_stub.protocol import topics
from platform_stub.protocol.calls import CallRefusal, Generation, Refused
from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.token import device_resource, make_token, product_resource
from platform_stub.rules import events as ev
from platform_stub.service import accounts, catalogue, tasks
from platform_stub.service.credentials import Caller
from platform_stub.service.device_calls import Offer
from platform_stub.service.ports import Session
from platform_stub.store import accounts as account_rows
from platform_stub.store import devices as device_rows
from tests.platform_stub.service.conftest import REAL_MS

LATER_S = REAL_MS // 1000 + 3600
HOUR_MS = 3_600_000


class Radio:
    """A broker without a network: keeps what is sent, in order."""

    def __init__(self):
        self.sent = []
        self.closed = []

    def publish(self, session, suffix, payload, qos, delivered=None):
        self.sent.append((session.name, suffix, json.loads(payload)))
        if delivered:
            delivered()

    def takes(self, session, suffix):
        return True

    def close(self, session):
        self.closed.append(session.name)

    def take(self):
        sent, self.sent = self.sent, []
        return sent


class Field:
    """A platform with one account and devices in the field."""

    def __init__(self, platform, radio, clock):
        self.platform = platform
        self.radio = radio
        self.clock = clock  # a list of one number: real time in ms, set by hand

    async def prepare(self, count=2, **policy):
        policy.setdefault("charging_date_ms", 0)
        account = await self.write(
            accounts.open_account, api.OpenAccount(policy=api.Policy(**policy), now_ms=REAL_MS)
        )
        self.account = account.account_id
        await self.write(accounts.act, self.account, ev.Subscribe())
        self.product = await self.write(catalogue.create_product, self.account, api.CreateProduct())
        requests = [
            api.RegisterDevice(name=f"d{at}", f_version="1.0", s_version="1.0") for at in range(count)
        ]
        registered = await self.write(catalogue.register, self.product.product_id, requests)
        self.devices = registered.devices
        self.package = await self.new_package("2.0")

    async def new_package(self, target, kind=UpdateKind.FOTA, content=b"0123456789", **facts):
        name, facts = f"{kind.name}-{target}", catalogue.PackageFacts(**facts)
        product_id = self.product.product_id
        package = await self.platform.write(
            lambda tx: catalogue.add_package(tx, product_id, kind, name, target, content, facts=facts)
        )
        return await self.write(catalogue.skip_verification, package.package_id)

    async def write(self, use_case, *args):
        return await self.platform.write(lambda tx: use_case(tx, *args))

    def token(self, at=0, *, et_s=LATER_S):
        device = self.devices[at]
        return make_token(device.key, device_resource(device.product_id, device.name), et_s)

    def connect(self, at=0) -> Session:
        session = self.platform.uplink.connect(self.product.product_id, self.devices[at].name, self.token(at))
        assert isinstance(session, Session)
        return session

    async def send(self, session, suffix, message):
        done = asyncio.get_running_loop().create_future()
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.platform.uplink.received(session, suffix, payload, done.set_result)
        settled = await done
        await asyncio.sleep(0)
        return settled

    async def status(self, session, tid, step, message_id="s"):
        await self.send(session, topics.STATUS, {"id": message_id, "params": {"tid": tid, "step": step}})
        return self.radio.take()[-1][2]["code"]

    async def version(self, session, **versions):
        await self.send(session, topics.VERSION, {"id": "v", "params": versions})
        return self.radio.take()

    async def task(self, at=(0,), package=None, **more):
        ids = [self.devices[i].device_id for i in at]
        package = package or self.package
        request = api.CreateTask(package_id=package.package_id, device_ids=ids, **more)
        task = await self.write(tasks.create, self.account, request)
        assert isinstance(task, api.Task), task
        for _ in range(3):
            await asyncio.sleep(0)
        return task

    def state(self, task):
        counts = self.platform.read(lambda conn: tasks.describe(conn, task.task_id, 0)).jobs
        return {name: getattr(counts, name) for name in counts.__struct_fields__ if getattr(counts, name)}

    def device(self, at=0):
        return self.platform.read(lambda conn: device_rows.load(conn, self.devices[at].device_id))

    def tid(self, task, at=0):
        rows = self.platform.read(lambda conn: tasks.show_jobs(conn, task.task_id, None, 0, 99)).jobs
        (tid,) = (row.tid for row in rows if row.device_id == self.devices[at].device_id)
        return tid

    def job(self, task, at=0):
        rows = self.platform.read(lambda conn: tasks.show_jobs(conn, task.task_id, None, 0, 99)).jobs
        (job,) = (row for row in rows if row.device_id == self.devices[at].device_id)
        return job.state, job.step

    def account_row(self):
        return self.platform.read(lambda conn: account_rows.load(conn, self.account))

    async def act(self, command):
        return await self.write(accounts.act, self.account, command)

    def caller(self, generation=Generation.FUSE, at=0) -> Caller:
        """Let a device in by the token that its generation takes, strict or not."""
        device = self.devices[at]
        ahead_s = self.platform.account_now(self.account) // 1000 + 3600
        if generation is Generation.SOUTH:
            key, res = self.product.access_key, product_resource(self.product.product_id)
            address = {"device_id": device.device_id}
        else:
            key, res = device.key, device_resource(device.product_id, device.name)
            address = {"product_id": device.product_id, "name": device.name}
        caller = self.calls.authenticate(generation, make_token(key, res, ahead_s), **address)
        assert isinstance(caller, Caller)
        return caller

    @property
    def calls(self):
        return self.platform.device_calls

    async def check(self, generation=Generation.FUSE, version="1.0", kind=UpdateKind.FOTA, at=0, **said):
        return await self.calls.check(self.caller(generation, at), kind, version, **said)

    async def offer(self, generation=Generation.FUSE, at=0) -> Offer:
        offer = await self.check(generation, at=at)
        assert isinstance(offer, Offer)
        return offer

    async def step(self, tid, step, generation=Generation.FUSE, at=0):
        refused = await self.calls.report_step(self.caller(generation, at), tid, step)
        return None if refused is None else refused.why

    async def job_step_refused(self, tid, at=0):
        """Let the platform look at a job by a call that moves nothing but what is overdue."""
        assert await self.step(tid, -1, at=at) is CallRefusal.BAD_RESULT

    async def job_state(self, tid, generation=Generation.FUSE, at=0):
        state = await self.calls.job_state(self.caller(generation, at), tid)
        return state.why if isinstance(state, Refused) else state

    async def download(self, tid, generation=Generation.FUSE, at=0):
        granted = await self.calls.open_download(self.caller(generation, at), tid)
        return granted.why if isinstance(granted, Refused) else granted.content

    def timeline(self, at=0):
        rows = self.platform.read(lambda conn: device_rows.load_timeline(conn, self.devices[at].device_id))
        return [(row.what, row.detail) for row in rows]


async def ready(field, at=0):
    """Connect a device, subscribe it, and let it report its versions."""
    session = field.connect(at)
    field.platform.uplink.subscribed(session, True)
    await field.version(session, f_version="1.0", s_version="1.0")
    return session
