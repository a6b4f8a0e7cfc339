"""The audit after a load, by the journals over HTTP: what it finds when a journal and an account differ."""

import msgspec
import pytest
from msgspec import structs

from platform_stub.protocol import operator as api
from platform_stub.server import Stub
from scenarios.load.audit import audit_elsewhere, audit_journals, audit_place
from scenarios.load.tasks.ground import Ground, ids_of, order_of, prepare
from scenarios.load.tasks.plan import TaskPlan
from scenarios.load.tasks.setting_up import SettingUp
from scenarios.operator import HttpOperator

PLAN = TaskPlan(devices_min=5, devices_max=5, accounts=2)
NOW_MS = 1_700_000_000_000


class Wrong(HttpOperator):
    """Reads what a platform says, a little wrong."""

    def __init__(self, url, change_account=lambda each: each, change_journal=lambda entries: entries):
        super().__init__(url)
        self._change_account, self._change_journal = change_account, change_journal

    async def account(self, account_id):
        return self._change_account(await super().account(account_id))

    async def journal(self, account_id, after):
        return self._change_journal(await super().journal(account_id, after))


def lost(account):
    held = structs.replace(account.licences, purchased_left=account.licences.purchased_left - 1)
    return structs.replace(account, licences=held)


def twice(entries):
    bound = next(each for each in entries if each.kind == "bound")
    return [*entries, structs.replace(bound, seq=entries[-1].seq + 1)]


async def made(stub):
    """Make a ground of two creators, and a task of each."""
    async with SettingUp(stub.http_url) as setting_up:
        ground = await setting_up.carry_out(prepare(PLAN, "test", NOW_MS, 2))
        assert isinstance(ground, Ground)
        assert (ground.devices, setting_up.registered) == (10, 10)
        for slot in ground.slots:
            account = ground.accounts[slot.account]
            order = order_of(account, ids_of(slot.own))
            order = msgspec.json.decode(order, type=api.CreateTask)
            task = await setting_up.create_task(account.account_id, order)
            assert task.deducted == 5
    return [each.account_id for each in ground.accounts]


@pytest.mark.parametrize(
    ("account", "journal", "rules"),
    [
        (lambda each: each, lambda each: each, []),
        (lost, lambda each: each, ["I1", "I1"]),
        (
            lambda each: structs.replace(each, balance_fen=each.balance_fen + 1),
            lambda each: each,
            ["I5", "I5"],
        ),
        (lambda each: each, lambda entries: entries[1:], ["I6"]),
        (lambda each: each, twice, ["I3", "I1"]),
    ],
    ids=["well", "a licence lost", "money made", "no opening", "bound twice"],
)
async def test_journals_over_http_are_held_against_the_accounts(account, journal, rules):
    async with Stub() as stub:
        ids = await made(stub)
        async with Wrong(stub.http_url, account, journal) as operator:
            found = await audit_journals(operator, ids)
    assert found.audited
    assert {each.rule for each in found.findings} >= set(rules)
    assert found.is_broken == bool(rules)


async def test_a_folder_is_audited_while_its_stub_runs(tmp_path):
    async with Stub(data=tmp_path) as stub:
        await made(stub)
        found = await audit_place(tmp_path, is_running=True)
    assert (found.audited, found.is_broken) == (True, False)
    assert "2 tasks, 10 jobs" in found.how


async def test_what_can_not_be_read_is_not_audited_and_says_why(tmp_path):
    found = await audit_place(tmp_path, is_running=False)
    assert (found.audited, found.is_broken) == (False, False)
    assert "there is no ota-sim.db" in found.how


async def test_the_database_of_another_platform_is_not_taken_for_its_own(tmp_path):
    async with Stub(data=tmp_path / "own") as stub, Stub(data=tmp_path / "other"):
        ids = await made(stub)
        async with HttpOperator(stub.http_url) as operator:
            audit, wrong = await audit_elsewhere(tmp_path / "own", operator, ids)
            assert (audit.audited, audit.findings, wrong) == (True, (), "")
            audit, wrong = await audit_elsewhere(tmp_path / "other", operator, ids)
    assert not audit.audited
    assert "other is not what the platform at --url keeps" in wrong
