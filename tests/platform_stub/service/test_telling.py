"""Which connected devices are told of which jobs, and when."""

import asyncio
import json

import pytest

from platform_stub.protocol import operator as api
from platform_stub.protocol import topics
from platform_stub.rules import events as ev
from platform_stub.service import catalogue, tasks, telling
from platform_stub.store import webhooks
from tests.platform_stub.service.field import Field, Radio, ready


def informed(field):
    return [name for name, suffix, _ in field.radio.take() if suffix == topics.INFORM]


def filled(field):
    """Name the devices that were told of a job, not only to say where they are."""
    sent = field.radio.take()
    return [name for name, suffix, said in sent if suffix == topics.INFORM and "tid" in said["params"]]


async def told(field):
    await field.platform.telling.finish()
    return informed(field)


async def test_a_task_by_webhook_is_told_to_a_device_that_asks_only(field):
    """Section 7: whoever set the webhook notifies the devices."""
    session = await ready(field)
    await field.write(lambda tx: webhooks.save(tx.conn, field.account, "http://127.0.0.1:9/", "t", 0))
    task = await field.task(notification="webhook")
    await field.write(tasks.pause, task.task_id)
    await field.write(tasks.resume, task.task_id)
    await field.act(ev.Post(amount_fen=-1, reason="bill"))
    await field.act(ev.Post(amount_fen=1, reason="paid"))
    assert await told(field) == []
    await field.version(session, f_version="1.0")
    field.radio.take()
    assert (await field.check()).target == "2.0"


async def test_arrears_hold_a_resume_back(field):
    """P10."""
    await ready(field)
    task = await field.task()
    await field.write(tasks.pause, task.task_id)
    await field.act(ev.Post(amount_fen=-1, reason="bill"))
    informed(field)
    await field.write(tasks.resume, task.task_id)
    assert await told(field) == []
    await field.act(ev.Post(amount_fen=1, reason="paid"))
    assert await told(field) == ["d0"]


async def test_the_end_of_a_hold_tells_nothing_of_a_paused_task(field):
    await ready(field)
    task = await field.task()
    await field.write(tasks.pause, task.task_id)
    await field.act(ev.Post(amount_fen=-1, reason="bill"))
    informed(field)
    await field.act(ev.Post(amount_fen=1, reason="paid"))
    assert await told(field) == []


@pytest.mark.parametrize(("per_session", "page"), [(0, 1), (4, 1), (4, 500)])
async def test_large_and_small_tasks_are_told_alike(field, monkeypatch, per_session, page):
    """By the sessions or by the task's jobs, in pages of any size: each connected device once, nobody else."""
    monkeypatch.setattr(telling, "DEVICES_PER_SESSION", per_session)
    monkeypatch.setattr(telling, "PAGE", page)
    requests = [api.RegisterDevice(name=f"m{at}", f_version="1.0") for at in range(8)]
    added = await field.write(catalogue.register, field.product.product_id, requests)
    field.devices = added.devices
    for at in range(3, 8):
        await ready(field, at)
    informed(field)
    await field.task(range(5))
    assert sorted(await told(field)) == ["m3", "m4"]


@pytest.mark.parametrize("per_session", [0, 4])
async def test_a_resume_tells_what_waits_or_downloads_in_its_own_task(field, monkeypatch, per_session):
    monkeypatch.setattr(telling, "DEVICES_PER_SESSION", per_session)
    requests = [api.RegisterDevice(name=f"m{at}", f_version="1.0") for at in range(4)]
    field.devices = (await field.write(catalogue.register, field.product.product_id, requests)).devices
    for at in range(4):
        await ready(field, at)
    task = await field.task(range(3))
    await field.task([3])
    await field.job_state(field.tid(task, 1), at=1)
    await field.step(field.tid(task, 2), 101, at=2)
    assert field.state(task) == {"pending": 1, "downloading": 1, "upgrading": 1}
    await field.write(tasks.pause, task.task_id)
    await told(field)
    await field.write(tasks.resume, task.task_id)
    assert sorted(await told(field)) == ["m0", "m1"]


async def test_the_end_of_a_hold_is_told_in_its_own_account(field):
    other = Field(field.platform, field.radio, field.clock)
    await other.prepare()
    await ready(field, 0)
    await ready(other, 1)
    await field.task([0])
    await other.task([1])
    await field.act(ev.Post(amount_fen=-1, reason="bill"))
    await told(field)
    await field.act(ev.Post(amount_fen=1, reason="paid"))
    assert await told(field) == ["d0"]


async def test_without_sessions_nothing_is_looked_up(field):
    await field.task()
    assert await told(field) == []
    assert field.platform.sessions.informs_sent == 0


class Prompt(Radio):
    """Devices that begin a download as soon as they are told of it, while others are still told."""

    def __init__(self, field):
        super().__init__()
        self.field, self.begun = field, []

    def publish(self, session, suffix, payload, qos, delivered=None):
        super().publish(session, suffix, payload, qos, delivered)
        if suffix == topics.INFORM:
            work = self.field.job_state(json.loads(payload)["params"]["tid"], at=int(session.name[1:]))
            self.begun.append(asyncio.ensure_future(work))


@pytest.mark.parametrize("per_session", [0, 4])
async def test_who_begins_at_once_is_not_told_again(field, monkeypatch, per_session):
    monkeypatch.setattr(telling, "DEVICES_PER_SESSION", per_session)
    monkeypatch.setattr(telling, "PAGE", 1)
    requests = [api.RegisterDevice(name=f"m{at}", f_version="1.0") for at in range(40)]
    field.devices = (await field.write(catalogue.register, field.product.product_id, requests)).devices
    for at in range(40):
        await ready(field, at)
    field.radio = Prompt(field)
    field.platform.sessions.attach(field.radio)
    task = await field.task(range(40))
    await field.platform.telling.finish()
    await asyncio.gather(*field.radio.begun)
    assert field.state(task) == {"downloading": 40}
    assert sorted(filled(field)) == sorted(f"m{at}" for at in range(40))


@pytest.mark.parametrize("per_session", [0, 4])
async def test_who_comes_while_others_are_told_is_told_once(field, monkeypatch, per_session):
    monkeypatch.setattr(telling, "DEVICES_PER_SESSION", per_session)
    monkeypatch.setattr(telling, "PAGE", 1)
    requests = [api.RegisterDevice(name=f"m{at}", f_version="1.0") for at in range(40)]
    field.devices = (await field.write(catalogue.register, field.product.product_id, requests)).devices
    sessions = [await ready(field, at) for at in range(39)]
    sessions.append(field.connect(39))
    field.platform.uplink.subscribed(sessions[39], True)
    informed(field)
    await field.task(range(40))
    for session in sessions[38:]:  # the last but one says it again
        await field.send(session, topics.VERSION, {"id": "v", "params": {"f_version": "1.0"}})
    await field.platform.telling.finish()
    assert sorted(filled(field)) == sorted(f"m{at}" for at in range(40))
