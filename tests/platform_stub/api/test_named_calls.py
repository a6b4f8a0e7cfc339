"""The six calls of B and C over sockets: requests, envelopes, numbers and texts, and what each does to the job.

Source: onenet-protocol, sections 1, 2, 4 and 5.
"""

import re

import pytest

from tests.platform_stub.api.shop import CONTENT

REQUEST_ID = re.compile(rb'"request_id":"[0-9a-f]{32}"\}$')
VERSIONS = {"f_version": "1.0", "s_version": "1.1"}


@pytest.fixture(params=["studio", "fuse"])
def generation(request):
    return request.param


@pytest.fixture
def path(shop, generation):
    return getattr(shop, generation)


class Envelope:
    """How a generation spells an answer: bodies without C's request_id."""

    def __init__(self, generation):
        self.is_fuse = generation == "fuse"

    def __call__(self, code, text, data=None):
        number, said = ("code", "msg") if self.is_fuse else ("errno", "error")
        middle = "" if data is None else f',"data":{data}'
        return f'{{"{number}":{code},"{said}":"{text}"{middle}}}'.encode()

    def of(self, answer):
        if not self.is_fuse:
            return answer.body
        assert REQUEST_ID.search(answer.body), answer
        return REQUEST_ID.sub(b"}", answer.body).replace(b",}", b"}")

    def pick(self, studio, fuse):
        return fuse if self.is_fuse else studio


@pytest.fixture
def envelope(generation):
    return Envelope(generation)


async def test_the_whole_flow(shop, path, envelope):
    """Version, check, state, four ranges, steps, and the check that finds nothing more."""
    tid = shop.tids[0]
    answer = await shop.ask("POST", path("version"), VERSIONS)
    assert (answer.status, envelope.of(answer)) == (200, envelope(0, "succ"))
    answer = await shop.ask("GET", path("version"))
    assert envelope.of(answer) == envelope(0, "succ", '{"f_version":"1.0","s_version":"1.1"}')
    answer = await shop.ask("GET", path("check?type=1&version=1.0"))
    task = f'{{"target":"9.0","tid":{tid},"size":{len(CONTENT)},"md5":"{shop.md5}","status":1,"type":1}}'
    assert envelope.of(answer) == envelope(0, "succ", task)
    answer = await shop.ask("GET", path(f"{tid}/check?anything=1"))
    assert envelope.of(answer) == envelope(0, "succ", '{"status":2}')
    parts = [
        await shop.ask("GET", path(f"{tid}/download"), Range=f"bytes={at}-{at + 2559}")
        for at in range(0, 10_240, 2_560)
    ]
    assert b"".join(part.body for part in parts) == CONTENT
    for step in (10, 100, 201):
        answer = await shop.ask("POST", path(f"{tid}/status"), {"step": step})
        assert (answer.status, envelope.of(answer)) == (200, envelope(0, "succ")), step
    assert (await shop.states())[0] == "success"
    answer = await shop.ask("POST", path(f"{tid}/status"), {"step": 202})
    assert envelope.of(answer) == envelope(20, "task finish")
    answer = await shop.ask("GET", path("check?type=1&version=9.0"))
    assert envelope.of(answer) == envelope.pick(envelope(10, "not exist"), envelope(12012, "not exist"))


async def test_a_version_that_was_never_reported_is_left_out(shop, path, envelope):
    answer = await shop.ask("GET", path("version"))
    assert envelope.of(answer) == envelope(0, "succ", '{"f_version":"1.0"}')


async def test_b_takes_one_version_and_c_wants_both(shop, path, envelope):
    answer = await shop.ask("POST", path("version"), {"f_version": "1.5"})
    assert envelope.of(answer) == envelope.pick(
        envelope(0, "succ"), envelope(12001, "parameter required: s_version")
    )
    answer = await shop.ask("GET", path("version"))
    assert answer.json["data"]["f_version"] == envelope.pick("1.5", "1.0")


async def test_a_version_equal_to_the_target_completes_the_job(shop, path, envelope):
    answer = await shop.ask("POST", path("version"), {"f_version": "9.0", "s_version": "1"})
    assert envelope.of(answer) == envelope(0, "succ")
    assert (await shop.states())[0] == "success"
    answer = await shop.ask("GET", path("check?type=1&version=9.0"))
    assert envelope.of(answer) == envelope.pick(envelope(10, "not exist"), envelope(12013, "task succ"))


