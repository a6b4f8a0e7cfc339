"""Every (state, step) pair in every generation, over the wire; the table of what must come is typed in from the facts."""

import pytest

from tests.facts import golden
from tests.facts.shop import open_shop

STATES = (
    "pending",
    "downloading",
    "upgrading",
    "success",
    "failed",
    "cancelled",
    "paused",
    "paused downloading",
    "expired",
)
STEPS = (0, 50, 99, 100, 101, 102, 103, 104, 105, 106, 107, 201, 202, 203, 204, 205, 206, 207)
NO_STEPS = (108, 150, 200, 209, 9_999)
GENERATIONS = ("south", "studio", "fuse")
REACHED_BY = {"success": 201, "failed": 107, "upgrading": 101}

OK = {"south": {0}, "studio": {0}, "fuse": {0}}
OUT_OF_PLACE = {"south": {21}, "studio": {21}, "fuse": {12016}}
NOT_A_STEP = {"south": {21, 24}, "studio": {2, 21, 24}, "fuse": {12015, 12016}}
FINISHED = {"south": {20}, "studio": {20}, "fuse": {20}}
CANCELLED = {"south": {22}, "studio": {22}, "fuse": {20}}
PAUSED = {"south": {19}, "studio": {10}, "fuse": {12012}}
EXPIRED = {"south": {12}, "studio": {12}, "fuse": {12014}}
ENDED = {"success": FINISHED, "failed": FINISHED, "cancelled": CANCELLED, "expired": EXPIRED,
         "paused": PAUSED, "paused downloading": PAUSED}  # fmt: skip


def wanted(state, step, *, strict=False):
    """(numbers, the state afterwards) by the facts' table of steps."""
    if step in NO_STEPS:
        return NOT_A_STEP, state
    if state == "expired" and step == 208:
        return OK, state
    if step == REACHED_BY.get(state):
        return OK, state  # said once more
    if state in ENDED:
        return ENDED[state], state
    if step < 100:
        return (OK, "downloading") if state == "downloading" else (OUT_OF_PLACE, state)
    if step == 100:
        return (OK, "upgrading") if state == "downloading" else (OUT_OF_PLACE, state)
    if step == 101:
        return (OK, "upgrading") if state in {"pending", "downloading"} else (OUT_OF_PLACE, state)
    if step <= 107:
        return (OK, "failed") if state in {"pending", "downloading"} else (OUT_OF_PLACE, state)
    if step == 201:
        return (OUT_OF_PLACE, state) if strict and state != "upgrading" else (OK, "success")
    return OK, "failed"


async def bring(device, tid, state):
    """Bring a pending job to a state."""
    if state in {"downloading", "paused downloading"}:
        await device.fuse("GET", f"/{tid}/check")
    elif state == "upgrading":
        await device.step(tid, 101)
    elif state == "success":
        await device.step(tid, 101)
        await device.step(tid, 201)
    elif state == "failed":
        await device.step(tid, 107)
    elif state == "cancelled":
        await device.shop.operator("POST", f"/v1/jobs/{tid}/cancellation")


async def say(device, generation, tid, token, step):
    if generation == "south":
        reply = await device.south("POST", f"/south/device/download/{token}/progress", body={"step": step})
    else:
        reply = await device.call(generation, "POST", f"/{tid}/status", body={"step": step})
    assert reply.status == 200
    return reply.json.get("code", reply.json.get("errno"))


async def play(shop, generation, state, steps, *, strict=False):
    devices = await shop.devices(len(steps))
    task = await shop.task(await shop.package(name=f"{state[:14]} 1"), devices)
    tids = {job["device_id"]: job["tid"] for job in
            (await shop.operator("GET", f"/v1/tasks/{task['task_id']}/jobs"))["jobs"]}  # fmt: skip
    tokens = {}
    for device in devices:
        if generation == "south":
            tokens[device.device_id] = await device.job_token()
        await bring(device, tids[device.device_id], state)
    if state.startswith("paused"):
        await shop.operator("POST", f"/v1/tasks/{task['task_id']}/pause")
    if state == "expired":
        await shop.advance(600_000)
    wrong = []
    for device, step in zip(devices, steps, strict=True):
        tid = tids[device.device_id]
        numbers, after = wanted(state, step, strict=strict)
        got = await say(device, generation, tid, tokens.get(device.device_id), step)
        stands = await device.state()
        stood = {"paused": "pending", "paused downloading": "downloading", "expired": "failed"}.get(
            after, after
        )
        if got not in numbers[generation] or stands != stood:
            wrong.append(f"{state} + {step}: got {got} {stands}, wanted {numbers[generation]} {stood}")
    assert wrong == []


@pytest.mark.fact("J-1", "J-2", "J-3", "J-4", "J-5", "J-6", "J-7", "J-9", "J-10", "J-11", "S-8", "F-6")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_every_pair(shop, generation, state):
    await play(shop, generation, state, STEPS + NO_STEPS)


@pytest.mark.fact("J-16")
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_per_cent_comes_after_the_first_byte(shop, generation):
    device = await shop.told()
    tid = await device.tid()
    token = await device.job_token() if generation == "south" else None
    for step in (0, 50, 100):
        assert await say(device, generation, tid, token, step) in OUT_OF_PLACE[generation]
        assert await device.state() == "pending"
    await bring(device, tid, "downloading")
    assert await say(device, generation, tid, token, 50) in OK[generation]
    assert await device.state() == "downloading"


