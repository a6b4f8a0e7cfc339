"""A project of a user's: a folder with scenario files and tests, where pytest is run as a user runs it."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
INI = """\
[pytest]
addopts = --strict-markers --strict-config
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""
GOOD = """\
version: 1
name: good
title: two licences are bought
clock: 2021-06-01T00:00:00+08:00
account: {top_up: 100}
steps:
  - {id: two, title: "two of them", buy: 2, expect: {purchased_left: 2}}
  - {id: three, buy: 3, expect: {purchased_left: 5}}
"""
BAD = """\
version: 1
name: bad
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 0}
account: {top_up: 100, buy: 10}
fleets: {meters: {count: 3}}
steps:
  - {id: fault, fail: {devices: "meters[2]", step: 205}}
  - {id: task, title: "all three", create_task: {kind: FOTA, target: "1.1", devices: meters}, expect: {deducted: 3, jobs: {success: 3}}}
  - {id: later, buy: 1, expect: {left: 8}}
"""
VARIANTS = """\
version: 1
name: both
clock: 2021-06-01T00:00:00+08:00
vars: {count: 2}
account: {top_up: 100}
variants: {F: {}, P: {policy: {free_devices: 0}}}
steps:
  - {id: buy, buy: "${count}", expect: {left: {F: 102, P: 2}}}
"""


class Project:
    """A folder in which pytest is run in a process of its own."""

    def __init__(self, pytester):
        self.pytester = pytester
        self.path = pytester.path
        pytester.makefile(".ini", pytest=INI)

    def files(self, **texts):
        """Write scenarios, by their name."""
        for name, text in texts.items():
            (self.path / f"{name}.ota.yaml").write_text(text)

    def tests(self, text, name="test_mine"):
        """Write a user's tests."""
        self.pytester.makepyfile(**{name: text})

    def run(self, *options):
        """Run pytest there with the plugin, and give what it said."""
        return self.pytester.run(
            sys.executable, "-m", "pytest", "-p", "scenarios.pytest_plugin", *options, timeout=100
        )


@pytest.fixture
def project(pytester, monkeypatch):
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Project(pytester)
