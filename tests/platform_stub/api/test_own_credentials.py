"""A device brings what is in its flash: the keys, the ids and the number it was made with are entered as they are."""

import base64
import json
import sqlite3
import time
from contextlib import closing

import aiohttp
import pytest

from platform_stub.protocol.token import device_resource, make_token, product_resource
from platform_stub.server import Stub
from tests.platform_stub.api.test_operator import Client

KEYS = {
    who: base64.b64encode(f"the key of the {who}".encode()).decode()
    for who in ("account", "product", "device")
}


@pytest.fixture
async def client():
    async with Stub() as stub, aiohttp.ClientSession(stub.http_url) as session:
        yield Client(session)


def token(key, resource, version="2018-10-31"):
    return make_token(key, resource, int(time.time()) + 600, version=version)


async def own(client, **device):
    """An account, a product and a device that bring everything themselves."""
    account = await client.ok("POST", "/v1/accounts", {"account_id": 70_001, "access_key": KEYS["account"]})
    body = {"product_id": "Y6O759jbtX", "access_key": KEYS["product"]}
    product = await client.ok("POST", "/v1/accounts/70001/products", body)
    one = {"name": "meter-7", "key": KEYS["device"], "device_id": 586_452_152} | device
    added = await client.ok("POST", "/v1/products/Y6O759jbtX/devices", one)
    return account, product, added["devices"][0]


async def test_all_of_it_is_taken_as_it_is(client):
    account, product, device = await own(client)
    assert (account["account_id"], account["access_key"]) == (70_001, KEYS["account"])
    assert (product["product_id"], product["access_key"]) == ("Y6O759jbtX", KEYS["product"])
    assert (device["device_id"], device["key"]) == (586_452_152, KEYS["device"])


async def test_tokens_made_with_the_own_keys_are_taken(client):
    await own(client, f_version="1.0")
    check = "/fuse-ota/Y6O759jbtX/meter-7/check?type=1&version=1.0"
    named = {
        token(KEYS["device"], device_resource("Y6O759jbtX", "meter-7")): check,
        token(
            KEYS["product"], product_resource("Y6O759jbtX")
        ): "/ota/south/check?dev_id=586452152&type=1&version=1.0",
        token(KEYS["account"], "userid/70001", "2022-05-01"): check,
    }
    for authorization, path in named.items():
        status, answer = await client("GET", path, Authorization=authorization)
        assert status == 200
        assert answer.get("code", answer.get("errno")) in {12012, 11}, (
            answer
        )  # let in: there is nothing to do


async def test_later_numbers_go_on_above_the_highest(client):
    _, product, _ = await own(client)
    path = f"/v1/products/{product['product_id']}/devices"
    mixed = [
        {"name": "a"},
        {"name": "b", "device_id": 900_000_000},
        {"name": "c"},
        {"name": "d", "device_id": 5},
    ]
    added = (await client.ok("POST", path, mixed))["devices"]
    assert [device["device_id"] for device in added] == [900_000_001, 900_000_000, 900_000_002, 5]
    assert [device["name"] for device in added] == ["a", "b", "c", "d"]
    later = (await client.ok("POST", path, {"name": "e"}))["devices"][0]
    assert later["device_id"] == 900_000_003
    other = await client.ok("POST", "/v1/accounts", {})
    assert other["account_id"] == 70_002


@pytest.mark.parametrize(
    ("media", "spell"),
    [
        ("application/json", lambda rows: "[" + ",".join(map(json.dumps, rows)) + "]"),
        ("application/x-ndjson", lambda rows: "\n".join(map(json.dumps, rows))),
        (
            "text/csv",
            lambda rows: (
                "name,device_id\n" + "".join(f"{r['name']},{r.get('device_id', '')}\n" for r in rows)
            ),
        ),
    ],
)
async def test_an_id_that_was_ever_used_is_a_conflict_at_its_line(client, media, spell):
    """P12, I3."""
    _, product, device = await own(client)
    await client.ok("POST", f"/v1/devices/{device['device_id']}/termination")
    rows = [{"name": "a"}, {"name": "b", "device_id": device["device_id"]}, {"name": "c", "device_id": 7}]
    path = f"/v1/products/{product['product_id']}/devices"
    status, answer = await client("POST", path, spell(rows), media=media)
    place = {"application/json": "entry 2", "application/x-ndjson": "line 2", "text/csv": "line 3"}[media]
    assert (status, answer["code"]) == (409, "conflict")
    assert answer["message"].startswith(f"{place}: device_id 586452152 is or was another device's")
    assert answer["details"] == {"device_ids": [586_452_152]}
    rows[1]["device_id"] = 7
    status, answer = await client("POST", path, spell(rows), media=media)
    last = place.replace(place[-1], str(int(place[-1]) + 1))
    assert (status, answer["message"]) == (400, f"{last}: device_id 7 is there already, at {place}")
    del rows[1]["device_id"]
    added = (await client.ok("POST", path, spell(rows), media=media))["devices"]
    assert [entry["device_id"] for entry in added] == [586_452_153, 586_452_154, 7]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/v1/accounts", {"account_id": 70_001}, 409, "account id 70001 is taken"),
        ("/v1/accounts", {"access_key": "a=b="}, 400, "$.access_key: expected an access key: base64"),
        ("/v1/accounts", {"access_key": "AAAAA"}, 400, "$.access_key: expected an access key: base64"),
        ("/v1/accounts/70001/products", {"access_key": "AAAAA"}, 400, "$.access_key: expected an access key: base64"),
        ("/v1/products/Y6O759jbtX/devices", {"name": "x", "device_id": 10**15 + 1}, 400, "at most 1000000000000000"),
        ("/v1/products/Y6O759jbtX/devices", {"name": "x", "device_id": "7"}, 400, "$.device_id: expected a whole number"),
    ],
)  # fmt: skip
async def test_what_can_not_be_ones_own(client, path, body, status, says):
    await own(client)
    seen, answer = await client("POST", path, body)
    assert (seen, says in answer["message"]) == (status, True), answer


