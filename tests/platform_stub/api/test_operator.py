"""The operator API over HTTP: routes, errors of one shape, guards, idempotency, bulk, and its document."""

import asyncio
import io
import json

import aiohttp
import pytest

from platform_stub.server import Stub


class Client:
    """A plain HTTP client that reads every answer."""

    def __init__(self, session):
        self.session = session

    async def __call__(self, method, path, body=None, *, media="application/json", **headers):
        text = body if isinstance(body, str | bytes) else "" if body is None else json.dumps(body)
        data = io.BytesIO(text if isinstance(text, bytes) else text.encode())
        named = {"Content-Type": media} | {key.replace("_", "-"): value for key, value in headers.items()}
        async with self.session.request(method, path, data=data, headers=named) as reply:
            text = await reply.text()
            return reply.status, json.loads(text) if reply.content_type == "application/json" else text

    async def ok(self, method, path, body=None, **more):
        status, answer = await self(method, path, body, **more)
        assert status < 300, (method, path, status, answer)
        return answer

    async def shop(self, devices=3, grant=10):
        account = await self.ok("POST", "/v1/accounts", {"policy": {"charging_date_ms": 0}})
        base = f"/v1/accounts/{account['account_id']}"
        await self.ok("POST", f"{base}/subscription")
        await self.ok("POST", f"{base}/licences/grants", {"count": grant, "contract": "C-1"})
        product = await self.ok("POST", f"{base}/products", {})
        sheet = "name,f_version\n" + "".join(f"d{at},1.0\n" for at in range(devices))
        path = f"/v1/products/{product['product_id']}"
        registered = await self.ok("POST", f"{path}/devices", sheet, media="text/csv")
        package = await self.ok(
            "POST",
            f"{path}/packages?kind=FOTA&name=p&target=2.0",
            b"content",
            media="application/octet-stream",
        )
        await self.ok("POST", f"/v1/packages/{package['package_id']}/verification-skip")
        ids = [device["device_id"] for device in registered["devices"]]
        return base, product["product_id"], ids, {"package_id": package["package_id"], "device_ids": ids}


@pytest.fixture
async def stub():
    async with Stub() as stub:
        yield stub


@pytest.fixture
async def client(stub):
    async with aiohttp.ClientSession(stub.http_url) as session:
        yield Client(session)


async def test_an_account_from_opening_to_its_journal(client):
    base, _, ids, order = await client.shop()
    await client.ok("POST", f"{base}/top-ups", {"amount_fen": 500})
    bought = await client.ok("POST", f"{base}/licences/purchases", {"count": 5})
    assert (bought["balance_fen"], bought["licences"]["left"]) == (0, 115)
    task = await client.ok("POST", f"{base}/tasks", order)
    assert (task["deducted"], task["jobs"]["pending"]) == (3, 3)
    page = await client.ok("GET", f"{base}/journal?limit=4")
    kinds = [entry["kind"] for entry in page["entries"]]
    rest = await client.ok("GET", f"{base}/journal?after={page['next_after']}")
    kinds += [entry["kind"] for entry in rest["entries"]]
    assert kinds == ["opened", "subscribed", "granted", "posted", "bought", "bound", "bound", "bound"]
    assert rest["next_after"] is None


async def test_a_refund_is_refused(client):
    """B15."""
    base, *_ = await client.shop()
    status, answer = await client("POST", f"{base}/licences/cancellations", {"count": 1})
    assert (status, answer["code"]) == (409, "not_refundable")


async def test_the_refusal_of_a_task_carries_numbers_and_both_texts(client):
    base, product, _, order = await client.shop(devices=2, grant=1)
    many = "\n".join(json.dumps({"name": f"m{at}", "f_version": "1.0"}) for at in range(150))
    added = await client.ok("POST", f"/v1/products/{product}/devices", many, media="application/x-ndjson")
    order["device_ids"] = [device["device_id"] for device in added["devices"]]
    status, answer = await client("POST", f"{base}/tasks", order)
    assert status == 409
    assert answer["code"] == "licences_insufficient"
    assert answer["details"] == {
        "needed": 150, "available": 101, "missing": 49,
        "text_zh": "License余量不足", "text_en": "remaining licenses are insufficient",
    }  # fmt: skip


