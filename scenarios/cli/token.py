"""`ota-sim token`: make, explain and verify the text that is an `Authorization` header and an MQTT password.

What a token is stands in `platform_stub.protocol.token`; here are its words for a person. Keys are read, never shown.
"""

import binascii
import hmac
import sys
import time
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Final
from urllib.parse import quote

import click

from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.token import (
    METHODS,
    PARTS,
    TEN_YEARS_S,
    VERSION_2018,
    VERSION_2022,
    VERSIONS,
    DeviceResource,
    ProductResource,
    Token,
    TokenError,
    UserResource,
    decode_key,
    device_resource,
    find_faults,
    is_expired,
    make_token,
    parse_resource,
    parse_token,
    product_resource,
    string_to_sign,
    take_apart,
    user_resource,
    verify,
)
from scenarios.cli.moments import moment, span
from scenarios.units import show_moment, show_span

EXPIRES_DEFAULT: Final = "30d"
_ET_LOOKS_LIKE_MS: Final = 100_000_000_000  # as seconds: the year 5138

_key_option = click.option(
    "--key",
    required=True,
    envvar="OTA_SIM_KEY",
    show_envvar=True,
    help="Access key, base64; - reads it from stdin.",
)
_now_option = click.option(
    "--now",
    "now_s",
    type=moment,
    help="The platform's time: unix seconds, or a date and time with its zone. Default: real time.",
)


@click.group(short_help="Make, explain or verify an access token.")
def token() -> None:
    """Make, explain or verify an access token (HTTP header `Authorization`, MQTT password)."""


@token.command(short_help="Print a new token.")
@_key_option
@click.option("--product", metavar="ID", help="The product's id; alone, the token is for the whole product.")
@click.option(
    "--device", metavar="NAME", help="The device's name, with --product; --key is the device's key."
)
@click.option(
    "--user", type=click.IntRange(min=0), metavar="UID", help="The account's id, instead of --product."
)
@click.option("--method", type=click.Choice(METHODS), default="sha1", show_default=True)
@click.option(
    "--version", type=click.Choice(VERSIONS), help=f"Default: {VERSION_2018}; with --user {VERSION_2022}."
)
@click.option("--expires", "expires_s", type=span, help=f"Good for this long. Default: {EXPIRES_DEFAULT}.")
@click.option("--et", "et_s", type=moment, help="Good until this moment, instead of --expires.")
@_now_option
def make(  # noqa: PLR0917 - one argument an option
    key: str,
    product: str | None,
    device: str | None,
    user: int | None,
    method: str,
    version: str | None,
    expires_s: int | None,
    et_s: int | None,
    now_s: int | None,
) -> None:
    """Print a token, and nothing else.

    \b
      ota-sim token make --key KuF3…= --product 123123 --device dev01 --expires 1d
    """
    res = _resource(product, device, user)
    if et_s is not None and expires_s is not None:
        raise UsageFault("--et and --expires both say until when; give one")
    if et_s is None:
        et_s = _now(now_s) + (expires_s if expires_s is not None else span(EXPIRES_DEFAULT))
    version = version or (VERSION_2022 if user is not None else VERSION_2018)
    if user is not None and version != VERSION_2022:
        click.echo(f"note: platforms take userid/… only with version {VERSION_2022}", err=True)
    if et_s < _now(now_s):
        click.echo(f"note: et is in the past: {_until(et_s, _now(now_s))}", err=True)
    click.echo(make_token(_key(key), res, et_s, method, version))


@token.command(short_help="Take a token apart; say what is wrong with it.")
@click.argument("text")
@_now_option
@click.pass_context
def explain(ctx: click.Context, text: str, now_s: int | None) -> None:
    """Take a token apart and say what is wrong with it (exit 1 if anything is).

    TEXT is the token, raw or URL-encoded, with or without `Authorization:`; - reads it from stdin. Quote it for the
    shell, as it has `&`. No key is needed: whether a key made it, `verify` tells.
    """
    text, now_s = _token_text(text), _now(now_s)
    faults = find_faults(text) or tuple(_refusals(parse_token(text), now_s))
    for line in _explanation(text, faults, now_s):
        click.echo(line)
    ctx.exit(1 if faults else 0)


