"""What a task may say besides its devices: start versions, scope, differential packages, schedule, settings."""

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service import life, tasks
from platform_stub.service.answers import Rejection
from platform_stub.service.catalogue import PackageFacts
from platform_stub.store import webhooks
from platform_stub.store.schema import deliveries
from tests.platform_stub.service.test_tasks import code, end

MINUTE_MS = 60_000


@pytest.fixture
def shop(desk):
    """An account with a hundred licences, and devices at 1.0, at 1.1, and one that never reported."""
    account = desk.open(grant=100, free_devices=0)
    product = desk.product(account)
    old = desk.register(product, 2, "a")
    newer = desk.register(product, 2, "b", f_version="1.1")
    silent = desk.register(product, 1, "c", f_version=None)
    return account, product, old, newer, silent


def order(desk, account, package, **more):
    return desk.write(tasks.create, account, api.CreateTask(package_id=package.package_id, **more))


def devices_of(desk, task):
    return [job.device_id for job in desk.read(tasks.show_jobs, task.task_id, None, 0, 1000).jobs]


def test_a_device_that_is_not_at_a_start_version_is_named(desk, shop):
    """P7; null in the list stands for "never reported"."""
    account, product, old, newer, silent = shop
    everyone = [*old, *newer, *silent]
    package = desk.package(product)
    answer = desk.task(account, package, everyone, start_versions=["1.0"])
    assert code(answer) is api.ErrorCode.DEVICES_UNUSABLE
    assert answer.details["reasons"] == dict.fromkeys(map(str, [*newer, *silent]), "not at a start version")
    answer = desk.task(account, package, everyone, start_versions=["1.0", None])
    assert answer.details["device_ids"] == newer
    task = desk.task(account, package, everyone, start_versions=["1.0", "1.1", None])
    assert (task.device_count, task.start_versions) == (5, ["1.0", "1.1", None])


@pytest.mark.parametrize(
    ("starts", "teams"),
    [(None, "abc"), (["1.0"], "a"), (["1.1", None], "bc"), ([None], "c"), (["1.0", "1.1"], "ab")],
)
def test_scope_all_takes_every_living_device_at_a_start_version(desk, shop, starts, teams):
    account, product, old, newer, silent = shop
    desk.register(product, 1, "there", f_version="2.0")
    (gone,) = desk.register(product, 1, "gone")
    desk.write(life.terminate, gone)
    desk.register(desk.product(account), 1, "sibling")
    desk.register(desk.product(desk.open()), 1, "foreign")
    wanted = [
        device
        for team, ids in zip("abc", (old, newer, silent), strict=True)
        if team in teams
        for device in ids
    ]
    task = order(desk, account, desk.package(product), scope="all", start_versions=starts)
    assert devices_of(desk, task) == wanted
    assert (task.scope, task.needed, task.deducted) == ("all", len(wanted), len(wanted))


def test_scope_all_of_nobody_says_so(desk, shop):
    account, product, *_ = shop
    package = desk.package(product)
    answer = order(desk, account, package, scope="all", start_versions=["9.9"])
    assert code(answer) is api.ErrorCode.CONFLICT
    assert "no living device" in answer.message
    assert "9.9" in answer.message
    assert desk.read(tasks.show_page, account, None, 10, desk.real_ms).tasks == []


def test_scope_all_meets_every_other_reason_too(desk, shop):
    """P16: nobody in the task is the last thing that is said; a busy device stops it (P8)."""
    account, product, old, *_ = shop
    unready = desk.package(product, skip=False)
    assert code(order(desk, account, unready, scope="all")) is api.ErrorCode.PACKAGE_NOT_VERIFIED
    desk.task(account, desk.package(product), old[:1])
    busy = order(desk, account, desk.package(product, "3.0"), scope="all")
    assert code(busy) is api.ErrorCode.DEVICES_BUSY
    poor = desk.open(free_devices=0)
    product = desk.product(poor)
    desk.register(product, 3)
    answer = order(desk, poor, desk.package(product), scope="all")
    assert (code(answer), answer.details["missing"]) == (api.ErrorCode.LICENCES_INSUFFICIENT, 3)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"scope": "all", "device_ids": [1]}, "leave it out"),
        ({"scope": "all", "verification": True}, "exactly one device"),
        ({}, "device_ids: missing"),
        ({"device_ids": [1, 2], "verification": True}, "exactly one device"),
        ({"device_ids": [1], "start_at_ms": 5}, "start_at_ms: 5 is over"),
    ],
)
def test_an_order_that_contradicts_itself_is_malformed_before_all_else(desk, request_, says):
    """P16: even where the account has not subscribed."""
    account = desk.open(subscribed=False)
    desk.register(desk.product(account), 2)
    answer = desk.write(tasks.create, account, api.CreateTask(package_id=99, **request_))
    assert code(answer) is api.ErrorCode.MALFORMED
    assert says in answer.message


