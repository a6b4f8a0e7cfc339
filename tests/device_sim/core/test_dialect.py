"""What devices say and read, against the platform's tables and against anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_sim.core import answers
from device_sim.core.answers import Answer
from device_sim.core.dialect import DIALECTS, Offer, OfferFault
from device_sim.core.effects import Call
from device_sim.core.profile import FLOWS
from device_sim.core.state import Terms
from platform_stub.protocol import calls
from platform_stub.protocol.calls import CallRefusal
from platform_stub.protocol.codes import Chip, UpdateKind
from tests.device_sim.core.http_story import HttpStory, envelope

PAIRS = [
    ("fuse", answers.FUSE, calls.FUSE),
    ("studio", answers.STUDIO, calls.STUDIO),
    ("south", answers.SOUTH, calls.SOUTH),
]


def test_every_flow_but_mqtt_has_a_dialect():
    assert {"mqtt", *DIALECTS} == set(FLOWS)
    assert [dialect.flow for dialect in DIALECTS.values()] == list(DIALECTS)


@pytest.mark.parametrize(("flow", "meanings", "said"), PAIRS)
def test_the_device_knows_every_code_that_the_platform_says(flow, meanings, said):
    assert {refusal.name for refusal, (code, _) in said.items() if code not in meanings} == set()
    assert meanings[0] is Answer.GO_ON
    assert DIALECTS[flow].quiet | DIALECTS[flow].shrugged <= set(meanings)


@pytest.mark.parametrize(("flow", "meanings", "said"), PAIRS)
def test_what_has_ended_is_never_reported_as_a_failure(flow, meanings, said):
    for refusal in (CallRefusal.CANCELLED, CallRefusal.FINISHED, CallRefusal.PAUSED, CallRefusal.JOB_EXPIRED):
        assert meanings[said[refusal].code] in {Answer.OVER, Answer.CHECK_AGAIN}
    assert meanings[said[CallRefusal.NO_TASK].code] is Answer.OVER
    assert said[CallRefusal.NO_TASK].code in DIALECTS[flow].quiet
    assert meanings[said[CallRefusal.UNAVAILABLE].code] is Answer.TRY_AGAIN
    for refusal in (CallRefusal.INVALID_AUTHORIZATION, CallRefusal.TOKEN_EXPIRED, CallRefusal.NO_SUCH_DEVICE):
        assert meanings[said[refusal].code] is Answer.SIGN_ANEW


def test_golden_requests():
    """Copied from the tables of onenet-protocol, section 4."""
    job = HttpStory("south").begin().device.job
    south, studio, fuse = (DIALECTS[flow] for flow in ("south", "studio", "fuse"))
    device = HttpStory("fuse", s_version="app").device
    base = "dev_id=233444"
    job.token, job.tid, job.step = "ota_x", 4643, 42
    assert south.base_of("p", "n", 233444) == base
    assert south.version(base, device) == Call(
        "POST", "/ota/device/version?dev_id=233444", b'{"s_version":"app","f_version":"1.0"}'
    )
    assert south.check(base, UpdateKind.SOTA, "app").path == (
        "/ota/south/check?dev_id=233444&type=2&version=app&cdn=false"
    )
    assert south.check(base, UpdateKind.SOTA, "app", Chip("102", "10101")).path == (
        "/ota/south/check?dev_id=233444&manuf=102&model=10101&type=2&version=app&cdn=false"
    )
    assert south.token_check(base, job).path == "/ota/south/download/ota_x/check?dev_id=233444"
    assert south.download(base, 0, "ota_x") == "/ota/south/download/ota_x"
    assert south.step(base, job) == Call(
        "POST", "/ota/south/device/download/ota_x/progress?dev_id=233444", b'{"step":42}'
    )
    job.step = 206
    assert south.step(base, job) == Call(
        "POST", "/ota/south/report?dev_id=233444&token=ota_x", b'{"result":206}'
    )
    for dialect, base in ((studio, "/ota/Y6O759jbtX/upgrade"), (fuse, "/fuse-ota/Y6O759jbtX/upgrade")):
        assert dialect.base_of("Y6O759jbtX", "upgrade", 1) == base
        assert dialect.version(base, device).path == f"{base}/version"
        assert dialect.check(base, UpdateKind.FOTA, "1.0") == Call(
            "GET", f"{base}/check?type=1&version=1.0", b""
        )
        assert dialect.step(base, job) == Call("POST", f"{base}/4643/status", b'{"step":206}')
        assert dialect.download(base, 4643, "") == f"{base}/4643/download"
        with pytest.raises(NotImplementedError):
            dialect.token_check(base, job)


def test_golden_answers():
    body = b'{"code":0,"msg":"succ","data":{"target":"2.00","tid":4643,"size":560,"md5":"0123456789abcdef0123456789abcdef","status":3,"type":1},"request_id":"0123456789abcdef0123456789abcdef"}'
    reply = DIALECTS["fuse"].read(200, body)
    assert (reply.meaning, reply.code, reply.text) == (Answer.GO_ON, 0, "succ")
    assert DIALECTS["fuse"].read_offer(reply.data) == Offer(
        4643, "", "2.00", 560, "0123456789abcdef" * 2, is_upgrading=True
    )
    body = b'{"errno":0,"error":"succ","data":{"target":"2.00","token":"ota_0123456789abcdefghij","size":560,"md5":"0123456789abcdef0123456789abcdef","signal":10,"power":50,"retry":0,"interval":60,"type":1}}'
    reply = DIALECTS["south"].read(200, body)
    assert DIALECTS["south"].read_offer(reply.data) == Offer(
        0,
        "ota_0123456789abcdefghij",
        "2.00",
        560,
        "0123456789abcdef" * 2,
        terms=Terms(battery_min=50, signal_min=10, retries=0, interval_ms=60_000),
    )
    assert DIALECTS["studio"].read(200, b'{"errno":10,"error":"not exist"}')[:3] == (
        Answer.OVER,
        10,
        "not exist",
    )


@pytest.mark.parametrize("flow", DIALECTS)
@given(status=st.integers(100, 599), body=st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_none(flow, status, body):
    reply = DIALECTS[flow].read(status, body)
    assert reply.meaning is not Answer.GO_ON or (status < 500 and b"0" in body)


@pytest.mark.parametrize("flow", DIALECTS)
@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["tid", "md5", "size", "x"]), inner),
        max_leaves=6,
    )
)
def test_any_data_is_an_offer_or_a_fault(flow, data):
    dialect = DIALECTS[flow]
    reply = dialect.read(200, envelope(flow, data=data))
    with pytest.raises(OfferFault):
        dialect.read_offer(reply.data)
