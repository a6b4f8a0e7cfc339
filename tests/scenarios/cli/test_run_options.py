"""`ota-sim run` with a target, variables, a variant, evidence, and held after a step."""

import json
import signal
import subprocess
import urllib.request

import pytest
from click.testing import CliRunner

from scenarios.cli import main
from tests.end_to_end.conftest import Process
from tests.scenarios.cli.test_main import PYTHON

TEXT = """\
version: 1
name: small
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 2}
vars: {count: 3}
variants: {A: {}, B: {policy: {free_devices: 1}}}
fleets: {meters: {count: "${count}"}}
steps:
  - {id: a, create_task: {kind: FOTA, target: "2", devices: "meters[1]"}, expect: {deducted: 1}}
  - {id: b, buy: 1, expect: {reason: balance_insufficient}}
"""
FAILING = TEXT.replace("deducted: 1", "deducted: 0")


@pytest.fixture
def file(tmp_path):
    def write(text=TEXT, name="small.yaml"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def run(*arguments):
    return CliRunner().invoke(main, ["run", "--jobs", "1", *map(str, arguments)])


def test_a_variable_is_given(file):
    outcome = run(file(), "--var", "count=5", "--variant", "A")
    assert outcome.exit_code == 0, outcome.output
    assert "5 devices over MQTT" in outcome.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--var", "count"], "--var count: NAME=VALUE is wanted, such as --var devices=100"),
        (["--variant", "a"], "--variant: no variant is named a; did you mean A?"),
        (["--until", "c"], "--until: no step is named c; there are a, b"),
        (["--until", "a", "--only", "a"], "give --only or --until, not both"),
        (
            ["--until", "a"],
            "--until keeps one run up, and 2 have the step a: small A, small B; give one scenario",
        ),
        (["--target", "none.yaml"], "none.yaml: can't be read"),
    ],
)
def test_options_that_cannot_be(file, options, told):
    outcome = run(file(), *options)
    assert outcome.exit_code == (3 if "--target" in options else 2)
    assert told in outcome.stderr
    assert outcome.stdout == ""


def test_a_variant_alone(file, tmp_path):
    assert run(file(), "--variant", "B", "--report-dir", tmp_path / "r").exit_code == 0
    (play,) = json.loads((tmp_path / "r" / "report.json").read_text())["plays"]
    assert play["variant"] == "B"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_evidence_lies_with_the_reports_or_where_it_is_wanted(file, tmp_path, jobs):
    path = file(FAILING)
    assert run(path, "--report-dir", tmp_path / "r", "--jobs", jobs).exit_code == 1
    assert sorted(each.name for each in (tmp_path / "r" / "evidence").iterdir()) == ["small-A", "small-B"]
    assert run(path, "--evidence", tmp_path / "e", "--variant", "A").exit_code == 1
    assert (tmp_path / "e" / "small-A" / "README.txt").is_file()
    assert run(file(), "--evidence", tmp_path / "none").exit_code == 0
    assert not (tmp_path / "none").exists()


def held(*arguments):
    process = subprocess.Popen(
        [*PYTHON, "run", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.endswith("/journal?limit=20'\n"):
            break
    return process, lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("text", "exit_code"), [(TEXT, 0), (FAILING, 1)])
def test_held_after_a_step(file, tmp_path, text, exit_code, number):
    process, lines = held(file(text), "--variant", "A", "--until", "a", "--report-dir", tmp_path / "r")
    try:
        (play,) = json.loads((tmp_path / "r" / "report.json").read_text())["plays"]
        assert [step["verdict"] for step in play["steps"]][1] == "not_played", "reports come first"
        assert "holding after step a: the stub and 3 devices stay up until Ctrl-C" in lines
        looks = [line.split() for line in lines if line.startswith("  ota-sim api --http ")]
        assert len(looks) == 4
        for _, _, _, http, _, path in looks:
            with urllib.request.urlopen(f"http://{http}{path.strip(chr(39))}") as reply:
                assert reply.status == 200
    finally:
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == exit_code, "the verdict's, as it was held to be ended so"
    assert errors == ""


@pytest.fixture(scope="module")
def stub():
    process = Process("--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")
    yield process
    process.kill()


@pytest.fixture
def target(stub, file):
    http, mqtt = (":".join(map(str, each)) for each in (stub.http_address, stub.mqtt_address))
    text = f"version: 1\nadapter: scenarios.adapters.served:Served\nhttp: {http}\nmqtt: {mqtt}\n"
    return lambda more="rules: predicted\n": file(
        f"{text}options: {{url: 'http://{http}'}}\n{more}", "staging.yaml"
    )


def test_on_a_target(file, target, tmp_path):
    outcome = run(file(), "--target", target(), "--report-dir", tmp_path / "r")
    assert outcome.exit_code == 0, outcome.output
    assert "staging" in outcome.output
    assert "embedded" not in outcome.output
    plays = json.loads((tmp_path / "r" / "report.json").read_text())["plays"]
    assert [play["target"] for play in plays] == ["staging", "staging"]
    assert [play["audit"] for play in plays] == [None, None]


def test_what_a_target_cannot_is_said(file, target):
    outcome = run(file(), "--target", target("cannot: [clock]\n"))
    assert outcome.exit_code == 0
    assert "staging can't: clock (clock)" in outcome.output


def test_a_target_that_is_wrong_starts_nothing(file, target):
    path = target("cannot: [clok]\n")
    outcome = run(file(), "--target", path)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert outcome.stderr.startswith(f"{path}:6:10: cannot.0: expected one of clock, ")


@pytest.mark.parametrize("option", [["--broker", "amqtt"], ["--data", "d"], ["--strict"]])
def test_what_is_about_the_stub_has_no_place_with_a_target(file, target, option):
    outcome = run(file(), "--target", target(), *option)
    assert outcome.exit_code == 2
    assert f"{option[0]} is about the stub, and --target plays on another platform" in outcome.stderr


CSV = "device_id,product_id,name,key\n1,p,meter-1,a2V5\n"


def test_a_fleet_takes_a_targets_addresses(target, tmp_path, stub):
    (tmp_path / "d.csv").write_text(CSV)
    path = target()
    words = ["fleet", "--devices", str(tmp_path / "d.csv"), "--target", path, "--until", "50ms"]
    outcome = CliRunner().invoke(main, words)
    assert f"HTTP 127.0.0.1:{stub.http_address[1]}" in outcome.stderr.replace("\n", "")
    outcome = CliRunner().invoke(main, [*words, "--http", "127.0.0.1:1"])
    assert outcome.exit_code == 2
    assert "--http is not wanted with --target" in outcome.stderr


def test_a_fleet_needs_neither_adapter_nor_secrets_but_mqtt(file, tmp_path):
    (tmp_path / "d.csv").write_text(CSV)
    text = "version: 1\nadapter: not_there:make\noptions: {key: env:NOT_SET_AT_ALL}\nhttp: 127.0.0.1:1\n"
    words = [
        "fleet",
        "--devices",
        str(tmp_path / "d.csv"),
        "--target",
        file(text, "t.yaml"),
        "--until",
        "50ms",
    ]
    outcome = CliRunner().invoke(main, words)
    assert outcome.exit_code == 2
    assert "t.yaml: there is no mqtt, and these devices speak it" in outcome.stderr
    assert CliRunner().invoke(main, [*words, "--flow", "fuse"]).exit_code in {1, 3}


def test_the_schema_of_target_files_is_printed():
    outcome = CliRunner().invoke(main, ["schema", "--target"])
    assert outcome.exit_code == 0
    assert json.loads(outcome.output)["title"] == "ota-sim target, version 1"
