"""The operator's side: packages, verification, tasks, pause, cancel, retry, auto-add, as the operator API offers them."""

import pytest

from tests.facts import mqtt_wire as mqtt
from tests.facts.shop import CONTENT, MD5, NOW_MS, open_shop

MINUTE_MS = 60_000
CHARGED = {"charging_date_ms": 0, "free_devices": 3}
MIB = 1024 * 1024


async def refused(shop, method, path, body=None, media="application/json"):
    """(status, code, message, details) of a call that has to be refused."""
    reply = await shop.operator.raw(method, path, body, media)
    assert 400 <= reply.status < 500, reply.body
    return reply.json


async def state_of(shop, task):
    return (await shop.operator("GET", f"/v1/tasks/{task['task_id']}"))["state"]


async def left(shop):
    return (await shop.operator("GET", shop.base))["licences"]["left"]


@pytest.mark.fact("O-1")
async def test_the_operator_api_describes_itself(shop):
    document = await shop.operator("GET", "/openapi.json")
    assert document["openapi"].startswith("3.")
    said = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    for method, path in (
        ("POST", "/v1/products/{product}/packages"), ("POST", "/v1/packages/{package}/verification-skip"),
        ("PUT", "/v1/packages/{package}/auto-add"), ("POST", "/v1/accounts/{account}/tasks"),
        ("POST", "/v1/tasks/{task}/pause"), ("POST", "/v1/tasks/{task}/resume"),
        ("POST", "/v1/tasks/{task}/cancellation"), ("POST", "/v1/tasks/{task}/retry"),
        ("GET", "/v1/products/{product}/versions"), ("PUT", "/v1/accounts/{account}/webhook"),
        ("GET", "/v1/accounts/{account}/webhook/deliveries"), ("POST", "/v1/injected-faults"),
    ):  # fmt: skip
        assert f"{method} {path}" in said
    assert [one for one in said if one.startswith("POST /v1/jobs/") and one.endswith("/cancellation")]


@pytest.mark.fact("O-2", "O-21")
@pytest.mark.parametrize(
    ("kind", "manufacturer", "model"),
    [("SOTA", "102", "10101"), ("SOTA", "102", "10201"), ("SOTA", "103", "10301"), ("SOTA", "100", "10001"),
     ("FOTA", "001", "00106"), ("FOTA", "001", "00108"), ("FOTA", "000", "00001")],
)  # fmt: skip
async def test_packages_carry_the_codes_of_chips(shop, kind, manufacturer, model):
    facts = {"kind": kind, "manufacturer": manufacturer, "model": model, "target": "A_z-0.9", "file": "x.zip"}
    package = await shop.package(**facts)
    shown = await shop.operator("GET", f"/v1/packages/{package['package_id']}")
    wanted = {"kind": kind, "manufacturer": manufacturer, "model": model, "target": "A_z-0.9",
              "size_bytes": len(CONTENT), "md5": MD5, "product_id": shop.pid, "start_version": None}  # fmt: skip
    assert {name: shown[name] for name in wanted} == wanted
    device = await shop.device()
    await shop.task(package, [device])
    number = {"FOTA": 1, "SOTA": 2}[kind]
    query = {"type": number, "version": "1.0", "cdn": "false", "manuf": manufacturer, "model": model}
    assert (await device.south("GET", "/south/check", query)).json["errno"] == 0


@pytest.mark.fact("O-2", "O-3")
@pytest.mark.parametrize(
    "facts",
    [{"target": ""}, {"target": "a" * 21}, {"target": "1 0"}, {"target": "v/1"}, {"kind": "OTA"}, {"kind": ""},
     {"name": ""}, {"name": "n" * 21}, {"start_version": "x" * 21}, {"manufacturer": "m" * 33}],
)  # fmt: skip
async def test_a_package_out_of_bounds(shop, facts):
    from urllib.parse import urlencode

    query = urlencode({"kind": "FOTA", "name": "p", "target": "2.0"} | facts)
    await refused(
        shop, "POST", f"/v1/products/{shop.pid}/packages?{query}", CONTENT, "application/octet-stream"
    )
    assert (await shop.operator("GET", f"{shop.base}/packages"))["packages"] == []


