"""README's own files and commands, taken from its text, do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"junit.xml", "report.json"}


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


def test_every_page_that_readme_links_exists():
    for link in re.findall(r"\]\(((?!http)[^)#]+)", README):
        assert (ROOT / link).exists(), link
