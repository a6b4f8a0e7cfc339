"""What is due when: the starts and expiries of tasks, by account. Pure; times are unix milliseconds of the account.

An entry only says when to look: what is due then is read from the store, so an entry that has become needless
does nothing.
"""

import heapq
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple


class What(IntEnum):
    """What is due; at the same moment a start comes before an expiry."""

    START = 1
    EXPIRY = 2


class Entry(NamedTuple):
    """One thing that is due."""

    due_ms: int
    what: What
    task_id: int


class Agenda:
    """The entries of every account."""

    def __init__(self) -> None:
        self._entries: dict[int, list[Entry]] = {}

    def add(self, account_id: int, entries: Iterable[Entry]) -> None:
        """Enter what is due; the same entry may stand here twice."""
        heap = self._entries.setdefault(account_id, [])
        for entry in entries:
            heapq.heappush(heap, entry)

    def next_due(self, account_id: int) -> int | None:
        """When the account's next entry is due."""
        heap = self._entries.get(account_id)
        return heap[0].due_ms if heap else None

    def take(self, account_id: int, now_ms: int) -> list[Entry]:
        """Take out what is due, each once, in its order."""
        heap = self._entries.get(account_id, [])
        taken: dict[Entry, None] = {}
        while heap and heap[0].due_ms <= now_ms:
            taken[heapq.heappop(heap)] = None
        if not heap:
            self._entries.pop(account_id, None)
        return list(taken)

    def accounts(self) -> Iterator[int]:
        """List the accounts that have an entry."""
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return sum(len(heap) for heap in self._entries.values())
