"""The webhook over the operator API."""

import json
from hashlib import md5

from tests.platform_stub.api.test_operator import client, stub  # noqa: F401 - fixtures
from tests.platform_stub.service.receiver import Receiver


async def test_a_webhook_from_its_check_to_its_log(client):  # noqa: F811
    base, _, ids, task = await client.shop()
    account_id = int(base.rpartition("/")[2])
    assert (await client("GET", f"{base}/webhook"))[0] == 404
    status, refused = await client("POST", f"{base}/tasks", task | {"notification": "webhook"})
    assert (status, refused["code"]) == (409, "conflict")
    async with Receiver() as receiver:
        asked = {"url": f"{receiver.url}/hook", "token": "abc"}
        receiver.passed = "FAILED"
        status, refused = await client("PUT", f"{base}/webhook", asked)
        assert (status, refused["code"]) == (409, "webhook_unverified")
        assert refused["details"] == {
            "url": asked["url"], "status": 200, "seen": "HTTP 200 with body 'FAILED'"
        }  # fmt: skip
        receiver.passed = "PASSED"
        assert await client.ok("PUT", f"{base}/webhook", asked) == await client.ok("GET", f"{base}/webhook")
        created = await client.ok("POST", f"{base}/tasks", task | {"notification": "webhook"})
        (push,) = await receiver.until(1)
    body = json.loads(push.body)
    assert body["signature"] == md5(f"abc{account_id}".encode(), usedforsecurity=False).hexdigest()
    assert body["msg"] == {"dids": ids, "startTime": created["starts_ms"], "version": "2.0"}
    page = await client.ok("GET", f"{base}/webhook/deliveries?limit=1")
    assert [(it["task_id"], it["url"]) for it in page["deliveries"]] == [(created["task_id"], asked["url"])]
    assert (await client.ok("GET", f"{base}/webhook/deliveries?after=1"))["deliveries"] == []
    assert (await client.ok("DELETE", f"{base}/webhook"))["url"] == asked["url"]
    assert (await client("DELETE", f"{base}/webhook"))[0] == 404


async def test_what_is_wrong_is_said(client):  # noqa: F811
    base, *_ = await client.shop()
    for body, words in (
        ({"url": "ftp://host/x", "token": "a"}, "http:// or https://"),
        ({"url": "http://host/x"}, "token"),
        ({"url": "http://host/x", "token": ""}, "$.token"),
        ({"url": "http://host/x", "token": "a", "more": 1}, "more"),
    ):
        status, answer = await client("PUT", f"{base}/webhook", body)
        assert (status, answer["code"]) == (400, "malformed")
        assert words in answer["message"]
    assert (await client("PUT", "/v1/accounts/99/webhook", {"url": "http://127.0.0.1:1/", "token": "a"}))[
        0
    ] == 404
    assert (await client("GET", "/v1/accounts/99/webhook/deliveries"))[0] == 404
