"""What a peer sent, as people may read it: one line, short, no secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_stub.protocol.shown import SHOWN_MAX, shown, shown_name

SIGN = "ETORILkSGn/zz8R1xhwSMg=="
JOB_TOKEN = "ota_0123456789abcdefABCD"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"step":50}', '{"step":50}'),
        (b'{\r\n\t"step": 50 }\r\n', '{ "step": 50 }'),
        (b"\xff\x00a", "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}a"),
        ("/ota/south/download/" + JOB_TOKEN + "/check?dev_id=7", "/ota/south/download/ota_…/check?dev_id=7"),
        (f"/report?token={JOB_TOKEN}&dev_id=7", "/report?token=ota_…&dev_id=7"),
        ("/report?token=guessed&dev_id=7", "/report?token=…&dev_id=7"),
        (
            f'{{"target":"2.0","token":"{JOB_TOKEN}","signal":5}}',
            '{"target":"2.0","token":"ota_…","signal":5}',
        ),
        ('{"access_key": "abc", "pid": 1}', '{"access_key": "…", "pid": 1}'),
        (f"res=products%2Fp&sign={SIGN}&et=1", "res=products%2Fp&sign=…&et=1"),
        ("x?a=sign%3Dabc", "x?a=sign%3D…"),
        ("token: sign is 6 bytes long, sha1 gives 20", "token: sign is 6 bytes long, sha1 gives 20"),
        ("", ""),
    ],
)
def test_what_is_shown(raw, text):
    assert shown(raw) == text


def test_what_is_long_is_cut_and_says_so():
    assert shown("a" * 10_000) == "a" * SHOWN_MAX + "…"
    assert shown("a" * SHOWN_MAX) == "a" * SHOWN_MAX
    assert shown("a b " * 500, 3) == "a b…"


def test_a_name_has_no_white_space_and_is_never_empty():
    assert shown_name("my dev\r\nx") == "my_dev_x"
    assert shown_name("") == "-"


@given(
    st.text(max_size=1_200),
    st.sampled_from(["sign=", "Sign=", "&token=", '"token":"', '"key" : "']),
    st.text(max_size=300),
)
def test_a_secret_is_shown_nowhere_in_any_text(before, name, after):
    line = shown(f"{before}{name}S3cr3tS3cr3t {JOB_TOKEN} {after}")
    assert "S3cr" not in line
    assert "ota_0" not in line
    assert line.isprintable()
    assert len(line) <= SHOWN_MAX + 1
