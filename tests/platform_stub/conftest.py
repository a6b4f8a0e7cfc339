"""The platform's tests have every database at hand."""

from tests.platform_stub.databases import places, store

__all__ = ["places", "store"]
