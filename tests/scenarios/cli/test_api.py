"""`ota-sim api` as its users run it, against a stub: one call, its body as an argument or a file."""

import json

import pytest

from platform_stub.server import Stub
from tests.scenarios.cli.test_fleet import run, spell


@pytest.fixture
async def call():
    """Call a stub in which a product `p` is."""
    async with Stub() as stub:

        async def call(*arguments):
            return await run("api", "--http", spell(stub.http_address), *arguments)

        assert (await call("POST", "/v1/accounts"))[0] == 0
        assert (await call("POST", "/v1/accounts/1/products", '{"product_id":"p"}'))[0] == 0
        yield call


@pytest.mark.parametrize(
    "body",
    [
        '[{"name":"a"},{"name":"b","device_id":7}]',
        '{"name":"a"}\n{"name":"b","device_id":7}',
        '\n{"name":"a"}\n\n{"name":"b","device_id":7}\n',
    ],
)
async def test_several_devices_in_one_argument(call, body):
    code, out, err = await call("POST", "/v1/products/p/devices", body)
    assert (code, err) == (0, "")
    devices = json.loads(out)["devices"]
    assert [(device["name"], device["device_id"]) for device in devices] == [("a", 8), ("b", 7)]


@pytest.mark.parametrize("body", ["{", '{"name":"a"}\n{', "name\na\n"])
async def test_an_argument_that_is_no_json_is_a_usage_error(call, body):
    code, _, err = await call("POST", "/v1/products/p/devices", body)
    assert code == 2
    assert "one value is wanted, or one a line (NDJSON)" in err


async def test_a_refusal_is_told_in_words(call):
    code, out, err = await call("POST", "/v1/products/p/devices", '[{"name":"a b"}]')
    assert (code, err) == (1, "HTTP 400\n")
    message = json.loads(out)["message"]
    assert message == (
        "1 entry can't be read: entry 1: $.name: expected a device name: 1 to 64 letters, digits, - and _"
    )
