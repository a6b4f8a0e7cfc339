"""`ota-sim serve` as its users run it: the demo's own lines, Ctrl-C, a restart, and what stands in its way."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from scenarios.auditor import audit_database
from tests.end_to_end.conftest import Operator

ROOT = Path(__file__).resolve().parents[2]
ANY = ("--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")


def line_after(lines, words):
    """The indented line that follows the one which says so."""
    at = next(at for at, line in enumerate(lines) if words in line)
    return lines[at + 1].strip()


def shell(line):
    """Run a line that the demo printed, as its reader would."""
    tool = f"{sys.executable} -m scenarios.cli"
    line = tool + line.removeprefix("ota-sim") if line.startswith("ota-sim ") else line
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        line, env=environment, shell=True, capture_output=True, text=True, timeout=60, check=False
    )


def test_every_line_of_the_demo_works_as_printed(serve, tmp_path, monkeypatch):
    process = serve(*ANY, "--demo")
    monkeypatch.chdir(tmp_path)
    export, fleet, update = (
        line.strip()
        for line in process.lines
        if line.strip().startswith(("ota-sim devices", "ota-sim fleet", "ota-sim api"))
    )
    assert shell(export).returncode == 0
    devices = subprocess.Popen(
        f"exec {sys.executable} -m scenarios.cli{fleet.removeprefix('ota-sim')} --until idle",
        env=os.environ | {"PYTHONPATH": str(ROOT)}, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert '"expires_after_ms":86400000' in update
    created = shell(update)
    assert created.returncode == 0, created.stdout + created.stderr
    operator = Operator(process.http_address)
    assert operator("GET", "/v1/tasks/1?wait_ms=30000")["jobs"]["success"] == 3
    said, _ = devices.communicate(timeout=60)
    assert devices.returncode == 0, said


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_demos_curl_line_works(serve):
    process = serve(*ANY, "--demo")
    done = shell(line_after(process.lines, "show the account"))
    assert '"name":"demo"' in done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_demos_check_works(serve, host):
    process = serve("--http", f"{host}:0", "--mqtt", f"{host}:0", "--demo")
    update = next(line.strip() for line in process.lines if line.strip().startswith("ota-sim api"))
    check = line_after(process.lines, "ask for a job")
    assert '"code":12012' in shell(check).stdout
    assert shell(update).returncode == 0
    assert '"target":"2.0"' in shell(check).stdout


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_local_commands_name_this_machine_and_devices_are_told_where(serve, host):
    process = serve("--http", f"{host}:0", "--mqtt", f"{host}:0", "--demo")
    http, mqtt = process.http_address, process.mqtt_address
    assert (http[0], mqtt[0]) == ("127.0.0.1", "127.0.0.1")
    told = [line for line in process.lines if "devices reach it at" in line]
    assert not any("0.0.0.0" in line for line in process.lines)
    if host == "127.0.0.1":
        assert told == []
        return
    for line, (_, port) in zip(told, (http, mqtt), strict=True):
        assert f"port {port}" in line
        assert "any address of this machine" in line
    assert "the operator on this machine only" in told[0]


@pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None, reason="mosquitto_pub (mosquitto-clients) is not installed"
)
def test_the_demos_mosquitto_line_works(serve):
    process = serve(*ANY, "--demo")
    done = shell(line_after(process.lines, "report a version"))
    assert (done.returncode, done.stderr) == (0, "")
    assert Operator(process.http_address)("GET", "/v1/devices/1")["device"]["f_version"] == "1.1"


def test_ctrl_c_stops_it_and_a_restart_finds_everything(serve, tmp_path):
    data = tmp_path / "data"
    process = serve(*ANY, "--data", data)
    operator = Operator(process.http_address)
    base, _, devices, package = operator.shop(3, grant=3)
    task = operator.task(base, package, devices)
    before = operator("GET", base)
    code, rest = process.stop()
    assert code == 130
    assert f"everything is in {data}" in rest
    assert "Traceback" not in rest
    assert audit_database(data).ok
    again = Operator(serve(*ANY, "--data", data).http_address)
    assert again("GET", base) | {"now_ms": 0} == before | {"now_ms": 0}
    assert again("GET", f"/v1/tasks/{task['task_id']}") == task


def test_sigterm_is_a_normal_end(serve):
    process = serve(*ANY)
    process.popen.send_signal(signal.SIGTERM)
    process.popen.communicate(timeout=60)
    assert process.popen.returncode == 0


def run(*options):
    command = [sys.executable, "-m", "scenarios.cli", "serve", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("which", ["--http", "--mqtt"])
def test_a_port_that_is_taken(which):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        options = {"--http": "127.0.0.1:0", "--mqtt": "127.0.0.1:0"} | {which: f"127.0.0.1:{port}"}
        done = run(*(part for option in options.items() for part in option))
    assert done.returncode == 3
    assert f"127.0.0.1:{port}" in done.stderr
    assert "another port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_in_use(serve, tmp_path):
    serve(*ANY, "--data", tmp_path / "data")
    done = run(*ANY, "--data", tmp_path / "data")
    assert done.returncode == 3
    assert "in use by another ota-sim" in done.stderr


def test_a_folder_that_is_not_ours(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    done = run(*ANY, "--data", tmp_path)
    assert done.returncode == 3
    assert "holds other files (letter.txt)" in done.stderr


@pytest.mark.parametrize("address", ["8080", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"])
def test_an_address_that_is_none(address):
    done = run("--http", address)
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr
