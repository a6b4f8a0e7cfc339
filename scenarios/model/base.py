"""What all parts of the language have in common."""

from msgspec import Struct


class Written(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an author writes: every field is known, and none is written twice."""
