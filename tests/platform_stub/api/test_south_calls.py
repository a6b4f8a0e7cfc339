"""Generation A's calls over sockets: requests, envelopes, numbers and texts, tokens.

Source: onenet-protocol, sections 1, 4 and 5.
"""

import re

import pytest

from tests.platform_stub.api.conftest import operator
from tests.platform_stub.api.shop import CONTENT, Raw, open_shop

TOKEN = re.compile(r"ota_[A-Za-z0-9]{20}")


async def first_token(shop, at=0):
    answer = await shop.ask("GET", shop.south("south/check?type=1&version=1.0", at), at=at)
    return answer.json["data"]["token"]


@pytest.mark.parametrize("base", ["south/", ""])
async def test_the_whole_flow(shop, base):
    """Each call, with `/south` in the path and without."""
    succ = b'{"errno":0,"error":"succ"}'
    answer = await shop.ask("POST", shop.south("device/version"), {"f_version": "1.0", "s_version": "3"})
    assert (answer.status, answer.body) == (200, succ)
    answer = await shop.ask("GET", shop.south("device/version"))
    assert answer.body == b'{"errno":0,"error":"succ","data":{"f_version":"1.0","s_version":"3"}}'
    answer = await shop.ask("GET", shop.south(f"{base}check?manuf=m&model=n&type=1&version=1.0&cdn=false"))
    token = answer.json["data"]["token"]
    assert TOKEN.fullmatch(token)
    assert (
        answer.body
        == (
            f'{{"errno":0,"error":"succ","data":{{"target":"9.0","token":"{token}","size":{len(CONTENT)},'
            f'"md5":"{shop.md5}","signal":10,"power":50,"retry":0,"interval":0,"type":1}}}}'
        ).encode()
    )
    answer = await shop.ask("GET", shop.south(f"{base}download/{token}/check"))
    assert answer.body == succ
    assert (await shop.states())[0] == "downloading"
    answer = await shop.ask("GET", shop.south("south/tasking?type=1"))
    assert answer.json["data"]["token"] == token
    async with shop.connect() as raw:
        answer = await raw.ask(
            f"GET /ota/{base}download/{token} HTTP/1.1\r\nHost: x\r\nRange: bytes=10-19\r\n\r\n".encode()
        )
    assert (answer.status, answer.body) == (206, CONTENT[10:20])
    assert set(answer.headers) == {
        "Date", "Content-Type", "Content-Length", "Content-Range", "Content-Disposition"
    }  # fmt: skip
    answer = await shop.ask("POST", shop.south(f"south/device/download/{token}/progress"), {"step": 50})
    assert answer.body == succ
    assert (await shop.jobs())[0]["step"] == 50
    for result in (101, 201):
        answer = await shop.ask("POST", shop.south(f"{base}report?token={token}"), {"result": result})
        assert answer.body == succ, result
    assert (await shop.states())[0] == "success"
    answer = await shop.ask("POST", shop.south(f"south/device/download/{token}/progress"), {"step": 60})
    assert answer.body == b'{"errno":20,"error":"invalid state"}'
    answer = await shop.ask("GET", shop.south(f"{base}check?type=1&version=9.0"))
    assert answer.body == b'{"errno":11,"error":"not exists"}'


async def test_a_cdn_is_this_stub(shop):
    answer = await shop.ask("GET", shop.south("south/check?type=1&version=1.0&cdn=true"))
    host, port = shop.stub.http_address
    assert list(answer.json["data"])[-1] == "ipPort"
    assert answer.json["data"]["ipPort"] == f"{host}:{port}"


async def test_no_job_under_way_is_not_found(shop):
    answer = await shop.ask("GET", shop.south("south/tasking?type=1"))
    assert answer.body == b'{"errno":4,"error":"not found"}'


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_device_finds_its_id(shop, method):
    """Also by a GET that has a body."""
    answer = await shop.ask(method, "/ota/devInfo", {"pid": shop.product, "authInfo": shop.device(0)})
    assert answer.body == f'{{"errno":0,"error":"succ","data":{{"dev_id":"{shop.ids[0]}"}}}}'.encode()


@pytest.mark.parametrize(
    ("body", "errno"),
    [({}, 2), (None, 2), ({"pid": "x"}, 2), (b"{", 2), ({"pid": "nobody", "authInfo": "d0"}, 1),
     ({"pid": "{p}", "authInfo": "nobody"}, 1), ({"pid": "{p}", "authInfo": "d0/../x"}, 1), ({"pid": [], "authInfo": {}}, 1),
     ({"pid": "{p}", "authInfo": "d1"}, 1)],
)  # fmt: skip
async def test_an_id_that_is_not_found(shop, body, errno):
    if isinstance(body, dict):
        body = {name: shop.product if value == "{p}" else value for name, value in body.items()}
    answer = await shop.ask("POST", "/ota/devInfo", body)
    assert (answer.status, answer.json["errno"]) == (200, errno)


