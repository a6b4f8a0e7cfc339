"""The book against the text of the charging rules: the worked examples, then each rule with its edge."""

import pytest

from platform_stub.protocol.codes import EntitlementSource, UpdateKind
from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.operator import ErrorCode, Policy
from scenarios.auditor.orders import Terms
from scenarios.auditor.predict import Book, Prediction, Right

FOTA, SOTA = UpdateKind.FOTA, UpdateKind.SOTA
PURCHASED, FREE, GRANDFATHERED = (
    EntitlementSource.PURCHASED,
    EntitlementSource.FREE,
    EntitlementSource.GRANDFATHERED,
)
DATE = 1_000_000
BEFORE, AT, AFTER = DATE - 1, DATE, DATE + 1


def a_book(*, bought=0, devices=0, subscribed=True, **policy):
    """One account `a` with devices 1..n; by default it charges from DATE on, and nothing is free."""
    book = Book()
    book.open_account("a", Policy(**({"charging_date_ms": DATE, "free_devices": 0} | policy)))
    if subscribed:
        book.subscribe("a")
    if bought:
        book.top_up("a", bought * 100)
        assert book.buy("a", bought, BEFORE).accepted
    book.register("a", range(1, devices + 1))
    return book


def pools(book, account="a"):
    licences = book.licences(account)
    return licences.purchased_left, licences.free_left


def counts(prediction):
    return prediction.needed, prediction.available, prediction.missing


def succeed(book, devices, kind=FOTA, now_ms=AFTER):
    for device in devices:
        book.job_succeeded(device, kind, now_ms)


@pytest.mark.parametrize(
    ("free_devices", "bought", "split", "after_e1"),
    [(100, 1_000, (1_000, 0), (0, 100)), (0, 1_100, (1_000, 0), (100, 0))],
    ids=["F", "P"],
)
def test_the_examples_e1_to_e11(free_devices, bought, split, after_e1):
    book = a_book(bought=bought, devices=1_900, free_devices=free_devices)
    first, ten, rest = range(1, 1_001), range(1, 11), range(1_001, 1_901)

    e1 = book.create_task("a", first, FOTA, AFTER, target="1")
    assert (e1.accepted, e1.deducted, e1.left) == (True, 1_000, 100)
    assert (e1.deducted_purchased, e1.deducted_free) == split
    assert pools(book) == after_e1

    for device in ten:
        book.job_failed(device, FOTA)
    succeed(book, range(11, 1_001))
    assert pools(book) == after_e1  # E2

    e3 = book.retry(e1.task, AFTER)
    assert (e3.accepted, e3.device_count, e3.deducted) == (True, 10, 0)
    succeed(book, ten)

    for targets in (range(1, 1_901), rest):  # E4, E5
        refused = book.create_task("a", targets, FOTA, AFTER, target="2")
        assert (refused.reason, counts(refused)) == (ErrorCode.LICENCES_INSUFFICIENT, (900, 100, 800))
        assert pools(book) == after_e1
    assert book.open_job_count("a") == 0

    e6 = book.create_task("a", rest[:100], FOTA, AFTER, target="2")
    assert (e6.accepted, e6.deducted, e6.left) == (True, 100, 0)
    succeed(book, rest[:100])

    e7 = book.create_task("a", rest[100:101], FOTA, AFTER, target="2")
    assert (e7.reason, counts(e7)) == (ErrorCode.LICENCES_INSUFFICIENT, (1, 0, 1))

    e8 = book.create_task("a", first, SOTA, AFTER, target="1")
    assert (e8.accepted, e8.deducted) == (True, 0)
    succeed(book, first, SOTA)

    e9 = book.create_task("a", first[:50], FOTA, AFTER, target="3")
    assert (e9.accepted, e9.deducted) == (True, 0)
    succeed(book, first[:50])

    book.terminate(1)
    book.register("a", ["1 again"])
    e10 = book.create_task("a", ["1 again"], FOTA, AFTER, target="4")
    assert (e10.reason, counts(e10)) == (ErrorCode.LICENCES_INSUFFICIENT, (1, 0, 1))

    book.top_up("a", 80_000)
    assert book.buy("a", 800, AFTER).accepted
    e11 = book.create_task("a", rest[100:], FOTA, AFTER, target="4")
    assert (e11.accepted, e11.deducted, e11.left) == (True, 800, 0)
    assert book.right("1 again") is None
    assert book.balance_fen("a") == 0