async def test_the_same_key_again_gives_the_same_answer_and_does_nothing(client):
    """P13."""
    base, _, _, order = await client.shop()
    first = await client.ok("POST", f"{base}/tasks", order, Idempotency_Key="k-1")
    again = await client.ok("POST", f"{base}/tasks", order, Idempotency_Key="k-1")
    assert again == first
    assert len((await client.ok("GET", f"{base}/tasks"))["tasks"]) == 1
    status, answer = await client("POST", f"{base}/tasks", order | {"name": "other"}, Idempotency_Key="k-1")
    assert (status, answer["code"]) == (409, "idempotency_conflict")


async def test_a_key_that_was_seen_is_judged_before_the_body(client):
    """P16: even a malformed body is a conflict then."""
    base, _, _, order = await client.shop()
    await client.ok("POST", f"{base}/tasks", order, Idempotency_Key="k")
    status, answer = await client("POST", f"{base}/tasks", "{", Idempotency_Key="k")
    assert (status, answer["code"]) == (409, "idempotency_conflict")


async def test_a_refusal_is_not_kept_for_its_key(client):
    """P13: the same key is decided again."""
    base, *_ = await client.shop()
    order = {"count": 3}
    status, _ = await client("POST", f"{base}/licences/purchases", order, Idempotency_Key="k")
    assert status == 409
    await client.ok("POST", f"{base}/top-ups", {"amount_fen": 300})
    bought = await client.ok("POST", f"{base}/licences/purchases", order, Idempotency_Key="k")
    assert bought["licences"]["bought"] == 3


async def test_two_at_once_with_one_key_act_once(client):
    """P13: one acts, both get its answer."""
    base, _, _, order = await client.shop()
    answers = await asyncio.gather(
        *(client.ok("POST", f"{base}/tasks", order, Idempotency_Key="k") for _ in range(8))
    )
    assert len({json.dumps(answer) for answer in answers}) == 1
    assert len((await client.ok("GET", f"{base}/tasks"))["tasks"]) == 1


async def test_many_creations_at_once_never_take_more_than_there_is(client):
    """P14: twenty tasks of one device each, five licences."""
    base, product, _, order = await client.shop(devices=20, grant=5)
    await client.ok("PUT", f"{base}/charging-date", {"at_ms": 0})
    account = await client.ok("GET", base)
    left = account["licences"]["left"]
    extra = "name,f_version\n" + "".join(f"x{at},1.0\n" for at in range(left))
    added = await client.ok("POST", f"/v1/products/{product}/devices", extra, media="text/csv")
    ids = order["device_ids"] + [device["device_id"] for device in added["devices"]]
    results = await asyncio.gather(
        *(client("POST", f"{base}/tasks", order | {"device_ids": [device]}) for device in ids)
    )
    assert [status for status, _ in results].count(201) == left
    assert (await client.ok("GET", base))["licences"]["left"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "says"),
    [
        ("GET", "/v1/accounts/99", None, 404, "not_found", "account 99"),
        ("GET", "/v1/accounts/x", None, 404, "not_found", "account 'x'"),
        ("GET", "/v1/tasks/99", None, 404, "not_found", "task 99"),
        ("GET", "/v1/devices/99", None, 404, "not_found", "device 99"),
        ("GET", "/v1/nothing", None, 404, "not_found", "/openapi.json"),
        ("DELETE", "/v1/accounts/1", None, 404, "not_found", "DELETE"),
        ("POST", "/v1/accounts", "{", 400, "malformed", "body"),
        ("POST", "/v1/accounts", {"nmae": "x"}, 400, "malformed", "nmae"),
        ("POST", "/v1/accounts", {"policy": {"price_fen": 1.5}}, 400, "malformed", "$.policy.price_fen"),
        ("POST", "/v1/accounts/1/top-ups", {"amount_fen": -1}, 400, "malformed", "$.amount_fen"),
        ("POST", "/v1/accounts/1/licences/purchases", {"count": 0}, 400, "malformed", "$.count"),
        ("POST", "/v1/accounts/1/tasks", {"package_id": 1, "device_ids": []}, 400, "malformed", "$.device_ids"),
        ("GET", "/v1/accounts/1/journal?limit=many", None, 400, "malformed", "limit"),
        ("POST", "/v1/accounts/1/tasks", {"package_id": 2**63, "device_ids": [1]}, 400, "malformed", "$.package_id"),
        ("POST", "/v1/accounts/1/tasks", {"package_id": 1, "device_ids": [2**63]}, 400, "malformed", "$.device_ids"),
        ("POST", "/v1/accounts", {"policy": {"free_devices": 2**63}}, 400, "malformed", "free_devices"),
        ("POST", "/v1/accounts/1/products", {"product_id": "abc\n"}, 400, "malformed", "product_id"),
        ("POST", "/v1/accounts/1/products", {"product_id": "south"}, 400, "malformed", "south is a word"),
        ("POST", "/v1/accounts/1/products", {"product_id": "devInfo"}, 400, "malformed", "devInfo is a word"),
        ("PUT", "/v1/accounts/1/clock", {"advance_ms": 2**53}, 400, "malformed", "at most"),
        ("GET", "/v1/accounts/01", None, 404, "not_found", "account '01'"),
        ("PUT", "/v1/accounts/1/clock", {}, 400, "malformed", "to_ms or advance_ms"),
        ("PUT", "/v1/accounts/1/clock", {"to_ms": 5}, 409, "conflict", "never set back"),
        ("POST", "/v1/accounts/1/subscription", None, 409, "conflict", "subscribed already"),
    ],
)  # fmt: skip
async def test_errors_have_one_shape_and_say_what_is_wrong(client, method, path, body, status, code, says):
    await client.shop()
    seen, answer = await client(method, path, body)
    assert (seen, answer["code"]) == (status, code)
    assert says in answer["message"]
    assert set(answer) == {"code", "message", "details"}


