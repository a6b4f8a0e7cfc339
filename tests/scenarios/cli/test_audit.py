"""`ota-sim audit`, as a person and as a program use it."""

import json
import shutil

import pytest
from click.testing import CliRunner

from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.operator import Policy
from scenarios.auditor.findings import CHECKED
from scenarios.cli.audit import audit
from tests.scenarios.auditor.ledger import Ledger, change


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("data") / "ota-sim.db")
    ledger.account(1, Policy(), 0)
    ledger.close()
    return ledger.path


def run(*arguments):
    return CliRunner().invoke(audit, [str(argument) for argument in arguments])


def test_all_holds(good):
    outcome = run(good.parent)
    assert outcome.exit_code == 0
    assert "1 account, 0 devices, 0 tasks, 0 jobs, 0 entitlements, 1 journal line\n" in outcome.output
    assert outcome.output.count(": holds\n") == len(CHECKED)
    assert outcome.output.endswith(f"all {len(CHECKED)} hold\n")


@pytest.fixture
def spoilt(good, tmp_path):
    path = tmp_path / "ota-sim.db"
    shutil.copyfile(good, path)
    change(
        path,
        "UPDATE accounts SET balance_fen = 1",
        "INSERT INTO entitlements WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25)"
        " SELECT i, 1, 'grandfathered', 1, 0 FROM n",
    )
    return path


def test_what_does_not_hold_is_shown_with_both_values(spoilt):
    outcome = run(spoilt)
    assert outcome.exit_code == 1
    assert "in whole fen: broken 1x\n       account 1: expected balance_fen 0; seen 1\n" in outcome.output
    assert "       and 5 more\n" in outcome.output
    assert outcome.output.endswith(f"2 of {len(CHECKED)} broken, 26 findings\n")


def test_json_for_a_program(good, spoilt):
    outcome = run(spoilt, "--json")
    assert outcome.exit_code == 1
    report = json.loads(outcome.output)
    assert (report["ok"], report["accounts"], report["rules"]["I5"]["findings"]) == (False, 1, 1)
    assert report["findings"][0] == {
        "rule": "I5",
        "where": "account 1",
        "expected": "balance_fen 0",
        "seen": "1",
    }
    assert json.loads(run(good, "--json").output)["ok"]


def test_the_wrong_folder_is_the_callers_mistake(tmp_path):
    assert isinstance(run(tmp_path).exception, UsageFault)