@pytest.mark.parametrize(
    ("now_ms", "charged"), [(BEFORE, False), (AT, True), (AFTER, True)], ids=["before", "exactly", "after"]
)
def test_b1_b8_p4_the_charging_date(now_ms, charged):
    book = a_book(bought=5, devices=5)
    task = book.create_task("a", range(1, 6), FOTA, now_ms)
    assert (task.needed, task.available, task.deducted, task.grandfathered) == (
        (5, 5, 5, 0) if charged else (5, 5, 0, 5)
    )
    assert book.right(1) == Right(PURCHASED if charged else GRANDFATHERED, "a")
    assert pools(book) == (0 if charged else 5, 0)


def test_p4_no_charging_date_means_not_charged():
    book = a_book(devices=1, charging_date_ms=None)
    assert book.create_task("a", [1], FOTA, 2**50).grandfathered == 1


@pytest.mark.parametrize(
    ("balance_fen", "reason"),
    [(100, None), (99, ErrorCode.BALANCE_INSUFFICIENT), (0, ErrorCode.BALANCE_INSUFFICIENT)],
)
def test_b2_p11_a_purchase_one_fen_short_changes_nothing(balance_fen, reason):
    book = a_book()
    book.post("a", balance_fen)
    assert book.buy("a", 1, AFTER).reason is reason
    assert book.balance_fen("a") == (0 if reason is None else balance_fen)
    assert book.licences("a").bought == (reason is None)


def test_b4_p11_a_grant_takes_no_balance():
    book = a_book(devices=2)
    assert book.grant("a", 2).accepted
    assert book.balance_fen("a") == 0
    assert book.create_task("a", [1, 2], FOTA, AFTER).deducted_purchased == 2
    assert book.licences("a").granted == 2


@pytest.mark.parametrize("now_ms", [BEFORE, AFTER])
def test_b5_no_subscription_no_task_on_either_side_of_the_date(now_ms):
    book = a_book(bought=1, devices=1, subscribed=False, free_devices=100)
    assert pools(book) == (1, 0)
    assert book.create_task("a", [1], FOTA, now_ms).reason is ErrorCode.NOT_SUBSCRIBED
    assert book.subscribe("a").accepted
    assert book.subscribe("a").reason is ErrorCode.CONFLICT
    assert pools(book) == (1, 100)


@pytest.mark.parametrize(("devices", "accepted"), [(100, True), (101, False)])
def test_b5_b13_exactly_a_hundred_are_free(devices, accepted):
    book = a_book(devices=devices, free_devices=100)
    task = book.create_task("a", range(1, devices + 1), FOTA, AFTER)
    assert task.accepted is accepted
    assert counts(task) == (devices, 100, 0 if accepted else 1)
    assert pools(book) == (0, 0 if accepted else 100)
    assert (book.right(1) is None) is not accepted


def test_b6_one_licence_serves_both_kinds():
    book = a_book(bought=1, devices=1)
    assert book.create_task("a", [1], FOTA, AFTER).deducted == 1
    assert book.create_task("a", [1], SOTA, AFTER).deducted == 0


def test_b3_b12_failing_gives_nothing_back_and_costs_nothing_again():
    book = a_book(bought=1, devices=1)
    task = book.create_task("a", [1], FOTA, AFTER)
    for _ in range(3):
        book.job_failed(1, FOTA)
        assert pools(book) == (0, 0)
        task = book.retry(task.task, AFTER)
        assert (task.accepted, task.deducted) == (True, 0)
    succeed(book, [1])
    assert book.retry(task.task, AFTER).reason is ErrorCode.CONFLICT


def test_b14_only_the_unlicensed_of_a_mixed_task_count():
    book = a_book(bought=3, devices=4)
    book.create_task("a", [1, 2], SOTA, AFTER)
    task = book.create_task("a", [1, 2, 3], FOTA, AFTER)
    assert (task.device_count, task.needed, task.deducted, task.left) == (3, 1, 1, 0)


def test_b10_b17_a_terminated_device_keeps_a_right_that_no_longer_holds():
    book = a_book(bought=1, devices=1)
    book.create_task("a", [1], FOTA, AFTER)
    assert book.is_valid(1)
    book.terminate(1)
    assert book.right(1) == Right(PURCHASED, "a")
    assert not book.is_valid(1)
    assert pools(book) == (0, 0)


