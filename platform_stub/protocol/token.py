"""The access token: one text that is the HTTP header `Authorization` and the MQTT password.

    version=2018-10-31&res=products%2F123%2Fdevices%2Fdev01&et=1767225600&method=sha1&sign=...%3D

Made, taken apart and checked here. Not here: who owns a resource and which key signs it, and the clock; `now_s`
is the caller's. `et` is in unix seconds, keys and signatures are base64. No error and no repr holds a key or a
signature. Source: onenet-protocol, section 2.
"""

import binascii
import hmac
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final
from urllib.parse import quote, unquote

from msgspec import Struct

from platform_stub.protocol.errors import PeerFault, UsageFault
from platform_stub.protocol.ids import AccountId, DeviceName, ProductId

VERSION_2018: Final = "2018-10-31"
VERSION_2022: Final = "2022-05-01"  # generation C only
VERSIONS: Final = (VERSION_2018, VERSION_2022)
DIGEST_SIZES_BYTES: Final[Mapping[str, int]] = {"md5": 16, "sha1": 20, "sha256": 32}
METHODS: Final = tuple(DIGEST_SIZES_BYTES)
PARTS: Final = ("version", "res", "et", "method", "sign")

ET_S_MAX: Final = 2**63 - 1
TOKEN_CHARACTERS_MAX: Final = 2_048
TEN_YEARS_S: Final = 10 * 365 * 24 * 3_600
"""Generation C refuses an `et` further ahead than this; A, B and MQTT have no such cap."""

_ET_DIGITS_MAX: Final = 19
_DIGITS: Final = frozenset("0123456789")


class TokenError(PeerFault):
    """The text is no token. `part` names which part is wrong, `token` when it is the whole."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"token: {part} {reason}")
        self.part = part
        self.reason = reason


class Token(Struct, frozen=True, kw_only=True, gc=False):
    """A well-formed token. Whether it is genuine, `verify` tells; whether it is still good, `is_expired`."""

    version: str
    res: str
    et: int
    method: str
    sign: str

    def __repr__(self) -> str:
        # A genuine token opens a connection: its signature stays out of logs.
        return f"Token(version={self.version!r}, res={self.res!r}, et={self.et}, method={self.method!r}, sign=...)"


class ProductResource(Struct, frozen=True, gc=False):
    """`products/{pid}`, signed with the product's key."""

    product_id: ProductId


class DeviceResource(Struct, frozen=True, gc=False):
    """`products/{pid}/devices/{name}`, signed with the device's key."""

    product_id: ProductId
    device_name: DeviceName


class UserResource(Struct, frozen=True, gc=False):
    """`userid/{uid}`, signed with the account's key; generation C only."""

    account_id: AccountId


Resource = ProductResource | DeviceResource | UserResource


class Judgement(Enum):
    """What `judge` finds, in the order in which it looks."""

    GOOD = "good"
    EXPIRED = "expired"
    TOO_FAR_AHEAD = "too far ahead"
    NOT_GENUINE = "not genuine"


def product_resource(product_id: str) -> str:
    """Spell a product's `res`."""
    return f"products/{product_id}"


def device_resource(product_id: str, device_name: str) -> str:
    """Spell a device's `res`."""
    return f"products/{product_id}/devices/{device_name}"


def user_resource(account_id: int) -> str:
    """Spell an account's `res`."""
    return f"userid/{account_id}"


def parse_resource(res: str) -> Resource | None:
    """Take a `res` apart; None when it is none of the three kinds."""
    match res.split("/"):
        case ["products", product_id, "devices", name] if product_id and name:
            return DeviceResource(ProductId(product_id), DeviceName(name))
        case ["products", product_id] if product_id:
            return ProductResource(ProductId(product_id))
        case ["userid", uid] if _is_number(uid):
            return UserResource(AccountId(int(uid)))
        case _:
            return None


def string_to_sign(*, et_s: int, method: str, res: str, version: str) -> str:
    """Give what the signature is over: four values, not URL-encoded, joined by LF."""
    return f"{et_s}\n{method}\n{res}\n{version}"


def signature(key_base64: str, *, et_s: int, method: str, res: str, version: str = VERSION_2018) -> str:
    """Sign; base64. A key that is not base64, or an unknown method, is a UsageFault."""
    if method not in DIGEST_SIZES_BYTES:
        raise UsageFault(f"token: no method {method!r}; there are {', '.join(METHODS)}")
    text = string_to_sign(et_s=et_s, method=method, res=res, version=version)
    return _sign(decode_key(key_base64), method, text)


def make_token(
    key_base64: str, res: str, et_s: int, method: str = "sha1", version: str = VERSION_2018
) -> str:
    """Make a token, each value URL-encoded. What no platform would accept is a UsageFault."""
    if version not in VERSIONS:
        raise UsageFault(f"token: no version {version!r}; there are {', '.join(VERSIONS)}")
    if not 0 <= et_s <= ET_S_MAX:
        raise UsageFault(f"token: et is unix seconds from 0 to {ET_S_MAX}, not {et_s}")
    fault = _res_fault(res)
    if fault:
        raise UsageFault(f"token: res {fault}")
    sign = signature(key_base64, et_s=et_s, method=method, res=res, version=version)
    return (
        f"version={version}&res={quote(res, safe='')}&et={et_s}&method={method}&sign={quote(sign, safe='')}"
    )