def test_a_differential_package_is_for_its_start_version(desk, shop):
    account, product, old, newer, silent = shop
    package = desk.package(product, facts=PackageFacts(start_version="1.0"))
    assert package.start_version == "1.0"
    answer = desk.task(account, package, [*old, *newer, *silent])
    assert answer.details["reasons"] == dict.fromkeys(
        map(str, [*newer, *silent]), "not at the start version 1.0"
    )
    task = order(desk, account, package, scope="all")
    assert (devices_of(desk, task), task.start_version) == (old, "1.0")


def test_a_verification_is_of_a_device_that_has_reported_a_version(desk, shop):
    account, product, old, _, silent = shop
    package = desk.package(product, skip=False)
    answer = desk.task(account, package, silent, verification=True)
    assert answer.details["reasons"] == {str(silent[0]): "has never reported a version"}
    assert desk.task(account, package, old[:1], verification=True).device_count == 1
    other = desk.package(product, "3.0", UpdateKind.SOTA, skip=False)
    answer = desk.task(account, other, old[:1], verification=True)  # FOTA's version says nothing about SOTA
    assert code(answer) is api.ErrorCode.DEVICES_UNUSABLE


def test_settings_are_kept_and_shown(desk, shop):
    account, product, old, *_ = shop
    retry = api.Retry(count=3, interval_s=90)
    task = desk.task(
        account,
        desk.package(product),
        old,
        name="n",
        expires_after_ms=MINUTE_MS,
        retry=retry,
        signal=20,
        battery=80,
    )
    assert (task.name, task.retry, task.signal, task.battery) == ("n", retry, 20, 80)
    assert (task.starts_ms, task.expires_ms - task.starts_ms) == (task.created_ms, MINUTE_MS)
    plain = desk.task(account, desk.package(product, "9", UpdateKind.SOTA), old)
    assert (plain.retry, plain.signal, plain.battery, plain.notification) == (None, 10, 50, "platform")
    assert plain.expires_ms - plain.starts_ms == 600_000


def test_a_retry_carries_its_task_s_settings_from_now_on(desk, shop):
    account, product, old, *_ = shop
    retry = api.Retry(count=2)
    first = order(
        desk, account, desk.package(product), scope="all", start_versions=["1.0"], retry=retry, battery=70,
        expires_after_ms=MINUTE_MS, start_at_ms=desk.real_ms + 5,
    )  # fmt: skip
    end(desk, first.task_id, JobState.FAILED)
    desk.real_ms += 1_000_000
    again = desk.write(tasks.retry, first.task_id)
    assert (again.retry, again.battery, again.start_versions, again.scope) == (retry, 70, ["1.0"], "chosen")
    assert (again.starts_ms, again.expires_ms) == (desk.real_ms, desk.real_ms + MINUTE_MS)
    assert devices_of(desk, again) == old


def test_a_scheduled_task_deducts_at_once_and_is_open(desk, shop):
    """P15, B11; P8 counts it from the creation on."""
    account, product, old, *_ = shop
    start_ms = desk.real_ms + 5 * MINUTE_MS
    task = desk.task(account, desk.package(product), old, start_at_ms=start_ms)
    assert (task.state, task.deducted, task.starts_ms) == ("not_started", 2, start_ms)
    assert task.expires_ms == start_ms + 10 * MINUTE_MS
    assert code(desk.task(account, desk.package(product, "3.0"), old)) is api.ErrorCode.DEVICES_BUSY
    assert ("task_created", account, task.task_id, start_ms, task.expires_ms) in desk.asked.calls
    desk.real_ms = start_ms
    assert desk.read(tasks.describe, task.task_id, desk.real_ms).state == "upgrading"


