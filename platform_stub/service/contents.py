"""Package contents for downloads: in memory as long as all of them fit, else read from the database by the slice.

What counts is what is held, kept here or still being sent to someone; the least recently used goes first. A small
package is read where it is asked for, a large one in a thread, one at a time, so that a first download of 30 MB
keeps nobody else waiting. Each has a mapping of its own, whose memory goes back to the system with it.
Who may read is not decided here. Sizes are bytes.
"""

import asyncio
import mmap
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from platform_stub.store import packages
from platform_stub.store.engine import Store

HELD_MAX_BYTES: Final = 256 * 2**20
INLINE_MAX_BYTES: Final = 256 * 2**10
SLICE_MAX_BYTES: Final = 256 * 2**10
"""The most that is read from the database at once for a package that is not in memory."""


class Content(Protocol):
    """Bytes that are sent by the slice."""

    def __len__(self) -> int:
        """Count them."""

    def __getitem__(self, part: slice, /) -> Any:
        """Give some of them: bytes-like when there are at most SLICE_MAX_BYTES."""


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A package's bytes, and the name of its file."""

    content: Content
    file_name: str


class Stored:
    """Bytes of a package that are left in the database; only a small slice of them is read."""

    __slots__ = ("_package_id", "_start", "_stop", "_store")

    def __init__(self, store: Store, package_id: int, start: int, stop: int) -> None:
        self._store, self._package_id, self._start, self._stop = store, package_id, start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, part: slice, /) -> "Stored | bytes":
        """Read a slice, or name it as long as it is large. StoreUnavailable: it can't be read now."""
        start, stop, _ = part.indices(len(self))
        first, end = self._start + start, self._start + max(start, stop)
        if end - first > SLICE_MAX_BYTES:
            return Stored(self._store, self._package_id, first, end)
        with self._store.glance() as conn:
            return packages.read_slice(conn, self._package_id, first, end)


class Contents:
    """The contents of the packages that are being downloaded."""

    def __init__(self, store: Store, max_bytes: int = HELD_MAX_BYTES) -> None:
        self._store = store
        self.max_bytes = max_bytes
        self._kept: OrderedDict[int, tuple[mmap.mmap, str]] = OrderedDict()
        self._reading = asyncio.Lock()
        self.held_bytes = 0

    async def read(self, package_id: int) -> PackageFile:
        """Give a package's file; StoreUnavailable: it can't be read now."""
        kept = self._find(package_id)
        if kept is not None:
            return kept
        with self._store.read() as conn:
            facts = packages.load(conn, package_id)
        assert facts is not None, "packages are never removed"
        size = facts.size_bytes
        if size <= INLINE_MAX_BYTES:
            if not self._make_room(size):
                return PackageFile(Stored(self._store, package_id, 0, size), facts.file_name)
            with self._store.read() as conn:
                return self._keep(package_id, _load(conn, package_id, size), facts.file_name)
        async with self._reading:
            kept = self._find(package_id)  # somebody else's reading may have been of this one
            if kept is not None:
                return kept
            if not self._make_room(size):
                return PackageFile(Stored(self._store, package_id, 0, size), facts.file_name)
            memory = await asyncio.to_thread(self._load_aside, package_id, size)
            return self._keep(package_id, memory, facts.file_name)

    def _find(self, package_id: int) -> PackageFile | None:
        kept = self._kept.get(package_id)
        if kept is None:
            return None
        self._kept.move_to_end(package_id)
        return _file(*kept)

    def _make_room(self, size: int) -> bool:
        """Drop what was used least recently until there is room; False when downloads hold too much."""
        spared = []
        while self.held_bytes + size > self.max_bytes and self._kept:
            package_id, (memory, name) = self._kept.popitem(last=False)
            held = weakref.ref(memory)
            del memory
            if (alive := held()) is not None:  # dropping it frees nothing: a download reads it
                spared.append((package_id, (alive, name)))
                del alive
        self._kept.update(spared)
        return self.held_bytes + size <= self.max_bytes

    def _load_aside(self, package_id: int, size: int) -> mmap.mmap:
        with self._store.read_aside() as conn:
            return _load(conn, package_id, size)

    def _keep(self, package_id: int, memory: mmap.mmap, file_name: str) -> PackageFile:
        size = len(memory)
        self.held_bytes += size
        weakref.finalize(memory, self._let_go, size).atexit = False
        self._kept[package_id] = memory, file_name
        return _file(memory, file_name)

    def _let_go(self, size: int) -> None:
        self.held_bytes -= size


def _file(memory: mmap.mmap, file_name: str) -> PackageFile:
    return PackageFile(memoryview(memory).toreadonly(), file_name)


def _load(conn: Connection, package_id: int, size: int) -> mmap.mmap:
    memory = mmap.mmap(-1, size)
    for start in range(0, size, SLICE_MAX_BYTES):
        stop = min(start + SLICE_MAX_BYTES, size)
        memory[start:stop] = packages.read_slice(conn, package_id, start, stop)
    return memory
