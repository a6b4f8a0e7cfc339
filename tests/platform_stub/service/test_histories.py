"""Random histories on the service with each database, held equal to the pure replay of the whole book (I1-I6)."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import EntitlementSource, JobState, UpdateKind
from platform_stub.rules import events as ev
from platform_stub.rules.licensing import replay
from platform_stub.service import auto_add, catalogue, expiry, life, tasks
from platform_stub.store import accounts as account_rows
from platform_stub.store import deadlines
from platform_stub.store import devices as device_rows
from platform_stub.store import jobs as job_rows
from platform_stub.store.engine import open_store
from tests.platform_stub.service.conftest import Desk, jump

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
        st.tuples(st.just("all"), st.sampled_from([None, ["1.0"], ["1.0", None]])),
        st.tuples(st.just("later"), st.tuples(SOME, st.integers(0, 4))),
        st.tuples(st.just("pause"), st.none()),
        st.tuples(st.just("resume"), st.none()),
        st.tuples(st.just("cancel_one"), st.integers(0, 9)),
        st.tuples(st.just("expire"), st.none()),
        st.tuples(st.just("advance"), st.integers(0, 8)),
        st.tuples(st.just("auto_add"), st.one_of(st.none(), st.just(["1.0"]))),
        st.tuples(st.just("check"), st.integers(0, 9)),
    ),
    max_size=25,
)  # fmt: skip
LIFE_MS = 5
NO_LINES = {"pause", "resume", "cancel", "cancel_one", "expire", "advance", "pass", "end", "auto_add"}
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
        getattr(self, f"do_{what}")(how)

    def do_task(self, how):
        self.order(device_ids=[self.devices[at] for at in how])

    def do_all(self, how):
        self.order(scope="all", start_versions=how)

    def do_later(self, how):
        at, ahead_ms = how
        start_ms = self.desk.account(self.account).now_ms + ahead_ms
        self.order(device_ids=[self.devices[one] for one in at], start_at_ms=start_ms)

    def do_end(self, how):
        """End what is pending, as reports would."""
        jobs = [job for job in self.jobs() if job.state == "pending"]
        moved = [
            {"b_tid": j.tid, "b_state": int(how), "b_step": None, "b_now": self.desk.real_ms} for j in jobs
        ]
        self.desk.write(lambda tx: job_rows.move(tx.conn, moved))

    def do_retry(self, _):
        self.follow(self.desk.write(tasks.retry, self.last) if self.last else None)

    def do_cancel(self, _):
        self.desk.write(tasks.cancel, self.last or 0)

    def do_pause(self, _):
        self.desk.write(tasks.pause, self.last or 0)

    def do_resume(self, _):
        self.desk.write(tasks.resume, self.last or 0)

    def do_cancel_one(self, how):
        for job in self.jobs()[how : how + 1]:
            self.desk.write(tasks.cancel_job, job.tid)

    def do_terminate(self, how):
        self.desk.write(life.terminate, self.devices[how])

    def do_act(self, how):
        self.desk.act(self.account, how)

    def do_charge_from(self, how):
        self.desk.act(self.account, ev.SetChargingDate(at_ms=self.desk.real_ms + how))

    def do_pass(self, how):
        self.desk.real_ms += how

    def do_advance(self, how):
        self.desk.write(jump, self.account, how)

    def do_expire(self, _):
        """Do what the timers do: afterwards nothing is due that no hold keeps."""
        live = [row.task_id for row in self.desk.read(deadlines.load_live)]
        now_ms = self.desk.account(self.account).now_ms
        for outcome in self.desk.write(expiry.expire, live):
            assert outcome.next_ms is None or outcome.next_ms > now_ms

    def do_auto_add(self, how):
        self.targets += 1
        package = self.desk.package(self.product, f"{self.targets}.0")
        self.desk.write(catalogue.set_auto_add, package.package_id, api.AutoAdd(start_versions=how))

    def do_check(self, how):
        self.desk.write(auto_add.take_in, self.devices[how], UpdateKind.FOTA, "1.0")

    def jobs(self):
        return self.desk.read(tasks.show_jobs, self.last, None, 0, 99).jobs if self.last else []

    def follow(self, task):
        self.last = task.task_id if isinstance(task, api.Task) else self.last

    def journal(self):
        return [row.seq for row in self.desk.read(account_rows.read_journal, self.account)]

    def order(self, **more):
        self.targets += 1
        package = self.desk.package(self.product, f"{self.targets}.0")
        request = api.CreateTask(package_id=package.package_id, expires_after_ms=LIFE_MS, **more)
        self.follow(self.desk.write(tasks.create, self.account, request))

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
            assert len([job for job in jobs if JobState(job.state).is_open]) <= 1  # P8
            if row.terminated_ms is not None:
                assert not [job for job in jobs if JobState(job.state).is_open]  # P9
                assert device not in book.entitlements or not book.entitlements[device].valid  # I3


def play(store, policy, steps):
    try:
        story = Story(Desk(store), policy)
        for what, how in steps:
            lines = story.journal()
            story.do(what, how)
            story.check()
            if what in NO_LINES:
                assert story.journal() == lines  # I6: jobs are state, and no line of the journal
    finally:
        store.close()


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(POLICIES, STEPS)
def test_the_store_holds_what_the_journal_tells(policy, steps):
    with tempfile.TemporaryDirectory() as folder:
        play(open_store(Path(folder)), policy, steps)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(POLICIES, STEPS)
def test_the_store_in_postgresql_holds_what_the_journal_tells(cluster, policy, steps):
    play(open_store(cluster.url(), drops=True), policy, steps)


def test_a_page_of_the_api_shows_the_same_licences(desk):
    account = desk.open(grant=2, free_devices=3)
    product = desk.product(account)
    desk.task(account, desk.package(product), desk.register(product, 4))
    licences = desk.account(account).licences
    assert licences == api.Licences(
        bought=0, granted=2, purchased_left=0, free_left=1, left=1,
        entitled_purchased=2, entitled_free=2, entitled_grandfathered=0,
    )  # fmt: skip