async def test_a_list_of_devices_is_taken_whole_or_not_at_all(client):
    base, product, _, _ = await client.shop(devices=1)
    sheet = "name,f_version\ngood,1.0\nbad name,1.0\nd1,a b\nshort\n"
    status, answer = await client("POST", f"/v1/products/{product}/devices", sheet, media="text/csv")
    assert status == 400
    assert [mistake.split(":")[0] for mistake in answer["details"]["mistakes"]] == [
        "line 3",
        "line 4",
        "line 5",
    ]
    assert len((await client.ok("GET", f"{base}/devices"))["devices"]) == 1
    status, answer = await client(
        "POST", f"/v1/products/{product}/devices", "name\nd0\nnew\n", media="text/csv"
    )
    assert (status, answer["code"]) == (409, "conflict")
    status, answer = await client("POST", f"/v1/products/{product}/devices", "nam\nd0\n", media="text/csv")
    assert "no column is named 'nam'" in answer["message"]


async def test_a_name_ends_where_it_ends(client):
    _, product, _, _ = await client.shop()
    line = json.dumps({"name": "a\n"})
    status, answer = await client(
        "POST", f"/v1/products/{product}/devices", line, media="application/x-ndjson"
    )
    assert (status, answer["code"]) == (400, "malformed")
    path = f"/v1/products/{product}/packages?kind=FOTA&name=q&target=2.0%0A"
    status, answer = await client("POST", path, b"x", media="application/octet-stream")
    assert (status, answer["code"]) == (400, "malformed")


async def test_card_numbers_keep_their_leading_zeros(client):
    _, product, _, _ = await client.shop()
    sheet = "name,iccid\nz,0012345\n"
    added = await client.ok("POST", f"/v1/products/{product}/devices", sheet, media="text/csv")
    assert added["devices"][0]["iccid"] == "0012345"


async def test_a_hundred_thousand_devices_and_a_task_for_them(client):
    base, product, _, order = await client.shop(grant=100_000)
    lines = "\n".join(f'{{"name":"n{at}","f_version":"1.0"}}' for at in range(100_000))
    added = await client.ok("POST", f"/v1/products/{product}/devices", lines, media="application/x-ndjson")
    order["device_ids"] = [device["device_id"] for device in added["devices"]]
    task = await client.ok("POST", f"{base}/tasks", order)
    assert (task["deducted"], task["jobs"]["pending"]) == (100_000, 100_000)


async def test_an_exported_fleet_can_be_registered_again(client):
    base, _, _, _ = await client.shop()
    sheet = await client.ok("GET", f"{base}/devices?format=csv")
    assert sheet.splitlines()[0] == "device_id,product_id,name,key,iccid,imsi,f_version,s_version"
    product = await client.ok("POST", f"{base}/products", {})
    path = f"/v1/products/{product['product_id']}/devices"
    status, answer = await client("POST", path, sheet, media="text/csv")
    assert (status, answer["code"]) == (409, "conflict")  # here the IDs are in use (P12)
    unnumbered = "\n".join(line.partition(",")[2] for line in sheet.splitlines())
    again = await client.ok("POST", path, unnumbered, media="text/csv")
    assert [device["key"] for device in again["devices"]] == [
        line.split(",")[3] for line in sheet.splitlines()[1:]
    ]


