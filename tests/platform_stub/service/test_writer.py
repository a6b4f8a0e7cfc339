"""How reports are grouped: what comes together shares a commit, and no one waits for long (decision 3)."""

import asyncio

import pytest

from platform_stub.service import writer as writing
from platform_stub.service.writer import CROWD, GROUP_MAX, GROUP_S, QUIET_TURNS, Writer
from platform_stub.store.engine import open_store


class Desk:
    """A writer whose batches are kept as they come."""

    def __init__(self, store):
        self.groups = []
        self.writer = Writer(store, lambda _tx, reports: self.groups.append(list(reports)), int, None)

    def report(self, name):
        """Report; the future is done when the report's batch is committed."""
        settled = asyncio.get_running_loop().create_future()
        self.writer.report(name, settled.set_result)
        return settled

    async def together(self, *names):
        assert all(await asyncio.gather(*map(self.report, names)))


@pytest.fixture
async def desk(tmp_path):
    store = open_store(tmp_path)
    desk = Desk(store)
    yield desk
    await desk.writer.close()
    store.close()


@pytest.fixture
def patience(monkeypatch):
    """Make waiting so long that a test which comes to it fails by its time limit."""
    monkeypatch.setattr(writing, "GROUP_S", 3_600)


async def test_a_lone_report_waits_for_nobody(desk, patience):
    await desk.together("a")
    await desk.together("b")
    assert desk.groups == [["a"], ["b"]]


async def test_reports_of_one_turn_share_a_commit(desk, patience):
    await desk.together("a", "b", "c")
    assert desk.groups == [["a", "b", "c"]]
    assert desk.writer.commits == 1


async def test_reports_join_as_long_as_each_turn_of_the_loop_brings_one(desk, patience):
    first = desk.report("a")
    joined = []
    for name in "bcd":
        await asyncio.sleep(0)
        joined.append(desk.report(name))
    assert all(await asyncio.gather(first, *joined))
    assert desk.groups == [["a", "b", "c", "d"]]


async def test_half_of_the_last_group_is_waited_for(desk, patience):
    await desk.together(*"abcd")
    early = desk.report("a")
    for _ in range(10):
        await asyncio.sleep(0)
    assert not early.done()
    assert all(await asyncio.gather(early, desk.report("b")))
    assert desk.groups[1:] == [["a", "b"]]


async def test_in_a_crowd_a_turn_that_brings_nobody_closes_no_group(desk, patience):
    await desk.together(*range(CROWD))
    wanted = [desk.report(at) for at in range(CROWD // 2)]
    for _ in range(QUIET_TURNS):
        await asyncio.sleep(0)
    assert all(await asyncio.gather(*wanted, desk.report("late")))
    assert desk.groups[1:] == [[*range(CROWD // 2), "late"]]


async def test_in_a_crowd_some_turns_that_bring_nobody_close_a_group(desk, patience):
    await desk.together(*range(CROWD))
    await desk.together(*range(CROWD // 2))
    assert desk.groups[1:] == [[*range(CROWD // 2)]]


async def test_who_comes_alone_after_a_crowd_waits_once_and_not_for_long(desk):
    await desk.together(*map(str, range(100)))
    loop = asyncio.get_running_loop()
    started = loop.time()
    await desk.together("a")
    assert loop.time() - started >= GROUP_S / 2  # the loop's clock is coarse
    assert desk.writer._wanted == 0
    await desk.together("b")
    assert desk.groups[1:] == [["a"], ["b"]]


async def test_a_group_closes_although_others_go_on_joining(desk):
    settled = desk.report("first")
    others = 0
    while not settled.done():
        others += 1
        desk.report(others)
        await asyncio.sleep(0)
    assert desk.groups[0][0] == "first"


async def test_a_full_group_is_committed_at_once(desk, patience):
    await desk.together(*range(GROUP_MAX + 1))
    assert [len(group) for group in desk.groups] == [GROUP_MAX, 1]


async def test_a_use_case_takes_what_is_waiting_along(desk, patience):
    await desk.together(*"abcd")
    waiting = desk.report("a")
    assert await desk.writer.run(lambda _tx: "done") == "done"
    assert await waiting
    assert desk.groups[1:] == [["a"]]


async def test_reports_wait_while_a_large_transaction_is_in_its_thread(desk, patience):
    large = asyncio.ensure_future(desk.writer.run(lambda _tx: desk.groups.append("large"), large=True))
    await asyncio.sleep(0)
    await desk.together("a")
    await large
    assert desk.groups == ["large", ["a"]]


async def test_closing_commits_what_is_queued(desk, patience):
    await desk.together(*"abcd")
    settled = desk.report("a")
    await desk.writer.close()
    assert settled.result()
    assert desk.groups[1:] == [["a"]]
