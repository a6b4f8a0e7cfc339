"""The command line as a whole: commands, exit codes, and that it comes at once."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from scenarios.cli import COMMANDS, main

PYTHON = [
    sys.executable,
    "-c",
    f"import sys; sys.path[:0] = {sys.path!r}; from scenarios.cli import main; main(prog_name='ota-sim')",
]


def run(*arguments):
    return CliRunner().invoke(main, list(arguments))


def test_help_lists_every_command():
    outcome = run("--help")
    assert outcome.exit_code == 0
    for name, (_, text) in COMMANDS.items():
        assert f"  {name} " in outcome.output
        assert text in " ".join(outcome.output.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(name):
    outcome = run(name, "--help")
    assert (outcome.exit_code, outcome.output[:20]) == (0, f"Usage: main {name} [OPTIONS]"[:20])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rum"], "No such command 'rum'"),
        (["run", "--bogus"], "No such option"),
        (["run", "--jobs", "0"], "0 is not in the range"),
        (["run", "--broker", "mosquitto"], "no broker is named 'mosquitto'"),
        (["run", "nowhere"], "nowhere: no such file or folder, and no scenario of the library"),
        (["check"], "Missing argument"),
        (["api", "GET", "nowhere"], "PATH begins with one slash"),
    ],
)
def test_usage(arguments, says):
    outcome = run(*arguments)
    assert outcome.exit_code == 2
    assert says in outcome.stderr
    assert "Traceback" not in outcome.output


def test_the_environment():
    outcome = run("api", "--http", "127.0.0.1:1", "GET", "/v1/accounts")
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith("ota-sim: ")


def imported_by(*arguments):
    code = "import sys; sys.path[:0] = {!r}; from scenarios.cli import main\ntry:\n    main({!r})\nfinally:\n    print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code.format(sys.path, list(arguments))],
        capture_output=True,
        check=True,
        text=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["token", "--help"], ["schema"]])
def test_light_commands_import_no_servers(arguments):
    heavy = {
        "sqlalchemy",
        "aiohttp",
        "aiohttp.web",
        "platform_stub.server",
        "device_sim.fleet",
        "jsonschema",
        "rich.console",
    }
    assert not heavy & imported_by(*arguments)


def test_the_owner_of_a_run_stays_light():
    """`run` plays in workers; what starts them needs neither stub nor fleet."""
    heavy = {"sqlalchemy", "aiohttp", "platform_stub.server", "device_sim.fleet", "device_sim.transport"}
    code = f"import sys; sys.path[:0] = {sys.path!r}; import scenarios.cli.run, scenarios.worker_process; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert not heavy & set(done.stdout.split())


def test_a_reader_that_leaves_does_not_end_the_run(tmp_path):
    process = subprocess.Popen(
        [*PYTHON, "run", "b11", "b15", "--report-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), errors) == (0, b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["junit.xml", "report.html", "report.json"]