async def test_an_exported_fleet_keeps_its_ids_in_another_stub(client):
    """Generation A's devices have their number in the flash; a new stub knows them by it."""
    await own(client)
    sheet = await client.ok("GET", "/v1/accounts/70001/devices?format=csv")
    async with Stub() as other, aiohttp.ClientSession(other.http_url) as session:
        there = Client(session)
        await there.ok("POST", "/v1/accounts", {})
        await there.ok("POST", "/v1/accounts/1/products", {"product_id": "Y6O759jbtX"})
        added = await there.ok("POST", "/v1/products/Y6O759jbtX/devices", sheet, media="text/csv")
        again = await there.ok("GET", "/v1/accounts/1/devices?format=csv")
    assert [device["device_id"] for device in added["devices"]] == [586_452_152]
    assert again == sheet


async def test_the_highest_id_is_kept_over_a_restart(tmp_path):
    async with Stub(data=tmp_path) as stub, aiohttp.ClientSession(stub.http_url) as session:
        await own(Client(session))
    with closing(sqlite3.connect(stub.database)) as conn:
        assert conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'devices'").fetchone() == (
            586_452_152,
        )
    async with Stub(data=tmp_path) as stub, aiohttp.ClientSession(stub.http_url) as session:
        added = await Client(session).ok("POST", "/v1/products/Y6O759jbtX/devices", {"name": "next"})
    assert added["devices"][0]["device_id"] == 586_452_153


# Several devices in one call.


async def test_a_list_is_told_entry_by_entry(client):
    _, product, _ = await own(client)
    path = f"/v1/products/{product['product_id']}/devices"
    status, answer = await client("POST", path, [{"name": "ok"}, {"name": "not ok"}, {"nam": "x"}])
    assert status == 400
    assert [mistake.partition(":")[0] for mistake in answer["details"]["mistakes"]] == ["entry 2", "entry 3"]
    assert answer["message"].startswith("2 entries can't be read: entry 2: $.name: expected a device name")
    status, answer = await client(
        "POST", path, '{"name":"ok"}\n{"name":"not ok"}\n', media="application/x-ndjson"
    )
    assert answer["message"].startswith("1 line can't be read: line 2: $.name: expected a device name")


@pytest.mark.parametrize("body", ["[]", '"x"', '{"name":"a"}\n{"name":"b"}', "[{]"])
async def test_what_is_possible_is_said(client, body):
    _, product, _ = await own(client)
    status, answer = await client("POST", f"/v1/products/{product['product_id']}/devices", body)
    assert status == 400
    assert (
        "several are a JSON list of them, one a line (Content-Type application/x-ndjson), or CSV"
        in answer["message"]
    )


async def test_a_fleets_own_columns_are_passed_over(client):
    _, product, _ = await own(client)
    sheet = "name,flow,product_key,manufacturer,model\nx,south,AAAA,Y,Z\n"
    added = await client.ok("POST", f"/v1/products/{product['product_id']}/devices", sheet, media="text/csv")
    assert added["devices"][0]["name"] == "x"


async def test_the_document_says_that_a_list_is_taken(client):
    document = await client.ok("GET", "/openapi.json")
    content = document["paths"]["/v1/products/{product}/devices"]["post"]["requestBody"]["content"]
    one, several = content["application/json"]["schema"]["oneOf"]
    assert (several["type"], several["items"]) == ("array", one)
    schemas = document["components"]["schemas"]
    assert {"device_id", "key"} <= set(schemas["RegisterDevice"]["properties"])
    assert "access_key" in schemas["CreateProduct"]["properties"]
    assert {"access_key", "account_id"} <= set(schemas["OpenAccount"]["properties"])
    assert schemas["RegisterDevice"]["properties"]["name"]["description"].startswith("a device name")