@pytest.mark.parametrize(
    "headers", [{"Host": "ota.example.com"}, {"Origin": "http://evil.example"}, {"Host": "169.254.169.254"}]
)
async def test_a_foreign_host_or_origin_is_refused(client, headers):
    """Until access keys exist nobody else's page may act here."""
    for path in ("/v1/accounts", "/openapi.json"):
        status, answer = await client("GET", path, **headers)
        assert (status, answer["code"]) == (403, "forbidden")


async def test_a_local_origin_is_let_in(client):
    await client.ok("GET", "/v1/accounts", Origin="http://localhost:3000")


async def test_the_account_clock_moves_forward_alone(client):
    base, *_ = await client.shop()
    before = (await client.ok("GET", f"{base}/clock"))["now_ms"]
    after = (await client.ok("PUT", f"{base}/clock", {"advance_ms": 86_400_000}))["now_ms"]
    assert 86_400_000 <= after - before < 86_460_000
    other = await client.ok("POST", "/v1/accounts", {"now_ms": 1_000})
    assert 1_000 <= other["now_ms"] < 61_000


async def test_the_document_describes_every_route(client, stub):
    document = await client.ok("GET", "/openapi.json")
    assert document["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    from platform_stub.api.operations import OPERATIONS

    assert described == {(op.method, op.path) for op in OPERATIONS}
    names = set(document["components"]["schemas"])
    refs = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert refs <= names
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


async def test_the_document_describes_an_upload_s_query(client):
    document = await client.ok("GET", "/openapi.json")
    upload = document["paths"]["/v1/products/{product}/packages"]["post"]
    query = {named["name"]: named for named in upload["parameters"] if named["in"] == "query"}
    required = {name for name, named in query.items() if named["required"]}
    assert required == {"kind", "name", "target"}
    assert set(query) - required == {"file", "manufacturer", "model", "start_version"}
    assert query["kind"]["schema"]["enum"] == ["FOTA", "SOTA"]


async def test_a_body_that_is_too_large_is_refused(client):
    from platform_stub.api.app import BODY_MAX_BYTES

    status, answer = await client("POST", "/v1/accounts", b" " * (BODY_MAX_BYTES + 1))
    assert (status, answer["code"]) == (400, "malformed")


async def upload(client, product, query, content=b"content"):
    path = f"/v1/products/{product}/packages?{query}"
    return await client("POST", path, content, media="application/octet-stream")


async def test_a_package_s_upload_says_what_it_is(client):
    base, product, *_ = await client.shop()
    query = "kind=SOTA&name=mcu&target=7&file=mcu%20v7.rar&manufacturer=101&model=10101&start_version=6"
    status, package = await upload(client, product, query)
    assert status == 201
    assert (package["file_name"], package["start_version"]) == ("mcu v7.rar", "6")
    assert (package["manufacturer"], package["model"]) == ("101", "10101")
    assert (await client.ok("GET", f"{base}/packages"))["packages"][-1] == package
    assert await client.ok("GET", f"/v1/packages/{package['package_id']}") == package


@pytest.mark.parametrize(
    ("query", "content", "says"),
    [
        ("kind=FOTA&name=q&target=3&file=a.exe", b"x", ".zip, .rar or .bin"),
        ("kind=FOTA&name=q&target=3&file=..%2Fa.bin", b"x", ".zip, .rar or .bin"),
        ("kind=FOTA&name=q&target=3&file=", b"x", "$.file"),
        ("kind=FOTA&name=q&target=3&start_version=3", b"x", "start_version"),
        ("kind=FOTA&name=q&target=3&start_version=a%20b", b"x", "$.start_version"),
        ("kind=FOTA&name=q&target=3&manufacturer=", b"x", "$.manufacturer"),
        ("kind=FOTA&name=q&target=3&manufacturer=001", b"x", "both or neither"),
        ("kind=FOTA&name=q&target=3&model=00106", b"x", "both or neither"),
        ("kind=FOTA&name=q&target=3&model=a%0Ab", b"x", "$.model"),
        ("kind=TOTA&name=q&target=3", b"x", "$.kind"),
        ("kind=FOTA&name=&target=3", b"x", "$.name"),
        ("kind=FOTA&name=123456789012345678901&target=3", b"x", "$.name"),
        ("kind=FOTA&name=q&target=123456789012345678901", b"x", "$.target"),
        ("kind=FOTA&name=q", b"x", "target"),
        ("kind=FOTA&name=q&target=3", b"", "1 to"),
        ("kind=FOTA&name=q&target=3&colour=red", b"x", "colour"),
    ],
)
async def test_a_wrong_upload_is_malformed(client, query, content, says):
    base, product, *_ = await client.shop()
    status, answer = await upload(client, product, query, content)
    assert (status, answer["code"]) == (400, "malformed")
    assert says in answer["message"]
    assert len((await client.ok("GET", f"{base}/packages"))["packages"]) == 1


async def test_a_package_of_30_megabytes_is_taken_and_one_byte_more_is_not(client):
    _, product, *_ = await client.shop()
    size = 30 * 2**20
    status, package = await upload(client, product, "kind=FOTA&name=big&target=3", bytes(size))
    assert (status, package["size_bytes"]) == (201, size)
    status, answer = await upload(client, product, "kind=FOTA&name=huge&target=3", bytes(size + 1))
    assert (status, answer["code"]) == (400, "malformed")


async def test_a_task_with_all_it_can_say(client):
    base, _, ids, order = await client.shop()
    now_ms = (await client.ok("GET", f"{base}/clock"))["now_ms"]
    del order["device_ids"]
    said = {
        "scope": "all", "start_versions": ["1.0", None], "name": "night", "start_at_ms": now_ms + 3_600_000,
        "expires_after_ms": 120_000, "retry": {"count": 3, "interval_s": 30}, "signal": 15, "battery": 60,
    }  # fmt: skip
    task = await client.ok("POST", f"{base}/tasks", order | said)
    shown = await client.ok("GET", f"/v1/tasks/{task['task_id']}")
    assert shown == task
    kept = {"scope", "start_versions", "name", "retry", "signal", "battery"}
    assert {name: shown[name] for name in kept} == {name: said[name] for name in kept}
    assert (shown["starts_ms"], shown["expires_ms"] - shown["starts_ms"]) == (said["start_at_ms"], 120_000)
    assert (shown["state"], shown["notification"], shown["deducted"]) == ("not_started", "platform", 3)
    assert (await client.ok("GET", f"{base}/tasks"))["tasks"] == [task]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"scope": "all"}, "device_ids"),
        ({"scope": "some"}, "$.scope"),
        ({"device_ids": None}, "device_ids"),
        ({"start_versions": []}, "$.start_versions"),
        ({"start_versions": ["a b"]}, "$.start_versions[0]"),
        ({"start_at_ms": 1}, "start_at_ms"),
        ({"start_at_ms": -1}, "$.start_at_ms"),
        ({"expires_after_ms": 59_999}, "$.expires_after_ms"),
        ({"expires_after_ms": 10**12}, "$.expires_after_ms"),
        ({"retry": {"count": 0}}, "$.retry.count"),
        ({"retry": {"count": 3, "interval_s": 0}}, "$.retry.interval_s"),
        ({"signal": 101}, "$.signal"),
        ({"battery": -1}, "$.battery"),
        ({"notification": "pigeon"}, "$.notification"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_order_is_malformed_and_costs_nothing(client, change, says):
    base, _, _, order = await client.shop()
    before = await client.ok("GET", f"{base}/journal")
    status, answer = await client("POST", f"{base}/tasks", order | change)
    assert (status, answer["code"]) == (400, "malformed")
    assert says in answer["message"]
    assert await client.ok("GET", f"{base}/journal") == before


async def test_an_order_by_webhook_without_one_is_a_conflict(client):
    base, _, _, order = await client.shop()
    status, answer = await client("POST", f"{base}/tasks", order | {"notification": "webhook"})
    assert (status, answer["code"]) == (409, "conflict")
    assert "webhook" in answer["message"]


async def test_a_task_of_nobody_is_a_conflict(client):
    base, _, _, order = await client.shop()
    request = {"package_id": order["package_id"], "scope": "all", "start_versions": ["9"]}
    status, answer = await client("POST", f"{base}/tasks", request)
    assert (status, answer["code"]) == (409, "conflict")


async def test_a_task_is_paused_resumed_and_stopped(client):
    """I6: none of it is a line of the journal."""
    base, _, _, order = await client.shop()
    path = f"/v1/tasks/{(await client.ok('POST', f'{base}/tasks', order))['task_id']}"
    before = await client.ok("GET", f"{base}/journal")
    assert (await client.ok("POST", f"{path}/pause"))["state"] == "paused"
    status, answer = await client("POST", f"{path}/pause")
    assert (status, answer["code"]) == (409, "conflict")
    assert (await client.ok("POST", f"{path}/resume"))["state"] == "upgrading"
    first, *_ = (await client.ok("GET", f"{path}/jobs"))["jobs"]
    cancelled = await client.ok("POST", f"/v1/jobs/{first['tid']}/cancellation")
    assert cancelled == first | {"state": "cancelled", "updated_ms": cancelled["updated_ms"]}
    status, answer = await client("POST", f"/v1/jobs/{first['tid']}/cancellation")
    assert (status, answer["code"]) == (409, "conflict")
    stopped = await client.ok("POST", f"{path}/cancellation")
    assert (stopped["state"], stopped["jobs"]["cancelled"]) == ("stopped", 3)
    assert await client.ok("GET", f"{base}/journal") == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/tasks/99/pause", None),
        ("/v1/tasks/99/resume", None),
        ("/v1/tasks/x/pause", None),
        ("/v1/jobs/99/cancellation", None),
        ("/v1/jobs/-1/cancellation", None),
        ("/v1/packages/99/auto-add", {"auto_add": None}),
        ("/v1/products/none/versions", None),
    ],
)
async def test_what_is_not_there_is_not_found(client, path, body):
    method = "PUT" if path.endswith("auto-add") else "GET" if path.endswith("versions") else "POST"
    status, answer = await client(method, path, body)
    assert (status, answer["code"]) == (404, "not_found")


