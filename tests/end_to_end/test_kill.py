"""I7: kill -9 of the stub in the middle of a task; nothing acknowledged is lost, nothing is deducted twice."""

import asyncio

import pytest

from device_sim import Endpoint, Fleet, Profile
from scenarios.auditor import audit_database
from tests.end_to_end.conftest import Operator, identities, in_thread

DEVICES = 150
PACKAGE_BYTES = 60_000


async def until(condition, limit_s=60):
    """Wait for what comes by itself, looking often."""
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("share", [0.01, 0.4, 0.9])
async def test_devices_finish_after_a_kill_in_the_middle_of_a_task(serve, tmp_path, share):
    data = tmp_path / "data"
    process = serve("--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data", data)
    http, mqtt = process.http_address, process.mqtt_address
    operator = Operator(http)
    base, _, devices, package = await in_thread(operator.shop, DEVICES, grant=DEVICES, size=PACKAGE_BYTES)
    profile = Profile(chunk_bytes=1_500, backoff_base_ms=50, backoff_max_ms=400)
    endpoint = Endpoint(http_address=http, mqtt_address=mqtt)
    async with Fleet(endpoint, identities(devices), seed=7, profile=profile) as fleet:
        await fleet.ready(60)
        task = await in_thread(operator.task, base, package, devices, Idempotency_Key="the task")
        await until(lambda: fleet.snapshot().downloaded_bytes >= DEVICES * PACKAGE_BYTES * share)
        process.kill()
        assert fleet.snapshot().jobs_succeeded < DEVICES, "the kill came after the end"
        assert audit_database(data).ok
        serve("--http", f"{http[0]}:{http[1]}", "--mqtt", f"{mqtt[0]}:{mqtt[1]}", "--data", data)
        again = await in_thread(operator.task, base, package, devices, Idempotency_Key="the task")
        assert again["task_id"] == task["task_id"]  # P13: kept over the kill
        done = await in_thread(operator, "GET", f"/v1/tasks/{task['task_id']}?wait_ms=60000")
        assert done["jobs"] | {"success": DEVICES} == done["jobs"]
        await fleet.ready(60)
        await fleet.idle(60)
        snapshot = fleet.snapshot()
        assert snapshot.connected == DEVICES
        assert snapshot.jobs_failed == 0
    account = await in_thread(operator, "GET", base)
    assert account["licences"]["left"] == 0
    assert account["licences"]["entitled_purchased"] == DEVICES
    report = audit_database(data)
    assert report.ok, report.findings
