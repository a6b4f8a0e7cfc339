"""What docs/python.md and docs/pytest.md show: it runs, it passes, and it is all there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.session import errors

DOCS = Path(__file__).resolve().parents[3] / "docs"


def blocks(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_first_example_runs(tmp_path):
    (tmp_path / "example.py").write_text(blocks("python.md")[0])
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(DOCS.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "10 1.1\n", "")


@pytest.mark.parametrize(("page", "at", "passed"), [("python.md", 1, 16), ("pytest.md", 0, 1)])
def test_the_tests_that_are_shown_pass(page, at, passed, tmp_path):
    (tmp_path / "test_shown.py").write_text(blocks(page)[at])
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "scenarios.pytest_plugin", "-o", "asyncio_mode=auto"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(DOCS.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert f"{passed} passed" in done.stdout, done.stdout


def test_every_error_is_explained():
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    ours = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    assert ours
    assert all(f"`{name}`" in text for name in ours)


def test_every_option_is_explained():
    from scenarios.pytest_plugin import settings

    text = (DOCS / "pytest.md").read_text(encoding="utf-8")
    options = re.findall(r'"(--ota-[a-z]+)"', Path(settings.__file__).read_text(encoding="utf-8"))
    assert len(set(options)) == 7
    assert all(option in text for option in options)
