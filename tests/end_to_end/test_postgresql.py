"""The stub and whole runs on PostgreSQL, as their users start them; and what they are told when that can't be."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from scenarios.auditor import audit_database
from tests.end_to_end.conftest import Operator
from tests.postgresql import Cluster

ANY = ("--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")
NO_DRIVER = "import sys; sys.modules['psycopg'] = None; from scenarios.cli import main; main()"


def ota(*words, program=("-m", "scenarios.cli"), **environment):
    return subprocess.run(
        [sys.executable, *program, *map(str, words)], capture_output=True, text=True, check=False, timeout=100,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "200"} | environment,
    )  # fmt: skip


@pytest.fixture
def url(cluster):
    url = cluster.url()
    yield url
    cluster.ask(f"SET client_min_messages = error; DROP SCHEMA IF EXISTS {url.schema} CASCADE")


def schemas(cluster):
    return set(cluster.ask("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'"))


def test_the_examples_at_a_tenth_hold_and_leave_no_schema(cluster, tmp_path):
    before = schemas(cluster)
    url = f"postgresql://ota:topsecret@/postgres?host={cluster.folder}"
    done = ota("run", "examples-tenth", "--jobs", 2, "--report-dir", tmp_path, "--database", url)
    assert done.returncode == 0, done.stdout + done.stderr
    plays = json.loads((tmp_path / "report.json").read_text())["plays"]
    assert [(play["verdict"], play["audit"]["ok"]) for play in plays] == [("passed", True)] * 2
    assert schemas(cluster) == before
    for told in (
        done.stdout,
        done.stderr,
        *(path.read_text() for path in tmp_path.iterdir() if path.is_file()),
    ):
        assert "topsecret" not in told


def test_runs_under_a_named_schema_are_kept_and_can_be_audited(cluster, url):
    done = ota("run", "b11", "--jobs", 1, "--database", url.secret)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = sorted(name for name in schemas(cluster) if name.startswith(f"{url.schema}_"))
    try:
        assert kept
        for name in kept:
            audit = ota("audit", url.in_schema(name).secret)
            assert (audit.returncode, audit.stderr) == (0, "")
            assert "journal lines" in audit.stdout
    finally:
        cluster.ask(f"SET client_min_messages = error; DROP SCHEMA {', '.join(kept)} CASCADE")


def test_what_was_answered_is_there_after_a_kill(serve, url):
    process = serve(*ANY, "--database", url.secret)
    assert any(line.split() == ["data", str(url)] for line in process.lines)
    operator = Operator(process.http_address)
    base, _, devices, package = operator.shop(3, grant=3)
    task = operator.task(base, package, devices, Idempotency_Key="k")
    process.kill()
    assert audit_database(url).ok
    again = serve(*ANY, "--database", url.secret)
    assert (
        Operator(again.http_address).task(base, package, devices, Idempotency_Key="k")["task_id"]
        == task["task_id"]
    )
    code, rest = again.stop()
    assert (code, f"everything is in {url}" in rest) == (130, True)


def test_an_audit_of_a_database_in_use_finds_what_is_wrong(cluster, serve, url):
    process = serve(*ANY, "--database", url.secret)
    operator = Operator(process.http_address)
    operator.shop(2, grant=3)
    assert audit_database(url).ok
    cluster.ask(f"UPDATE {url.schema}.accounts SET purchased_left = 7")  # noqa: S608 - our own name
    report = audit_database(url)
    assert report.counts == {"I1": 1}
    told = ota("audit", url.secret)
    assert told.returncode == 1
    assert told.stdout.splitlines()[0] == str(url)


def test_a_server_that_goes_away_is_unavailable_until_it_is_back(cluster, serve):
    """As with a file that was lost: nothing is acknowledged, the stub stays up; when it is back all goes on."""
    folder = Path(tempfile.mkdtemp(prefix="ota-sim-pg-"))
    own = Cluster(cluster.programs, folder)
    try:
        own.start()
        url = own.url()
        process = serve(*ANY, "--database", url.secret)
        operator = Operator(process.http_address)
        base, _, devices, package = operator.shop(2, grant=2)
        own.stop()
        for answer in (operator("GET", base), operator.task(base, package, devices)):
            assert answer["code"] == "unavailable", answer
        own.start()
        assert operator.task(base, package, devices)["deducted"] == 2
        code, rest = process.stop()
        assert (code, "Traceback" in rest) == (130, False)
        assert audit_database(url).ok
    finally:
        own.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_second_stub_on_a_schema_is_refused(serve, url):
    process = serve(*ANY, "--database", url.secret)
    second = ota("serve", *ANY, "--database", url.secret)
    assert (second.returncode, second.stdout) == (3, "")
    assert f"is in use by another ota-sim (process {process.popen.pid})" in second.stderr


@pytest.mark.parametrize("command", [("serve", *ANY), ("run", "b11", "--jobs", "1"), ("audit",)])
def test_no_server_there(tmp_path, command):
    option = () if command == ("audit",) else ("--database",)
    done = ota(*command, *option, f"postgresql://me:topsecret@/db?host={tmp_path}")
    assert done.returncode == 3
    told = done.stdout + done.stderr
    assert "No such file or directory" in told
    assert "topsecret" not in told
    assert "Traceback" not in told


def test_a_wrong_password(cluster, url):
    hba = cluster.folder / "data" / "pg_hba.conf"
    kept = hba.read_text()
    hba.write_text("local all locked scram-sha-256\n" + kept)
    cluster.ask("CREATE ROLE locked LOGIN PASSWORD 'right'; SELECT pg_reload_conf()")
    try:
        done = ota(
            "serve", *ANY, "--database", f"postgresql://locked:topsecret@/postgres?host={cluster.folder}"
        )
        assert done.returncode == 3
        assert 'password authentication failed for user "locked"' in done.stderr
        assert "topsecret" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
    finally:
        hba.write_text(kept)
        cluster.ask("DROP ROLE locked; SELECT pg_reload_conf()")


@pytest.mark.parametrize("command", [("serve", *ANY, "--database"), ("audit",)])
def test_without_the_driver(command):
    done = ota(*command, "postgresql://me@localhost/db", program=("-c", NO_DRIVER))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("pip install 'ota-sim[postgres]'")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("serve", "--database", "mysql://x"), "mysql: is no database's URL"),
        (("serve", "--database", "postgresql://u:p@topsecret@h/db"), "write %40 for @"),
        (("serve", "--data", "x", "--database", "postgresql://h/db"), "--data or --database, not both"),
        (("run", "--data", "x", "--database", "postgresql://h/db"), "--data or --database, not both"),
        (("audit", "mysql://x"), "mysql: is no database's URL"),
        (("audit", "postgresql://h/db?colour=red"), "colour"),
    ],
)
def test_what_can_not_be(words, says):
    done = ota(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "topsecret" not in done.stderr
