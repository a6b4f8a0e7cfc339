"""`ota-sim load create-task` as a user runs it: the stub, Locust and the command are processes."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from platform_stub.server import Stub
from scenarios.cli import main
from scenarios.load.result import LoadResult
from tests.scenarios.load.tasks.loads import load, started

FEW = ("--creators", "3", "--devices", "20")
LONG = ("-m", "scenarios.cli", "load", "create-task", *FEW, "--rate", "20/s", "--duration", "10 min")


async def test_a_load_at_a_rate_is_counted_judged_audited_and_reported(tmp_path):
    reports = tmp_path / "reports"
    code, out, err = await load(
        *FEW, "--rate", "20/s", "--count", "30", "--again", "50%", "--reads", "1", "--purchases", "30%",
        "--max-p99", "60s", "--min-rate", "1/min", "--data", str(tmp_path / "data"), "--report-dir", str(reports),
    )  # fmt: skip
    assert (code, err.count("Traceback")) == (0, 0), out + err
    assert "licences: 60 deducted, " in out
    assert "the answers and the accounts say the same" in out
    assert "audit: holds: I1-I7" in out
    assert "kept    --max-p99 60s" in out
    result = msgspec.json.decode((reports / "report.json").read_bytes(), type=LoadResult)
    created = result.measured("create task")
    assert (created.count, created.errors, sum(count for _, count in created.histogram)) == (30, 0, 30)
    assert result.measured("create task (again)").count > 0
    assert result.measured("late start").count == 30
    assert "Rate and durations over time" in (reports / "report.html").read_text()
    assert (tmp_path / "data" / "ota-sim.db").exists()


async def test_a_closed_loop_with_new_devices_in_every_task_on_a_stub_elsewhere(tmp_path):
    async with Stub(data=tmp_path) as stub:
        code, out, err = await load(
            *FEW,
            "--licensed",
            "75%",
            "--accounts",
            "2",
            "--count",
            "12",
            "--url",
            stub.http_url,
            "--warm-up",
            "0s",
        )
        database = stub.database
        assert database.exists()
    assert code == 0, out + err
    assert "licences: 60 deducted, " in out  # a quarter of each task's
    assert "audit: holds: I1-I3, I5 and I6 on " in out


async def test_a_load_on_postgresql(cluster):
    code, out, err = await load(*FEW, "--count", "6", "--database", cluster.url().secret)
    assert code == 0, out + err
    assert "the stub, in a process of its own, on postgresql://" in out
    assert "licences: 60 deducted, " in out
    assert "audit: holds: I1-I7" in out


async def test_too_few_creators_for_a_rate_are_said_and_fail():
    code, out, err = await load(
        "--creators", "1", "--devices", "400", "--rate", "3000/s", "--duration", "1s", "--max-p50", "1us"
    )
    assert code == 1, out + err
    assert "3000/s was not reached: " in out
    assert "creations never begun" in out
    assert "MISSED  --max-p50 1us: " in out


async def test_what_locust_still_writes_is_no_part_of_the_load(tmp_path):
    reports = tmp_path / "reports"
    code, out, err = await load(
        "--creators", "2", "--devices", "10", "--count", "4", "--report-dir", str(reports),
        "--", "--csv", str(tmp_path / "load"),
    )  # fmt: skip
    assert code == 0, out + err
    assert json.loads((reports / "report.json").read_text())["seconds"] < 1  # its CSV takes more than that


async def test_ctrl_c_ends_it_with_the_summary_so_far(tmp_path):
    async with started(*LONG, "--report-dir", str(tmp_path)) as process:
        await process.until(" created")
        children = process.children()
        process.process.send_signal(signal.SIGINT)
        code, out, err = await process.end()
    assert code == 130, out + err
    assert "create task" in out
    assert "the answers and the accounts say the same" in out
    assert out.splitlines()[-4] == "stopped before its end; what there was until then is above"
    assert json.loads((tmp_path / "report.json").read_text())["exit_code"] == 130
    assert not list(filter(_runs, children.values()))


@pytest.mark.parametrize(
    ("victim", "said"),
    [
        ("stub", "BROKEN  the stub died (signal SIGKILL)"),
        ("locust", "BROKEN  the Locust process died (signal SIGKILL)"),
    ],
)
async def test_a_process_that_dies_is_named_and_nothing_is_left_or_waited_for(victim, said):
    async with started(*LONG) as process:
        await process.until(" created")
        children = process.children()
        os.kill(children[victim], signal.SIGKILL)
        code, out, err = await process.end()
    assert code == 3, out + err
    assert said in out
    assert "audit: holds" in out
    assert not list(filter(_runs, children.values()))


async def test_no_process_outlives_the_command():
    async with started(*LONG) as process:
        await process.until(" created")
        children = process.children()
        assert set(children) == {"stub", "locust"}
        process.process.kill()
        await process.process.wait()
        async with asyncio.timeout(60):
            while any(map(_runs, children.values())):
                await asyncio.sleep(0.05)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def said(*words):
    """Run the command in this process, for what ends before anything starts."""
    result = CliRunner().invoke(main, ["load", "create-task", *FEW, *words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--max-p99", "fast"), 2, "--max-p99: a span of time is wanted"),
        (("--rate", "fast"), 2, "--rate: a rate is wanted"),
        (("--url", "127.0.0.1:80"), 2, "--url 127.0.0.1:80: http://HOST:PORT is wanted"),
        (("--url", "http://x", "--target", "y.yaml"), 2, "give one of --url and --target"),
        (("--url", "http://127.0.0.1:9", "--data", "none-such"), 2, "none-such: no such file or folder"),
        (("--target", "none.yaml"), 3, "none.yaml: can't be read: No such file"),
        (("--target", "none.yaml", "--data", "x"), 2, "--data and --database are not wanted with --target"),
        (("--devices", "1000000"), 2, "3,000,000 in all, and at most 2,000,000"),
        (("--web", "70000"), 2, "--web 70000: a port from 1 to 65,535"),
        (("--url", "http://me:secret@127.0.0.1:80"), 2, "ota-sim: --url: the operator API knows no logins"),
        (("--", "--headless"), 2, "--headless behind --"),
        (("--", "-u4"), 2, "-u4 behind --"),
        (("--", "--user", "3"), 2, "--user behind --"),
        (("--", "-t", "1s"), 2, "-t behind --"),
        (("--", "--tags", "x"), 2, "--tags behind --"),
        (("--", "--task-devices", "9"), 2, "--task-devices behind --"),
        (("--", "-V"), 2, "-V behind --"),
    ],
)
def test_bad_words_end_it_before_anything_starts(words, code, text):
    seen, output = said(*words)
    assert (seen, text in output) == (code, True), output


def test_a_port_that_is_taken_and_a_target_that_does_not_answer_are_named():
    with socket.socket() as taken, socket.socket() as silent:
        for each in (taken, silent):
            each.bind(("127.0.0.1", 0))
        taken.listen()
        port, url = taken.getsockname()[1], f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert said("--web", str(port)) == (
            3, f"ota-sim: --web {port}: the port is not free (Address already in use); choose another\n",
        )  # fmt: skip
        code, output = said("--url", url)
    assert (code, output) == (
        3, f"ota-sim: --url {url}: nobody answers there (Connection refused). Is `ota-sim serve` running there?\n",
    )  # fmt: skip


def test_without_locust_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert said() == (
        2,
        "ota-sim: load tests run on Locust, which is not installed: pip install 'ota-sim[load]'\n",
    )


async def test_what_locust_refuses_is_told_in_its_words():
    code, out, _ = await load(*FEW, "--count", "1", "--", "--no-such-option")
    assert code == 3
    assert "BROKEN  the Locust process died (exit code 2): " in out
    assert "unrecognized arguments: --no-such-option" in out


def test_no_part_of_the_command_imports_gevent():
    assert "gevent" not in sys.modules


async def test_a_platform_behind_its_adapter_whose_tasks_stay_open(tmp_path):
    async with Stub() as stub:
        file = tmp_path / "served.yaml"
        file.write_text(
            "version: 1\nadapter: scenarios.adapters.served:Served\n"
            f"options: {{url: '{stub.http_url}'}}\nhttp: 127.0.0.1:{stub.http_address[1]}\n"
        )
        code, out, err = await load(*FEW, "--count", "6", "--reads", "1", "--open", "--target", str(file))
    assert code == 0, out + err
    assert "licences: 120 deducted, " in out
    assert "cancel task" not in out
    assert "audit: not audited: the books are the platform's own" in out
