"""README's own files and commands, taken from its text, do what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Operator

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
YAML = re.search(r"```yaml\n# my-first\.yaml\n(.*?)```", README, re.DOTALL).group(1)


def tool(line, cwd):
    """Run an `ota-sim` line of README."""
    command = line.split(" #")[0].replace("ota-sim", f"{sys.executable} -m scenarios.cli", 1)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    return subprocess.run(
        command,
        shell=True,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("line", re.findall(r"^ota-sim (?:check|run) my-first.*$", README, re.MULTILINE))
def test_the_first_scenario(line, tmp_path):
    (tmp_path / "my-first.yaml").write_text(YAML)
    done = tool(line, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    if "--report-dir" in line:
        assert {path.name for path in (tmp_path / "out").iterdir()} == {
            "junit.xml",
            "report.html",
            "report.json",
        }


def test_the_bad_month(tmp_path):
    (tmp_path / "month.yaml").write_text(
        re.search(r"```yaml\n(version: 1\nname: a-bad-month\n.*?)```", README, re.DOTALL)[1]
    )
    done = tool("ota-sim run month.yaml", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_session():
    (code,) = re.findall(r"```python\n(async with Session.*?)```", README, re.DOTALL)
    names = {}
    body = "from scenarios.session import Session\nasync def play():\n" + code.replace(
        "async", "    async", 1
    ).replace("\n    ", "\n        ")
    exec(body, names)
    await names["play"]()


def test_there_are_lines_to_run():
    assert len(re.findall(r"^ota-sim (?:check|run) my-first", README, re.MULTILINE)) == 2


@pytest.mark.parametrize("name", re.findall(r"^\| `ota-sim (\w+)", README, re.MULTILINE))
def test_every_command_has_a_help(name, tmp_path):
    done = tool(f"ota-sim {name} --help", tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ")


def test_every_option_that_readme_names_exists(tmp_path):
    for name, described in re.findall(
        r"^\| `ota-sim (\w+)[^|]*(?:\\\|[^|]*)*\|(.*)\|$", README, re.MULTILINE
    ):
        shown = tool(f"ota-sim {name} --help", tmp_path).stdout
        for option in re.findall(r"`(--[a-z-]+)`", described):
            assert option in shown, (name, option)


def test_every_make_target_that_readme_names_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`make (\w+)`", README)) | set(
        re.findall(r"^make (\w+)", README, re.MULTILINE)
    ):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


async def test_the_python_example():
    code = re.search(r"### In a test of your own\n.*?```python\n(.*?)```", README, re.DOTALL).group(1)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    await names["test_ten_devices_update"]()


def own_device(serve, tmp_path):
    """The lines of "Point your own device at it" as one script against a stub at any ports; answers its lines."""
    section = re.search(r"### Point your own device at it\n(.*?)\n### ", README, re.DOTALL).group(1)
    start, *blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    process = serve(*start.split("#")[0].replace(":8080", ":0").replace(":1883", ":0").split()[2:])
    (host, port), (_, mqtt_port) = process.http_address, process.mqtt_address
    lines = "".join(blocks).replace("127.0.0.1:8080", f"{host}:{port}").replace("-p 1883", f"-p {mqtt_port}")
    tool = f"{sys.executable} -m scenarios.cli"
    lines = lines.replace("ota-sim api", f"{tool} api --compact --http {host}:{port}").replace(
        "ota-sim token", f"{tool} token"
    )
    done = subprocess.run(
        ["bash", "-e", "-c", re.sub(r"^(curl .*?)( *#.*)?$", r"\1; echo", lines, flags=re.MULTILINE)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line], process


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("mosquitto_sub")),
    reason="curl or mosquitto_sub is not installed",
)
def test_an_own_device_is_updated_by_the_lines_as_they_stand(serve, tmp_path):
    answers, process = own_device(serve, tmp_path)
    inform, south, check, state, downloaded, updated, shown = answers[-7:]
    assert '"params":{}' in inform
    assert '"token":"ota_' in south
    assert '"tid":1,"size":65536' in check
    assert '"data":{"status":2}' in state
    assert (tmp_path / "part.bin").read_bytes() == (tmp_path / "fw.bin").read_bytes()[:1024]
    assert '"code":0' in downloaded
    assert '"code":0' in updated
    assert '"f_version":"2.0"' in shown
    assert Operator(process.http_address)("GET", "/v1/tasks/1")["jobs"]["success"] == 1


def test_every_page_that_readme_links_exists():
    for link in re.findall(r"\]\(((?!http)[^)#]+)", README):
        assert (ROOT / link).exists(), link