@token.command("verify", short_help="Say whether a key made it and it is still good.")
@click.argument("text")
@_key_option
@_now_option
@click.option("--fuse", is_flag=True, help="Also hold generation C's cap: good for at most 10 years.")
@click.pass_context
def verify_command(ctx: click.Context, text: str, key: str, now_s: int | None, *, fuse: bool) -> None:
    """Say whether KEY made this token and whether it is still good (exit 0), or why not (exit 1)."""
    key, now_s = _key(key), _now(now_s)
    try:
        parsed = parse_token(_token_text(text))
    except TokenError as fault:
        click.echo(f"{_bad('no token')}: {fault.part} {fault.reason}")
        ctx.exit(1)
    reasons = list(_objections(parsed, key, now_s, fuse=fuse))
    for reason in reasons:
        click.echo(f"{_bad('refused')}: {reason}")
    if reasons:
        ctx.exit(1)
    click.echo(f"{_good('genuine')}: {_owner(parsed.res)}, good until {_until(parsed.et, now_s)}")


def _refusals(parsed: Token, now_s: int) -> Iterator[TokenError]:
    """Give what every platform refuses in a well-formed token, whoever made it."""
    if parse_resource(parsed.res) is None:
        yield TokenError("res", f"names {_owner(parsed.res)}")
    if is_expired(parsed, now_s):
        yield TokenError("et", f"expired at {_until(parsed.et, now_s)}")


def _resource(product: str | None, device: str | None, user: int | None) -> str:
    if user is not None:
        if product or device:
            raise UsageFault("--user stands alone: a token is for an account, or for a product or device")
        return user_resource(user)
    if not product:
        raise UsageFault("whose token? give --product ID, --product ID --device NAME, or --user UID")
    return device_resource(product, device) if device else product_resource(product)


def _key(given: str) -> str:
    key = sys.stdin.readline().strip() if given == "-" else given
    decode_key(key)
    return key


def _now(given: int | None) -> int:
    return int(time.time()) if given is None else given


def _token_text(given: str) -> str:
    text = (sys.stdin.readline() if given == "-" else given).strip()
    if text[:14].lower() == "authorization:":
        text = text[14:]
    return text.strip(" \t\"'")


def _explanation(text: str, faults: tuple[TokenError, ...], now_s: int) -> Iterator[str]:
    """Give the parts with their meaning, the string to sign, and the verdict, line by line."""
    try:
        pairs = take_apart(text)
    except TokenError as fault:
        yield f"{_bad('no token')}: {fault.part} {fault.reason}"
        return
    wrong = {fault.part for fault in faults}
    shown = [(_printable(name), _printable(value)) for name, value in pairs]
    width = max((len(value) for name, value in shown if name in PARTS and name != "sign"), default=0)
    for name, value in shown:
        if name in PARTS:
            meaning = "" if name in wrong else _MEANINGS[name](value, now_s)
            yield f"{_head(name)}{value:<{width}}  {meaning}".rstrip()
        else:
            yield f"{_head(name[:7] or '?')}{_bad('not a part of a token, not read')}{_nearest(name)}"
    yield ""
    yield from _verdict(text, faults)


def _verdict(text: str, faults: tuple[TokenError, ...]) -> Iterator[str]:
    if faults:
        yield _bad("wrong with it")
        yield from (f"  {fault.part:<8}{fault.reason}" for fault in faults)
        return
    parsed = parse_token(text)
    yield "string to sign (4 lines, joined by LF, none at the end)"
    yield from (f"  {line}" for line in _string_to_sign(parsed).split("\n"))
    encoded = _as_sent(parsed)
    if text != encoded:
        yield "as it is best sent"
        yield f"  {encoded}"
    yield f"{_good('well formed')}; whether a key made it: ota-sim token verify TEXT --key KEY"


def _version_meaning(version: str, _: int) -> str:
    return "generation C" if version == VERSION_2022 else "all generations, MQTT"