@pytest.mark.fact("O-3")
async def test_a_packages_name_is_unique(shop):
    await shop.upload(name="n" * 20)
    path = f"/v1/products/{shop.pid}/packages?kind=SOTA&name={'n' * 20}&target=3.0"
    assert (await refused(shop, "POST", path, CONTENT, "application/octet-stream"))["code"] == "conflict"
    assert len((await shop.operator("GET", f"{shop.base}/packages"))["packages"]) == 1


@pytest.mark.fact("O-4")
@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a.zip", True),
        ("a.rar", True),
        ("a.bin", True),
        ("a.exe", False),
        ("zip", False),
        ("a.bin.txt", False),
    ],
)
async def test_the_types_of_files(shop, name, taken):
    path = f"/v1/products/{shop.pid}/packages?kind=FOTA&name=p&target=2.0&file={name}"
    reply = await shop.operator.raw("POST", path, CONTENT, "application/octet-stream")
    assert (reply.status == 201) is taken, reply.body


@pytest.mark.fact("O-4")
async def test_a_file_is_at_most_30_mb(shop):
    package = await shop.upload(bytes(30 * MIB))
    assert package["size_bytes"] == 30 * MIB
    path = f"/v1/products/{shop.pid}/packages?kind=FOTA&name=large&target=2.0"
    reply = await shop.operator.raw("POST", path, bytes(30 * MIB + 1), "application/octet-stream")
    assert 400 <= reply.status < 500


@pytest.mark.fact("O-5")
async def test_a_differential_package_is_for_devices_at_its_start_version(shop):
    package = await shop.package(start_version="1.0")
    one, other = await shop.device(), await shop.device(f_version="1.1")
    order = {"package_id": package["package_id"], "device_ids": [one.device_id, other.device_id]}
    answer = await refused(shop, "POST", f"{shop.base}/tasks", order)
    assert answer["code"] == "devices_unusable"
    assert str(other.device_id) in str(answer)
    await shop.task(package, [one])
    assert (await one.check("south")).json["data"]["type"] == 2


@pytest.mark.fact("O-6", "O-7")
async def test_verification_comes_first_and_is_charged():
    async with open_shop(policy=CHARGED) as shop:
        fresh = await shop.device(f_version=None, s_version=None)
        first, *rest = await shop.devices(3)
        package = await shop.upload()
        ids = [device.device_id for device in rest]
        order = {"package_id": package["package_id"], "device_ids": ids}
        assert (await refused(shop, "POST", f"{shop.base}/tasks", order))["code"] == "package_not_verified"
        never = {"package_id": package["package_id"], "device_ids": [fresh.device_id], "verification": True}
        await refused(shop, "POST", f"{shop.base}/tasks", never)
        many = order | {"verification": True}
        await refused(shop, "POST", f"{shop.base}/tasks", many)
        assert await left(shop) == 3
        task = await shop.task(package, [first], verification=True)
        assert (task["deducted"], await left(shop)) == (1, 2)
        assert (await refused(shop, "POST", f"{shop.base}/tasks", order))["code"] == "package_not_verified"
        await first.step(await first.tid(), 201)
        shown = await shop.operator("GET", f"/v1/packages/{package['package_id']}")
        assert shown["verification"] == "passed"
        assert (await shop.operator("POST", f"{shop.base}/tasks", order))["device_count"] == 2


@pytest.mark.fact("O-6")
async def test_a_verification_that_failed_does_not_count(shop):
    first, other = await shop.devices(2)
    package = await shop.upload()
    await shop.task(package, [first], verification=True)
    await first.step(await first.tid(), 206)
    order = {"package_id": package["package_id"], "device_ids": [other.device_id]}
    assert (await refused(shop, "POST", f"{shop.base}/tasks", order))["code"] == "package_not_verified"
    await shop.operator("POST", f"/v1/packages/{package['package_id']}/verification-skip")
    await shop.task(package, [other])


