"""Generation B: `/ota/{product id}/{device name}/…`. Source: onenet-protocol, sections 1 and 4."""

from typing import Final

from platform_stub.api import named
from platform_stub.api.dialect import Dialect
from platform_stub.api.reply import errno_envelope
from platform_stub.protocol.calls import STUDIO, Generation

DIALECT: Final = Dialect(
    generation=Generation.STUDIO,
    table=STUDIO,
    envelope=errno_envelope,
    fails_in_one_byte=True,
    names_errno=True,
)

ROUTES: Final = named.ROUTES
"""The six calls below the base path."""
