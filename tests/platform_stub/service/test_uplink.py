"""What devices send, from the port of the broker to the commit and the reply."""

import asyncio

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol import topics
from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.token import device_resource, make_token, product_resource
from platform_stub.rules import events as ev
from platform_stub.service import accounts, catalogue, life, tasks
from platform_stub.service.contents import PackageFile
from platform_stub.service.ports import ConnectRefusal, Session
from platform_stub.store import accounts as account_rows
from platform_stub.store import devices as device_rows
from tests.platform_stub.service.conftest import REAL_MS, jump
from tests.platform_stub.service.field import LATER_S, ready


@pytest.mark.parametrize(
    ("why", "product", "client", "change", "expected"),
    [
        ("no token at all", None, None, lambda _: "password", ConnectRefusal.MALFORMED),
        ("another device's token", None, None, lambda f: f.token(1), ConnectRefusal.NOT_AUTHORISED),
        ("expired", None, None, lambda f: f.token(et_s=REAL_MS // 1000 - 1), ConnectRefusal.NOT_AUTHORISED),
        ("signed with another key", None, None,
            lambda f: make_token(f.devices[1].key, device_resource(f.product.product_id, "d0"), LATER_S),
            ConnectRefusal.NOT_AUTHORISED),
        ("device key under the product's resource", None, None,
            lambda f: make_token(f.devices[0].key, product_resource(f.product.product_id), LATER_S),
            ConnectRefusal.NOT_AUTHORISED),
        ("an unknown product", "nope", None, lambda f: f.token(), ConnectRefusal.NOT_AUTHORISED),
        ("an unknown device", None, "nope", lambda f: f.token(), ConnectRefusal.NOT_AUTHORISED),
    ],
)  # fmt: skip
async def test_a_wrong_token_lets_nobody_in(field, why, product, client, change, expected):
    answer = field.platform.uplink.connect(product or field.product.product_id, client or "d0", change(field))
    assert answer is expected
    assert len(field.platform.sessions) == 0


async def test_a_good_token_opens_a_session(field):
    field.connect()
    product_token = make_token(field.product.access_key, product_resource(field.product.product_id), LATER_S)
    session = field.platform.uplink.connect(field.product.product_id, "d0", product_token)
    assert isinstance(session, Session)
    assert field.platform.sessions.is_connected(field.devices[0].device_id)


async def test_account_time_says_whether_a_token_has_expired(field):
    """Decision 6: tokens are judged on the account's clock, at CONNECT."""
    token = field.token()
    await field.write(jump, field.account, 3_700_000)
    field.platform.clock_moved(field.account)
    answer = field.platform.uplink.connect(field.product.product_id, "d0", token)
    assert answer is ConnectRefusal.NOT_AUTHORISED


async def test_a_present_device_is_told_of_a_new_task_with_all_facts(field):
    await ready(field)
    task = await field.task()
    (name, suffix, inform) = field.radio.take()[-1]
    tid = field.platform.read(lambda conn: tasks.show_jobs(conn, task.task_id, None, 0, 9)).jobs[0].tid
    assert (name, suffix, inform["id"]) == ("d0", topics.INFORM, str(tid))
    assert inform["params"] == {
        "tid": tid,
        "type": 1,
        "target": "2.0",
        "size": 10,
        "md5": "781e5e245d69b566979b86e28d23f2c7",
        "url": f"/fuse-ota/{field.product.product_id}/d0/{tid}/download",
    }
    assert field.platform.sessions.informs_delivered == 1


async def test_a_device_that_speaks_http_gets_an_empty_inform(field):
    """Its buffer has 256 bytes, and `params` must be there."""
    session = field.connect()
    field.platform.uplink.subscribed(session, True)
    await field.task()
    told = field.radio.take()  # by the task and by the subscription, when both are on their way at once
    assert told
    for _, suffix, inform in told:
        assert suffix == topics.INFORM
        assert inform["params"] == {}
        assert len(inform["id"]) <= 15


async def test_a_task_made_while_the_device_is_offline_reaches_it(field):
    await field.task()
    assert field.radio.take() == []
    session = field.connect()
    field.platform.uplink.subscribed(session, True)
    sent = await field.version(session, f_version="1.0")
    assert [suffix for _, suffix, _ in sent if suffix == topics.VERSION_REPLY]
    assert sent[-1][1] == topics.INFORM
    assert sent[-1][2]["params"]["target"] == "2.0"


async def test_a_whole_update(field):
    session = await ready(field)
    task = await field.task()
    tid = field.radio.take()[-1][2]["params"]["tid"]
    assert await field.send(session, topics.INFORM_REPLY, {"id": str(tid), "code": 200})
    granted = await field.calls.open_download(field.caller(), tid)
    assert isinstance(granted, PackageFile)
    assert granted.content == b"0123456789"
    assert field.state(task) == {"downloading": 1}
    assert await field.status(session, tid, 50) == 200
    assert await field.status(session, tid, 101) == 200
    assert field.state(task) == {"upgrading": 1}
    assert await field.status(session, tid, 201) == 200
    assert field.state(task) == {"success": 1}
    assert field.device().f_version == "2.0"
    assert field.device().s_version == "1.0"
    detail = field.platform.read(
        lambda conn: life.show(conn, field.devices[0].device_id, field.platform.sessions, REAL_MS)
    )
    assert [entry.what for entry in detail.timeline] == [
        "registered", "FOTA job to 2.0 created by task 1", "inform accepted", "download started",
        "step 50", "step 101", "step 201",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(201, 200), (201, 200)], {"success": 1}),  # repeated: a success that writes nothing
        ([(205, 200), (205, 200), (201, 20)], {"failed": 1}),
        ([(50, 12016), (101, 200), (50, 12016), (102, 12016), (201, 200)], {"success": 1}),
        ([(101, 200), (101, 200), (202, 200), (101, 20)], {"failed": 1}),
        ([(150, 12016)], {"pending": 1}),
    ],
)
async def test_steps_are_answered_with_their_codes(field, steps, expected):
    session = await ready(field)
    task = await field.task()
    tid = field.radio.take()[-1][2]["params"]["tid"]
    for step, code in steps:
        assert await field.status(session, tid, step) == code
    assert field.state(task) == expected