@pytest.mark.fact("O-8")
@pytest.mark.parametrize(
    ("start_versions", "taken"),
    [(None, {"1.0", "1.1", None}), (["1.0"], {"1.0"}), ([None], {None}), (["1.1", None], {"1.1", None})],
)
async def test_all_devices_of_the_start_versions(shop, start_versions, taken):
    devices = {version: await shop.device(f_version=version) for version in ("1.0", "1.1", None, "2.00")}
    task = await shop.task(await shop.package(), None, scope="all", start_versions=start_versions)
    assert task["scope"] == "all"
    jobs = (await shop.operator("GET", f"/v1/tasks/{task['task_id']}/jobs"))["jobs"]
    assert {job["device_id"] for job in jobs} == {devices[version].device_id for version in taken}


@pytest.mark.fact("O-8")
async def test_a_chosen_device_has_to_be_at_a_start_version(shop):
    device = await shop.device(f_version="1.1")
    package = await shop.package()
    order = {
        "package_id": package["package_id"],
        "device_ids": [device.device_id],
        "start_versions": ["1.0", None],
    }
    assert (await refused(shop, "POST", f"{shop.base}/tasks", order))["code"] == "devices_unusable"


@pytest.mark.fact("O-9", "O-7", "O-13")
async def test_a_scheduled_task_is_charged_now_and_begins_then():
    async with open_shop(policy=CHARGED) as shop:
        device = await shop.device()
        async with device.line() as line:
            await line.subscribe("/ota/inform")
            task = await shop.task(await shop.package(), [device], start_at_ms=NOW_MS + 60 * MINUTE_MS)
            assert (task["deducted"], await left(shop)) == (1, 2)
            assert await state_of(shop, task) == "not_started"
            assert (await device.check()).json["code"] == 12012
            assert (await device.check("south")).json["errno"] == 11
            assert await line.silent()
            await shop.advance(61 * MINUTE_MS)
            assert (await line.message("/ota/inform")).json["params"] == {}
        assert await state_of(shop, task) == "upgrading"
        assert (await device.check()).json["code"] == 0


@pytest.mark.fact("O-10")
async def test_what_is_passed_on_to_the_device(shop):
    plain, more = (
        await shop.told(),
        await shop.told(retry={"count": 2, "interval_s": 300}, signal=0, battery=100),
    )
    by_default = (await plain.check("south")).json["data"]
    assert [by_default[name] for name in ("signal", "power", "retry")] == [10, 50, 0]
    chosen = (await more.check("south")).json["data"]
    assert [chosen[name] for name in ("signal", "power", "retry", "interval")] == [0, 100, 2, 300]


@pytest.mark.fact("O-9")
async def test_a_scheduled_job_is_invisible(shop):
    device = await shop.device()
    await shop.task(await shop.package(), [device], start_at_ms=NOW_MS + 60 * MINUTE_MS)
    tid = (await device.job())["tid"]
    assert (await device.fuse("GET", f"/{tid}/check")).json["code"] == 12002
    assert (await device.step(tid, 101))["code"] != 0
    assert (await device.fuse("GET", f"/{tid}/download"))["Ota-Errno"] != "0"
    assert await device.state() == "pending"


@pytest.mark.fact("O-11")
async def test_expiry_counts_from_the_start(shop):
    device = await shop.device()
    task = await shop.task(await shop.package(), [device], start_at_ms=NOW_MS + 60 * MINUTE_MS)
    assert task["expires_ms"] - task["starts_ms"] == 10 * MINUTE_MS
    await shop.advance(69 * MINUTE_MS)
    assert await device.state() == "pending"
    await shop.advance(MINUTE_MS)
    assert await device.state() == "failed"
    assert await state_of(shop, task) == "finished"


@pytest.mark.fact("O-12")
async def test_a_device_at_the_target_can_not_be_chosen(shop):
    there, other = await shop.device(f_version="2.00"), await shop.device()
    package = await shop.package()
    order = {"package_id": package["package_id"], "device_ids": [other.device_id, there.device_id]}
    answer = await refused(shop, "POST", f"{shop.base}/tasks", order)
    assert answer["code"] == "devices_unusable"
    assert str(there.device_id) in str(answer["message"]) + str(answer["details"])
    assert (await other.check()).json["code"] == 12012


