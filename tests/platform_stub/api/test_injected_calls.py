"""Faults on demand in the devices' calls: what someone asked for goes wrong, for those it was asked for.

Source: issue text, item 7. The operator's side of faults is tested with its operations.
"""

import asyncio

import pytest

from platform_stub.protocol.operator import InjectFault
from tests.platform_stub.api.shop import CONTENT, until


def inject(shop, **rule):
    return shop.stub.platform.injection.add(InjectFault(**rule))


def flow(shop, at=0):
    """Each call of each generation that a fault can strike."""
    tid = shop.tids[at]
    for generation, path in (("studio", shop.studio), ("fuse", shop.fuse)):
        yield generation, "version", ("POST", path("version", at), {"f_version": "1.0", "s_version": "1.0"})
        yield generation, "check", ("GET", path("check?type=1&version=1.0", at), None)
        yield generation, "state", ("GET", path(f"{tid}/check", at), None)
        yield generation, "status", ("POST", path(f"{tid}/status", at), {"step": 10})
    yield "south", "version", ("POST", shop.south("device/version", at), {"f_version": "1.0"})
    yield "south", "check", ("GET", shop.south("south/check?type=1&version=1.0", at), None)
    yield "south", "state", ("GET", shop.south("south/download/ota_AAAAAAAAAAAAAAAAAAAA/check", at), None)
    yield "south", "status", ("POST", shop.south("south/report?token=x", at), {"result": 101})


async def test_a_status_is_answered_instead_of_the_call(shop):
    """Every call, and nothing moves: the call was not carried out."""
    inject(shop, status=502)
    for generation, call, (method, path, body) in flow(shop):
        answer = await shop.ask(method, path, body)
        assert answer.status == 502, (generation, call)
        assert answer.json.get("errno", answer.json.get("code")) in {7, 10500}
    assert await shop.is_unharmed()


async def test_a_code_is_answered_instead_of_the_call(shop):
    inject(shop, code=12014, generation="fuse", call="status")
    tid = shop.tids[0]
    answer = await shop.ask("POST", shop.fuse(f"{tid}/status"), {"step": 101})
    assert (answer.status, answer.json["code"]) == (200, 12014)
    assert await shop.is_unharmed()
    answer = await shop.ask("POST", shop.studio(f"{tid}/status"), {"step": 101})
    assert answer.json["errno"] == 0


async def test_a_fault_strikes_whom_it_was_asked_for(shop):
    inject(shop, status=500, device_ids=[shop.ids[1]])
    assert (await shop.ask("GET", shop.fuse("version"))).status == 200
    assert (await shop.ask("GET", shop.fuse("version", 1), at=1)).status == 500


async def test_a_fault_strikes_as_often_as_it_was_asked_to(shop):
    inject(shop, status=500, times=2)
    statuses = [(await shop.ask("GET", shop.fuse("version"))).status for _ in range(4)]
    assert statuses == [500, 500, 200, 200]


async def test_a_stranger_is_not_struck(shop):
    inject(shop, status=500)
    answer = await shop.ask("GET", shop.fuse("version"), token="")
    assert (answer.status, answer.json["code"]) == (200, 10403)


@pytest.mark.parametrize("generation", ["south", "studio", "fuse"])
async def test_a_wrong_md5(shop, generation):
    inject(shop, wrong_md5=True)
    path = {"south": shop.south("south/check?type=1&version=1.0")}
    path = path.get(generation) or getattr(shop, generation)("check?type=1&version=1.0")
    md5 = (await shop.ask("GET", path)).json["data"]["md5"]
    assert md5 != shop.md5
    assert len(md5) == 32
    assert md5 == md5.lower()


@pytest.mark.parametrize("cut", [0, 1, 5_000])
async def test_a_cut_download(shop, cut):
    """Length and range are announced; then the connection ends."""
    inject(shop, cut_at_bytes=cut, call="download")
    async with shop.connect() as raw:
        raw.write(shop.request("GET", shop.fuse(f"{shop.tids[0]}/download"), Range="bytes=100-9999"))
        head = await raw.reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 9900\r\n" in head
        assert head.startswith(b"HTTP/1.1 206 ")
        assert await raw.rest() == CONTENT[100 : 100 + cut]
    assert (await shop.states())[0] == "downloading"


async def test_a_cut_behind_the_end_cuts_nothing(shop):
    inject(shop, cut_at_bytes=50_000, call="download")
    answer = await shop.ask("GET", shop.fuse(f"{shop.tids[0]}/download"))
    assert answer.body == CONTENT


@pytest.mark.parametrize(("generation", "errno"), [("studio", "4"), ("fuse", "4"), ("south", None)])
async def test_a_wrong_code_of_a_download(shop, generation, errno):
    answer = await shop.ask("GET", shop.south("south/check?type=1&version=1.0"))
    inject(shop, code=4, call="download")
    token = answer.json["data"]["token"]
    rest = f"{shop.tids[0]}/download"
    path = f"/ota/download/{token}" if generation == "south" else getattr(shop, generation)(rest)
    answer = await shop.ask("GET", path)
    assert answer.headers.get("Ota-Errno") == errno
    assert answer.body == (b"" if generation == "fuse" else b"1\r\n4\r\n0\r\n\r\n")
    assert await shop.is_unharmed()


async def test_a_late_answer_is_the_answer(shop):
    inject(shop, delay_ms=30)
    loop = asyncio.get_running_loop()
    since = loop.time()
    answer = await shop.ask("GET", shop.fuse("version"))
    assert answer.json["code"] == 0
    assert loop.time() - since >= 0.03


async def test_a_late_answer_keeps_nobody_else_waiting(shop):
    inject(shop, delay_ms=600_000, device_ids=[shop.ids[0]])
    raw, connection = await shop.hold()
    raw.write(shop.request("GET", shop.fuse("version")))
    await until(lambda: connection._is_serving)
    assert (await shop.ask("GET", shop.fuse("version", 1), at=1)).json["code"] == 0
    raw.writer.transport.abort()


async def test_no_answer_at_all(shop):
    """The call is carried out, its answer is what is lost; the connection is the device's to give up."""
    inject(shop, silent=True, call="status")
    tid = shop.tids[0]
    raw, connection = await shop.hold()
    raw.write(shop.request("POST", shop.fuse(f"{tid}/status"), {"step": 101}))
    async with asyncio.timeout(10):
        while (await shop.states())[0] != "upgrading":
            await asyncio.sleep(0)
    await until(lambda: connection._gone is not None)
    connection.sweep(asyncio.get_running_loop().time() + 1_000)
    assert connection.transport is not None
    raw.write(shop.request("GET", shop.fuse("version")))  # a retry on the same connection is not heard either
    raw.writer.write_eof()
    assert await raw.rest() == b""
    await until(lambda: connection not in shop.stub.http.connections)


async def test_the_stub_stops_while_it_is_silent(shop):
    inject(shop, silent=True)
    raw, connection = await shop.hold()
    raw.write(shop.request("GET", shop.fuse("version")))
    await until(lambda: connection._gone is not None)
