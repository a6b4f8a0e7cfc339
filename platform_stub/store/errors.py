"""What can go wrong with the store, by blame.

StoreRefused      the folder or database is not one to open   (EnvironmentFault, exit 3)
StoreUnavailable  a transaction could not be committed; nothing of it is there
"""

from platform_stub.protocol.errors import EnvironmentFault, OtaSimError


class StoreRefused(EnvironmentFault):
    """The folder or database is foreign, damaged, of another version, or in use; it was left untouched."""


class StoreUnavailable(OtaSimError):
    """The database could not take a transaction (disk full, locked, gone); nothing of it is there."""

    exit_code = 3