def test_a_task_by_webhook_needs_one_and_is_pushed_with_it(desk, shop):
    account, product, old, *_ = shop
    package = desk.package(product)
    answer = desk.task(account, package, old, notification="webhook")
    assert code(answer) is api.ErrorCode.CONFLICT
    assert "webhook" in answer.message
    desk.write(lambda tx: webhooks.save(tx.conn, account, "http://127.0.0.1:9/", "t", 0))
    task = desk.task(account, package, old, notification="webhook")
    pushed = desk.read(lambda conn: conn.execute(deliveries.select()).all())
    assert [row.task_id for row in pushed] == [task.task_id]


def open_task(desk, shop):
    account, product, old, newer, _ = shop
    return desk.task(account, desk.package(product), [*old, *newer])


def test_a_task_is_paused_and_resumed(desk, shop):
    task = open_task(desk, shop)
    left = desk.account(shop[0]).licences.left
    paused = desk.write(tasks.pause, task.task_id)
    assert (paused.state, paused.jobs.pending) == ("paused", 4)
    again = desk.write(tasks.pause, task.task_id)
    assert code(again) is api.ErrorCode.CONFLICT
    desk.asked.calls.clear()
    assert desk.write(tasks.resume, task.task_id).state == "upgrading"
    assert desk.asked.calls == [("tell_task", task.task_id)]
    assert code(desk.write(tasks.resume, task.task_id)) is api.ErrorCode.CONFLICT
    assert desk.account(shop[0]).licences.left == left
    timeline = desk.read(life.show, shop[2][0], Nobody, desk.real_ms).timeline
    assert [entry.what for entry in timeline[-2:]] == ["task paused", "task resumed"]


class Nobody:
    @staticmethod
    def is_connected(device_id):
        return False


def test_one_device_s_job_is_cancelled_alone(desk, shop):
    """P9: nothing comes back, the others go on."""
    task = open_task(desk, shop)
    left = desk.account(shop[0]).licences.left
    first, *_ = desk.read(tasks.show_jobs, task.task_id, None, 0, 10).jobs
    job = desk.write(tasks.cancel_job, first.tid)
    assert (job.tid, job.state) == (first.tid, "cancelled")
    assert ("jobs_ended", task.task_id, 1) in desk.asked.calls
    assert desk.account(shop[0]).licences.left == left
    assert code(desk.write(tasks.cancel_job, first.tid)) is api.ErrorCode.CONFLICT
    shown = desk.read(tasks.describe, task.task_id, desk.real_ms)
    assert (shown.state, shown.jobs.cancelled, shown.jobs.pending) == ("upgrading", 1, 3)
    assert code(desk.write(tasks.cancel_job, 999)) is api.ErrorCode.NOT_FOUND


@pytest.mark.parametrize("act", [tasks.pause, tasks.resume, tasks.cancel])
def test_what_has_ended_is_not_moved(desk, shop, act):
    task = open_task(desk, shop)
    end(desk, task.task_id, JobState.SUCCESS)
    assert code(desk.write(act, task.task_id)) is api.ErrorCode.CONFLICT
    assert code(desk.write(act, 999)) is api.ErrorCode.NOT_FOUND


def test_a_stopped_task_stays_stopped(desk, shop):
    task = open_task(desk, shop)
    desk.write(tasks.pause, task.task_id)
    assert desk.write(tasks.cancel, task.task_id).state == "stopped"
    assert code(desk.write(tasks.resume, task.task_id)) is api.ErrorCode.CONFLICT


def test_pausing_needs_no_licence_and_no_good_standing(desk, shop):
    """P10: arrears stop creations, not the operator's hand on what is there."""
    task = open_task(desk, shop)
    desk.act(shop[0], ev.Post(amount_fen=-1, reason="bill"))
    assert not isinstance(desk.write(tasks.pause, task.task_id), Rejection)
    assert desk.write(tasks.cancel, task.task_id).jobs.cancelled == 4
