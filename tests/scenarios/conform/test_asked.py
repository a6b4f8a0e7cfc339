"""What a device asks, in all three generations, as the protocol facts spell it (section 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.conform.asked import Asked, read_asked

FUSE, STUDIO = "/fuse-ota/p1/d1", "/ota/p1/d1"
TOKEN = "ota_abcdefghij0123456789"

CASES = [
    (
        "POST",
        f"{FUSE}/version",
        b'{"s_version":"0.9","f_version":"1.0"}',
        Asked(call="version", f_version="1.0", s_version="0.9"),
    ),
    ("GET", f"{FUSE}/version", b"", Asked(call="query")),
    ("GET", f"{FUSE}/check?type=2&version=0.9", b"", Asked(call="check", kind=2, version="0.9")),
    ("GET", f"{FUSE}/4643/check?x=1", b"", Asked(call="state", handle="4643")),
    ("GET", f"{FUSE}/4643/download/", b"", Asked(call="download", handle="4643")),
    ("POST", f"{FUSE}/4643/status", b'{"step":101}', Asked(call="step", handle="4643", step=101)),
    ("POST", f"{STUDIO}/7/status", b'{"step":"101"}', Asked(call="step", handle="7")),
    ("POST", f"{STUDIO}/7/status", b'{"step":true}', Asked(call="step", handle="7")),
    ("GET", f"http://h:80{STUDIO}//7//download", b"", Asked(call="download", handle="7")),
    ("POST", "/ota/device/version?dev_id=1", b'{"f_version":"1.0"}', Asked(call="version", f_version="1.0")),
    (
        "GET",
        "/ota/south/check?dev_id=1&type=1&version=1.0&cdn=false",
        b"",
        Asked(call="check", kind=1, version="1.0"),
    ),
    ("GET", "/ota/check?dev_id=1&type=9", b"", Asked(call="check")),
    ("GET", "/ota/south/tasking?dev_id=1&type=1", b"", Asked(call="check", kind=1)),
    ("GET", f"/ota/south/download/{TOKEN}/check?dev_id=1", b"", Asked(call="token", handle=TOKEN)),
    ("GET", f"/ota/download/{TOKEN}", b"", Asked(call="download", handle=TOKEN)),
    (
        "POST",
        f"/ota/south/device/download/{TOKEN}/progress?dev_id=1",
        b'{"step":7}',
        Asked(call="step", handle=TOKEN, step=7),
    ),
    (
        "POST",
        f"/ota/south/report?dev_id=1&token={TOKEN}",
        b'{"result":201}',
        Asked(call="step", handle=TOKEN, step=201),
    ),
    ("GET", "/v1/accounts", b"", Asked(call="other")),
    ("GET", "*", b"", Asked(call="other")),
]


@pytest.mark.parametrize(("method", "target", "body", "asked"), CASES)
def test_a_call_is_read(method, target, body, asked):
    assert read_asked(method, target, body) == asked


@given(st.sampled_from(["GET", "POST", "X"]), st.text(), st.binary())
def test_anything_is_read(method, target, body):
    for path in (target, f"{FUSE}/{target}", f"/ota/south/{target}"):
        assert isinstance(read_asked(method, path, body), Asked)
