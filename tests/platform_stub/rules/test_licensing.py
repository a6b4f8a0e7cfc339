"""Each charging rule and each decision as a table of cases."""

import pytest

from platform_stub.protocol.codes import EntitlementSource
from platform_stub.protocol.ids import DeviceId, TaskId
from platform_stub.protocol.operator import Policy
from platform_stub.rules import events as ev
from platform_stub.rules.licensing import Book, Ledger, decide, evolve, expand, replay
from platform_stub.rules.refusals import Offenders, Reason, Refusal

DATE = 1_000_000
RULES = {*Policy.__struct_fields__} - {"charging_date_ms"}
BEFORE, EXACTLY, AFTER = DATE - 1, DATE, DATE + 1


def ledger(**changes) -> Ledger:
    policy = Policy(**{key: changes.pop(key) for key in list(changes) if key in RULES})
    defaults = {"subscribed": True, "charging_date_ms": DATE, "purchased_left": 10, "free_left": 5}
    return Ledger(policy=policy, **(defaults | changes))


def allocated(purchased=0, free=0, grandfathered=0):
    return (ev.Allocated(purchased=purchased, free=free, grandfathered=grandfathered),)


def refused(reason, **more):
    return Refusal(reason=reason, **more)


@pytest.mark.parametrize(
    ("rule", "book", "needed", "now_ms", "expected"),
    [
        ("B1 before the date is free", ledger(), 1_000, BEFORE, allocated(grandfathered=1_000)),
        ("P4 exactly the date is charged", ledger(), 3, EXACTLY, allocated(purchased=3)),
        ("P4 no date is not charged", ledger(charging_date_ms=None), 99, AFTER, allocated(grandfathered=99)),
        ("B5 not subscribed", ledger(subscribed=False), 1, AFTER, refused(Reason.NOT_SUBSCRIBED)),
        ("B5 not subscribed, before the date", ledger(subscribed=False), 1, BEFORE, refused(Reason.NOT_SUBSCRIBED)),
        ("B7 one licence per device without one", ledger(), 7, AFTER, allocated(purchased=7)),
        ("B11 a thousand at once", ledger(purchased_left=1000), 1000, AFTER, allocated(purchased=1000)),
        ("B13 exactly enough", ledger(), 15, AFTER, allocated(purchased=10, free=5)),
        ("B13 one too many", ledger(), 16, AFTER, refused(Reason.LICENCES_INSUFFICIENT, needed=16, available=15)),
        ("B14 licensed devices cost nothing", ledger(purchased_left=0, free_left=0), 0, AFTER, allocated()),
        ("B16 arrears", ledger(balance_fen=-1), 0, AFTER, refused(Reason.ARREARS)),
        ("P10 arrears hold nothing before the date", ledger(balance_fen=-1), 2, BEFORE, allocated(grandfathered=2)),
        ("P10 a balance of zero is no arrears", ledger(balance_fen=0), 1, AFTER, allocated(purchased=1)),
        ("P1 purchased first", ledger(), 12, AFTER, allocated(purchased=10, free=2)),
        ("P1 free first", ledger(deduction_order="free_first"), 12, AFTER, allocated(purchased=7, free=5)),
        ("P3 update_succeeded gives nothing yet", ledger(grandfathered_when="update_succeeded"), 4, BEFORE, allocated()),
    ],
)  # fmt: skip
def test_a_task_is_decided(rule, book, needed, now_ms, expected):
    assert decide(book, ev.CreateTask(needed=needed), now_ms) == expected


ALL_WRONG = {
    "package": ev.PackageState.UNKNOWN,
    "unusable": Offenders(count=1, first=((7, "unknown"),)),
    "busy": Offenders(count=1, first=((8, "has an open FOTA job"),)),
}


def test_refusals_come_in_the_order_of_p16():
    """Everything is wrong at once; each reason that is mended uncovers the next one."""
    book = ledger(subscribed=False, balance_fen=-1, purchased_left=0, free_left=0)
    task = ev.CreateTask(needed=1, **ALL_WRONG)
    mends = [
        (Reason.NOT_SUBSCRIBED, {"subscribed": True}, {}),
        (Reason.ARREARS, {"balance_fen": 0}, {}),
        (Reason.PACKAGE_UNKNOWN, {}, {"package": ev.PackageState.NOT_VERIFIED}),
        (Reason.PACKAGE_NOT_VERIFIED, {}, {"package": ev.PackageState.READY}),
        (Reason.DEVICES_UNUSABLE, {}, {"unusable": Offenders()}),
        (Reason.DEVICES_BUSY, {}, {"busy": Offenders()}),
        (Reason.LICENCES_INSUFFICIENT, {"free_left": 1}, {}),
    ]
    seen = []
    for expected, of_book, of_task in mends:
        answer = decide(book, task, AFTER)
        assert isinstance(answer, Refusal)
        seen.append(answer.reason)
        assert answer.reason is expected
        book = ledger(
            **(
                {f: getattr(book, f) for f in ("subscribed", "balance_fen", "purchased_left", "free_left")}
                | of_book
            )
        )
        task = ev.CreateTask(
            **({f: getattr(task, f) for f in ("needed", "package", "unusable", "busy")} | of_task)
        )
    assert seen == sorted(seen)
    assert decide(book, task, AFTER) == allocated(free=1)


