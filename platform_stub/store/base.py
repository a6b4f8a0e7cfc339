"""What a store is, whatever database it is in: transactions of one writer, and views of what is committed."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Store(ABC):
    """An open database: `write()` is a transaction, `read()` a view of what is committed.

    A database that can't do it raises StoreUnavailable: nothing of the transaction is there. What is done inside may
    raise what it likes; it is rolled back then.
    """

    writes: int | None = None
    """Counts the beginnings and the ends, committed or not, of `write`: while it stands, what was read still holds.

    Both, since a transaction in another thread is in the database a moment before its end is counted.
    None where others may write as well, or nobody counts: nothing may be remembered there.
    """

    @abstractmethod
    def write(self) -> AbstractContextManager[Connection]:
        """Open a transaction; it is committed at the end, and rolled back on any error."""

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Do some work in a transaction, again from its start where another writer came between."""
        with self.write() as conn:
            return work(conn)

    @abstractmethod
    def read(self) -> AbstractContextManager[Connection]:
        """Open a view of what is committed, the same for all statements in it."""

    @abstractmethod
    def glance(self) -> AbstractContextManager[Connection]:
        """Read with single statements, each of which sees what is committed at its time: the cheapest way to look."""

    @abstractmethod
    def read_aside(self) -> AbstractContextManager[Connection]:
        """Open a view on a connection of its own, for a long look from another thread."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections, then let others have the database."""
