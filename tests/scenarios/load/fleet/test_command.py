"""The whole command, small: who is missing is said, what dies is named, and it always ends."""

import json
import signal

import pytest

from platform_stub.server import Stub
from tests.scenarios.load.fleet.conftest import needs_locust

pytestmark = needs_locust
SMALL = ("--devices", 30, "--processes", 2)


def measured(folder):
    """Give what the JSON report says was done of each thing, and the report."""
    report = json.loads((folder / "report.json").read_text())
    return {each["name"]: each["count"] for each in report["measurements"]}, report


async def test_devices_come_back_from_a_restarted_platform_and_are_updated_once(run, tmp_path):
    """The command's own stub is killed while devices are connected; nothing is lost."""
    command = await run(
        *SMALL, "--storm", "broker-restart", "--report-dir", tmp_path, "--max-told-p99", "90s"
    )
    code, out, err = await command.done()
    assert code == 0, out + err
    counts, report = measured(tmp_path)
    assert (counts["told"], counts["job"], counts["reconnect"]) == (30, 30, 30)
    assert counts["connect"] == 60
    assert report["audit"]["audited"]
    assert not report["audit"]["findings"]
    assert "30 bought, 30 deducted, 0 left" in out
    assert "30 devices go over 1 stub process and 2 fleet processes here" in err
    assert {each["option"]: each["held"] for each in report["thresholds"]} == {
        "--max-missing 0": True,
        "--max-told-p99 90s": True,
    }
    assert {path.name for path in tmp_path.iterdir()} == {"junit.xml", "report.json", "report.html"}


async def test_half_the_devices_drop_and_return_at_a_stub_elsewhere(run, tmp_path):
    async with Stub() as stub:
        host, port = stub.mqtt_address
        command = await run(
            *(
                *SMALL,
                "--storm",
                "half",
                "--kind",
                "sota",
                "--url",
                stub.http_url,
                "--mqtt",
                f"{host}:{port}",
            ),
            *("--report-dir", tmp_path, "--max-job-p99", "1ms", "--", "--csv", tmp_path / "locust"),
        )
        code, out, err = await command.done()
    assert code == 1, out + err
    counts, report = measured(tmp_path)
    assert (counts["told"], counts["job"], counts["reconnect"]) == (30, 30, 16)
    assert [each["option"] for each in report["thresholds"] if not each["held"]] == ["--max-job-p99 1ms"]
    assert "read over HTTP" in report["audit"]["how"]
    assert "OTA,told,30,0" in (tmp_path / "locust_stats.csv").read_text()


async def test_a_fleet_process_that_dies_is_named(run, silent):
    async with Stub() as stub:
        host, port = silent.address
        command = await run(*SMALL, "--url", stub.http_url, "--mqtt", f"{host}:{port}")
        await silent.came.wait()
        shard = command.child("device_sim.shards.shard")
        shard.kill()
        code, out, _ = await command.done()
    assert code == 3
    assert f"(pid {shard.pid}) died (signal SIGKILL)" in out
    assert command.process.returncode is not None
    assert not shard.is_running()


async def test_a_broker_that_says_nothing_is_named_and_not_waited_for(run, silent):
    async with Stub() as stub:
        host, port = silent.address
        command = await run(*SMALL, "--url", stub.http_url, "--mqtt", f"{host}:{port}", "--give-up", "1s")
        code, out, _ = await command.done()
    assert code == 3
    assert f"MQTT {host}:{port} has let no device in" in out
    assert "30 of 30 devices are not in: " in out


async def test_ctrl_c_ends_it_with_the_summary_so_far(run, silent, tmp_path):
    async with Stub() as stub:
        host, port = silent.address
        command = await run(
            *(*SMALL, "--url", stub.http_url, "--mqtt", f"{host}:{port}", "--report-dir", tmp_path)
        )
        await silent.came.wait()
        shard = command.child("device_sim.shards.shard")
        command.process.send_signal(signal.SIGINT)
        code, out, err = await command.done()
    assert code == 130, out + err
    assert "in at the end: 0 of 30 devices" in out
    assert measured(tmp_path)[1]["interrupted"]
    assert not shard.is_running()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--devices", 900_000], 3, "devices do not fit this machine: the stub needs"),
        (["--devices", 9, "--processes", 65], 2, "processes = 65: 1 to 64 are wanted, or auto"),
        (["--max-told-p99", "soon"], 2, "--max-told-p99: a span of time is wanted"),
        (["--max-missing", "few"], 2, "--max-missing: a count or a share is wanted"),
        (["--max-missing", "0.5"], 2, "--max-missing: a count or a share is wanted"),
        (["--storm", "broker-restart", "--url", "http://127.0.0.1:1"], 2, "leave --url out"),
        (["--mqtt", "127.0.0.1:1"], 2, "--mqtt is for --url"),
        (["--size", "31MB"], 2, "a package has 1 byte to 30 MB"),
        (["--give-up", "1ms"], 2, "--give-up: at least 1s is wanted"),
        (["--", "--run-time", "5s"], 2, "--run-time behind --"),
        (["--", "--users", "5"], 2, "--users behind --"),
    ],
)
def test_what_can_not_be_is_said_before_anything_starts(words, code, said, capsys):
    from scenarios.cli import main

    with pytest.raises(SystemExit) as left:
        main(["load", "fleet", *map(str, words)], prog_name="ota-sim")
    assert left.value.code == code
    assert said in capsys.readouterr().err


async def test_mqtt_where_nobody_listens_is_said_at_once(run, unused_tcp_port):
    async with Stub() as stub:
        command = await run("--devices", 9, "--url", stub.http_url, "--mqtt", f"127.0.0.1:{unused_tcp_port}")
        code, _, err = await command.done()
    assert code == 3
    assert f"MQTT 127.0.0.1:{unused_tcp_port}: " in err
