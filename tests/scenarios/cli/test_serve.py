"""`ota-sim serve` with `--strict` and `--inject`: what it says at its start, and that both are in force."""

import re
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner

from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.token import device_resource, make_token
from scenarios.cli.serve import serve
from tests.end_to_end.conftest import Operator, Process

ANY = ("--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")


@pytest.fixture
def start():
    processes = []

    def start(*options):
        processes.append(Process(*ANY, *options))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


def test_faults_are_shown_and_in_force_when_it_says_ready(start):
    process = start(
        "--inject", "call=download, share=2%, cut=10 KiB", "--inject", "generation=mqtt,call=status,silent"
    )
    assert "  fault  call=download,share=2%,cut=10240" in process.lines
    assert "  fault  call=status,generation=mqtt,silent" in process.lines
    assert not any("strict" in line for line in process.lines)
    listed = Operator(process.http_address)("GET", "/v1/injected-faults")["faults"]
    assert [(fault["rule"]["call"], fault["rule"]["cut_at_bytes"]) for fault in listed] == [
        ("download", 10_240),
        ("status", None),
    ]


@pytest.mark.parametrize(
    ("broker", "line"),
    [
        ("embedded", "  strict the documentation's narrower reading is held"),
        (
            "amqtt",
            "  strict the documentation's narrower reading is held; the amqtt broker does not hold the rates",
        ),
    ],
)
def test_strict_mode_is_shown_with_what_the_broker_does_not_hold(start, broker, line):
    process = start("--strict", "--broker", broker)
    assert line in process.lines
    assert not any(line.strip().startswith("fault") for line in process.lines)


def test_a_fault_that_is_none_is_a_usage_error():
    done = CliRunner().invoke(serve, ["--inject", "call=downlod,silent"])
    assert done.exit_code == 2
    assert "call: 'downlod' is none of any, version, check" in done.output


def test_help_says_how_a_fault_looks():
    said = " ".join(CliRunner().invoke(serve, ["--help"]).output.split())
    assert "call=download,share=2%,cut=1000" in said
    assert "--strict" in said


def test_what_devices_do_is_written_to_standard_error(start):
    process = start("--log")
    assert "  log    a line for each call of a device and each MQTT event" in process.lines
    Operator(process.http_address)("GET", "/fuse-ota/P/board-1/check?type=1")
    _, rest = process.stop()
    assert re.search(r"(?m)^[0-9:.]{12} fuse   P/board-1  GET /check\?type=1 -> 10403 .* \(no token\)$", rest)


def test_a_log_file_is_added_to_and_ends_with_the_summary(start, tmp_path):
    log = tmp_path / "stub.log"
    for name in ("one", "two"):
        process = start("--log", log)
        Operator(process.http_address)("GET", f"/ota/P/{name}/version")
        code, rest = process.stop()
        assert (code, "P/one" in rest) == (130, False)
    lines = log.read_text(encoding="utf-8").splitlines()
    assert [line.split()[2] for line in lines] == ["P/one", "-", "-", "P/two", "-", "-"]
    assert lines[-1].endswith("packages in memory 0 of at most 268,435,456 bytes")


def test_the_summary_says_what_happened_and_what_is_held(start):
    process = start("--inject", "call=version,status=503")
    operator = Operator(process.http_address)
    _, product, devices, package = operator.shop(1, grant=1, size=5_000)
    task = operator.task("/v1/accounts/1", package, devices)
    (job,) = operator("GET", f"/v1/tasks/{task['task_id']}/jobs")["jobs"]
    device = devices[0]
    token = make_token(device["key"], device_resource(product, device["name"]), 4_000_000_000 // 2)
    path = f"/fuse-ota/{product}/{device['name']}"
    base = "http://{}:{}".format(*process.http_address)
    answers = []
    for call in ("/version", f"/{job['tid']}/download"):
        request = urllib.request.Request(base + path + call, headers={"Authorization": token})
        try:
            reply = urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as struck:
            reply = struck
        with reply:
            answers.append((reply.status, len(reply.read()) == 5_000))
    assert answers == [(503, False), (200, True)]
    _, rest = process.stop()
    assert "\n  0 informs sent, 0 acknowledged; 0 jobs expired, 1 injected faults struck; " in rest
    assert "packages in memory 5,000 of at most 268,435,456 bytes\n" in rest


def test_a_log_that_can_not_be_written_is_said_before_anything_starts(tmp_path):
    done = CliRunner().invoke(serve, [*ANY, "--log", str(tmp_path / "no" / "such.log")])
    assert isinstance(done.exception, UsageFault)
    assert "such.log: No such file or directory" in str(done.exception)
