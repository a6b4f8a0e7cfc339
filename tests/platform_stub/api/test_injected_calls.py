"""Faults on demand in the devices' calls: what someone asked for goes wrong, for those it was asked for.

The operator's side of faults is tested with its operations.
"""

import asyncio

import pytest

from platform_stub.api import fuse, south, studio
from platform_stub.protocol.operator import InjectFault
from tests.platform_stub.api.shop import CONTENT, until


def inject(shop, **rule):
    return shop.stub.platform.injection.add(InjectFault(**rule))


def struck(shop):
    return [fault.struck for fault in shop.stub.platform.injection.list().faults]


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
    assert struck(shop) == [0]


async def test_a_cut_counts_by_answer_and_only_where_it_cuts(shop):
    """A short range is not cut, and leaves `times` to the long one."""
    inject(shop, cut_at_bytes=1_000, times=1)
    path = shop.fuse(f"{shop.tids[0]}/download")
    for _ in range(2):
        answer = await shop.ask("GET", path, Range="bytes=0-999")
        assert len(answer.body) == 1_000
    assert struck(shop) == [0]
    async with shop.connect() as raw:
        raw.write(shop.request("GET", path, Range="bytes=0-1000"))
        await raw.reader.readuntil(b"\r\n\r\n")
        assert len(await raw.rest()) == 1_000
    assert struck(shop) == [1]
    assert len((await shop.ask("GET", path, Range="bytes=0-1000")).body) == 1_001


@pytest.mark.parametrize("generation", ["south", "studio", "fuse"])
async def test_a_wrong_md5_waits_for_an_offer(shop, generation):
    """A check without an offer shows no digest: nothing went wrong, and `times` is left as it was."""
    inject(shop, wrong_md5=True, times=1)
    of = shop.south if generation == "south" else getattr(shop, generation)
    path = of("south/check") if generation == "south" else of("check")
    for query in ("type=2&version=1.0", "type=3&version=1.0", "type=1"):
        assert "data" not in (await shop.ask("GET", f"{path}{'&' if '?' in path else '?'}{query}")).json
    assert struck(shop) == [0]
    offered = f"{path}{'&' if '?' in path else '?'}type=1&version=1.0"
    md5s = [(await shop.ask("GET", offered)).json["data"]["md5"] for _ in range(2)]
    assert (md5s[0] != shop.md5, md5s[1] == shop.md5, struck(shop)) == (True, True, [1])


@pytest.mark.parametrize(
    ("generation", "code", "text"),
    [
        ("south", 12, "token expired"), ("studio", 12, "task expire"), ("fuse", 12014, "task expire"),
        ("fuse", 0, "succ"), ("fuse", 777, "injected fault"), ("studio", 12014, "injected fault"),
    ],
)  # fmt: skip
async def test_a_code_comes_with_its_generations_own_text(shop, generation, code, text):
    inject(shop, code=code)
    of = shop.south if generation == "south" else getattr(shop, generation)
    answer = await shop.ask("GET", of("device/version" if generation == "south" else "version"))
    assert list(answer.json.values())[:2] == [code, text]


async def test_every_code_of_every_table_has_a_text(shop):
    """The ones with a place for the time in them too."""
    for dialect in (south.DIALECT, studio.DIALECT, fuse.DIALECT):
        for code, _ in dialect.table.values():
            text = dialect.text_of(code, 1_700_000_000_000)
            assert text
            assert "{" not in text


async def test_a_call_that_is_unfit_is_struck_all_the_same(shop):
    """No answer means none, whatever the request was."""
    inject(shop, silent=True, times=1)
    raw, connection = await shop.hold()
    raw.write(shop.request("GET", shop.fuse("check?type=9")))
    await until(lambda: connection._gone is not None)
    raw.writer.write_eof()
    assert await raw.rest() == b""
    assert struck(shop) == [1]


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
    async with asyncio.timeout(60):
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


async def test_a_late_answer_to_someone_who_has_left_holds_no_connection(shop):
    """As many as give up on a slow platform, so many sockets would be held for as long as the delay."""
    inject(shop, call="check", delay_ms=600_000)
    before = len(shop.stub.http.connections)
    async with shop.connect() as raw:
        raw.write(shop.request("GET", shop.fuse("check?type=1&version=1.0")))
        await until(lambda: struck(shop) == [1])
        raw.abort()
    await until(lambda: len(shop.stub.http.connections) == before)
