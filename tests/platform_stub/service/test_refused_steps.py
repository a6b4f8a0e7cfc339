"""What a device did wrong stands on its timeline: refused steps, with the reason, and none twice in a row."""

import pytest

from platform_stub.protocol.calls import Generation
from platform_stub.service import tasks
from tests.platform_stub.service.field import ready


def refusals(field):
    return [(what, detail) for what, detail in field.timeline() if what.endswith("refused")]


async def test_a_refused_step_over_mqtt_is_noted_with_its_reason(field):
    session = await ready(field)
    task = await field.task()
    assert await field.status(session, field.tid(task), 50) == 12016
    assert field.timeline()[-1] == ("step 50 refused", "invalid step: the job is pending")
    assert field.job(task) == ("pending", None)


@pytest.mark.parametrize(
    ("generation", "text", "no_step"),
    [
        (Generation.SOUTH, "invalid state", "invalid result"),
        (Generation.STUDIO, "invalid state", "invalid result"),
        (Generation.FUSE, "invalid step", "invalid step"),
    ],
)
async def test_over_http_it_is_noted_in_its_generations_words(field, generation, text, no_step):
    tid = field.tid(await field.task())
    await field.step(tid, 50, generation)
    await field.step(tid, 999, generation)
    assert refusals(field) == [
        ("step 50 refused", f"{text}: the job is pending"),
        ("step 999 refused", f"{no_step}: not a step"),
    ]


async def test_every_reason_has_its_words(field):
    task = await field.task()
    tid = field.tid(task)
    await field.write(tasks.pause, task.task_id)
    await field.step(tid, 101)
    await field.write(tasks.resume, task.task_id)
    await field.step(tid, 101)
    await field.step(tid, 10)
    await field.step(tid, 201)
    await field.step(tid, 101)
    await field.step(tid + 7, 101)
    assert [detail for _, detail in refusals(field)] == [
        "not exist: the task is paused",
        "invalid step: the job is upgrading",
        "task finish: the job has succeeded or failed",
        f"not found: the device has no job {tid + 7}",
    ]


async def test_the_same_refusal_is_noted_once_until_something_else_happens(field):
    """A device that repeats itself for days fills no timeline."""
    session = await ready(field)
    tid = field.tid(await field.task())
    for _ in range(3):
        await field.status(session, tid, 50)
    await field.step(tid, 50)  # the same over HTTP
    assert len(refusals(field)) == 1
    await field.version(session, f_version="1.1")
    await field.status(session, tid, 50)
    assert len(refusals(field)) == 2
    await field.status(session, tid, 51)
    await field.status(session, tid, 50)
    assert len(refusals(field)) == 4


async def test_repeats_in_one_batch_are_one_note(field):
    session = await ready(field)
    tid = field.tid(await field.task())
    settled = []
    for _ in range(5):
        payload = b'{"id":"1","params":{"tid":%d,"step":50}}' % tid
        field.platform.uplink.received(session, "/ota/status", payload, settled.append)
    await field.status(session, tid, 50)
    assert settled == [True] * 5
    assert len(refusals(field)) == 1


async def test_a_step_that_is_taken_or_repeated_is_no_refusal(field):
    tid = field.tid(await field.task())
    for step in (101, 101, 201, 201):
        await field.step(tid, step)
    assert refusals(field) == []


async def test_a_refused_step_is_in_no_journal(field):
    """It costs nothing (I3): licences and entitlements are as they were."""
    tid = field.tid(await field.task())
    before = field.account_row()
    await field.step(tid, 50)
    assert field.account_row() == before
