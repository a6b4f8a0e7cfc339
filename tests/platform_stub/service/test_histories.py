"""Random histories on the service with SQLite, held equal to the pure replay of the whole book (I1-I6)."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import EntitlementSource, JobState
from platform_stub.rules import events as ev
from platform_stub.rules.licensing import replay
from platform_stub.service import catalogue, tasks
from platform_stub.service.answers import Rejection
from platform_stub.store import accounts as account_rows
from platform_stub.store import devices as device_rows
from platform_stub.store import jobs as job_rows
from platform_stub.store.engine import open_store
from tests.platform_stub.service.conftest import Desk

SOME = st.sets(st.integers(0, 9), min_size=1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("task"), SOME),
        st.tuples(st.just("end"), st.sampled_from([JobState.SUCCESS, JobState.FAILED])),
        st.tuples(st.just("retry"), st.none()),
        st.tuples(st.just("cancel"), st.none()),
        st.tuples(st.just("terminate"), st.integers(0, 9)),
        st.tuples(st.just("act"), st.sampled_from([
            ev.Subscribe(), ev.Buy(count=2), ev.Grant(count=3, contract="c"), ev.Post(amount_fen=300, reason="in"),
            ev.Post(amount_fen=-250, reason="out"), ev.SetChargingDate(at_ms=None), ev.CancelPurchase(count=1)])),
        st.tuples(st.just("charge_from"), st.integers(-5, 5)),
        st.tuples(st.just("pass"), st.integers(0, 3)),
    ),
    max_size=25,
)  # fmt: skip
POLICIES = st.fixed_dictionaries(
    {"free_devices": st.integers(0, 4), "deduction_order": st.sampled_from(["purchased_first", "free_first"])}
)


class Story:
    """Ten devices of one account, and what is done with them."""

    def __init__(self, desk, policy):
        self.desk = desk
        self.account = desk.open(subscribed=False, charging_date_ms=desk.real_ms + 2, **policy)
        self.product = desk.product(self.account)
        self.devices = desk.register(self.product, 10)
        self.targets = 1
        self.last = None

    def do(self, what, how):
        desk = self.desk
        if what == "task":
            self.targets += 1
            package = desk.package(self.product, f"{self.targets}.0")
            task = desk.task(self.account, package, [self.devices[at] for at in how])
            self.last = self.last if isinstance(task, Rejection) else task.task_id
        elif what == "end" and self.last:
            rows = [
                job
                for job in desk.read(tasks.show_jobs, self.last, None, 0, 99).jobs
                if job.state == "pending"
            ]
            moved = [
                {"b_tid": job.tid, "b_state": int(how), "b_step": None, "b_now": desk.real_ms} for job in rows
            ]
            desk.write(lambda tx: job_rows.move(tx.conn, moved))
        elif what == "retry" and self.last:
            task = desk.write(tasks.retry, self.last)
            self.last = self.last if isinstance(task, Rejection) else task.task_id
        elif what == "cancel" and self.last:
            desk.write(tasks.cancel, self.last)
        elif what == "terminate":
            desk.write(catalogue.terminate, self.devices[how])
        elif what == "act":
            desk.act(self.account, how)
        elif what == "charge_from":
            desk.act(self.account, ev.SetChargingDate(at_ms=desk.real_ms + how))
        elif what == "pass":
            desk.real_ms += how

    def check(self):
        desk = self.desk
        ledger = desk.read(account_rows.load, self.account).ledger
        events = [account_rows.read_event(row) for row in desk.read(account_rows.read_journal, self.account)]
        book = replay(events)
        assert book.ledger == ledger  # I6, counts
        held = {device: desk.read(device_rows.load_entitlement, device) for device in self.devices}
        stored = {device: (row.source, row.task_id) for device, row in held.items() if row is not None}
        assert stored == {
            d: (e.source.value, e.task_id) for d, e in book.entitlements.items()
        }  # I6, to the last row
        paid = [source for source, _ in stored.values()]
        assert ledger.purchased_left == ledger.bought + ledger.granted - paid.count(
            EntitlementSource.PURCHASED.value
        )
        free = ledger.policy.free_devices if ledger.subscribed else 0
        assert ledger.free_left == free - paid.count(EntitlementSource.FREE.value)  # I2
        for device in self.devices:
            row = desk.read(device_rows.load, device)
            jobs = desk.read(device_rows.load_jobs, device)
            assert not jobs or device in stored  # I4
            if row.terminated_ms is not None:
                assert not [job for job in jobs if JobState(job.state).is_open]  # P9
                assert device not in book.entitlements or not book.entitlements[device].valid  # I3


@settings(max_examples=60, deadline=None)
@given(POLICIES, STEPS)
def test_the_store_holds_what_the_journal_tells(policy, steps):
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        try:
            story = Story(Desk(store), policy)
            for what, how in steps:
                story.do(what, how)
                story.check()
        finally:
            store.close()


def test_a_page_of_the_api_shows_the_same_licences(desk):
    account = desk.open(grant=2, free_devices=3)
    product = desk.product(account)
    desk.task(account, desk.package(product), desk.register(product, 4))
    licences = desk.account(account).licences
    assert licences == api.Licences(
        bought=0, granted=2, purchased_left=0, free_left=1, left=1,
        entitled_purchased=2, entitled_free=2, entitled_grandfathered=0,
    )  # fmt: skip
