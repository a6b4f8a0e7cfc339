"""The token against the vectors of onenet-protocol, section 2, and against whatever else may come in its place."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_stub.protocol.errors import PeerFault, UsageFault
from platform_stub.protocol.token import (
    ET_S_MAX,
    METHODS,
    PARTS,
    TEN_YEARS_S,
    TOKEN_CHARACTERS_MAX,
    VERSIONS,
    DeviceResource,
    Judgement,
    ProductResource,
    Token,
    TokenError,
    UserResource,
    device_resource,
    find_faults,
    is_expired,
    judge,
    make_token,
    parse_resource,
    parse_token,
    product_resource,
    signature,
    string_to_sign,
    take_apart,
    user_resource,
    verify,
)

KEY_A = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KEY_B = "KuF3NT/jUBJ62LNBB/A8XZA9CqS3Cu79B/ABmfA1UCw="

VECTORS = [
    (
        KEY_A,
        1767225600,
        "sha1",
        "products/Y6O759jbtX/devices/upgrade",
        "2022-05-01",
        "hUq2AGdEdN8EdT5jBcq1m/jjzEM=",
    ),
    (KEY_B, 2524579200, "sha1", "products/123123", "2018-10-31", "KZ18T1EpqdlSAhQqEQjNBA0vgUU="),
    (
        KEY_B,
        2524579200,
        "sha1",
        "products/123123/devices/dev01",
        "2018-10-31",
        "e+GBSbuiLcznuDdqOULzbnc6xxs=",
    ),
    (KEY_B, 1924833600, "md5", "products/123123/devices/dev01", "2018-10-31", "aNFwTVQKZj80tOjqfrjHvw=="),
    (
        KEY_B,
        1924833600,
        "sha256",
        "products/123123/devices/dev01",
        "2022-05-01",
        "Gtp0ZzioVgv2wNP8XXp46Oorkedd+NWrxQ0dOKoEJmA=",
    ),
    (KEY_B, 1924833600, "sha1", "userid/5001", "2022-05-01", "BJEI8w4q/cfFxA9+anhxwkD98EE="),
]
RAW = "version=2018-10-31&res=products/123123/devices/dev01&et=2524579200&method=sha1&sign=e+GBSbuiLcznuDdqOULzbnc6xxs="
ENCODED = (
    "version=2018-10-31&res=products%2F123123%2Fdevices%2Fdev01&et=2524579200&method=sha1"
    "&sign=e%2BGBSbuiLcznuDdqOULzbnc6xxs%3D"
)


def changed(**parts: str | None) -> str:
    """RAW with some parts replaced, added, or (None) left out."""
    pairs = dict(take_apart(RAW)) | parts
    return "&".join(f"{name}={value}" for name, value in pairs.items() if value is not None)


@pytest.mark.parametrize(("key", "et_s", "method", "res", "version", "sign"), VECTORS)
def test_a_vector_is_signed_made_read_and_verified(key, et_s, method, res, version, sign):
    assert signature(key, et_s=et_s, method=method, res=res, version=version) == sign
    token = parse_token(make_token(key, res, et_s, method, version))
    assert token == Token(version=version, res=res, et=et_s, method=method, sign=sign)
    assert verify(token, key)
    assert not verify(token, KEY_A if key == KEY_B else KEY_B)


def test_the_text_that_is_made_is_the_documented_one():
    assert make_token(KEY_B, "products/123123/devices/dev01", 2524579200) == ENCODED


@pytest.mark.parametrize(
    "text",
    [
        RAW,
        ENCODED,
        RAW.removesuffix("=") + "%3D",
        RAW.replace("+", "%2b").replace("/", "%2f"),
        "&".join(reversed(RAW.split("&"))),
        RAW + "&added=later",
    ],
    ids=["raw", "encoded", "half encoded", "lower-case escapes", "another order", "an unknown part"],
)
def test_all_spellings_of_a_token_are_one_token(text):
    assert parse_token(text) == parse_token(RAW)
    assert verify(parse_token(text), KEY_B)


def test_a_plus_is_not_read_as_a_space():
    assert dict(take_apart(RAW))["sign"].startswith("e+GB")


def test_a_part_is_split_at_its_first_equals_sign():
    assert parse_token(RAW).sign.endswith("=")


FAULTS = [
    (changed(version=None), "version", "is missing"),
    (changed(version=""), "version", "is empty"),
    (changed(version="2019-01-01"), "version", "is none of 2018-10-31, 2022-05-01"),
    (changed(res=None), "res", "is missing"),
    (changed(res="a%0Ab"), "res", "can't be printed"),
    (changed(res="%FF"), "res", "not as UTF-8"),
    (changed(et=None), "et", "is missing"),
    (changed(et="-1"), "et", "unix seconds"),
    (changed(et="1e9"), "et", "unix seconds"),
    (changed(et="0177"), "et", "unix seconds"),
    (changed(et="٣"), "et", "unix seconds"),
    (changed(et="9" * 5000), "token", "longer than 2048"),
    (changed(et="9" * 50), "et", "unix seconds"),
    (changed(et=str(2**63)), "et", "64 bits"),
    (changed(method="SHA1"), "method", "is none of md5, sha1, sha256"),
    (changed(method="sha512"), "method", "is none of"),
    (changed(sign=None), "sign", "is missing"),
    (changed(sign="e GBSbuiLcznuDdqOULzbnc6xxs="), "sign", "%2B"),
    (changed(sign="e+GBSbuiLcznuDdqOULzbnc6xxs"), "sign", "not base64"),
    (changed(sign="e-GBSbuiLcznuDdqOULzbnc6xxs="), "sign", "not base64"),
    (changed(sign="é"), "sign", "not base64"),
    (changed(method="md5"), "sign", "20 bytes long, md5 gives 16"),
    (RAW + "&et=1", "et", "is there twice"),
    ("", "version", "is missing"),
    ("password", "version", "is missing"),
]


@pytest.mark.parametrize(("text", "part", "reason"), FAULTS)
def test_a_fault_names_its_part(text, part, reason):
    with pytest.raises(TokenError, match="token: ") as caught:
        parse_token(text)
    assert (caught.value.part, reason in caught.value.reason) == (part, True)
    assert isinstance(caught.value, PeerFault)


def test_all_faults_are_found_at_once():
    assert [fault.part for fault in find_faults("version=1&et=x&sign=&sign=")] == [
        "sign",
        "version",
        "res",
        "et",
        "method",
        "sign",
    ]
    assert find_faults(RAW) == ()
    assert [fault.part for fault in find_faults("x" * (TOKEN_CHARACTERS_MAX + 1))] == ["token"]


@pytest.mark.parametrize(
    ("res", "value"),
    [
        ("products/123", ProductResource("123")),
        ("products/123/devices/dev01", DeviceResource("123", "dev01")),
        ("userid/5001", UserResource(5001)),
        ("userid/0", UserResource(0)),
        *((res, None) for res in ["", "products", "products/", "products//devices/a", "products/1/devices/"]),
        *(
            (res, None)
            for res in ["products/1/devices/a/b", "products/1/device/a", "/products/1", "Products/1"]
        ),
        *((res, None) for res in ["userid/", "userid/x", "userid/-1", "userid/007", "userid/" + "9" * 30]),
    ],
)
def test_a_resource_is_one_of_three_kinds(res, value):
    assert parse_resource(res) == value


def test_resources_are_spelled_as_they_are_read():
    assert parse_resource(product_resource("p1")) == ProductResource("p1")
    assert parse_resource(device_resource("p1", "d1")) == DeviceResource("p1", "d1")
    assert parse_resource(user_resource(5001)) == UserResource(5001)


ET = 2524579200


@pytest.mark.parametrize(
    ("now_s", "ahead_s_max", "key", "judgement"),
    [
        (ET - 1, None, KEY_B, Judgement.GOOD),
        (ET, None, KEY_B, Judgement.GOOD),
        (ET + 1, None, KEY_B, Judgement.EXPIRED),
        (ET + 1, None, KEY_A, Judgement.EXPIRED),
        (0, None, KEY_B, Judgement.GOOD),
        (ET - TEN_YEARS_S, TEN_YEARS_S, KEY_B, Judgement.GOOD),
        (ET - TEN_YEARS_S - 1, TEN_YEARS_S, KEY_B, Judgement.TOO_FAR_AHEAD),
        (ET, None, KEY_A, Judgement.NOT_GENUINE),
        (ET, None, "no key", Judgement.NOT_GENUINE),
    ],
)
def test_a_token_is_judged_by_the_callers_clock(now_s, ahead_s_max, key, judgement):
    token = parse_token(RAW)
    assert judge(token, key, now_s, ahead_s_max) is judgement
    assert is_expired(token, now_s) is (now_s > ET)


@pytest.mark.parametrize("part", PARTS)
def test_a_token_with_one_part_changed_is_not_genuine(part):
    other = {
        "version": "2022-05-01",
        "res": "products/123123/devices/dev02",
        "et": "2524579201",
        "method": "sha256",
        "sign": "f+GBSbuiLcznuDdqOULzbnc6xxs=",
    }
    text = changed(**{part: other[part]})
    if part == "method":  # its digest has another length
        text = text.replace("e+GBSbuiLcznuDdqOULzbnc6xxs=", b64encode(bytes(32)).decode())
    assert not verify(parse_token(text), KEY_B)


@pytest.mark.parametrize("key", ["", "abc", "*" * 44, KEY_B[:-1], KEY_B + "x", "schlüssel", "\ud800"])
def test_a_bad_key_makes_nothing_verifies_nothing_and_is_not_echoed(key):
    with pytest.raises(UsageFault, match="access key") as caught:
        make_token(key, "products/1", 1)
    assert not key or key not in str(caught.value)
    assert not verify(parse_token(RAW), key)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"version": "2020"}, "no version '2020'"),
        ({"method": "sha512"}, "no method 'sha512'"),
        ({"et_s": -1}, "unix seconds"),
        ({"et_s": 2**63}, "unix seconds"),
        ({"res": ""}, "res is empty"),
        ({"res": "a\nb"}, "can't be printed"),
    ],
)
def test_what_no_platform_would_accept_is_not_made(arguments, reason):
    with pytest.raises(UsageFault, match=reason):
        make_token(**({"key_base64": KEY_B, "res": "products/1", "et_s": 1} | arguments))


def test_neither_repr_nor_error_shows_a_signature():
    token = parse_token(RAW)
    assert token.sign not in repr(token)
    with pytest.raises(TokenError) as caught:
        parse_token(changed(method="md5"))
    assert token.sign not in str(caught.value)


def test_the_string_to_sign_has_no_trailing_line_feed():
    text = string_to_sign(et_s=1, method="sha1", res="products/1", version="2018-10-31")
    assert text == "1\nsha1\nproducts/1\n2018-10-31"


@given(
    key=st.binary(min_size=1, max_size=64),
    res=st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=80),
    et_s=st.integers(0, ET_S_MAX),
    method=st.sampled_from(METHODS),
    version=st.sampled_from(VERSIONS),
)
def test_what_is_made_is_read_and_signed_as_the_rule_says(key, res, et_s, method, version):
    token = parse_token(make_token(b64encode(key).decode(), res, et_s, method, version))
    assert (token.version, token.res, token.et, token.method) == (version, res, et_s, method)
    assert (
        b64decode(token.sign)
        == hmac.new(key, f"{et_s}\n{method}\n{res}\n{version}".encode(), method).digest()
    )


part_texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from(RAW.split("&") + ENCODED.split("&")),
    st.builds("{}={}".format, st.sampled_from(PARTS), st.text(max_size=40)),
    st.builds(
        "{}={}".format, st.sampled_from(PARTS), st.sampled_from(["%", "%F", "%ff", "%00", "=", "&", "\ud800"])
    ),
)


@given(st.one_of(st.text(st.characters()), st.lists(part_texts, max_size=9).map("&".join)))
def test_any_text_gives_a_token_or_an_error(text):
    faults = find_faults(text)
    if faults:
        with pytest.raises(TokenError) as caught:
            parse_token(text)
        assert str(caught.value) == str(faults[0])
        return
    token = parse_token(text)
    assert token.sign in unquote(text)
    assert verify(token, KEY_A) in {False, True}
    parse_resource(token.res)


def test_the_digests_are_those_of_hashlib():
    assert set(METHODS) <= hashlib.algorithms_guaranteed