def parse_token(text: str) -> Token:
    """Read a token, raw or encoded, its parts in any order; TokenError names the part that is wrong."""
    pairs = take_apart(text)
    for fault in _faults(pairs):
        raise fault
    parts = dict(pairs)
    return Token(
        version=parts["version"],
        res=parts["res"],
        et=int(parts["et"]),
        method=parts["method"],
        sign=parts["sign"],
    )


def take_apart(text: str) -> tuple[tuple[str, str], ...]:
    """Split into (name, decoded value), judging nothing but length and URL-encoding.

    A value may be raw, so each part is split at its first `=`, and `+` stays what it is.
    """
    if len(text) > TOKEN_CHARACTERS_MAX:
        raise TokenError("token", f"is longer than {TOKEN_CHARACTERS_MAX} characters ({len(text)})")
    return tuple(_decoded(part) for part in text.split("&"))


def find_faults(text: str) -> tuple[TokenError, ...]:
    """Everything that is wrong with a text as a token; empty when `parse_token` reads it."""
    try:
        return tuple(_faults(take_apart(text)))
    except TokenError as fault:
        return (fault,)


def verify(token: Token, key_base64: str) -> bool:
    """Whether the key made this token, compared in constant time. A key that is not base64 made none."""
    try:
        key = decode_key(key_base64)
    except UsageFault:
        return False
    text = string_to_sign(et_s=token.et, method=token.method, res=token.res, version=token.version)
    return hmac.compare_digest(_sign(key, token.method, text).encode(), token.sign.encode())


def is_expired(token: Token, now_s: int) -> bool:
    """Whether `et` is in the past."""
    return token.et < now_s


def judge(token: Token, key_base64: str, now_s: int, ahead_s_max: int | None = None) -> Judgement:
    """Check time, then signature. `ahead_s_max`: how far ahead `et` may be, None for any (see TEN_YEARS_S)."""
    judgement = judge_time(token, now_s, ahead_s_max)
    if judgement is Judgement.GOOD and not verify(token, key_base64):
        return Judgement.NOT_GENUINE
    return judgement


def judge_time(token: Token, now_s: int, ahead_s_max: int | None = None) -> Judgement:
    """Check the time alone: what `judge` says of a token whose signature is known to be genuine."""
    if is_expired(token, now_s):
        return Judgement.EXPIRED
    if ahead_s_max is not None and token.et > now_s + ahead_s_max:
        return Judgement.TOO_FAR_AHEAD
    return Judgement.GOOD


def decode_key(key_base64: str) -> bytes:
    """Decode an access key; a UsageFault says how it is not base64, without the key."""
    try:
        key = binascii.a2b_base64(key_base64, strict_mode=True)
    except ValueError:  # binascii.Error is one; so is a text that is not ASCII
        raise UsageFault(
            f"the access key is not base64 ({len(key_base64)} characters; "
            "base64 has A-Z a-z 0-9 + /, padded with = to a multiple of 4)"
        ) from None
    if not key:
        raise UsageFault("the access key is empty")
    return key


def _sign(key: bytes, method: str, text: str) -> str:
    return binascii.b2a_base64(hmac.digest(key, text.encode(), method), newline=False).decode("ascii")


def _decoded(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    if "%" in value:
        try:
            value = unquote(value, errors="strict")
        except UnicodeDecodeError:
            raise TokenError(name if name in PARTS else "token", "is URL-encoded, but not as UTF-8") from None
    return name, value


def _faults(pairs: tuple[tuple[str, str], ...]) -> Iterator[TokenError]:
    """What is wrong, part by part; names that are not ours pass unread."""
    parts = dict(pairs)
    if len(parts) != len(pairs):
        names = [name for name, _ in pairs]
        for name in PARTS:
            if names.count(name) > 1:
                yield TokenError(name, "is there twice")
    for name in PARTS:
        value = parts.get(name)
        if value is None:
            yield TokenError(name, "is missing")
        elif not value:
            yield TokenError(name, "is empty")
        else:
            fault = _sign_fault(value, parts.get("method")) if name == "sign" else _CHECKS[name](value)
            if fault:
                yield TokenError(name, fault)


def _version_fault(value: str) -> str:
    return "" if value in VERSIONS else f"is none of {', '.join(VERSIONS)}"


def _res_fault(value: str) -> str:
    # An LF inside would make the string to sign readable in two ways.
    if not value.isprintable():
        return "has a character that can't be printed"
    return "" if value else "is empty"


def _et_fault(value: str) -> str:
    # The text is what was signed, so only the one spelling that a number has is taken.
    if not _is_number(value):
        return "is not unix seconds (digits alone, no leading zero)"
    return "" if int(value) <= ET_S_MAX else "does not fit 64 bits"


def _method_fault(value: str) -> str:
    return "" if value in DIGEST_SIZES_BYTES else f"is none of {', '.join(METHODS)}"


def _sign_fault(value: str, method: str | None) -> str:
    if " " in value:
        return "has a space: a '+' was sent raw, or read as one, on the way; send it as %2B"
    try:
        digest = binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        return f"is not base64 ({len(value)} characters)"
    size_bytes = DIGEST_SIZES_BYTES.get(method or "")
    if size_bytes and len(digest) != size_bytes:
        return f"is {len(digest)} bytes long, {method} gives {size_bytes}"
    return ""


def _is_number(text: str) -> bool:
    return (
        len(text) <= _ET_DIGITS_MAX
        and _DIGITS.issuperset(text)
        and (text[:1] != "0" or text == "0")
        and text != ""
    )


_CHECKS: Final = {"version": _version_fault, "res": _res_fault, "et": _et_fault, "method": _method_fault}
