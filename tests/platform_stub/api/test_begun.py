"""A call that is begun outside a task: done at once, or gone on with where it waits."""

import asyncio

import pytest

from platform_stub.api.begun import Begun


async def answer(value, *waits):
    for wait in waits:
        await wait
    return value


async def fail(*waits):
    for wait in waits:
        await wait
    raise LookupError("here")


async def test_what_need_not_wait_is_over_at_once():
    begun = Begun(answer(3))
    assert begun.has_given(3)
    assert not begun.has_given(4)
    assert await begun == 3


async def test_what_waits_goes_on_in_the_task_that_awaits_it():
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    begun = Begun(answer(3, first, asyncio.sleep(0), second))
    assert not begun.has_given(3)
    task = asyncio.create_task(begun_awaited(begun))
    for future in (first, second):
        await asyncio.sleep(0)
        assert not task.done()
        future.set_result(None)
    assert await task == 3


async def begun_awaited(begun):
    return await begun


@pytest.mark.parametrize("waits", [0, 1])
async def test_an_error_comes_out_where_it_is_awaited(waits):
    begun = Begun(fail(*(asyncio.sleep(0) for _ in range(waits))))
    assert not begun.has_given(None)
    with pytest.raises(LookupError, match="here"):
        await begun


async def test_the_end_of_the_task_reaches_what_it_waits_for():
    ended = []

    async def wait():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    task = asyncio.create_task(begun_awaited(Begun(wait())))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled"]
