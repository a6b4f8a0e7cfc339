"""Random histories of commands against the invariants I1-I6, on the pure rules alone."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from platform_stub.protocol.codes import EntitlementSource
from platform_stub.protocol.ids import DeviceId, TaskId
from platform_stub.protocol.operator import Policy
from platform_stub.rules import events as ev
from platform_stub.rules.licensing import Ledger, decide, evolve, expand, replay
from platform_stub.rules.refusals import Refusal

DEVICES = st.integers(min_value=1, max_value=12)
COMMANDS = st.one_of(
    st.builds(ev.Subscribe),
    st.builds(ev.Post, amount_fen=st.integers(-500, 500), reason=st.just("p")),
    st.builds(ev.Buy, count=st.integers(1, 8)),
    st.builds(ev.Grant, count=st.integers(1, 8), contract=st.just("c")),
    st.builds(ev.CancelPurchase, count=st.just(1)),
    st.builds(ev.SetChargingDate, at_ms=st.one_of(st.none(), st.integers(0, 100))),
    st.sets(DEVICES, min_size=1),  # a task for these
)
POLICIES = st.builds(
    Policy,
    price_fen=st.integers(0, 200),
    free_devices=st.integers(0, 5),
    charging_date_ms=st.one_of(st.none(), st.integers(0, 100)),
    deduction_order=st.sampled_from(["purchased_first", "free_first"]),
    grandfathered_when=st.sampled_from(["job_created", "update_succeeded"]),
)


@dataclass
class History:
    """An account driven by commands, its journal beside it."""

    ledger: Ledger
    journal: list = field(default_factory=list)
    sources: dict = field(default_factory=dict)
    posted_fen: int = 0
    paid_fen: int = 0
    tasks: int = 0

    def act(self, command, now_ms):
        is_task = isinstance(command, set)
        lacking = [DeviceId(d) for d in command if d not in self.sources] if is_task else []
        decision = decide(self.ledger, ev.CreateTask(needed=len(lacking)) if is_task else command, now_ms)
        if isinstance(decision, Refusal):
            return
        for event in decision:
            self.ledger = evolve(self.ledger, event)
            if isinstance(event, ev.Allocated):
                self.tasks += 1
                rows = expand(self.ledger.policy, event, TaskId(self.tasks), lacking)
                self.journal += rows
                self.sources |= {row.device_id: row.source for row in rows}
                if not is_free_policy(self, now_ms):
                    assert set(lacking) <= set(self.sources)  # I4
            else:
                self.journal.append(event)
            if isinstance(event, ev.Posted):
                self.posted_fen += event.amount_fen
            if isinstance(event, ev.Bought):
                self.paid_fen += event.paid_fen

    def count(self, source):
        return sum(1 for held in self.sources.values() if held is source)


def is_free_policy(history, now_ms):
    free_time = not history.ledger.charges(now_ms)
    return free_time and history.ledger.policy.grandfathered_when == "update_succeeded"


@settings(max_examples=300, deadline=None)
@given(POLICIES, st.lists(st.tuples(COMMANDS, st.integers(0, 20)), max_size=40))
def test_invariants_hold_after_every_command(policy, steps):
    history = History(
        Ledger(policy=policy, charging_date_ms=policy.charging_date_ms), [ev.Opened(policy=policy)]
    )
    now_ms = 0
    for command, passed_ms in steps:
        now_ms += passed_ms
        before = history.sources.copy()
        history.act(command, now_ms)
        ledger = history.ledger
        assert ledger.purchased_left == ledger.bought + ledger.granted - history.count(
            EntitlementSource.PURCHASED
        )  # I1
        free = policy.free_devices if ledger.subscribed else 0
        assert ledger.free_left == free - history.count(EntitlementSource.FREE)  # I2
        assert ledger.purchased_left >= 0
        assert ledger.free_left >= 0
        assert before.items() <= history.sources.items()  # I3: never removed, never changed
        assert ledger.balance_fen == history.posted_fen - history.paid_fen  # I5
        book = replay(history.journal)
        assert book.ledger == ledger  # I6
        assert {device: held.source for device, held in book.entitlements.items()} == history.sources
