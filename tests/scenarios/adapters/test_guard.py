"""Adapters that do wrong: each call ends in time, with a text that names adapter, call and what happened."""

import asyncio
import threading
import time

import pytest

from platform_stub.protocol import operator as api
from scenarios.adapters.guard import Guarded, NotSupported, calls
from scenarios.adapters.host import Host
from scenarios.operator import HttpOperator, Operator, OperatorFault, Refusal

LICENCES = api.Licences(
    bought=0,
    granted=0,
    purchased_left=0,
    free_left=3,
    left=3,
    entitled_purchased=0,
    entitled_free=0,
    entitled_grandfathered=0,
)
ACCOUNT = api.Account(
    account_id=7,
    name="a",
    access_key="a2V5",
    subscribed=True,
    balance_fen=0,
    in_arrears=False,
    charging_date_ms=None,
    now_ms=1,
    policy=api.Policy(),
    licences=LICENCES,
)


@pytest.fixture
def host():
    host = Host("bad")
    host.start()
    yield host
    host.stop()


@pytest.fixture
def guard(host):
    def make(adapter, call_s=5.0):
        return Guarded(
            host, adapter, "bad.py:make", call_s=call_s, cleanse=lambda text: text.replace("hush-hush", "***")
        )

    return make


async def fails(awaitable):
    with pytest.raises(OperatorFault) as caught:
        await awaitable
    return str(caught.value)


def test_every_call_of_the_protocol_is_known_with_words_and_an_answer():
    known = calls()
    assert known.keys() == {name for name in vars(Operator) if not name.startswith("_")}
    assert known["create_task"].words == "create a task"
    assert known["set_charging_date"].words == "announce, move or take off the charging date"
    assert known["jobs"].answers == "list of Job"
    assert [name for name, call in known.items() if call.may_be_none] == ["remove_webhook", "clear_injected"]
    assert not known["account"].may_refuse
    assert known["buy"].may_refuse


async def test_good_answers_go_through(guard):
    class Adapter:
        async def account(self, account_id):
            return ACCOUNT

        def buy(self, account_id, count):  # need not be a coroutine
            return Refusal(
                code=api.ErrorCode.BALANCE_INSUFFICIENT, message="no money", details={"missing": 1}
            )

        async def journal(self, account_id, after):
            return ()

        def clear_injected(self, fault_id):
            return None

    operator = guard(Adapter())
    assert await operator.account(7) == ACCOUNT
    assert (await operator.buy(7, 1)).details == {"missing": 1}
    assert await operator.journal(7, after=0) == []
    assert await operator.clear_injected(None) is None


async def test_answers_may_be_any_value_with_the_same_fields(guard):
    class Adapter:
        async def set_clock(self, account_id, *, to_ms=None, advance_ms=None):
            return {"now_ms": advance_ms, "more": "is ignored"}

    assert await guard(Adapter()).set_clock(7, advance_ms=5) == api.Clock(now_ms=5)


class Raising:
    def __init__(self, error):
        self.error = error

    async def account(self, account_id):
        raise self.error


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("id"), "raised KeyError: 'id' (test_guard.py:"),
        (ValueError("two\nlines"), "raised ValueError: two lines (test_guard.py:"),
        (SystemExit(3), "raised SystemExit: 3 (test_guard.py:"),
        (KeyboardInterrupt(), "raised KeyboardInterrupt (test_guard.py:"),
        (asyncio.CancelledError(), "raised CancelledError (test_guard.py:"),
        (RuntimeError("bad token hush-hush"), "raised RuntimeError: bad token *** (test_guard.py:"),
        (Unspeakable(), "raised Unspeakable: its text can't be told (test_guard.py:"),
        (ValueError("x" * 1_000), f"raised ValueError: {'x' * 300}... (test_guard.py:"),
        (OperatorFault("GET /x: no answer in time"), "failed: GET /x: no answer in time"),
    ],
)
async def test_what_it_raises_is_told(guard, error, text):
    operator = guard(Raising(error))
    for _ in range(2):  # whatever it was, the adapter can be called again
        assert (await fails(operator.account(7))).startswith(f"adapter bad.py:make: account {text}")


async def test_what_it_does_not_have_is_what_the_platform_cannot_do(guard):
    class Adapter(Operator):
        async def buy(self, account_id, count):
            raise NotImplementedError

    operator = guard(Adapter())
    with pytest.raises(NotSupported) as caught:
        await operator.create_task(7, None)
    assert (
        str(caught.value) == "this platform can't create a task: the adapter bad.py:make has no create_task"
    )
    with pytest.raises(NotSupported) as caught:
        await operator.buy(7, 1)
    assert (
        str(caught.value)
        == "this platform can't buy licences: the adapter bad.py:make does not implement buy"
    )
    with pytest.raises(AttributeError, match="no call of the operator protocol"):
        operator.format_disk()


class Answering:
    def __init__(self, answer):
        self.answer = answer

    async def account(self, account_id):
        return self.answer

    async def create_task(self, account_id, order):
        return self.answer

    async def jobs(self, task_id, state=None):
        return self.answer