@pytest.mark.fact("J-5", "J-9")
@pytest.mark.parametrize("state", ["pending", "downloading", "upgrading"])
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_every_pair_by_the_narrow_reading(generation, state):
    async with open_shop(strict=True) as shop:
        await play(shop, generation, state, STEPS, strict=True)


@pytest.mark.fact("J-6")
@pytest.mark.parametrize("state", ["pending", "downloading", "upgrading"])
async def test_208_is_a_failure_of_generation_a(shop, state):
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    await bring(device, tid, state)
    assert await say(device, "south", tid, token, 208) == 0
    assert await device.state() == "failed"


@pytest.mark.fact("J-11")
@pytest.mark.parametrize("steps", [(100,), (101,), (107,), (100, 201), (101, 206), (201,), (205,)])
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_repeated_step_writes_nothing(shop, generation, steps):
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    await device.fuse("GET", f"/{tid}/check")
    for step in steps:
        assert await say(device, generation, tid, token, step) == 0
    before = await device.job()
    timeline = (await shop.operator("GET", f"/v1/devices/{device.device_id}"))["timeline"]
    await shop.advance(1_000)
    for _ in range(3):
        assert await say(device, generation, tid, token, steps[-1]) == 0
    assert await device.job() == before
    assert (await shop.operator("GET", f"/v1/devices/{device.device_id}"))["timeline"] == timeline


@pytest.mark.fact("J-2", "J-11")
@pytest.mark.parametrize(("first", "second"), [(100, 101), (101, 100)])
async def test_100_and_101_are_never_both_said(shop, first, second):
    device = await shop.told()
    tid = await device.tid()
    await device.fuse("GET", f"/{tid}/check")
    assert (await device.step(tid, first))["code"] == 0
    assert (await device.step(tid, second))["code"] == 12016
    assert (await device.job())["step"] == first


@pytest.mark.fact("J-5")
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_201_enters_the_target_as_the_devices_version(shop, generation):
    device = await shop.told()
    tid, token = await device.tid(), await device.job_token()
    assert await say(device, generation, tid, token, 201) == 0
    assert await device.versions() == ("2.00", "1.0")


@pytest.mark.fact("J-13")
@pytest.mark.parametrize("state", ["pending", "downloading", "upgrading"])
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_version_report_ends_an_open_job(shop, generation, state):
    device = await shop.told()
    tid = await device.tid()
    await bring(device, tid, state)
    path = "/device/version" if generation == "south" else "/version"
    await device.call(generation, "POST", path, body={"f_version": "2.00", "s_version": "1.0"})
    assert await device.state() == "success"
    await device.fuse("POST", "/version", body={"f_version": "1.0", "s_version": "1.0"})
    assert await device.state() == "success"


@pytest.mark.fact("J-13")
@pytest.mark.parametrize(
    ("state", "after"), [("pending", "success"), ("downloading", "downloading"), ("upgrading", "upgrading")]
)
async def test_strict_lets_a_version_report_end_what_is_pending_alone(strict_shop, state, after):
    device = await strict_shop.told()
    tid = await device.tid()
    await bring(device, tid, state)
    await device.fuse("POST", "/version", body={"f_version": "2.00", "s_version": "1.0"})
    assert await device.state() == after


@pytest.mark.fact("J-13")
async def test_a_version_of_the_other_kind_or_another_one_ends_nothing(shop):
    device = await shop.told()
    await device.fuse("POST", "/version", body={"f_version": "1.9", "s_version": "2.00"})
    assert await device.state() == "pending"


@pytest.mark.fact("J-14", "O-11")
@pytest.mark.parametrize("state", ["pending", "downloading", "upgrading"])
async def test_expiry_fails_an_open_job_at_ten_minutes(shop, state):
    device = await shop.told()
    tid = await device.tid()
    await bring(device, tid, state)
    await shop.advance(550_000)
    assert await device.state() == state
    await shop.advance(50_000)
    job = await device.job()
    assert (job["state"], job["step"]) == ("failed", 208)


@pytest.mark.fact("J-14", "J-15")
async def test_what_has_ended_neither_expires_nor_is_cancelled(shop):
    device = await shop.told()
    tid = await device.tid()
    await device.step(tid, 201)
    await shop.advance(700_000)
    reply = await shop.operator.raw("POST", f"/v1/jobs/{tid}/cancellation")
    assert reply.status in {200, 409}
    assert await device.state() == "success"


def test_the_table_here_is_the_facts():
    """`wanted` and the golden transitions say the same of every step: two hands, one table."""
    signals = {0: "PROGRESS", 99: "PROGRESS", 101: "DOWNLOADED", 102: "DOWNLOAD_FAILED", 107: "DOWNLOAD_FAILED",
               201: "UPDATED", 202: "UPDATE_FAILED", 207: "UPDATE_FAILED"}  # fmt: skip
    for state in ("pending", "downloading", "upgrading"):
        for step, signal in signals.items():
            if step == REACHED_BY.get(state):
                continue
            for table, strict in ((golden.TRANSITIONS, False), (golden.STRICT_TRANSITIONS, True)):
                numbers, after = wanted(state, step, strict=strict)
                assert table.get((state.upper(), signal)) == (after.upper() if numbers is OK else None)