@pytest.mark.fact("O-13")
async def test_the_states_of_a_task(shop):
    one, other, third = await shop.devices(3)
    task = await shop.task(await shop.package(), [one, other])
    path = f"/v1/tasks/{task['task_id']}"
    assert task["state"] == "upgrading"
    await shop.operator("POST", f"{path}/pause")
    assert await state_of(shop, task) == "paused"
    await shop.operator("POST", f"{path}/resume")
    assert await state_of(shop, task) == "upgrading"
    await one.step(await one.tid(), 201)
    assert await state_of(shop, task) == "upgrading"
    await other.step(await other.tid(), 201)
    assert await state_of(shop, task) == "finished"
    stopped = await shop.task(await shop.package(), [third])
    await shop.operator("POST", f"/v1/tasks/{stopped['task_id']}/cancellation")
    assert await state_of(shop, stopped) == "stopped"


@pytest.mark.fact("O-14", "J-10")
@pytest.mark.parametrize("generation", ["south", "studio", "fuse"])
async def test_pause_and_resume(shop, generation):
    """Who waits is told nothing, who downloads may finish the download, who updates finishes."""
    waiting, loading, updating = await shop.devices(3)
    package = await shop.package()
    task = await shop.task(package, [waiting, loading, updating])
    path = f"/v1/tasks/{task['task_id']}"
    tids = {device.name: await device.tid() for device in (waiting, loading, updating)}
    token = await loading.job_token()
    download = f"/south/download/{token}" if generation == "south" else f"/{tids[loading.name]}/download"
    await loading.call(generation, "GET", download, headers=["Range: bytes=0-99"])
    await updating.step(tids[updating.name], 101)
    await shop.operator("POST", f"{path}/pause")
    no_task = {"south": 19, "studio": 10, "fuse": 12012}[generation]

    def number(reply):
        return reply.json.get("code", reply.json.get("errno"))

    assert number(await waiting.check(generation)) == no_task
    rest = await loading.call(generation, "GET", download, headers=["Range: bytes=100-"])
    assert rest.body == CONTENT[100:]
    if generation != "south":
        assert (
            number(
                await loading.call(generation, "POST", f"/{tids[loading.name]}/status", body={"step": 100})
            )
            != 0
        )
    else:
        assert (
            number(await loading.south("POST", "/south/report", {"token": token}, body={"result": 101})) == 19
        )
    assert await loading.state() == "downloading"
    assert (await updating.step(tids[updating.name], 201))["code"] == 0
    assert await updating.state() == "success"
    await shop.operator("POST", f"{path}/resume")
    assert number(await waiting.check(generation)) == 0
    assert number(await loading.check(generation)) == 0
    assert (await loading.step(tids[loading.name], 101))["code"] == 0


@pytest.mark.fact("O-14")
async def test_resume_tells_the_waiting_and_the_downloading(shop):
    devices = await shop.devices(2)
    waiting, loading = devices
    task = await shop.task(await shop.package(), devices)
    await loading.fuse("GET", f"/{await loading.tid()}/check")
    async with waiting.line() as one, loading.line() as other:
        await shop.operator("POST", f"/v1/tasks/{task['task_id']}/pause")
        for line in (one, other):
            await line.subscribe("/ota/inform")
            assert await line.silent()
        await shop.operator("POST", f"/v1/tasks/{task['task_id']}/resume")
        for line in (one, other):
            assert (await line.message("/ota/inform")).json["params"] == {}


@pytest.mark.fact("O-14", "O-11", "J-14")
async def test_expiry_goes_on_while_paused(shop):
    device = await shop.device()
    task = await shop.task(await shop.package(), [device])
    await shop.operator("POST", f"/v1/tasks/{task['task_id']}/pause")
    await shop.advance(600_000)
    assert await device.state() == "failed"


@pytest.mark.fact("O-15", "J-15")
async def test_cancel_is_at_once_from_every_open_state(shop):
    pending, loading, updating, done, single = devices = await shop.devices(5)
    task = await shop.task(await shop.package(), devices)
    tids = {device.name: await device.tid() for device in devices}
    await loading.fuse("GET", f"/{tids[loading.name]}/check")
    await updating.step(tids[updating.name], 101)
    await done.step(tids[done.name], 201)
    job = await shop.operator("POST", f"/v1/jobs/{tids[single.name]}/cancellation")
    assert (job["tid"], job["state"]) == (tids[single.name], "cancelled")
    assert [await device.state() for device in devices] == [
        "pending",
        "downloading",
        "upgrading",
        "success",
        "cancelled",
    ]
    await shop.operator("POST", f"/v1/tasks/{task['task_id']}/cancellation")
    assert [await device.state() for device in devices] == ["cancelled"] * 3 + ["success", "cancelled"]
    assert (await pending.check()).json["code"] == 20
    assert (await loading.fuse("GET", f"/{tids[loading.name]}/download"))["Ota-Errno"] == "5"
    assert (await updating.step(tids[updating.name], 201))["code"] == 20
    assert await updating.versions() == ("1.0", "1.0")


