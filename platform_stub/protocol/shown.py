"""What a peer sent, as people may read it: on one line, short, and without what would let anyone in.

Signatures, keys and job tokens are left out wherever they stand: in a path, a query, JSON, or a token's own text.
"""

import re
from typing import Final

SHOWN_MAX: Final = 160
"""How many characters of a body or an address are shown."""

_READ_MAX: Final = 1_024
_JOB_TOKEN: Final = re.compile(r"ota_[A-Za-z0-9]+")
_SECRET: Final = re.compile(
    r"""((?:sign|key|token|password|authorization)(?:=|%3D|["']\s*:\s*["']))(?!ota_…)[^&"'\s,}]+""",
    re.IGNORECASE,
)
_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"


def shown(raw: bytes | str, most: int = SHOWN_MAX) -> str:
    """Show some of what was sent."""
    text = raw[:_READ_MAX]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = _SECRET.sub(r"\1…", _JOB_TOKEN.sub("ota_…", " ".join(text.split())))
    if not text.isprintable():
        text = "".join(each if each.isprintable() else _UNPRINTABLE for each in text)
    return text if len(text) <= most and len(raw) <= _READ_MAX else f"{text[:most]}…"


def shown_name(text: str) -> str:
    """Show a name that may be anybody's invention: short, and without white space."""
    return shown(text, 64).replace(" ", "_") or "-"
