"""Generation A's job tokens: how they look, and how long they last.

A token stands for a job on the wire, `ota_` and 20 letters or digits, and is made by the first check that
offers the job. Times are unix milliseconds on the account's clock. Source: onenet-protocol, sections 1 and 4.
"""

import re
import secrets
import string
from typing import Final

LIFETIME_MS: Final = 48 * 3_600_000
NEVER: Final = -(2**63)
PREFIX: Final = "ota_"
LETTERS: Final = 20
_ALPHABET: Final = string.ascii_letters + string.digits
_SHAPE: Final = re.compile(rf"{PREFIX}[A-Za-z0-9]{{{LETTERS}}}")


def new_token() -> str:
    """Make a token that nobody can guess."""
    return PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(LETTERS))


def is_token(text: str) -> bool:
    """Whether a text could be a token at all."""
    return _SHAPE.fullmatch(text) is not None


def is_expired(issued_ms: int, now_ms: int) -> bool:
    """Whether a token is too old to be good now."""
    return issued_ms <= issued_after(now_ms)


def issued_after(now_ms: int) -> int:
    """Give the time after which a token must have been issued to be good now."""
    return now_ms - LIFETIME_MS