@pytest.mark.fact("O-16")
async def test_retry_takes_the_failed_again_and_charges_nothing():
    async with open_shop(policy=CHARGED) as shop:
        good, bad = await shop.devices(2)
        task = await shop.task(await shop.package(), [good, bad])
        await good.step(await good.tid(), 201)
        await bad.step(await bad.tid(), 206)
        again = await shop.operator("POST", f"/v1/tasks/{task['task_id']}/retry")
        assert (again["device_count"], again["deducted"], again["retry_of"]) == (1, 0, task["task_id"])
        assert (await bad.check()).json["code"] == 0
        assert (await good.check(version="2.00")).json["code"] in {12012, 12013}


@pytest.mark.fact("O-17", "S-16")
@pytest.mark.parametrize("generation", ["south", "studio", "fuse"])
async def test_auto_add_takes_in_a_matching_device_at_its_check(generation):
    async with open_shop(policy=CHARGED) as shop:
        package = await shop.package()
        path = f"/v1/packages/{package['package_id']}/auto-add"
        await shop.operator("PUT", path, {"auto_add": {"start_versions": ["1.0"]}})
        device, other = await shop.devices(2)
        assert await left(shop) == 3
        no_task = {"south": 11, "studio": 10, "fuse": 12012}[generation]
        reply = (await other.check(generation, version="0.9")).json
        assert reply.get("code", reply.get("errno")) == no_task
        reply = (await device.check(generation, version="1.0")).json
        assert reply["data"]["target"] == "2.00"
        assert await left(shop) == 2
        assert (await device.check(generation)).json["data"] == reply["data"]  # the same job
        assert await left(shop) == 2
        await shop.operator("PUT", path, {"auto_add": None})
        reply = (await other.check(generation, version="1.0")).json
        assert reply.get("code", reply.get("errno")) == no_task


@pytest.mark.fact("O-17")
async def test_auto_add_over_mqtt(shop):
    package = await shop.package()
    await shop.operator("PUT", f"/v1/packages/{package['package_id']}/auto-add", {"auto_add": {}})
    device = await shop.device()
    async with device.line() as line:
        await line.subscribe("/ota/#")
        body = b'{"id":"1","version":"1.0","params":{"f_version":"1.0"}}'
        line.send(mqtt.publish(line.prefix + "/ota/version", body, qos=1))
        informs = []
        while not informs or not informs[-1]["params"]:
            message = await line.message()
            informs += [message.json] if message.topic.endswith("/inform") else []
        assert informs[-1]["params"]["target"] == "2.00"


@pytest.mark.fact("O-20")
async def test_too_few_licences_in_both_languages():
    async with open_shop(policy={"charging_date_ms": 0, "free_devices": 1}) as shop:
        devices = await shop.devices(3)
        package = await shop.package()
        order = {"package_id": package["package_id"], "device_ids": [device.device_id for device in devices]}
        answer = await refused(shop, "POST", f"{shop.base}/tasks", order)
        assert answer["code"] == "licences_insufficient"
        assert "License余量不足" in answer["message"]
        assert "remaining licenses are insufficient" in answer["message"]
        assert {name: answer["details"][name] for name in ("needed", "available", "missing")} == {
            "needed": 3, "available": 1, "missing": 2,
        }  # fmt: skip


@pytest.mark.fact("O-8")
async def test_version_distribution(shop):
    await shop.devices(3)
    await shop.device(f_version="1.1", s_version=None)
    found = await shop.operator("GET", f"/v1/products/{shop.pid}/versions")
    assert found["f_versions"] == [{"version": "1.0", "devices": 3}, {"version": "1.1", "devices": 1}]
    assert found["s_versions"] == [{"version": "1.0", "devices": 3}, {"version": None, "devices": 1}]
