"""The fixtures in a user's tests: in few lines, in any kind of test, with any mode of pytest-asyncio or without it."""

import pytest

pytest_plugins = ["pytester"]

ASYNC = """
async def test_update(ota_session):
    s = await ota_session(fleets={"meters": {"count": 3}})
    seen = await s.create_task(kind="FOTA", target="1.1", devices="meters", expect={"jobs": {"success": 3}})
    assert seen.devices == 3 and s.device("meters-1").f_version == "1.1"

async def test_stub_and_fleet(ota_stub, ota_operator, ota_fleet):
    fleet = await ota_fleet(5, flow="fuse")
    assert fleet.snapshot().present == 5
    assert ota_stub.http_url.startswith("http://127.0.0.1:")
    assert [d.device_id for d in await ota_operator.devices(fleet.account_id)] == list(fleet.device_ids)
    await fleet.idle(10)
"""
PLAIN = ASYNC.replace("async def", "def").replace("await ", "")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (ASYNC, ("-o", "asyncio_mode=auto")),
        ("import pytest\npytestmark = pytest.mark.asyncio\n" + ASYNC, ("-o", "asyncio_mode=strict")),
        ("import pytest\npytestmark = pytest.mark.asyncio(loop_scope='module')\n" + ASYNC, ()),
        (PLAIN, ("-o", "asyncio_mode=auto")),
    ],
    ids=["auto", "strict", "module", "plain"],
)
def test_in_any_kind_of_test(project, text, options):
    project.tests(text)
    project.run(*options).assert_outcomes(passed=2)


def test_without_pytest_asyncio(project):
    project.tests(PLAIN)
    ini = project.path / "pytest.ini"
    ini.write_text(
        ini.read_text()
        .replace("asyncio_default_fixture_loop_scope = function\n", "")
        .partition("asyncio_default")[0]
    )
    project.run("-p", "no:asyncio").assert_outcomes(passed=2)


def test_what_a_failure_says_and_leaves(project):
    project.tests(
        """
def test_step(ota_session):
    s = ota_session(fleets={"meters": {"count": 3}})
    s.create_task(kind="FOTA", target="1.1", devices="meters", expect={"jobs": {"success": 2}})

def test_words(ota_session):
    s = ota_session(fleets={"meters": {"count": 3}})
    s.create_task(kind="FOTA", target="1.1", devices="metres")

def test_own(ota_session):
    s = ota_session(fleets={"meters": {"count": 3}})
    assert s.account_id == 0

def test_good(ota_session):
    ota_session(name="a").buy(1, expect={"reason": "balance_insufficient"})
    ota_session().check(expect={"left": 100})
"""
    )
    result = project.run("--ota-evidence", "evidence")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "E*StepFailed: step create_task: jobs.success: expected 2, seen 3",
            "test_mine.py:3: StepFailed",
            "*evidence: *",
            "E*test_mine.py:7:1: steps.create_task.create_task.devices: no fleet or group is named metres*",
            "E*assert 1 == 0",
        ]
    )
    assert not [line for line in result.outlines if "bridge.py" in line or "session.py" in line]
    left = {path.parent.name for path in (project.path / "evidence").rglob("README.txt")}
    assert left == {"test_step", "test_words", "test_own"}


def test_books_that_do_not_hold_are_an_error_of_the_test(project):
    project.tests(
        """
import sqlite3

def test_it(ota_session):
    s = ota_session(account={"top_up": 5})
    with sqlite3.connect(s.stub.database, timeout=30) as conn:
        conn.execute("UPDATE accounts SET balance_fen = balance_fen + 1")
    conn.close()
"""
    )
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*AuditFailed: the books don't hold: I5*"])


def test_the_options_count_for_sessions_too_and_parametrize_makes_the_matrix(project):
    project.tests(
        """
import pytest

@pytest.mark.parametrize("flow", ["mqtt", "fuse"])
@pytest.mark.parametrize("step", [102, 205])
async def test_it(ota_session, flow, step):
    s = await ota_session(fleets={"meters": {"count": 3, "flow": flow}})
    await s.fail(devices="meters[1]", step=step)
    task = await s.create_task(kind="FOTA", target="1.1", devices="meters", expect={"jobs": {"failed": 1, "success": 2}})
    await s.retry_task(of=task, expect={"deducted": 0, "jobs": {"success": 1}})
    assert "seed: 7" in s.scenario
"""
    )
    project.run("-n", "2", "--ota-seed", "7", "-o", "asyncio_mode=auto").assert_outcomes(passed=4)


def test_pytest_alone_pays_nothing_for_the_plugin(project):
    """What speaks to a network is not loaded before it is needed; and nothing of ours needs pytest without it."""
    project.tests(
        """
import sys

def test_it():
    assert not {"sqlalchemy", "aiohttp", "scenarios.runner.run"} & set(sys.modules)
"""
    )
    project.run().assert_outcomes(passed=1)
    import subprocess
    import sys

    code = "import scenarios.session, scenarios.cli, sys; sys.exit('pytest' in sys.modules or '_pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