@pytest.mark.parametrize(
    ("rule", "book", "command", "now_ms", "expected"),
    [
        ("B2, B4 bought from the balance", ledger(balance_fen=500), ev.Buy(count=5), AFTER,
            (ev.Bought(count=5, paid_fen=500),)),
        ("P11 one fen short", ledger(balance_fen=499), ev.Buy(count=5), AFTER,
            refused(Reason.BALANCE_INSUFFICIENT, needed=500, available=499)),
        ("another price", ledger(balance_fen=500, price_fen=250), ev.Buy(count=2), AFTER,
            (ev.Bought(count=2, paid_fen=500),)),
        ("P10 no purchase in arrears", ledger(balance_fen=-1, price_fen=0), ev.Buy(count=1), AFTER,
            refused(Reason.ARREARS)),
        ("P10 before the date the balance alone decides", ledger(balance_fen=-1), ev.Buy(count=1), BEFORE,
            refused(Reason.BALANCE_INSUFFICIENT, needed=100, available=-1)),
        ("B4, P10 a contract grant takes no balance", ledger(balance_fen=-1), ev.Grant(count=9, contract="C-1"), AFTER,
            (ev.Granted(count=9, contract="C-1"),)),
        ("B15 no refund", ledger(), ev.CancelPurchase(count=1), AFTER, refused(Reason.NOT_REFUNDABLE)),
        ("B5 subscribing brings the free ones", ledger(subscribed=False, free_devices=100), ev.Subscribe(), AFTER,
            (ev.Subscribed(free=100),)),
        ("B5 once", ledger(), ev.Subscribe(), AFTER, refused(Reason.ALREADY_SUBSCRIBED)),
        ("B1 announced", ledger(), ev.SetChargingDate(at_ms=7), AFTER, (ev.ChargingDateSet(at_ms=7),)),
        ("a posting", ledger(), ev.Post(amount_fen=-5, reason="bill"), AFTER, (ev.Posted(amount_fen=-5, reason="bill"),)),
        ("P3 a success in the free time", ledger(grandfathered_when="update_succeeded"), ev.CompleteFreeJob(), BEFORE,
            allocated(grandfathered=1)),
        ("P3 too late", ledger(grandfathered_when="update_succeeded"), ev.CompleteFreeJob(), EXACTLY, ()),
        ("P3 the other value", ledger(), ev.CompleteFreeJob(), BEFORE, ()),
    ],
)  # fmt: skip
def test_a_command_is_decided(rule, book, command, now_ms, expected):
    assert decide(book, command, now_ms) == expected


def test_missing_is_what_more_would_have_been_enough():
    answer = decide(ledger(purchased_left=0, free_left=100), ev.CreateTask(needed=900), AFTER)
    assert isinstance(answer, Refusal)
    assert (answer.needed, answer.available, answer.missing) == (900, 100, 800)


@pytest.mark.parametrize(
    ("event", "changed"),
    [
        (ev.Subscribed(free=100), {"subscribed": True, "free_left": 105}),
        (ev.Posted(amount_fen=-30, reason="x"), {"balance_fen": -30}),
        (ev.Bought(count=2, paid_fen=200), {"bought": 2, "purchased_left": 12, "balance_fen": -200}),
        (ev.Granted(count=2, contract="c"), {"granted": 2, "purchased_left": 12}),
        (ev.ChargingDateSet(at_ms=None), {"charging_date_ms": None}),
        (ev.Allocated(purchased=3, free=2, grandfathered=9), {"purchased_left": 7, "free_left": 3}),
        (
            ev.Bound(device_id=DeviceId(1), task_id=TaskId(1), source=EntitlementSource.PURCHASED),
            {"purchased_left": 9},
        ),
        (ev.Bound(device_id=DeviceId(1), task_id=TaskId(1), source=EntitlementSource.FREE), {"free_left": 4}),
        (ev.Bound(device_id=DeviceId(1), task_id=TaskId(1), source=EntitlementSource.GRANDFATHERED), {}),
        (ev.Ended(device_id=DeviceId(1)), {}),  # P2, P9: nothing comes back
    ],
)
def test_an_event_changes_the_counts(event, changed):
    before = ledger(subscribed=False)
    after = evolve(before, event)
    fields = (
        "subscribed",
        "balance_fen",
        "bought",
        "granted",
        "purchased_left",
        "free_left",
        "charging_date_ms",
    )
    assert {f: getattr(after, f) for f in fields} == {f: getattr(before, f) for f in fields} | changed


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("purchased_first", ["purchased", "purchased", "free"]),
        ("free_first", ["free", "purchased", "purchased"]),
    ],
)
def test_devices_get_their_source_by_ascending_id(order, expected):
    policy = Policy(deduction_order=order)
    rows = expand(
        policy, ev.Allocated(purchased=2, free=1), TaskId(4), [DeviceId(30), DeviceId(10), DeviceId(20)]
    )
    assert [row.device_id for row in rows] == [10, 20, 30]
    assert [row.source.value for row in rows] == expected


def test_replay_gives_the_book():
    bound = ev.Bound(device_id=DeviceId(5), task_id=TaskId(1), source=EntitlementSource.FREE)
    book = replay(
        [ev.Opened(policy=Policy()), ev.Subscribed(free=100), bound, ev.Ended(device_id=DeviceId(5))]
    )
    assert isinstance(book, Book)
    assert book.ledger.free_left == 99
    assert not book.entitlements[DeviceId(5)].valid  # B10
    assert book.entitlements[DeviceId(5)].source is EntitlementSource.FREE  # I3


def test_replay_refuses_a_second_entitlement():
    bound = ev.Bound(device_id=DeviceId(5), task_id=TaskId(1), source=EntitlementSource.FREE)
    with pytest.raises(AssertionError, match="I3"):
        replay([ev.Opened(policy=Policy()), ev.Subscribed(free=100), bound, bound])
