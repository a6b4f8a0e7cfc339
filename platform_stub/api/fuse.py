"""Generation C: `/fuse-ota/{product id}/{device name}/…`. Source: onenet-protocol, sections 1 and 4."""

from typing import Final

from platform_stub.api import named
from platform_stub.api.dialect import Dialect
from platform_stub.api.reply import code_envelope
from platform_stub.protocol.calls import FUSE, Generation

DIALECT: Final = Dialect(
    generation=Generation.FUSE,
    table=FUSE,
    envelope=code_envelope,
    wants_both_versions=True,
    names_errno=True,
)

ROUTES: Final = named.ROUTES
"""The six calls below the base path."""
