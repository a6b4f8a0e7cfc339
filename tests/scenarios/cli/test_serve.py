"""`ota-sim serve` with `--strict` and `--inject`: what it says at its start, and that both are in force."""

import pytest
from click.testing import CliRunner

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
    assert "call=download,share=2%,cut=10000" in said
    assert "--strict" in said
