"""Connections are paced, come from the addresses given, and are given up on demand."""

import asyncio

import pytest

from device_sim.transport.dialler import Dialler
from device_sim.transport.stream import Stream


class Caller:
    def __init__(self, dialler, source=""):
        self.dialler = dialler
        self.source = source
        self.made = asyncio.Event()
        self.failed = None
        caller = self

        class Socket(Stream):
            def connection_made(self, transport):
                super().connection_made(transport)
                caller.made.set()

        self.stream = Socket()

    def make_stream(self):
        return self.stream

    def dial_failed(self, reason):
        self.failed = reason
        self.dialler.cancel(self)
        self.made.set()

    def crashed(self, error):
        raise error


@pytest.fixture
async def listening():
    peers = []
    server = await asyncio.get_running_loop().create_server(lambda: Peer(peers), "127.0.0.1", 0)
    yield server.sockets[0].getsockname(), peers
    server.close()
    for transport in peers:
        transport.abort()
    await server.wait_closed()


class Peer(asyncio.Protocol):
    def __init__(self, peers):
        self.peers = peers

    def connection_made(self, transport):
        self.peers.append(transport)


async def made(*callers):
    async with asyncio.timeout(60):
        for caller in callers:
            await caller.made.wait()


async def test_a_slot_is_held_until_it_is_released(listening):
    address, _ = listening
    dialler = Dialler(address, 2)
    callers = [Caller(dialler) for _ in range(4)]
    for caller in callers:
        dialler.request(caller)
    await made(*callers[:2])
    assert [caller.made.is_set() for caller in callers] == [True, True, False, False]
    dialler.release(callers[0])
    dialler.release(callers[0])  # once is enough
    await made(callers[2])
    assert not callers[3].made.is_set()
    dialler.cancel(callers[3])
    dialler.release(callers[1])
    dialler.release(callers[2])
    dialler.stop()
    assert not callers[3].made.is_set()
    for caller in callers[:3]:
        caller.stream.transport.abort()


async def test_connections_come_from_all_sources(listening):
    address, peers = listening
    dialler = Dialler(address, 10, ("127.0.0.2", "127.0.0.3"))
    callers = [Caller(dialler) for _ in range(6)]
    for caller in callers:
        dialler.request(caller)
    await made(*callers)
    async with asyncio.timeout(60):
        while len(peers) < 6:
            await asyncio.sleep(0.001)
    hosts = [transport.get_extra_info("peername")[0] for transport in peers]
    assert sorted(hosts) == ["127.0.0.2"] * 3 + ["127.0.0.3"] * 3
    for caller in callers:
        caller.stream.transport.abort()


async def test_a_caller_with_an_address_of_its_own_comes_from_there(listening):
    address, peers = listening
    dialler = Dialler(address, 10, ("127.0.0.2",))
    callers = [Caller(dialler, source) for source in ("127.64.3.4", "", "127.64.3.5")]
    for caller in callers:
        dialler.request(caller)
    await made(*callers)
    async with asyncio.timeout(60):
        while len(peers) < 3:
            await asyncio.sleep(0.001)
    hosts = {transport.get_extra_info("peername")[0] for transport in peers}
    assert hosts == {"127.64.3.4", "127.0.0.2", "127.64.3.5"}
    for caller in callers:
        caller.stream.transport.abort()


async def test_a_failure_names_the_address_and_frees_the_slot():
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()
    dialler = Dialler(address, 1)
    callers = [Caller(dialler) for _ in range(3)]
    for caller in callers:
        dialler.request(caller)
    await made(*callers)
    assert {caller.failed for caller in callers} == {"{}:{}: Connection refused".format(*address)}


async def test_after_its_stop_it_dials_no_more(listening):
    address, _ = listening
    dialler = Dialler(address, 1)
    caller = Caller(dialler)
    dialler.request(caller)
    dialler.stop()
    dialler.request(caller)
    await another_is_made(address)
    assert not caller.made.is_set()


async def test_a_dial_that_follows_a_cancelled_one_can_be_cancelled_too(listening):
    """The end of the first task must not take the second one's place."""
    address, _ = listening
    dialler = Dialler(address, 1)
    caller = Caller(dialler)
    dialler.request(caller)
    await asyncio.sleep(0)
    dialler.cancel(caller)
    dialler.request(caller)
    await asyncio.sleep(0)  # the cancelled task ends, the new one has begun
    dialler.cancel(caller)
    await another_is_made(address)
    assert not caller.made.is_set()


async def another_is_made(address):
    """Connect by another dialler: whatever was on its way before it would be there by then."""
    for _ in range(3):
        other = Dialler(address, 1)
        caller = Caller(other)
        other.request(caller)
        await made(caller)