async def test_a_cancelled_job_says_so(shop, path, envelope):
    tid = shop.tids[0]
    await shop.client.ok("POST", f"/v1/tasks/{shop.task}/cancellation")
    answer = await shop.ask("POST", path(f"{tid}/status"), {"step": 10})
    assert envelope.of(answer) == envelope.pick(envelope(22, "cancelled"), envelope(20, "task finish"))
    answer = await shop.ask("GET", path(f"{tid}/download"))
    assert answer.headers["Ota-Errno"] == "5"


@pytest.mark.parametrize(
    ("why", "method", "rest", "body", "studio", "fuse"),
    [
        ("no type", "GET", "check?version=1", None, (2, "parameter required: type"), (12001, "parameter required: type")),
        ("an empty type", "GET", "check?type=&version=1", None, (2, "parameter required: type"), (12001, "parameter required: type")),
        ("no version", "GET", "check?type=1", None, (2, "parameter required: version"), (12001, "parameter required: version")),
        ("no query", "GET", "check", None, (2, "parameter required: type"), (12001, "parameter required: type")),
        ("a third type", "GET", "check?type=3&version=1", None, (2, "invalid type"), (12010, "invalid task type")),
        ("a type that is a word", "GET", "check?type=fota&version=1", None, (2, "invalid type"), (12010, "invalid task type")),
        ("a long version", "GET", "check?type=1&version=" + "1" * 21, None, (27, "invalid version"), (12004, "invalid format")),
        ("a version with a space", "GET", "check?type=1&version=1+0", None, (27, "invalid version"), (12004, "invalid format")),
        ("a version with a topic's sign", "GET", "check?type=1&version=%23", None, (27, "invalid version"), (12004, "invalid format")),
        ("a version that can't be printed", "GET", "check?type=1&version=%00", None, (27, "invalid version"), (12004, "invalid format")),
        ("a version without end", "GET", "check?type=1&version=" + "1" * 5_000, None, (27, "invalid version"), (12004, "invalid format")),
        ("a type without end", "GET", "check?version=1&type=" + "1" * 5_000, None, (2, "invalid type"), (12010, "invalid task type")),
        ("a version that is no UTF-8", "GET", "check?type=1&version=%ff%fe", None, (27, "invalid version"), (12004, "invalid format")),
        ("no body", "POST", "version", b"", (2, "parameter required: f_version"), (12001, "parameter required: f_version")),
        ("line ends alone", "POST", "version", b"\r\n", (2, "parameter required: f_version"), (12001, "parameter required: f_version")),
        ("an empty object", "POST", "version", {}, (2, "parameter required: f_version"), (12001, "parameter required: f_version")),
        ("half a body", "POST", "version", b'{"f_version":', (2, "invalid parameter: the body is no JSON object"), (12015, "invalid parameter: the body is no JSON object")),
        ("no object", "POST", "version", b"[1]", (2, "invalid parameter: the body is no JSON object"), (12015, "invalid parameter: the body is no JSON object")),
        ("no UTF-8", "POST", "version", b'{"f_version":"\xff"}', (2, "invalid parameter: the body is no JSON object"), (12015, "invalid parameter: the body is no JSON object")),
        ("deep nesting", "POST", "version", b'{"a":' + b"[" * 4_000, (2, "invalid parameter: the body is no JSON object"), (12015, "invalid parameter: the body is no JSON object")),
        ("a number for a version", "POST", "version", {"f_version": 1.0, "s_version": "1"}, (27, "invalid version"), (12004, "invalid format")),
        ("null for a version", "POST", "version", {"f_version": None, "s_version": "1"}, (27, "invalid version"), (12004, "invalid format")),
        ("an empty version", "POST", "version", {"f_version": "", "s_version": "1"}, (27, "invalid version"), (12004, "invalid format")),
        ("no step", "POST", "{tid}/status", {}, (2, "parameter required: step"), (12001, "parameter required: step")),
        ("no status body", "POST", "{tid}/status", None, (2, "parameter required: step"), (12001, "parameter required: step")),
        ("a text for a step", "POST", "{tid}/status", {"step": "10"}, (2, "invalid parameter: step"), (12015, "invalid parameter: step")),
        ("a bool for a step", "POST", "{tid}/status", {"step": True}, (2, "invalid parameter: step"), (12015, "invalid parameter: step")),
        ("a fraction for a step", "POST", "{tid}/status", {"step": 10.5}, (2, "invalid parameter: step"), (12015, "invalid parameter: step")),
        ("a step that is none", "POST", "{tid}/status", {"step": 300}, (24, "invalid result"), (12016, "invalid step")),
        ("a negative step", "POST", "{tid}/status", {"step": -1}, (24, "invalid result"), (12016, "invalid step")),
        ("a huge step", "POST", "{tid}/status", {"step": 10**30}, (24, "invalid result"), (12016, "invalid step")),
        ("progress before the start", "POST", "{tid}/status", {"step": 10}, (21, "invalid state"), (12016, "invalid step")),
        ("another device's job", "POST", "{other}/status", {"step": 101}, (4, "not found"), (12002, "not found")),
        ("another device's job's state", "GET", "{other}/check", None, (4, "not found"), (12002, "not found")),
        ("no such job", "GET", "999999/check", None, (4, "not found"), (12002, "not found")),
        ("a huge job", "GET", "9" * 30 + "/check", None, (4, "not found"), (12002, "not found")),
        ("a job that is a word", "GET", "x/check", None, (4, "not found"), (12002, "not found")),
        ("a negative job", "POST", "-1/status", {"step": 101}, (4, "not found"), (12002, "not found")),
        ("a job in other digits", "GET", "%D9%A1/check", None, (4, "not found"), (12002, "not found")),
    ],
)  # fmt: skip
async def test_wrong_input_has_its_code_and_moves_nothing(
    shop, path, envelope, why, method, rest, body, studio, fuse
):
    rest = rest.replace("{tid}", str(shop.tids[0])).replace("{other}", str(shop.tids[1]))
    answer = await shop.ask(method, path(rest), body)
    assert (answer.status, envelope.of(answer)) == (200, envelope(*envelope.pick(studio, fuse))), why
    assert await shop.is_unharmed()


