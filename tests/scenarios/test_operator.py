"""The operator API over HTTP: answers, refusals, and a platform that is not what it should be."""

import asyncio
import contextlib

import pytest
from msgspec import structs

from platform_stub.protocol.operator import CreateTask, ErrorCode, Policy, RegisterDevice
from platform_stub.server import Stub
from scenarios.operator import HttpOperator, OperatorFault, Refusal


async def test_an_account_and_a_task():
    async with Stub() as stub, HttpOperator(stub.http_url) as operator:
        account = await operator.open_account("a", Policy(charging_date_ms=0, free_devices=1), 1_000)
        await operator.subscribe(account.account_id)
        product = await operator.create_product(account.account_id, "p", "abc")
        devices = await operator.register(
            product.product_id, [RegisterDevice(name=f"d{n}") for n in range(3)]
        )
        package = await operator.add_package("abc", "FOTA", "name", "2.0", b"content")
        await operator.skip_verification(package.package_id)
        ids = [device.device_id for device in devices]
        order = CreateTask(package_id=package.package_id, device_ids=ids, name="t")
        refusal = await operator.create_task(account.account_id, order)
        assert isinstance(refusal, Refusal)
        assert refusal.code is ErrorCode.LICENCES_INSUFFICIENT
        assert {name: refusal.details[name] for name in ("needed", "available", "missing")} == {
            "needed": 3, "available": 1, "missing": 2,
        }  # fmt: skip
        task = await operator.create_task(account.account_id, structs.replace(order, device_ids=ids[:1]))
        assert task.deducted_free == 1
        assert (await operator.task(task.task_id)).jobs.pending == 1
        assert [job.device_id for job in await operator.jobs(task.task_id, "pending")] == ids[:1]
        assert (await operator.cancel_task(task.task_id)).jobs.cancelled == 1
        bound = [e.device_id for e in await operator.journal(account.account_id, 0) if e.kind == "bound"]
        assert bound == ids[:1]
        assert [device.device_id for device in await operator.devices(account.account_id)] == ids


@pytest.mark.parametrize("name", ["a&b", "a#b", "a+b", "a%20b", "a b", "固件"])
async def test_a_packages_name_arrives_as_it_is(name):
    async with Stub() as stub, HttpOperator(stub.http_url) as operator:
        account = await operator.open_account("a", Policy(), None)
        await operator.create_product(account.account_id, "p", "abc")
        package = await operator.add_package("abc", "FOTA", name, "2.0", b"content")
        assert package.name == name


async def test_a_repeated_request_and_a_renewed_key():
    """P13, B7."""
    async with Stub() as stub, HttpOperator(stub.http_url) as operator:
        account = await operator.open_account("a", Policy(), None)
        await operator.subscribe(account.account_id)
        await operator.create_product(account.account_id, "p", "abc")
        (device,) = await operator.register("abc", [RegisterDevice(name="d")])
        package = await operator.add_package("abc", "FOTA", "name", "2.0", b"content")
        await operator.skip_verification(package.package_id)
        order = CreateTask(package_id=package.package_id, device_ids=[device.device_id])
        first = await operator.create_task(account.account_id, order, "key")
        assert await operator.create_task(account.account_id, order, "key") == first
        other = structs.replace(order, name="another")
        refusal = await operator.create_task(account.account_id, other, "key")
        assert refusal.code is ErrorCode.IDEMPOTENCY_CONFLICT
        renewed = await operator.renew_key(device.device_id, "bmV3IGtleQ==")
        assert (renewed.device_id, renewed.key) == (device.device_id, "bmV3IGtleQ==")
        assert (await operator.renew_key(device.device_id, None)).key not in {device.key, renewed.key}


async def test_refusals_are_answers():
    async with Stub() as stub, HttpOperator(stub.http_url) as operator:
        account = await operator.open_account("a", Policy(), None)
        assert (await operator.cancel_licences(account.account_id, 1)).code is ErrorCode.NOT_REFUNDABLE
        assert (await operator.buy(account.account_id, 1)).code is ErrorCode.BALANCE_INSUFFICIENT
        assert (await operator.device(99)).code is ErrorCode.NOT_FOUND
        assert (await operator.create_product(account.account_id, "p", "a b")).code is ErrorCode.MALFORMED
        with pytest.raises(
            OperatorFault, match="the platform did not show the account: there is no account 99"
        ):
            await operator.account(99)


@contextlib.asynccontextmanager
async def serving(handle):
    """Serve raw connections; at the end all of them are closed."""
    served = []

    async def serve(reader, writer):
        served.append(asyncio.current_task())
        await handle(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        await asyncio.gather(*served)
        await server.wait_closed()


def reply(status, body):
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


BAD = [
    (b"", "GET http://127.0.0.1:[0-9]+/v1/accounts/1: Server disconnected"),
    (b"nonsense\r\n\r\n", "GET .*: "),
    (reply(200, "<html>"), "HTTP 200 with an answer that is not the API's"),
    (reply(200, '{"account_id": "x"}'), "HTTP 200 with an answer that is not the API's"),
    (reply(404, "<html>"), "HTTP 404 with an answer that is not the API's"),
    (reply(409, '{"code": "odd", "message": ""}'), "HTTP 409 with an answer that is not the API's: 'odd'"),
    (reply(500, '{"code": "internal", "message": "oh"}'), "internal: oh"),
    (reply(503, '{"code": "unavailable", "message": "disk full"}'), "unavailable: disk full"),
]


@pytest.mark.parametrize(("content", "why"), BAD)
async def test_a_platform_that_is_none(content, why):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(content)
        await writer.drain()

    async with serving(answer) as url, HttpOperator(url) as operator:
        with pytest.raises(OperatorFault, match=why) as caught:
            await operator.account(1)
    assert caught.value.exit_code == 3


async def test_a_platform_that_is_silent():
    async def silent(reader, writer):
        await reader.read()

    async with serving(silent) as url, HttpOperator(url, timeout_s=0.05) as operator:
        with pytest.raises(OperatorFault, match="no answer in time"):
            await operator.account(1)


async def test_nobody_there():
    async with serving(None) as url:
        pass
    async with HttpOperator(url) as operator:
        with pytest.raises(OperatorFault, match="Cannot connect"):
            await operator.account(1)
