"""A platform on a real store, without broker and HTTP: its use cases in transactions, its clock set by hand."""

from pathlib import Path

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service import accounts, catalogue, tasks
from platform_stub.service.platform import Platform
from platform_stub.service.writer import Tx
from platform_stub.store.engine import Store, open_store

REAL_MS = 1_800_000_000_000


def jump(tx, account_id, span_ms):
    """Move an account's clock forward at once, past whatever is due on the way."""
    return accounts.move_clock(tx, account_id, accounts.account_now(tx, account_id) + span_ms)


class Asked:
    """Records what use cases ask for after the commit."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *args: self.calls.append((name, *args))


class Desk:
    """An operator's desk: one use case a call, each in a transaction of its own."""

    def __init__(self, store: Store):
        self.store = store
        self.real_ms = REAL_MS
        self.asked = Asked()
        self.packages = 0

    def write(self, use_case, *args):
        with self.store.write() as conn:
            tx = Tx(conn, self.real_ms, self.asked)
            answer = use_case(tx, *args)
        for act in tx.after:
            act()
        return answer

    def read(self, query, *args):
        with self.store.read() as conn:
            return query(conn, *args)

    def open(self, *, subscribed=True, grant=0, **policy):
        policy.setdefault("charging_date_ms", 0)
        account = self.write(accounts.open_account, api.OpenAccount(policy=api.Policy(**policy)))
        if subscribed:
            self.act(account.account_id, ev.Subscribe())
        if grant:
            self.act(account.account_id, ev.Grant(count=grant, contract="C"))
        return account.account_id

    def act(self, account_id, command):
        return self.write(accounts.act, account_id, command)

    def account(self, account_id):
        return self.read(accounts.show, account_id, self.real_ms)

    def product(self, account_id):
        return self.write(catalogue.create_product, account_id, api.CreateProduct()).product_id

    def register(self, product_id, count, prefix="d", **facts):
        facts.setdefault("f_version", "1.0")
        requests = [api.RegisterDevice(name=f"{prefix}{at}", **facts) for at in range(count)]
        return [device.device_id for device in self.write(catalogue.register, product_id, requests).devices]

    def package(self, product_id, target="2.0", kind=UpdateKind.FOTA, *, skip=True, facts=catalogue.NO_FACTS):
        self.packages += 1
        name = f"p{self.packages}"
        package = self.write(
            lambda tx: catalogue.add_package(tx, product_id, kind, name, target, b"content", facts=facts)
        )
        return self.write(catalogue.skip_verification, package.package_id) if skip else package

    def task(self, account_id, package, device_ids, **more):
        request = api.CreateTask(package_id=package.package_id, device_ids=list(device_ids), **more)
        return self.write(tasks.create, account_id, request)


@pytest.fixture
def desk(tmp_path: Path):
    store = open_store(tmp_path / "data")
    yield Desk(store)
    store.close()


@pytest.fixture
def is_strict():
    """A test that wants the narrower reading parametrises this."""
    return False


@pytest.fixture
async def field(tmp_path: Path, is_strict):
    """A platform with devices in the field; its real time stands still unless the test sets it."""
    from tests.platform_stub.service.field import Field, Radio

    clock = [REAL_MS]
    store = open_store(tmp_path / "data")
    radio = Radio()
    platform = Platform(store, lambda: clock[0], strict=is_strict)
    platform.attach(radio)
    field = Field(platform, radio, clock)
    await field.prepare()
    yield field
    await platform.close()
    store.close()
