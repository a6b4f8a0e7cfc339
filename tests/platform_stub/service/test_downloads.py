"""Package contents in memory: read once, bounded, the large ones aside."""

import asyncio

import pytest

from platform_stub.protocol.codes import UpdateKind
from platform_stub.service.downloads import INLINE_MAX_BYTES, Contents


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
    assert (await contents.read(shelf[0])).content is first.content
    assert contents.kept_bytes == 100_000


async def test_the_least_recently_used_goes_first(field, shelf):
    contents = Contents(field.platform.store, max_bytes=300_000)
    held = {}
    for at in (0, 1, 2, 0, 3):
        held[at] = (await contents.read(shelf[at])).content
        assert contents.kept_bytes <= 300_000
    for at in (0, 2, 3):
        assert (await contents.read(shelf[at])).content is held[at]
    assert (await contents.read(shelf[1])).content is not held[1]  # it made room for 3, and is read anew


async def test_one_that_is_larger_than_all_is_kept_alone(field, shelf):
    contents = Contents(field.platform.store, max_bytes=1_000)
    for at in range(3):
        assert len((await contents.read(shelf[at])).content) == 100_000
        assert contents.kept_bytes == 100_000


async def test_many_who_want_a_large_one_at_once_wait_for_one_reading(field, shelf):
    contents = Contents(field.platform.store)
    granted = await asyncio.gather(*(contents.read(shelf[5 + at % 2]) for at in range(40)))
    assert len({id(one.content) for one in granted}) == 2
    assert {len(one.content) for one in granted} == {INLINE_MAX_BYTES + 1}
    assert contents.kept_bytes == 2 * (INLINE_MAX_BYTES + 1)


async def test_the_platform_shows_how_much_it_keeps(field):
    task = await field.task()
    assert field.platform.counts().package_bytes_kept == 0
    await field.download(field.tid(task))
    assert field.platform.counts().package_bytes_kept == 10
