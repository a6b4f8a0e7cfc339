"""Generation A's job tokens: their look, their 48 h on the account's clock, and whose they are."""

import asyncio

import pytest

from platform_stub.protocol.calls import SOUTH, CallRefusal, Generation
from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.protocol.token import make_token, product_resource
from platform_stub.service import job_tokens, tasks
from platform_stub.service.device_calls import Refused
from tests.platform_stub.service.conftest import jump
from tests.platform_stub.service.field import HOUR_MS, LATER_S

A = Generation.SOUTH
MISSING, OVER = Refused(CallRefusal.JOB_TOKEN_MISSING), Refused(CallRefusal.JOB_TOKEN_EXPIRED)
DAYS_MS = 24 * HOUR_MS


def test_a_token_looks_like_the_platforms_and_no_two_are_the_same():
    tokens = {job_tokens.new_token() for _ in range(1_000)}
    assert len(tokens) == 1_000
    for token in tokens:
        assert token.startswith("ota_")
        assert len(token) == 24
        assert token[4:].isalnum()
        assert token.isascii()
        assert job_tokens.is_token(token)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ota_",
        "ota_" + "a" * 19,
        "ota_" + "a" * 21,
        "OTA_" + "a" * 20,
        "ota_" + "é" * 20,
        "ota_" + "a" * 20 + "\n",
    ],
)
def test_what_is_no_token_is_not_looked_up(text):
    assert not job_tokens.is_token(text)


async def long_task(field, **more):
    return await field.task(expires_after_ms=30 * DAYS_MS, **more)


async def test_a_job_has_one_token_from_its_first_check_on(field):
    await long_task(field)
    first = await field.offer(A)
    for _ in range(3):
        assert (await field.offer(A)).token == first.token
    await field.job_state(first.tid)
    assert (await field.offer(A)).token == first.token
    assert (await field.calls.tasking(field.caller(A), UpdateKind.FOTA)).token == first.token


async def test_it_lasts_48_hours_and_a_check_gives_the_next_one(field):
    await long_task(field)
    old = (await field.offer(A)).token
    field.clock[0] += 48 * HOUR_MS - 1
    assert isinstance(field.calls.resolve_token(field.caller(A), old), int)
    assert (await field.offer(A)).token == old
    field.clock[0] += 1
    caller = field.caller(A)
    assert field.calls.resolve_token(caller, old) == OVER
    assert await field.calls.check_token(caller, old) == OVER
    assert field.calls.enter_by_token(old) == OVER
    assert SOUTH[OVER.why].code == 12
    new = (await field.offer(A)).token
    assert new != old
    assert isinstance(field.calls.resolve_token(caller, new), int)
    assert field.calls.resolve_token(caller, old) == OVER


async def test_its_time_is_the_accounts(field):
    await long_task(field)
    token = (await field.offer(A)).token
    await field.write(jump, field.account, 48 * HOUR_MS)
    field.platform.clock_moved(field.account)
    assert field.calls.resolve_token(field.caller(A), token) == OVER


async def test_another_devices_token_is_as_good_as_none(field):
    await long_task(field, at=(0, 1))
    token = (await field.offer(A, at=0)).token
    other = field.caller(A, at=1)
    assert field.calls.resolve_token(other, token) == MISSING
    assert await field.calls.check_token(other, token) == MISSING
    assert field.calls.resolve_token(other, "ota_" + "a" * 20) == MISSING
    assert field.calls.resolve_token(other, "") == MISSING
    assert SOUTH[MISSING.why].code == 4


async def test_a_download_names_the_token_alone(field):
    """Authorization is optional there; one that is given must be good."""
    await long_task(field)
    offer = await field.offer(A)
    caller, tid = field.calls.enter_by_token(offer.token)
    assert (caller.device_id, caller.generation, tid) == (field.devices[0].device_id, A, offer.tid)
    assert (await field.calls.open_download(caller, tid)).content == b"0123456789"
    good = make_token(field.product.access_key, product_resource(field.product.product_id), LATER_S)
    assert field.calls.enter_by_token(offer.token, good) == (caller, tid)
    wrong = Refused(CallRefusal.INVALID_AUTHORIZATION)
    assert field.calls.enter_by_token(offer.token, good.replace("et=1", "et=2")) == wrong
    assert field.calls.enter_by_token(offer.token, "rubbish") == wrong
    assert field.calls.enter_by_token("ota_" + "b" * 20) == MISSING
    assert field.calls.enter_by_token("") == MISSING


class TestTokenCheck:
    async def test_starts_a_pending_job_and_may_be_repeated(self, field):
        task = await long_task(field)
        token, caller = (await field.offer(A)).token, field.caller(A)
        assert await field.calls.check_token(caller, token) is None
        assert field.job(task) == ("downloading", None)
        assert await field.calls.check_token(caller, token) is None

    @pytest.mark.parametrize(
        ("step", "why", "code"),
        [
            (101, CallRefusal.WRONG_STATE, 17),
            (201, CallRefusal.WRONG_STATE, 17),
            (205, CallRefusal.WRONG_STATE, 17),
        ],
    )
    async def test_is_refused_in_a_wrong_state(self, field, step, why, code):
        await long_task(field)
        offer = await field.offer(A)
        await field.step(offer.tid, step, A)
        assert await field.calls.check_token(field.caller(A), offer.token) == Refused(why)
        assert SOUTH[why].code == code

    async def test_tells_a_cancel_and_an_expiry(self, field):
        task = await long_task(field)
        offer = await field.offer(A)
        await field.write(tasks.cancel, task.task_id)
        assert await field.calls.check_token(field.caller(A), offer.token) == Refused(CallRefusal.CANCELLED)
        await field.task()
        offer = await field.offer(A)
        field.clock[0] += 600_000
        assert await field.calls.check_token(field.caller(A), offer.token) == Refused(CallRefusal.JOB_EXPIRED)


async def test_no_token_is_made_for_what_is_not_offered(field):
    task = await long_task(field)
    await field.write(tasks.pause, task.task_id)
    await field.check(A)
    await field.check(A, "1.1")
    rows = field.platform.read(lambda conn: conn.exec_driver_sql("SELECT count(*) FROM job_tokens").scalar())
    assert rows == 0


async def test_b_and_c_need_none(field):
    await long_task(field)
    for generation in (Generation.STUDIO, Generation.FUSE):
        assert (await field.offer(generation)).token == ""
    assert await field.job_state((await field.offer()).tid) is JobState.DOWNLOADING


async def test_checks_at_the_same_time_get_the_same_token(field):
    await long_task(field)
    caller = field.caller(A)
    offers = await asyncio.gather(*(field.calls.check(caller, UpdateKind.FOTA, "1.0") for _ in range(9)))
    assert len({offer.token for offer in offers}) == 1
    assert offers[0].token
