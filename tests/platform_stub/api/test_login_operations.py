"""Brokers that ask by HTTP whether a device may come in: EMQX's words, and mosquitto-go-auth's."""

import pytest

from platform_stub.protocol.token import device_resource, make_token
from platform_stub.store.errors import StoreUnavailable
from tests.platform_stub.api.test_operator import client, stub  # noqa: F401 - fixtures

PATH = "/v1/mqtt/auth"
LATER_S = 4_000_000_000


@pytest.fixture
async def login(client):  # noqa: F811
    """A device's login as EMQX sends it."""
    base, product_id, ids, _ = await client.shop(devices=1)
    device = (await client.ok("GET", f"/v1/devices/{ids[0]}"))["device"]
    token = make_token(device["key"], device_resource(product_id, device["name"]), LATER_S)
    return {"clientid": device["name"], "username": product_id, "password": token}


async def test_a_good_login_is_allowed_and_opens_no_session(client, stub, login):  # noqa: F811
    assert await client.ok("POST", PATH, login) == {"result": "allow", "ok": True, "error": ""}
    assert await client.ok("POST", PATH, login | {"peerhost": "10.0.0.1"}) == {
        "result": "allow",
        "ok": True,
        "error": "",
    }
    assert len(stub.platform.sessions) == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"password": "nonsense"}, "version"),
        ({"password": ""}, "no token"),
        ({"username": "nope"}, "unknown device"),
        ({"clientid": "nope"}, "unknown device"),
        ({"username": "undefined", "password": "undefined"}, "version"),
    ],
)
async def test_a_bad_one_is_denied_with_why(client, login, change, why):  # noqa: F811
    answer = await client.ok("POST", PATH, login | change)
    assert (answer["result"], answer["ok"]) == ("deny", False)
    assert why in answer["error"]


async def test_a_token_of_another_key_is_denied(client, login):  # noqa: F811
    wrong = make_token("AAAA", device_resource(login["username"], login["clientid"]), LATER_S)
    answer = await client.ok("POST", PATH, login | {"password": wrong})
    assert (answer["result"], answer["error"]) == ("deny", "wrong key: not signed with the device's key")


async def test_who_can_t_be_looked_up_is_left_to_the_next_one(client, stub, login, monkeypatch):  # noqa: F811
    def away():
        raise StoreUnavailable("gone")

    monkeypatch.setattr(stub.platform.store, "glance", away)
    answer = await client.ok("POST", PATH, login)
    assert answer == {"result": "ignore", "ok": False, "error": "the store is not there"}


async def test_a_body_that_is_none_is_refused_and_the_document_knows_it(client):  # noqa: F811
    status, answer = await client("POST", PATH, {"username": "p"})
    assert (status, answer["code"]) == (400, "malformed")
    assert "clientid" in answer["message"]
    document = await client.ok("GET", "/openapi.json")
    assert document["paths"][PATH]["post"]["summary"].startswith("Judge a device's login")
    schema = document["components"]["schemas"]["LoginChecked"]["properties"]["result"]
    assert schema["enum"] == ["allow", "deny", "ignore"]
