"""What the parts of the platform stand on: its store, read and written, and its accounts' clocks."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from platform_stub.service.writer import Tx

T = TypeVar("T")


class Ground(Protocol):
    """The platform, as far as a part of it has to know."""

    def account_now(self, account_id: int) -> int:
        """Read an account's clock: unix milliseconds."""

    def read(self, query: Callable[[Connection], T]) -> T:
        """Look at what is committed. StoreUnavailable: it can't be read."""

    async def write(self, use_case: Callable[[Tx], T], *, large: bool = False) -> T:
        """Do a use case in a transaction; `large` puts it in a thread. StoreUnavailable: nothing has changed."""
