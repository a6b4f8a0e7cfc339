"""Every refusal has a number and a text in every generation, and every one that a download can meet has its sign."""

import pytest

from platform_stub.protocol.calls import DOWNLOAD_BODY, FUSE, OTA_ERRNO, SOUTH, STUDIO, CallRefusal
from platform_stub.protocol.codes import OtaErrno

OF_DOWNLOADS = {
    CallRefusal.INVALID_AUTHORIZATION, CallRefusal.INVALID_RESOURCE, CallRefusal.TOKEN_TOO_LONG,
    CallRefusal.TOKEN_EXPIRED, CallRefusal.NO_SUCH_DEVICE, CallRefusal.NOT_FOUND, CallRefusal.NO_TASK,
    CallRefusal.AT_TARGET, CallRefusal.FINISHED, CallRefusal.CANCELLED, CallRefusal.JOB_EXPIRED, CallRefusal.PAUSED,
    CallRefusal.JOB_TOKEN_MISSING, CallRefusal.JOB_TOKEN_EXPIRED, CallRefusal.PARAMETER_REQUIRED,
    CallRefusal.BAD_PARAMETER, CallRefusal.UNAVAILABLE,
}  # fmt: skip


@pytest.mark.parametrize("table", [SOUTH, STUDIO, FUSE])
def test_every_refusal_is_said_in_every_generation(table):
    assert set(table) == set(CallRefusal)
    for code, text in table.values():
        assert code > 0
        assert text
        assert text.isascii()
        assert len(text) < 100  # a reply has at most 384 bytes in C, 512 in A and B


def test_every_refusal_of_a_download_has_its_sign():
    assert set(OTA_ERRNO) == OF_DOWNLOADS
    assert set(DOWNLOAD_BODY) == OF_DOWNLOADS
    assert set(OTA_ERRNO.values()) == set(OtaErrno) - {OtaErrno.OK, OtaErrno.SIZE}
    assert all(body in {b"1", b"3", b"4", b"5"} for body in DOWNLOAD_BODY.values())


@pytest.mark.parametrize(
    ("why", "south", "studio", "fuse"),
    [
        (CallRefusal.NO_TASK, (11, "not exists"), (10, "not exist"), (12012, "not exist")),
        (CallRefusal.NOT_FOUND, (4, "not found"), (4, "not found"), (12002, "not found")),
        (CallRefusal.AT_TARGET, (20, "finished"), (20, "task succ"), (12013, "task succ")),
        (CallRefusal.JOB_EXPIRED, (12, "token expired"), (12, "task expire"), (12014, "task expire")),
        (CallRefusal.FINISHED, (20, "invalid state"), (20, "task finish"), (20, "task finish")),
        (CallRefusal.CANCELLED, (22, "cancelled"), (22, "cancelled"), (20, "task finish")),
        (CallRefusal.BAD_STEP, (21, "invalid state"), (21, "invalid state"), (12016, "invalid step")),
    ],
)
def test_the_texts_that_devices_compare(why, south, studio, fuse):
    assert (SOUTH[why], STUDIO[why], FUSE[why]) == (south, studio, fuse)