@pytest.mark.parametrize(
    ("why", "method", "rest", "body", "errno", "error"),
    [
        ("no type", "GET", "south/check?version=1", None, 2, "parameter required: type"),
        ("no version", "GET", "south/check?type=1", None, 2, "parameter required: version"),
        ("a third type", "GET", "south/check?type=3&version=1", None, 2, "invalid type"),
        ("a version that is none", "GET", "south/check?type=1&version=1%2F0", None, 27, "invalid version"),
        ("a manufacturer without end", "GET", "south/check?type=1&version=1&manuf=" + "m" * 200, None, 2, "invalid parameter: manuf"),
        ("tasking without a type", "GET", "south/tasking", None, 2, "parameter required: type"),
        ("no version at all", "POST", "device/version", {}, 2, "parameter required: f_version"),
        ("a version that is a number", "POST", "device/version", {"f_version": 1}, 27, "invalid version"),
        ("a version that is long", "POST", "device/version", {"s_version": "1" * 21}, 27, "invalid version"),
        ("no JSON", "POST", "device/version", b"f_version=1", 2, "invalid parameter: the body is no JSON object"),
        ("no such token", "GET", "south/download/ota_AAAAAAAAAAAAAAAAAAAA/check", None, 4, "token missing"),
        ("a token that is none", "GET", "south/download/%2e%2e%2f/check", None, 4, "token missing"),
        ("a report without a token", "POST", "south/report", {"result": 101}, 2, "parameter required: token"),
        ("a report without a result", "POST", "south/report?token=ota_AAAAAAAAAAAAAAAAAAAA", {}, 2, "parameter required: result"),
        ("a result that is a text", "POST", "south/report?token=ota_AAAAAAAAAAAAAAAAAAAA", {"result": "101"}, 24, "invalid result"),
        ("a result that is none", "POST", "south/report?token=ota_AAAAAAAAAAAAAAAAAAAA", {"result": 999}, 24, "invalid result"),
        ("a report with a foreign token", "POST", "south/report?token=ota_AAAAAAAAAAAAAAAAAAAA", {"result": 101}, 4, "token missing"),
        ("progress without a step", "POST", "south/device/download/ota_AAAAAAAAAAAAAAAAAAAA/progress", {}, 2, "parameter required: step"),
    ],
)  # fmt: skip
async def test_wrong_input_has_its_number_and_moves_nothing(shop, why, method, rest, body, errno, error):
    answer = await shop.ask(method, shop.south(rest), body)
    assert (answer.status, answer.json) == (200, {"errno": errno, "error": error}), why
    assert await shop.is_unharmed()


async def test_another_devices_token_is_none(shop):
    token = await first_token(shop, 1)
    for method, rest, body in [
        ("GET", f"south/download/{token}/check", None),
        ("POST", f"south/report?token={token}", {"result": 101}),
        ("POST", f"south/device/download/{token}/progress", {"step": 10}),
    ]:
        answer = await shop.ask(method, shop.south(rest), body)
        assert answer.json["errno"] == 4, rest
    assert await shop.is_unharmed()


@pytest.mark.parametrize("dev_id", ["", "x", "-1", "0", "999999", "9" * 40, "1%00", "1;"])
async def test_a_device_that_is_none(shop, dev_id):
    answer = await shop.ask("GET", f"/ota/device/version?dev_id={dev_id}")
    assert (answer.status, answer.json["errno"]) == (200, 1 if dev_id in {"0", "999999"} else 2)


async def test_a_stranger_is_refused(shop):
    for token in (
        "",
        "rubbish",
        shop.token(1),
        shop.token(key=shop.devices[1]["key"]),
        shop.token(ahead_s=-5),
    ):
        answer = await shop.ask("GET", shop.south("south/check?type=1&version=1"), token=token)
        assert (answer.status, answer.json["errno"]) == (200, 1)
    assert await shop.is_unharmed()


@pytest.mark.parametrize(
    ("method", "path", "status", "errno"),
    [
        ("GET", "/ota", 404, 4), ("GET", "/ota/south", 404, 4), ("GET", "/ota/south/nothing", 404, 4),
        ("GET", "/ota/device", 404, 4), ("GET", "/ota/device/d0/version", 404, 4), ("GET", "/ota/check/d0/version", 404, 4),
        ("GET", "/ota/download/d0/version", 404, 4), ("GET", "/ota/report/d0/version", 404, 4), ("GET", "/ota/devInfo/d0/version", 404, 4),
        ("POST", "/ota/south/check", 405, 2), ("GET", "/ota/report", 405, 2), ("PUT", "/ota/devInfo", 405, 2),
    ],
)  # fmt: skip
async def test_what_is_no_call_is_refused_in_the_envelope(shop, method, path, status, errno):
    """The words of A's paths are no product ids."""
    answer = await shop.ask(method, path)
    assert (answer.status, answer.json["errno"]) == (status, errno)


@pytest.mark.parametrize("token", ["ota_AAAAAAAAAAAAAAAAAAAA", "x", "%2e%2e", "%00"])
async def test_a_refused_download_is_one_byte_in_one_chunk(shop, token):
    answer = await shop.ask("GET", f"/ota/south/download/{token}")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.body == b"1\r\n3\r\n0\r\n\r\n"
    assert not {"Content-Length", "Ota-Errno"} & set(answer.headers)


async def test_a_download_judges_an_authorization_that_is_given(shop):
    token = await first_token(shop)
    answer = await shop.ask("GET", f"/ota/south/download/{token}", token=shop.token(1))
    assert answer.body == b"1\r\n3\r\n0\r\n\r\n"
    assert await shop.is_unharmed()
    answer = await shop.ask("GET", f"/ota/south/download/{token}")
    assert answer.body == CONTENT


async def test_a_cancelled_job_says_so(shop):
    token = await first_token(shop)
    await shop.client.ok("POST", f"/v1/tasks/{shop.task}/cancellation")
    answer = await shop.ask("POST", shop.south(f"south/report?token={token}"), {"result": 101})
    assert answer.json == {"errno": 22, "error": "cancelled"}


async def test_the_address_in_a_check_is_the_one_that_the_device_came_by():
    """Of a stub that listens everywhere, not where the operator or another device reaches it."""
    async with open_shop(operator, http=("0.0.0.0", 0)) as shop:
        port = shop.stub.http_address[1]
        for host in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            async with Raw((host, port)) as raw:
                answer = await raw.ask(
                    shop.request("GET", shop.south("south/check?type=1&version=1.0&cdn=true"))
                )
            assert answer.json["data"]["ipPort"] == f"{host}:{port}"
