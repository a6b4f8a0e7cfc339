"""Tokens by a device's own clock, and what an answer's Date makes of it."""

import pytest

from device_sim import Identity, signing
from platform_stub.protocol.token import parse_token, verify

NOW_MS = 1_900_800_042_500
KEY = "KuF3NT/jUBJ62LNBB/A8XZA9CqS3Cu79B/ABmfA1UCw="
PRODUCT_KEY = "c2Vjb25kIGtleSBvZiBhIGRldmljZSwgMzIgYnl0ZXM="


def test_a_token_ends_with_a_whole_minute_and_stays_the_same_for_one():
    ends = {signing.end_s(NOW_MS + at * 1_000, 0, 3_600) for at in range(-42, 17)}
    assert ends == {1_900_800_060 + 3_600}
    assert signing.end_s(NOW_MS, 86_400, 3_600) == 1_900_800_060 + 3_600 + 86_400


def test_an_expired_token_ended_an_hour_ago():
    assert signing.expired_s(NOW_MS) == 1_900_800_000 - 3_600


@pytest.mark.parametrize(
    ("date", "before", "after"),
    [
        (b"Wed, 27 Mar 2030 00:00:42 GMT", 500, 0),  # a little off is not off
        (b"Wed, 27 Mar 2030 00:01:41 GMT", 500, 0),
        (b"Wed, 27 Mar 2030 00:02:42 GMT", 0, 120),
        (b"Tue, 26 Mar 2030 23:00:42 GMT", 0, -3_600),
        (b"yesterday", 500, 500),
        (b"", 500, 500),
        (b"\xff", 500, 500),
    ],
)
def test_a_clock_is_set_by_a_date(date, before, after):
    assert signing.skew_by_date_s(date, NOW_MS, before) == after


def test_the_products_key_signs_in_generation_a_alone():
    identity = Identity(device_id=1, product_id="p1", name="d1", key=KEY, product_key=PRODUCT_KEY)
    for flow, res, key in (
        ("mqtt", "products/p1/devices/d1", KEY),
        ("fuse", "products/p1/devices/d1", KEY),
        ("south", "products/p1", PRODUCT_KEY),
    ):
        token = parse_token(signing.sign(identity, flow, 2_000_000_000, "sha1"))
        assert (token.res, token.et) == (res, 2_000_000_000)
        assert verify(token, key)
    assert parse_token(signing.sign(identity, "mqtt", 5, "sha256")).method == "sha256"