async def test_a_failed_update_leaves_the_version_and_the_licence(field):
    """B12."""
    session = await ready(field)
    await field.task()
    tid = field.radio.take()[-1][2]["params"]["tid"]
    await field.status(session, tid, 206)
    assert field.device().f_version == "1.0"
    account = field.platform.read(lambda conn: accounts.show(conn, field.account, REAL_MS))
    assert account.licences.entitled_free == 1


async def test_another_devices_job_is_not_found(field):
    await ready(field, 0)
    other = await ready(field, 1)
    task = await field.task((0,))
    tid = field.radio.take()[-1][2]["params"]["tid"]
    assert await field.status(other, tid, 201) == 12002
    assert await field.status(other, 999_999, 201) == 12002
    assert field.state(task) == {"pending": 1}


async def test_reporting_the_target_completes_the_job(field):
    session = await ready(field)
    task = await field.task()
    tid = field.radio.take()[-1][2]["params"]["tid"]
    sent = await field.version(session, f_version="2.0")
    assert [suffix for _, suffix, _ in sent] == [topics.VERSION_REPLY]
    assert field.state(task) == {"success": 1}
    assert await field.status(session, tid, 201) == 20  # a device takes it as its success


async def test_a_card_report_changes_nothing_but_the_card(field):
    """B9."""
    session = await ready(field)
    message = {
        "id": "c",
        "params": {"iccid": {"value": "8986001"}, "imsi": {"value": "46000"}, "rssi": {"value": 3}},
    }
    await field.send(session, topics.PROPERTY_POST, message)
    assert field.radio.take()[-1] == (
        "d0",
        topics.PROPERTY_POST_REPLY,
        {"id": "c", "code": 200, "msg": "success"},
    )
    device = field.device()
    assert (device.device_id, device.iccid, device.imsi) == (field.devices[0].device_id, "8986001", "46000")