async def test_a_policy_is_put_and_taken_off(client):
    _, _, _, order = await client.shop()
    path = f"/v1/packages/{order['package_id']}"
    policy = {"start_versions": ["0.9", "1.0"]}
    assert (await client.ok("PUT", f"{path}/auto-add", {"auto_add": policy}))["auto_add"] == policy
    assert (await client.ok("GET", path))["auto_add"] == policy
    assert (await client.ok("PUT", f"{path}/auto-add", {"auto_add": {}}))["auto_add"] == {
        "start_versions": None
    }
    assert (await client.ok("PUT", f"{path}/auto-add", {"auto_add": None}))["auto_add"] is None


@pytest.mark.parametrize(
    "body", [{}, {"auto_add": 1}, {"auto_add": {"start_versions": []}}, {"auto_add": {"x": 1}}, "{"]
)
async def test_a_wrong_policy_is_malformed(client, body):
    _, _, _, order = await client.shop()
    status, answer = await client("PUT", f"/v1/packages/{order['package_id']}/auto-add", body)
    assert (status, answer["code"]) == (400, "malformed")


async def test_versions_are_distributed(client):
    _, product, *_ = await client.shop()
    shown = await client.ok("GET", f"/v1/products/{product}/versions")
    assert shown == {
        "f_versions": [{"version": "1.0", "devices": 3}],
        "s_versions": [{"version": None, "devices": 3}],
    }