@pytest.mark.parametrize(
    ("why", "token", "studio", "fuse"),
    [
        ("none", lambda _: "", (1, "invalid authorization"), (10403, "authentication failed:invalid authorization")),
        ("rubbish", lambda _: "version=1&res=2", (1, "invalid authorization"), (10403, "authentication failed:invalid authorization")),
        ("another device's", lambda s: s.token(1), (1, "invalid resource"), (10403, "authentication failed:invalid resource")),
        ("another key", lambda s: s.token(key=s.devices[1]["key"]), (1, "invalid authorization"), (10403, "authentication failed:invalid authorization")),
    ],
)  # fmt: skip
async def test_a_stranger_is_refused(shop, path, envelope, why, token, studio, fuse):
    tid = shop.tids[0]
    calls = [("GET", "check?type=1&version=1", None), ("POST", "version", VERSIONS), ("GET", "version", None),
             ("GET", f"{tid}/check", None), ("POST", f"{tid}/status", {"step": 101})]  # fmt: skip
    for method, rest, body in calls:
        answer = await shop.ask(method, path(rest), body, token=token(shop))
        assert answer.status == 200
        assert envelope.of(answer) == envelope(*envelope.pick(studio, fuse)), (why, rest)
    assert await shop.is_unharmed()


async def test_an_expired_token_is_told_when(shop):
    answer = await shop.ask("GET", shop.fuse("version"), token=shop.token(ahead_s=-60))
    assert answer.json["code"] == 10403
    assert re.fullmatch(
        r"authentication failed:request has expired:expire=\d{10},now=\d{10}", answer.json["msg"]
    )


@pytest.mark.parametrize(
    "tail",
    ["{p}/nobody/version", "{p}/d%2F0/version", "{p}/d%000/version", "{p}/%2B/version", "{p}/%23/version",
     "{p}/../version", "../../version", "{p}/d0%20/version", "{p}/%ff/version", "{p}/{long}/version", "nobody/d0/version",
     "%24sys/d0/version", "{p}%2Fd0/x/version", "{p}/d%27--/version", "{p}/d0;x=1/version", "{p}/+/version"],
)  # fmt: skip
async def test_a_name_that_no_device_has_is_refused(shop, generation, envelope, tail):
    """Encoded slashes, NUL and wild cards of topics reach neither the store nor a topic."""
    base = {"fuse": "/fuse-ota/", "studio": "/ota/"}[generation]
    target = base + tail.replace("{p}", shop.product).replace("{long}", "d" * 65)
    answer = await shop.ask("GET", target, token=shop.product_token())
    assert answer.status == 200
    code = answer.json[envelope.pick("errno", "code")]
    assert code in envelope.pick({1}, {10410, 10403}), answer
    assert await shop.is_unharmed()