@pytest.mark.parametrize(
    ("suffix", "payload", "reply"),
    [
        (topics.STATUS, b"not json", None),
        (topics.STATUS, b'{"id":"7","params":{"tid":1}}', (topics.STATUS_REPLY, 12015, "$.params")),
        (topics.STATUS, b'{"id":"7","params":{"tid":"1","step":1}}', (topics.STATUS_REPLY, 12015, "$.params.tid")),
        (topics.STATUS, b'{"id":"7","params":{"tid":1,"step":999}}', (topics.STATUS_REPLY, 12015, "$.params.step")),
        (topics.VERSION, b'{"id":"7","params":{"f_version":"a b"}}', (topics.VERSION_REPLY, 12015, "f_version")),
        (topics.VERSION, b'{"id":"much-too-long-an-id","params":{}}', None),
        (topics.PROPERTY_POST, b'{"id":"7"}', (topics.PROPERTY_POST_REPLY, 12015, "params")),
        (topics.INFORM_REPLY, b"{}", None),
        (topics.DATA_POINT, b"\xff\xfe", (topics.DATA_POINT_REJECTED, None, None)),
    ],
)  # fmt: skip
async def test_a_payload_that_is_none_is_answered_and_changes_nothing(field, suffix, payload, reply):
    session = await ready(field)
    journal = field.platform.read(lambda conn: account_rows.read_journal(conn, field.account))
    assert await field.send(session, suffix, payload)
    sent = field.radio.take()
    if reply is None:
        assert sent == []
    else:
        (_, reply_suffix, message) = sent[-1]
        assert reply_suffix == reply[0]
        assert reply[1] is None or message["code"] == reply[1]
        assert reply[2] is None or reply[2] in message["msg"]
    assert field.platform.read(lambda conn: account_rows.read_journal(conn, field.account)) == journal


async def test_arrears_hold_what_is_pending_until_they_are_cleared(field):
    """P10: told or not, a pending job waits; one under way goes on; then it is told again."""
    await ready(field, 0)
    await ready(field, 1)
    await field.task((0, 1))
    first, second = (message["params"]["tid"] for _, _, message in field.radio.take())
    assert isinstance(await field.calls.open_download(field.caller(), first), PackageFile)
    await field.write(accounts.act, field.account, ev.Post(amount_fen=-100, reason="bill"))
    refused = await field.calls.open_download(field.caller(at=1), second)
    assert not isinstance(refused, PackageFile)
    session = field.platform.sessions.get(field.devices[1].device_id)
    assert [suffix for _, suffix, _ in await field.version(session, f_version="1.0")] == [
        topics.VERSION_REPLY
    ]
    one = field.platform.sessions.get(field.devices[0].device_id)
    assert await field.status(one, first, 101) == 200
    assert await field.status(session, second, 101) == 12012
    await field.write(accounts.act, field.account, ev.Post(amount_fen=100, reason="top-up"))
    for _ in range(3):
        await asyncio.sleep(0)
    told = field.radio.take()
    assert [(name, message["params"]["tid"]) for name, _, message in told] == [("d1", second)]


async def test_a_success_in_the_free_time_grandfathers_under_update_succeeded(field):
    """P3: one that succeeds, and not one that fails."""
    await field.prepare(charging_date_ms=None, grandfathered_when="update_succeeded")
    good, bad = await ready(field, 0), await ready(field, 1)
    task = await field.task((0, 1))
    tids = {name: message["params"]["tid"] for name, _, message in field.radio.take()}
    held = [
        field.platform.read(lambda conn, d=d: device_rows.load_entitlement(conn, d.device_id))
        for d in field.devices
    ]
    assert (task.grandfathered, held) == (0, [None, None])
    await field.status(good, tids["d0"], 201)
    await field.status(bad, tids["d1"], 206)
    held = [
        field.platform.read(lambda conn, d=d: device_rows.load_entitlement(conn, d.device_id))
        for d in field.devices
    ]
    assert held[0].source == "grandfathered"
    assert held[1] is None


async def test_a_verification_that_succeeds_passes_the_package(field):
    session = await ready(field)
    package = await field.write(
        catalogue.add_package, field.product.product_id, UpdateKind.FOTA, "verified", "3.0", b"x"
    )
    ids = [field.devices[0].device_id]
    request = api.CreateTask(package_id=package.package_id, device_ids=ids, verification=True)
    await field.write(tasks.create, field.account, request)
    for _ in range(3):
        await asyncio.sleep(0)
    tid = field.radio.take()[-1][2]["params"]["tid"]
    await field.status(session, tid, 201)
    request = api.CreateTask(package_id=package.package_id, device_ids=[field.devices[1].device_id])
    assert (await field.write(tasks.create, field.account, request)).device_count == 1


async def test_who_waits_for_a_task_is_woken_when_its_last_job_ends(field):
    first, second = await ready(field, 0), await ready(field, 1)
    task = await field.task((0, 1))
    tids = {name: message["params"]["tid"] for name, _, message in field.radio.take()}
    waiting = asyncio.create_task(field.platform.wait_for_task(task.task_id, 60))
    await asyncio.sleep(0)
    await field.status(first, tids["d0"], 201)
    assert not waiting.done()
    await field.status(second, tids["d1"], 206)
    await asyncio.wait_for(waiting, 30)


