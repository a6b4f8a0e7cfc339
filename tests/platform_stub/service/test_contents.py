"""Package contents in memory: read once, bounded, the large ones aside."""

import asyncio

import pytest

from platform_stub.protocol.codes import UpdateKind
from platform_stub.service.contents import INLINE_MAX_BYTES, Contents


@pytest.fixture
async def shelf(field):
    """Five packages of 100 kB, and two that are read in a thread."""
    sizes = [100_000] * 5 + [INLINE_MAX_BYTES + 1] * 2
    ids = []
    for at, size in enumerate(sizes):
        package = await field.new_package(f"{at + 10}.0", UpdateKind.SOTA, bytes([at]) * size)
        ids.append(package.package_id)
    return ids


async def test_a_package_is_read_once_and_every_slice_is_of_the_same_bytes(field, shelf):
    contents = Contents(field.platform.store)
    first = await contents.read(shelf[0])
    assert first.content == b"\0" * 100_000
    assert first.file_name == "SOTA-10.0.bin"
    assert (await contents.read(shelf[0])).content.obj is first.content.obj
    assert contents.held_bytes == 100_000


async def test_the_least_recently_used_goes_first(field, shelf):
    contents = Contents(field.platform.store, max_bytes=300_000)
    held = {}
    for at in (0, 1, 2, 0, 3):
        held.pop(1, None)  # nobody reads 1 any more when 2 comes
        held[at] = (await contents.read(shelf[at])).content
        assert contents.held_bytes <= 300_000
    for at in (0, 2, 3):
        assert (await contents.read(shelf[at])).content.obj is held[at].obj
    missed = (await contents.read(shelf[1])).content  # it made room for 3, and no room is left for it
    assert not isinstance(missed, memoryview)
    assert missed[:5] == b"\1" * 5


async def test_what_finds_no_room_is_read_by_the_slice(field, shelf):
    contents = Contents(field.platform.store, max_bytes=250_000)
    held = [(await contents.read(package_id)).content for package_id in shelf[:2]]  # and is still being sent
    stored = await contents.read(shelf[2])
    assert contents.held_bytes == 200_000
    assert (len(stored.content), stored.file_name) == (100_000, "SOTA-12.0.bin")
    assert stored.content[10:30] == b"\2" * 20
    assert stored.content[99_990:200_000] == b"\2" * 10
    assert stored.content[5:5] == b""
    held.clear()
    assert (await contents.read(shelf[2])).content == b"\2" * 100_000
    assert contents.held_bytes <= 250_000


async def test_a_large_one_without_room_is_named_until_a_slice_is_small(field, shelf):
    contents = Contents(field.platform.store, max_bytes=1_000)
    stored = (await contents.read(shelf[6])).content
    assert contents.held_bytes == 0
    part = stored[1 : INLINE_MAX_BYTES + 1]
    assert part == b"\6" * INLINE_MAX_BYTES
    whole = stored[0 : len(stored)]
    assert not isinstance(whole, bytes)
    assert whole[INLINE_MAX_BYTES:] == b"\6"


async def test_memory_is_held_until_the_last_reader_has_let_go(field, shelf):
    contents = Contents(field.platform.store, max_bytes=100_000)
    body = (await contents.read(shelf[0])).content[50_000:]
    assert not isinstance((await contents.read(shelf[1])).content, memoryview)
    assert body == b"\0" * 50_000
    del body
    assert isinstance((await contents.read(shelf[1])).content, memoryview)
    assert contents.held_bytes == 100_000


async def test_many_who_want_a_large_one_at_once_wait_for_one_reading(field, shelf):
    contents = Contents(field.platform.store)
    granted = await asyncio.gather(*(contents.read(shelf[5 + at % 2]) for at in range(40)))
    assert len({id(one.content.obj) for one in granted}) == 2
    assert {len(one.content) for one in granted} == {INLINE_MAX_BYTES + 1}
    assert contents.held_bytes == 2 * (INLINE_MAX_BYTES + 1)


async def test_the_platform_shows_how_much_it_keeps(field):
    task = await field.task()
    assert field.platform.counts().package_bytes_held == 0
    await field.download(field.tid(task))
    assert field.platform.counts().package_bytes_held == 10