@pytest.mark.parametrize(
    ("method", "rest", "status"),
    [
        ("GET", "", 404), ("GET", "nothing", 404), ("GET", "1/2/3", 404), ("GET", "1/nothing", 404), ("GET", "1/status/x", 404),
        ("POST", "check", 405), ("DELETE", "version", 405), ("PUT", "version", 405), ("GET", "1/status", 405), ("POST", "1/download", 405),
    ],
)  # fmt: skip
async def test_what_is_no_call_is_refused_in_the_envelope(shop, path, envelope, method, rest, status):
    answer = await shop.ask(method, path(rest))
    assert answer.status == status
    assert answer.json[envelope.pick("errno", "code")] == {
        404: envelope.pick(4, 12002), 405: envelope.pick(2, 10001)
    }[status]  # fmt: skip
    assert ("Allow" in answer.headers) is (status == 405)
    assert await shop.is_unharmed()


async def test_a_head_request_has_no_body(shop, path):
    async with shop.connect() as raw:
        raw.write(shop.request("HEAD", path("version"), Connection="close"))
        head = await raw.rest()
    assert head.startswith(b"HTTP/1.1 405 ")
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("why", "tid", "token", "errno", "byte"),
    [
        ("a stranger", "{tid}", "", "6", b"3"),
        ("no such job", "999999", None, "2", b"1"),
        ("another device's job", "{other}", None, "2", b"1"),
        ("a job that is a word", "x", None, "2", b"1"),
    ],
)
async def test_a_refused_download(shop, path, envelope, why, tid, token, errno, byte):
    """B names it in one one-byte chunk and in `Ota-Errno`, C in `Ota-Errno` alone."""
    tid = tid.replace("{tid}", str(shop.tids[0])).replace("{other}", str(shop.tids[1]))
    answer = await shop.ask("GET", path(f"{tid}/download"), token=token)
    assert (answer.status, answer.headers["Ota-Errno"]) == (200, errno), why
    if envelope.is_fuse:
        assert (answer.headers["Content-Length"], answer.body) == ("0", b"")
    else:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.body == b"1\r\n" + byte + b"\r\n0\r\n\r\n"
        assert "Content-Length" not in answer.headers
    assert await shop.is_unharmed()


async def test_a_refused_download_ends_with_the_connection_in_http_1_0(shop):
    """HTTP/1.0 knows no chunks."""
    answer = await shop.ask("GET", shop.studio("999999/download"), version="1.0", Connection="keep-alive")
    assert (answer.headers["Connection"], answer.body, answer.ended) == ("close", b"1", True)
    assert "Transfer-Encoding" not in answer.headers


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=-99999999999999999999",
        "-5-",
        "bytes=5-2",
        "9" * 400 + "-",
        "bytes=0-0,5-9",
        "bytes=a-b",
        "items=0-1",
        "--",
    ],
)
async def test_a_range_is_never_refused(shop, path, asked):
    answer = await shop.ask("GET", path(f"{shop.tids[0]}/download/"), Range=asked)
    assert answer.status in {200, 206}
    assert answer.headers["Ota-Errno"] == "0"
    assert answer.body in CONTENT
    assert answer.body


@pytest.mark.parametrize("letter", ["dd", "a-b_C9", "x" * 64])
async def test_a_name_may_be_anything_a_name_may_be(shop, generation, letter):
    path = f"/v1/products/{shop.product}/devices"
    device = (await shop.client.ok("POST", path, {"name": letter, "f_version": "1"}))["devices"][0]
    base = {"fuse": "/fuse-ota", "studio": "/ota"}[generation]
    answer = await shop.ask("GET", f"{base}/{shop.product}/{letter}/version", token=shop.product_token())
    assert answer.json["data"] == {"f_version": "1"}
    assert device["name"] == letter