async def test_an_advance_expires_what_is_due_on_the_way(client):
    base, _, _, order = await client.shop()
    task = await client.ok("POST", f"{base}/tasks", order)
    later = order | {"start_at_ms": task["created_ms"] + 3_600_000}
    await client.ok("PUT", f"{base}/clock", {"advance_ms": 599_000})
    assert (await client.ok("GET", f"/v1/tasks/{task['task_id']}"))["state"] == "upgrading"
    await client.ok("PUT", f"{base}/clock", {"advance_ms": 1_000})
    ended = await client.ok("GET", f"/v1/tasks/{task['task_id']}?wait_ms=60000")
    assert (ended["state"], ended["jobs"]["failed"]) == ("finished", 3)
    jobs = await client.ok("GET", f"/v1/tasks/{task['task_id']}/jobs?state=failed")
    assert {job["step"] for job in jobs["jobs"]} == {208}
    assert all(job["updated_ms"] - task["expires_ms"] < 60_000 for job in jobs["jobs"])
    again = await client.ok("POST", f"{base}/tasks", later)
    assert (again["state"], again["deducted"]) == ("not_started", 0)
    await client.ok("PUT", f"{base}/clock", {"to_ms": later["start_at_ms"]})
    assert (await client.ok("GET", f"/v1/tasks/{again['task_id']}"))["state"] == "upgrading"
