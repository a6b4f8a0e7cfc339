"""Package contents in memory, handed out whole so that a range is a slice; bounded, least recently used first out.

A small package is read where it is asked for, a large one in a thread, one at a time, so that a first download
of 30 MB keeps nobody else waiting. Who may read is not decided here. Sizes are bytes.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from platform_stub.store import packages
from platform_stub.store.engine import Store

CACHE_MAX_BYTES: Final = 256 * 2**20
INLINE_MAX_BYTES: Final = 256 * 2**10


@dataclass(frozen=True, slots=True)
class Granted:
    """The device may read this."""

    content: bytes
    file_name: str


class Contents:
    """The contents of the packages that are being downloaded."""

    def __init__(self, store: Store, max_bytes: int = CACHE_MAX_BYTES) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._kept: OrderedDict[int, Granted] = OrderedDict()
        self._reading = asyncio.Lock()
        self.kept_bytes = 0

    async def read(self, package_id: int) -> Granted:
        """Give a package's content; StoreUnavailable: it can't be read now."""
        kept = self._find(package_id)
        if kept is not None:
            return kept
        with self._store.read() as conn:
            facts = packages.load(conn, package_id)
            assert facts is not None, "packages are never removed"
            if facts.size_bytes <= INLINE_MAX_BYTES:
                return self._keep(package_id, _load(conn, package_id, facts.file_name))
        async with self._reading:
            kept = self._find(package_id)  # somebody else's reading may have been of this one
            if kept is None:
                kept = await asyncio.to_thread(self._read_aside, package_id, facts.file_name)
                self._keep(package_id, kept)
            return kept

    def _read_aside(self, package_id: int, file_name: str) -> Granted:
        with self._store.read_aside() as conn:
            return _load(conn, package_id, file_name)

    def _find(self, package_id: int) -> Granted | None:
        kept = self._kept.get(package_id)
        if kept is not None:
            self._kept.move_to_end(package_id)
        return kept

    def _keep(self, package_id: int, granted: Granted) -> Granted:
        self._kept[package_id] = granted
        self.kept_bytes += len(granted.content)
        while self.kept_bytes > self._max_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self.kept_bytes -= len(dropped.content)
        return granted


def _load(conn: Connection, package_id: int, file_name: str) -> Granted:
    return Granted(packages.load_content(conn, package_id), file_name)
