"""What a play runs on: the stub, or an adapter that is made, entered, guarded and left."""

from pathlib import Path

import pytest

from scenarios.ground import lacking, open_adapter, open_ground
from scenarios.loader.files import load_bytes
from scenarios.operator import OperatorFault
from scenarios.runner.options import RunOptions
from scenarios.target import Target

ADAPTER = """\
import asyncio

log = []


class Operator:
    async def __aenter__(self):
        log.append("entered")
        return self

    async def __aexit__(self, *_):
        log.append("left")
        raise ValueError("the door is stuck")

    def tasks(self, account_id):
        return log


async def make_later(token):
    await asyncio.sleep(0)
    log.append(token)
    return Operator()


def plain():
    return object()


async def never():
    await asyncio.Event().wait()


class Locked:
    def __init__(self, token):
        pass

    async def __aenter__(self):
        raise PermissionError("token 1234 is no key")
"""


@pytest.fixture
def target(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "1234")
    (tmp_path / "one.py").write_text(ADAPTER)

    def make(factory, **facts):
        return Target(
            file="t.yaml",
            folder=str(tmp_path),
            name="t",
            adapter=f"./one.py:{factory}",
            http=("h", 1),
            **facts,
        )

    return make


async def test_an_adapter_is_made_with_its_secrets_entered_and_left(target):
    async with open_adapter(target("make_later", options={"token": "env:TOKEN"})) as operator:
        with pytest.raises(OperatorFault) as caught:
            await operator.tasks(1)
        assert "['***', 'entered']" in str(caught.value), "no secret is in a text"
    async with open_adapter(target("make_later", options={"token": "-"})) as operator:
        with pytest.raises(OperatorFault) as caught:
            await operator.tasks(1)
        assert "'entered', 'left', '-', 'entered']" in str(caught.value), (
            "what it did on leaving changed nothing"
        )


async def test_an_adapter_that_is_not_made_in_time(target):
    with pytest.raises(OperatorFault) as caught:
        async with open_adapter(target("never", call_ms=100)):
            pass
    assert str(caught.value) == "adapter ./one.py:never: it was not made in 0.1 s"


async def test_an_adapter_that_cannot_be_entered(target):
    with pytest.raises(OperatorFault) as caught:
        async with open_adapter(target("Locked", options={"token": "env:TOKEN"})):
            pass
    told = str(caught.value)
    assert told.startswith(
        "adapter ./one.py:Locked: its making raised PermissionError: token *** is no key (one.py:"
    )


async def test_an_object_without_any_call_can_be_opened(target):
    async with open_adapter(target("plain")) as operator:
        with pytest.raises(OperatorFault, match="this platform can't show an account: the adapter"):
            await operator.account(1)


def play_of(needs="[]"):
    text = f"version: 1\nname: x\nneeds: {needs}\nsteps:\n  - {{id: a, buy: 1, expect: {{left: 1}}}}\n"
    (play,) = load_bytes(text.encode(), "x.yaml", Path())
    return play


async def test_the_stub_is_a_ground_whose_books_can_be_audited():
    async with open_ground(play_of(), RunOptions()) as ground:
        assert ground.predicts
        assert ground.database is not None
        assert ground.mqtt is not None
        assert (await ground.operator.open_account("a", play_of().policy, None)).account_id == 1
        assert list(ground.log) == []


async def test_a_target_is_a_ground_without(target):
    async with open_ground(play_of(), RunOptions(target=target("plain"))) as ground:
        assert (ground.database, ground.predicts, ground.http, ground.mqtt) == (None, False, ("h", 1), None)


def test_what_is_lacking_is_told_of_either(target):
    play = play_of("[durable_ack]")
    assert lacking(play, RunOptions()) == ""
    assert lacking(play, RunOptions(broker="amqtt")) == "the amqtt broker can't give durable_ack"
    without = RunOptions(target=target("plain", cannot=("durable_ack",)))
    assert lacking(play, without) == "t can't: durable_ack (needs)"