def test_b15_money_never_comes_back():
    book = a_book(bought=1)
    assert book.cancel_licences("a").reason is ErrorCode.NOT_REFUNDABLE
    assert pools(book) == (1, 0)


@pytest.mark.parametrize(
    ("order", "split", "left", "first_source", "last_source"),
    [
        ("purchased_first", (2, 1), (0, 1), PURCHASED, FREE),
        ("free_first", (1, 2), (1, 0), FREE, PURCHASED),
    ],
)
def test_p1_the_order_of_deduction(order, split, left, first_source, last_source):
    book = a_book(bought=2, devices=3, free_devices=2, deduction_order=order)
    task = book.create_task("a", [3, 1, 2], FOTA, AFTER)
    assert (task.deducted_purchased, task.deducted_free) == split
    assert pools(book) == left
    assert (book.right(1).source, book.right(3).source) == (first_source, last_source)


def test_p3_a_job_that_is_cancelled_or_fails_grandfathers_too():
    book = a_book(devices=2)
    task = book.create_task("a", [1, 2], FOTA, BEFORE)
    book.job_failed(1, FOTA)
    book.cancel_task(task.task)
    assert book.create_task("a", [1, 2], FOTA, AFTER).accepted
    assert book.licences("a").entitled_grandfathered == 2


@pytest.mark.parametrize(("now_ms", "right"), [(BEFORE, Right(GRANDFATHERED, "a")), (AT, None)])
def test_p3_under_update_succeeded_the_success_must_come_before_the_date(now_ms, right):
    book = a_book(devices=1, grandfathered_when="update_succeeded")
    task = book.create_task("a", [1], FOTA, BEFORE)
    assert (task.accepted, task.needed, task.grandfathered, book.right(1)) == (True, 1, 0, None)
    book.job_succeeded(1, FOTA, now_ms)
    assert book.right(1) == right
    assert book.create_task("a", [1], FOTA, AFTER).accepted is (right is not None)


def test_p3_under_update_succeeded_a_retry_after_the_date_needs_a_licence():
    book = a_book(devices=1, grandfathered_when="update_succeeded")
    task = book.create_task("a", [1], FOTA, BEFORE)
    book.job_failed(1, FOTA)
    assert counts(book.retry(task.task, AFTER)) == (1, 0, 1)


def test_p3_under_update_succeeded_a_right_paid_meanwhile_stays():
    book = a_book(bought=1, devices=1, grandfathered_when="update_succeeded")
    book.create_task("a", [1], FOTA, BEFORE)
    assert book.create_task("a", [1], SOTA, AFTER).deducted == 1
    book.set_charging_date("a", None)
    book.job_succeeded(1, FOTA, AFTER)
    assert book.right(1) == Right(PURCHASED, "a")


def test_p5_moving_the_date_takes_nothing_away():
    book = a_book(bought=1, devices=3)
    assert book.create_task("a", [1], FOTA, AFTER).deducted == 1
    book.set_charging_date("a", AFTER + 10)
    assert book.create_task("a", [1, 2], SOTA, AFTER).grandfathered == 1
    book.set_charging_date("a", 0)
    assert (book.right(1), book.right(2)) == (Right(PURCHASED, "a"), Right(GRANDFATHERED, "a"))
    assert counts(book.create_task("a", [3], FOTA, AFTER)) == (1, 0, 1)


def test_p6_a_device_twice_counts_once():
    book = a_book(bought=1, devices=1)
    task = book.create_task("a", [1, 1, 1], FOTA, AFTER)
    assert (task.device_count, task.deducted) == (1, 1)


def test_p7_unusable_devices_are_named_all_and_in_order():
    book = a_book(bought=9, devices=5)
    book.open_account("b")
    book.register("b", [10])
    book.terminate(4)
    book.report_version(2, FOTA, "2.0", AFTER)
    refused = book.create_task("a", ["unknown", 10, 4, 2, 1], FOTA, AFTER, target="2.0")
    assert (refused.reason, refused.offenders) == (ErrorCode.DEVICES_UNUSABLE, (2, 4, 10, "unknown"))
    assert pools(book) == (9, 0)
    assert book.create_task(
        "a", [2], SOTA, AFTER, target="2.0"
    ).accepted  # the other kind's version is another