@pytest.mark.parametrize(
    ("call", "answer", "text"),
    [
        ("account", None, "account returned None where Account is wanted"),
        ("account", object, "account returned what is no Account ("),
        (
            "account",
            "nonsense",
            "account returned what is no Account (Expected `object`, got `str`): 'nonsense'",
        ),
        (
            "account",
            {"account_id": 1},
            "account returned what is no Account (Object missing required field `name`): ",
        ),
        ("account", [], "account returned what is no Account (Expected `object`, got `array`): []"),
        (
            "account",
            Refusal(code=api.ErrorCode.ARREARS, message="owes"),
            "account was refused, which this call can't be: arrears: owes",
        ),
        ("jobs", [3], "jobs returned what is no list of Job (Expected `object`, got `int` - at `$[0]`): [3]"),
        ("jobs", {}, "jobs returned what is no list of Job (Expected `array`, got `object`): {}"),
        ("account", "\ud800", "account returned what is no Account ("),
        ("account", 10**30, "account returned what is no Account ("),
    ],
)
async def test_a_wrong_answer_is_told_with_what_was_wanted(guard, call, answer, text):
    operator = guard(Answering(answer))
    assert (await fails(getattr(operator, call)(1))).startswith(f"adapter bad.py:make: {text}")


async def test_wrong_fields_inside_a_right_answer_are_found(guard):
    wrong = api.Account(**{**{f: getattr(ACCOUNT, f) for f in ACCOUNT.__struct_fields__}, "now_ms": "soon"})
    told = await fails(guard(Answering(wrong)).account(7))
    assert "(Expected `int`, got `str` - at `$.now_ms`)" in told
    refusal = Refusal(code="no such code", message="")
    told = await fails(guard(Answering(refusal)).create_task(7, None))
    assert "create_task returned what is no Refusal (Invalid enum value 'no such code' - at `$.code`)" in told


async def test_a_call_that_hangs_ends_in_time_and_others_go_on(guard):
    class Adapter:
        async def account(self, account_id):
            await asyncio.Event().wait()

        async def journal(self, account_id, after):
            return []

    operator = guard(Adapter(), call_s=0.05)
    assert await fails(operator.account(7)) == "adapter bad.py:make: account did not answer in 0.05 s"
    assert await operator.journal(7, 0) == []


async def test_a_call_that_blocks_its_thread_ends_in_time_and_those_after_it_too(guard):
    free = threading.Event()

    class Adapter:
        def account(self, account_id):
            free.wait(60)

        def journal(self, account_id, after):
            return []

    operator = guard(Adapter(), call_s=0.05)
    beats = 0

    async def beat():
        nonlocal beats
        while True:
            await asyncio.sleep(0.005)
            beats += 1

    beating = asyncio.create_task(beat())
    assert await fails(operator.account(7)) == "adapter bad.py:make: account did not answer in 0.05 s"
    assert beats > 2, "devices and Ctrl-C must go on meanwhile"
    told = await fails(operator.journal(7, 0))
    assert told.startswith("adapter bad.py:make: journal was not begun: account has not come back for ")
    free.set()
    assert await operator.journal(7, 0) == []
    beating.cancel()


TASK = dict.fromkeys(
    ("account_id", "package_id", "device_count", "needed", "available", "created_ms", "starts_ms", "expires_ms"), 1
) | {
    "task_id": 3, "kind": "FOTA", "target": "2", "name": "t", "state": "upgrading", "scope": "chosen", "start_versions": None,
    "start_version": None, "retry": None, "signal": 10, "battery": 50, "notification": "platform", "deducted": 0, "deducted_purchased": 0,
    "deducted_free": 0, "grandfathered": 0, "left": 0, "retry_of": None, "jobs": {"pending": 1},
}  # fmt: skip


@pytest.mark.parametrize("waits", [True, False])
async def test_a_poll_that_does_not_wait_is_slowed_and_one_that_waits_has_its_time(guard, waits):
    asked = []

    class Waiting:
        async def task(self, task_id, wait_ms):
            asked.append(time.monotonic())
            await asyncio.sleep(0.3)  # longer than a call may take
            return TASK

    class Hasty:
        async def task(self, task_id):
            asked.append(time.monotonic())
            return TASK

    operator = guard(Waiting() if waits else Hasty(), call_s=0.1)
    for _ in range(2):
        assert (await operator.task(3, 2_000)).jobs.pending == 1
    assert asked[1] - asked[0] >= 0.2
    asked.clear()
    if not waits:
        await operator.task(3)
        await operator.task(3)
        assert asked[1] - asked[0] < 0.2, "without a wait nothing is slowed"


async def test_what_only_some_calls_have_need_not_be_taken(guard):
    class Adapter:
        async def create_task(self, account_id, order):
            return TASK

    operator = guard(Adapter())
    assert (await operator.create_task(7, None)).task_id == 3
    assert (await operator.create_task(7, None, key=None)).task_id == 3
    with pytest.raises(NotSupported) as caught:
        await operator.create_task(7, None, key="k")
    assert str(caught.value) == (
        "this platform can't create a task with key: the adapter bad.py:make takes no key there"
    )


def test_the_real_operator_has_all_calls():
    for name in calls():
        assert hasattr(HttpOperator, name)