def _res_meaning(res: str, _: int) -> str:
    return _owner(res) if parse_resource(res) is None else f"{_owner(res)}, signed with {_signer(res)}"


def _et_meaning(et: str, now_s: int) -> str:
    hint = "; are these milliseconds? et is in seconds" if int(et) >= _ET_LOOKS_LIKE_MS else ""
    verb = "expired at" if int(et) < now_s else "good until"
    return f"{verb} {_until(int(et), now_s)}{hint}"


_MEANINGS: Final[dict[str, Callable[[str, int], str]]] = {
    "version": _version_meaning,
    "res": _res_meaning,
    "et": _et_meaning,
    "method": lambda method, _: f"HMAC-{method.upper()}",
    "sign": lambda _sign, _now: "",
}


def _owner(res: str) -> str:
    match parse_resource(res):
        case DeviceResource(product_id, name):
            return f"device {name} of product {product_id}"
        case ProductResource(product_id):
            return f"product {product_id}"
        case UserResource(account_id):
            return f"account {account_id}"
        case None:
            return "nothing that OneNET knows: products/ID, products/ID/devices/NAME or userid/ID"


def _signer(res: str) -> str:
    match parse_resource(res):
        case DeviceResource():
            return "the device's key"
        case ProductResource():
            return "the product's key"
        case UserResource():
            return "the account's key"
        case None:
            return "another key"


def _until(et_s: int, now_s: int) -> str:
    distance = show_span(abs(et_s - now_s) * 1_000)
    return f"{show_moment(et_s * 1_000)} ({f'{distance} ago' if et_s < now_s else f'in {distance}'})"


def _nearest(name: str) -> str:
    near = get_close_matches(name.lower(), PARTS, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _string_to_sign(parsed: Token) -> str:
    return string_to_sign(et_s=parsed.et, method=parsed.method, res=parsed.res, version=parsed.version)


def _as_sent(parsed: Token) -> str:
    values = (parsed.version, parsed.res, str(parsed.et), parsed.method, parsed.sign)
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in zip(PARTS, values, strict=True))


def _objections(parsed: Token, key: str, now_s: int, *, fuse: bool) -> Iterator[str]:
    """Say everything that speaks against a well-formed token."""
    yield from (f"{fault.part} {fault.reason}" for fault in _refusals(parsed, now_s))
    if fuse and parsed.et > now_s + TEN_YEARS_S:
        yield f"et is {show_span((parsed.et - now_s) * 1_000)} ahead, generation C takes at most 10 years"
    if not verify(parsed, key):
        mistake = _likely_mistake(parsed, key)
        yield f"this key did not make it{': ' + mistake if mistake else f' (it takes {_signer(parsed.res)})'}"


def _likely_mistake(parsed: Token, key: str) -> str:
    """Find out what a client did differently, if it is one of the usual mistakes; else an empty text."""
    right, raw = _string_to_sign(parsed), decode_key(key)
    as_sent = f"{parsed.version}\n{parsed.res}\n{parsed.et}\n{parsed.method}"
    encoded = right.replace(parsed.res, quote(parsed.res, safe=""))
    tries = (
        (key.encode(), right, "the key was used as text; it must be base64-decoded first"),
        (raw, right + "\n", "the string to sign ended with a line feed; it must not"),
        (raw, encoded, "res was URL-encoded before it was signed; sign it raw, encode it after"),
        (raw, as_sent, "the values were joined in the order sent; sign et, method, res, version"),
        (raw, right.replace("\n", ""), "the values were joined without line feeds"),
        (raw, right.replace("\n", "\r\n"), "the values were joined by CR LF; join them by LF"),
    )
    for used, text, mistake in tries:
        digest = hmac.digest(used, text.encode(), parsed.method)
        if binascii.b2a_base64(digest, newline=False).decode("ascii") == parsed.sign:
            return mistake
    return ""


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]


def _head(name: str) -> str:
    return click.style(f"{name:<8}", bold=True)


def _good(text: str) -> str:
    return click.style(text, fg="green", bold=True)


def _bad(text: str) -> str:
    return click.style(text, fg="red", bold=True)