def test_p8_one_open_job_of_a_kind():
    book = a_book(bought=2, devices=2)
    book.create_task("a", [1], FOTA, AFTER)
    refused = book.create_task("a", [1, 2], FOTA, AFTER)
    assert (refused.reason, refused.offenders) == (ErrorCode.DEVICES_BUSY, (1,))
    assert book.create_task("a", [1], SOTA, AFTER).accepted
    assert pools(book) == (1, 0)


def test_p9_cancelling_and_terminating_give_nothing_back():
    book = a_book(bought=2, devices=2)
    task = book.create_task("a", [1, 2], FOTA, AFTER)
    book.terminate(1)
    assert book.open_job_count("a") == 1
    book.cancel_task(task.task)
    assert book.open_job_count("a") == 0
    assert pools(book) == (0, 0)
    assert book.create_task("a", [2], FOTA, AFTER).deducted == 0


@pytest.mark.parametrize(
    ("balance_fen", "now_ms", "hold", "stopped", "held"),
    [
        (-1, AT, "pending", True, True),
        (-1, AT, "creation", True, False),
        (-1, BEFORE, "pending", False, False),
        (0, AT, "pending", False, False),
    ],
)
def test_b16_p10_arrears(balance_fen, now_ms, hold, stopped, held):
    book = a_book(bought=5, devices=2, arrears_hold=hold)
    failing = book.create_task("a", [2], FOTA, BEFORE)
    book.job_failed(2, FOTA)
    book.post("a", balance_fen)
    arrears = ErrorCode.ARREARS if stopped else None
    assert book.create_task("a", [1], FOTA, now_ms).reason is arrears
    assert book.retry(failing.task, now_ms).reason is arrears
    assert book.buy("a", 1, now_ms).reason is (arrears or ErrorCode.BALANCE_INSUFFICIENT)
    assert book.grant("a", 1).accepted
    assert book.holds_pending("a", now_ms) is held


def test_p12_a_moved_device_keeps_its_right_and_stays_counted_to_the_payer():
    book = a_book(bought=1, devices=1)
    book.open_account("b", Policy(charging_date_ms=0, free_devices=0))
    book.subscribe("b")
    book.create_task("a", [1], FOTA, AFTER)
    succeed(book, [1])
    book.move(1, "b")
    assert book.create_task("b", [1], FOTA, AFTER).deducted == 0
    assert book.create_task("a", [1], SOTA, AFTER).reason is ErrorCode.DEVICES_UNUSABLE
    assert (book.licences("a").entitled_purchased, book.licences("b").entitled_purchased) == (1, 0)


def test_p13_a_key_acts_once_and_a_refusal_is_not_kept():
    book = a_book(devices=1)

    def create(body):
        return book.once("a", "tasks", "k", body, lambda: book.create_task("a", [1], FOTA, AFTER))

    assert create("body").reason is ErrorCode.LICENCES_INSUFFICIENT
    book.grant("a", 2)
    first = create("body")
    assert first.accepted
    assert create("body") is first
    assert create("other body").reason is ErrorCode.IDEMPOTENCY_CONFLICT
    assert pools(book) == (1, 0)


def test_p14_of_two_creations_that_one_can_afford_the_second_is_refused():
    book = a_book(bought=1, devices=2)
    assert book.create_task("a", [2], FOTA, AFTER).accepted
    assert counts(book.create_task("a", [1], FOTA, AFTER)) == (1, 0, 1)


def test_p16_the_order_of_the_reasons():
    """Each cause is cured in turn, and the next reason shows."""
    book = a_book(devices=3, subscribed=False)
    book.open_account("b")
    book.register("b", ["foreign"])
    book.post("a", -1)

    def reason(devices, package_fault=ErrorCode.PACKAGE_UNKNOWN):
        return book.create_task("a", devices, FOTA, AFTER, package_fault=package_fault).reason

    assert reason([]) is ErrorCode.MALFORMED
    assert reason([1, 2, "foreign"]) is ErrorCode.NOT_SUBSCRIBED
    book.subscribe("a")
    assert reason([1, 2, "foreign"]) is ErrorCode.ARREARS
    book.post("a", 1)
    assert reason([1, 2, "foreign"]) is ErrorCode.PACKAGE_UNKNOWN
    assert reason([1, 2, "foreign"], ErrorCode.PACKAGE_NOT_VERIFIED) is ErrorCode.PACKAGE_NOT_VERIFIED
    book.grant("a", 1)
    book.create_task("a", [1], FOTA, AFTER)
    assert reason([1, 2, 3, "foreign"], None) is ErrorCode.DEVICES_UNUSABLE
    assert reason([1, 2, 3], None) is ErrorCode.DEVICES_BUSY
    assert reason([2, 3], None) is ErrorCode.LICENCES_INSUFFICIENT
    book.grant("a", 2)
    assert reason([2, 3], None) is None


