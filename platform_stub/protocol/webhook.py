"""The webhook as platform and receiver agree on it: signature, the URL of the check, the body of a push. Pure.

Times are unix milliseconds on the account's clock. Source: onenet-protocol, section 7.
"""

from hashlib import md5
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

PASSED: Final = "PASSED"
"""What a receiver answers to the check when the signature is its own."""


class PushInfo(Struct, frozen=True, kw_only=True):
    """Whose push it is, and when it was sent."""

    uid: int
    date: int


class PushMessage(Struct, frozen=True, kw_only=True):
    """The task: its devices by ascending ID, when it starts, and the version they are to get."""

    dids: Raw  # a JSON list of numbers
    startTime: int  # noqa: N815 - the wire's spelling
    version: str


class Push(Struct, frozen=True, kw_only=True):
    """What is posted when a task was created."""

    info: PushInfo
    signature: str
    msg: PushMessage


def signature_of(token: str, uid: int) -> str:
    """Sign for a receiver: lower-case hex MD5 of the token and the account's number, with nothing between."""
    return md5(f"{token}{uid}".encode(), usedforsecurity=False).hexdigest()


def check_url(url: str, signature: str) -> str:
    """Add the signature to a URL, behind the query that it has."""
    separator = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return f"{url}{separator}signature={signature}"


def encode_push(*, uid: int, date_ms: int, signature: str, dids: str, start_ms: int, version: str) -> bytes:
    """Spell a push, compact and in the documented order; `dids` are device IDs joined by commas."""
    message = PushMessage(dids=Raw(f"[{dids}]".encode()), startTime=start_ms, version=version)
    push = Push(info=PushInfo(uid=uid, date=date_ms), signature=signature, msg=message)
    return msgspec.json.encode(push)


def find_url_mistake(url: str) -> str | None:
    """Say why a URL can't be called, None when it can."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return "only printable ASCII without spaces can be sent: percent-encode the rest"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        return str(exc)
    if parts.scheme not in {"http", "https"}:
        return f"http:// or https:// is wanted, not {parts.scheme or 'no scheme'}"
    if not parts.hostname or port == 0:
        return "it names no host to call" if not parts.hostname else "port 0 can't be called"
    if "@" in parts.netloc:
        return "a user or password in it would be seen in the delivery log: leave it out"
    if parts.fragment or url.endswith("#"):
        return "what follows # is never sent: leave it out"
    return None
