"""A device's tokens and its clock: until when a token is good, by whose time, and by which key. Pure.

Account time is unix milliseconds; a skew is how many seconds the device's clock is ahead of the fleet's.
"""

from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final, Literal

from device_sim.core.profile import Flow
from device_sim.identity import Identity
from platform_stub.protocol.token import device_resource, make_token, product_resource

SKEW_IGNORED_S: Final = 60
"""Tokens end with a whole minute, some hours ahead: less than this does not matter to them."""
EXPIRED_AGO_S: Final = 3_600
"""How long ago a token that a fault wants expired has done so."""


def end_s(account_ms: int, skew_s: int, life_s: int) -> int:
    """Say until when a token is to be good: a whole minute, so that it stays the same for a while.

    A platform that knows it need not verify it again.
    """
    now_s = account_ms // 1000 + skew_s
    return (now_s // 60 + 1) * 60 + life_s


def expired_s(account_ms: int) -> int:
    """Say until when a token was good that has expired."""
    return account_ms // 60_000 * 60 - EXPIRED_AGO_S


def skew_by_date_s(date: bytes, account_ms: int, skew_s: int) -> int:
    """Work out the skew of a clock that is set by an HTTP date; a little is none, and what is no date sets nothing."""
    date_s = read_date_s(date)
    if date_s is None:
        return skew_s
    found_s = date_s - account_ms // 1000
    return found_s if abs(found_s) > SKEW_IGNORED_S else 0


def sign(identity: Identity, flow: Flow, et_s: int, method: Literal["md5", "sha1", "sha256"]) -> str:
    """Sign with the device's key, or, in generation A, with the product's where it is there."""
    if flow == "south" and identity.product_key:
        return make_token(identity.product_key, product_resource(identity.product_id), et_s, method)
    return make_token(identity.key, device_resource(identity.product_id, identity.name), et_s, method)


@lru_cache(maxsize=64)
def read_date_s(date: bytes) -> int | None:
    """Read an HTTP date as unix seconds; None when it is none. The same comes in every answer of a second."""
    try:
        return int(parsedate_to_datetime(date.decode("latin-1")).timestamp())
    except (ValueError, OverflowError):
        return None