async def test_a_commit_that_fails_is_settled_as_such_and_answers_nothing(field):
    """Decision 3: no reply and no PUBACK before a commit; when there is room again, the next report works."""
    session = await ready(field)
    task = await field.task()
    tid = field.radio.take()[-1][2]["params"]["tid"]
    with field.platform.store.write() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar()
        conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    settled = [True]
    while settled[-1]:  # until the disk is full
        message = {"id": "c", "params": {"iccid": {"value": f"{len(settled)}"}}}
        settled.append(await field.send(session, topics.PROPERTY_POST, message))
        assert len(settled) < 5_000
    field.radio.take()
    assert not await field.send(session, topics.STATUS, {"id": "s", "params": {"tid": tid, "step": 201}})
    assert field.radio.take() == []
    assert field.state(task) == {"pending": 1}
    assert field.platform.counts().failed_commits >= 2
    with field.platform.store.write() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count = 100000")
    assert await field.status(session, tid, 201) == 200
    assert field.state(task) == {"success": 1}


async def test_a_report_that_can_not_be_written_costs_its_own_device_only(field, caplog):
    """One message must not take the whole batch with it."""
    first, second = await ready(field, 0), await ready(field, 1)
    with field.platform.store.write() as conn:
        conn.exec_driver_sql(
            "CREATE TEMP TRIGGER poison BEFORE UPDATE OF iccid ON devices WHEN new.iccid = '666' "
            "BEGIN SELECT RAISE(ABORT, 'poison'); END"
        )
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    settled = await asyncio.gather(
        *(
            field.send(session, topics.PROPERTY_POST, {"id": "c", "params": {"iccid": {"value": value}}})
            for session, value in ((first, "111"), (second, "666"))
        )
    )
    assert settled == [True, False]
    assert field.device(0).iccid == "111"
    assert told == ["a report failed"]


@pytest.mark.parametrize("tid", [2**63, 2**70, -1])
async def test_a_tid_beyond_64_bits_is_answered_and_harms_nobody(field, tid):
    first, second = await ready(field, 0), await ready(field, 1)
    settled = await asyncio.gather(
        field.send(first, topics.STATUS, {"id": "s", "params": {"tid": tid, "step": 1}}),
        field.send(second, topics.PROPERTY_POST, {"id": "c", "params": {"iccid": {"value": "1"}}}),
    )
    assert settled == [True, True]
    assert {(name, message["code"]) for name, _, message in field.radio.take()} == {
        ("d0", 12015),
        ("d1", 200),
    }


async def test_a_version_reported_right_after_a_success_is_what_counts(field):
    """A device that rolled back says so in the same breath; P7 is judged on what it runs."""
    session = await ready(field)
    await field.task()
    tid = field.radio.take()[-1][2]["params"]["tid"]
    await asyncio.gather(
        field.send(session, topics.STATUS, {"id": "s", "params": {"tid": tid, "step": 201}}),
        field.send(session, topics.VERSION, {"id": "v", "params": {"f_version": "1.0"}}),
    )
    assert field.device().f_version == "1.0"


async def test_a_cancelled_jobs_step_is_not_repeated_into_a_success(field):
    session = await ready(field)
    task = await field.task()
    tid = field.radio.take()[-1][2]["params"]["tid"]
    assert await field.status(session, tid, 101) == 200
    await field.write(tasks.cancel, task.task_id)
    assert await field.status(session, tid, 101) == 20


async def test_a_device_that_comes_back_is_told_once(field):
    """SUBSCRIBE and the version report mostly share a batch."""
    await field.task()
    session = field.connect()
    field.platform.uplink.subscribed(session, True)
    sent = await field.version(session, f_version="1.0")
    assert [suffix for _, suffix, _ in sent].count(topics.INFORM) == 1


async def test_what_fails_after_a_commit_leaves_it_acknowledged(field):
    session = await ready(field)
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))

    def broken(*_):
        raise RuntimeError("the broker is broken")

    field.radio.publish = broken
    assert await field.send(session, topics.VERSION, {"id": "v", "params": {"f_version": "1.1"}})
    assert told == ["after a commit"]
    assert field.device().f_version == "1.1"