def test_a_push_that_has_no_webhook_is_refused_after_all_other_reasons():
    book = a_book(bought=1, devices=2)
    to_push = Terms(lacks_webhook=True)
    assert book.create_task("a", [1, 2], FOTA, AFTER, terms=to_push).reason is ErrorCode.LICENCES_INSUFFICIENT
    assert book.create_task("a", [1], FOTA, AFTER, terms=to_push).reason is ErrorCode.CONFLICT
    assert (pools(book), book.right(1), book.has_open_job(1, FOTA)) == ((1, 0), None, False)
    first = book.create_task("a", [1], FOTA, AFTER)
    book.job_failed(1, FOTA)
    assert book.retry(first.task, AFTER, lacks_webhook=True).reason is ErrorCode.CONFLICT
    assert book.retry(first.task, AFTER).accepted


@pytest.mark.parametrize(
    ("terms", "admitted"),
    [
        (Terms(), {"1.0", "2.0", None}),
        (Terms(start_versions=("1.0", None)), {"1.0", None}),
        (Terms(start_version="2.0"), {"2.0"}),
        (Terms(start_version="2.0", start_versions=("1.0",)), set()),
        (Terms(must_have_reported=True), {"1.0", "2.0"}),
    ],
)
def test_p7_which_versions_a_task_admits(terms, admitted):
    book = a_book(subscribed=True, charging_date_ms=None)
    for version in ("1.0", "2.0", None):
        book.register("a", [version], f_version=version)
        reason = book.create_task("a", [version], FOTA, AFTER, terms=terms).reason
        assert (reason is None, reason) == (
            version in admitted,
            None if version in admitted else ErrorCode.DEVICES_UNUSABLE,
        )


def test_p15_a_scheduled_task_is_paid_at_once_and_does_not_run_before_its_start():
    book = a_book(bought=1, devices=1)
    task = book.create_task("a", [1], FOTA, AFTER, terms=Terms(starts_ms=AFTER + 10)).task
    assert (pools(book), book.has_open_job(1, FOTA)) == ((0, 0), True)
    assert [book.task_state(task, now_ms) for now_ms in (AFTER, AFTER + 9, AFTER + 10)] == [
        "not_started", "not_started", "upgrading",
    ]  # fmt: skip
    assert [book.may_run(task, now_ms) for now_ms in (AFTER + 9, AFTER + 10)] == [False, True]
    assert (
        book.create_task("a", [1], SOTA, AFTER, terms=Terms(starts_ms=BEFORE)).reason is ErrorCode.MALFORMED
    )


def test_an_open_job_fails_at_the_expiry_and_not_a_millisecond_before():
    book = a_book(bought=2, devices=2)
    task = book.create_task(
        "a", [1, 2], FOTA, AFTER, terms=Terms(starts_ms=AFTER + 5, expires_after_ms=100)
    ).task
    book.job_succeeded(1, FOTA, AFTER + 6)
    assert book.pass_time("a", AFTER + 104) == []
    assert book.pass_time("a", AFTER + 105) == [(task, 2)]
    assert book.task_state(task, AFTER + 105) == "finished"
    assert book.retry(task, AFTER + 105).device_count == 1


def test_p10_arrears_stop_the_time_of_open_jobs_but_not_of_those_that_were_due():
    book = a_book(bought=2, devices=2)
    short = book.create_task("a", [1], FOTA, AFTER, terms=Terms(expires_after_ms=50)).task
    long = book.create_task("a", [2], FOTA, AFTER, terms=Terms(expires_after_ms=100)).task
    book.post("a", -1, AFTER + 60)
    assert not book.may_run(long, AFTER + 60)
    assert book.pass_time("a", AFTER + 1_000) == [(short, 1)]
    book.post("a", 1, AFTER + 1_000)
    assert book.pass_time("a", AFTER + 1_039) == []
    assert book.pass_time("a", AFTER + 1_040) == [(long, 2)]


