"""`Date` is the account's clock wherever an account is known: clients set theirs by it. Section 6."""

import re
from email.utils import parsedate_to_datetime

import pytest

DAY_MS = 86_400_000


@pytest.fixture
async def ahead(shop):
    """The shop's account is thirty days ahead."""
    clock = await shop.client.ok("GET", f"{shop.account}/clock")
    now_ms = clock["now_ms"] + 30 * DAY_MS
    await shop.client.ok("PUT", f"{shop.account}/clock", {"to_ms": now_ms})
    shop.now_ms = now_ms
    shop.journal = await shop.entries()
    return shop


def is_ahead(shop, answer):
    date_ms = parsedate_to_datetime(answer.headers["Date"]).timestamp() * 1000
    return shop.now_ms - 2_000 < date_ms < shop.now_ms + 60_000


def far(shop, **more):
    return shop.token(ahead_s=40 * 86_400, **more)


async def test_every_call_shows_the_accounts_date(ahead):
    shop, token = ahead, far(ahead)
    for path in (
        shop.fuse("version"),
        shop.fuse("check?type=1"),
        shop.studio("999/check"),
        shop.fuse("999/download"),
        shop.studio("999/download"),
        shop.south("device/version"),
        shop.south("south/check"),
    ):
        assert is_ahead(shop, await shop.ask("GET", path, token=token)), path
    asked = {"pid": shop.product, "authInfo": shop.device(0)}
    assert is_ahead(shop, await shop.ask("POST", "/ota/devInfo", asked, token=token))


async def test_a_device_whose_token_has_expired_may_set_its_clock(ahead):
    """It is refused with the date that it needs to sign again, and with both times in C's text."""
    shop = ahead
    for path in (
        shop.fuse("version"),
        shop.studio("version"),
        shop.south("device/version"),
        shop.fuse("1/download"),
    ):
        answer = await shop.ask("GET", path)
        assert is_ahead(shop, answer), path
    answer = await shop.ask("GET", shop.fuse("version"))
    now_s = int(re.search(r"now=(\d+)", answer.json["msg"])[1])
    assert abs(now_s - shop.now_ms // 1000) < 60


async def test_without_an_account_the_date_is_real(ahead):
    for path in (
        "/fuse-ota/nobody/d0/version",
        "/ota/device/version?dev_id=999999",
        "/fuse-ota/",
        "/ota/devInfo",
    ):
        assert not is_ahead(ahead, await ahead.ask("GET", path)), path
    answer = await ahead.send(b"GET /fuse-ota/ HTTP/1.1\r\n\r\n")
    assert "Date" in answer.headers