def test_a_task_is_paused_and_resumed_once_each_and_runs_out_of_time_all_the_same():
    book = a_book(bought=1, devices=1)
    task = book.create_task("a", [1], FOTA, AFTER, terms=Terms(expires_after_ms=100)).task
    assert book.resume_task(task).reason is ErrorCode.CONFLICT
    assert book.pause_task(task).accepted
    assert (book.task_state(task, AFTER), book.may_run(task, AFTER)) == ("paused", False)
    assert book.pause_task(task).reason is ErrorCode.CONFLICT
    assert book.resume_task(task).accepted
    assert book.task_state(task, AFTER) == "upgrading"
    book.pause_task(task)
    assert book.pass_time("a", AFTER + 100) == [(task, 1)]
    assert book.task_state(task, AFTER + 100) == "finished"
    assert {book.pause_task(task).reason, book.resume_task(task).reason} == {ErrorCode.CONFLICT}


def test_p9_one_job_is_cancelled_once_and_gives_nothing_back():
    book = a_book(bought=2, devices=2)
    task = book.create_task("a", [1, 2], FOTA, AFTER).task
    assert book.cancel_job(task, 1).accepted
    assert (pools(book), book.has_open_job(1, FOTA), book.task_state(task, AFTER)) == (
        (0, 0),
        False,
        "upgrading",
    )
    assert book.cancel_job(task, 1).reason is ErrorCode.CONFLICT
    assert book.cancel_task(task).accepted
    assert book.task_state(task, AFTER) == "stopped"


def test_p15_for_how_many_devices_there_is_room():
    book = a_book(bought=3, devices=5)
    assert book.room_for("a", [1, 2, 3, 4, 5], BEFORE) == 5  # not charged yet
    book.create_task("a", [1], FOTA, AFTER)
    assert book.room_for("a", [1, 2, 3, 4, 5], AFTER) == 3  # one has a licence, two are left
    book.post("a", -1, AFTER)
    assert book.room_for("a", [1], AFTER) == 0
    assert a_book(bought=0, devices=1, subscribed=False).room_for("a", [1], BEFORE) == 0


def test_a_version_report_of_the_target_ends_the_job_well():
    book = a_book(bought=1, devices=1)
    book.create_task("a", [1], FOTA, AFTER, target="2.0")
    book.report_version(1, FOTA, "1.0", AFTER)
    assert book.open_job_count("a") == 1
    book.report_version(1, FOTA, "2.0", AFTER)
    assert book.open_job_count("a") == 0


@pytest.mark.parametrize("act", ["buy", "grant"])
def test_a_count_below_one_is_malformed(act):
    book = a_book()
    arguments = ("a", 0, AFTER) if act == "buy" else ("a", 0)
    assert getattr(book, act)(*arguments).reason is ErrorCode.MALFORMED


@pytest.mark.parametrize(
    "misuse",
    [
        lambda book: book.subscribe("nobody"),
        lambda book: book.terminate("nothing"),
        lambda book: book.register("a", [1]),
        lambda book: book.job_failed(1, FOTA),
    ],
)
def test_a_caller_who_misuses_the_book_is_told(misuse):
    with pytest.raises(UsageFault, match="the book"):
        misuse(a_book(devices=1))


def test_a_prediction_without_a_count_is_all_zero():
    assert Prediction(reason=ErrorCode.ARREARS).missing == 0


def test_open_jobs_have_a_deadline_that_arrears_put_off():
    """P10: while an account is in arrears, expiry stands still for its pending jobs."""
    book = a_book(bought=2, devices=2)
    task = book.create_task("a", [1, 2], FOTA, AFTER, terms=Terms(expires_after_ms=1_000)).task
    assert book.deadlines(task) == {AFTER + 1_000}
    book.post("a", -500, AFTER + 100)
    book.post("a", 500, AFTER + 400)
    assert book.deadlines(task) == {AFTER + 1_300}
    book.cancel_job(task, 1)
    book.job_succeeded(2, FOTA, AFTER + 500)
    assert book.deadlines(task) == set()
