"""Scenarios as pytest items, and fixtures for a stub, its devices and a session: `pytest -p scenarios.pytest_plugin`.

- `settings`: options, ini value, and what is kept with a run
- `items`: files, plays and steps as pytest sees them, and their texts in `wording`
- `stepped_play`: a play whose steps are items
- `fixtures`; `fleets`: devices at a stub; `bridge`: the loop that all of it lives in

Nothing that speaks to a network is loaded before it is needed. This package alone needs pytest; it is never loaded
unless a user asks for it.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from scenarios.pytest_plugin.bridge import Bridge
from scenarios.pytest_plugin.fixtures import ota_fleet, ota_operator, ota_session, ota_stub
from scenarios.pytest_plugin.settings import BRIDGE, ERROR, VARIABLES, Settings, add_options

__all__ = [
    "ota_fleet",
    "ota_operator",
    "ota_session",
    "ota_stub",
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_runtest_makereport",
    "pytest_unconfigure",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Name our options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Have a loop for whatever must live longer than a call; it is not started before it is used."""
    config.stash[BRIDGE] = Bridge()
    config.stash[VARIABLES] = set()
    if not config.pluginmanager.hasplugin("xdist"):
        config.addinivalue_line("markers", "xdist_group(name): set by ota-sim on the steps of a play")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the loop."""
    bridge = config.stash.get(BRIDGE, None)
    if bridge is not None:
        bridge.close()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take scenario files."""
    is_named = parent.session.isinitpath(file_path)
    if not Settings(parent.config).is_scenario(file_path, is_named=is_named):
        return None
    from scenarios.pytest_plugin.items import ScenarioFile  # noqa: PLC0415 - it loads stub and devices

    return ScenarioFile.from_parent(parent, path=file_path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a variable that no scenario has."""
    known = config.stash[VARIABLES]
    for name in Settings(config).variables:
        if items and name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise pytest.UsageError(
                f"--ota-var {name}: no scenario has a variable of that name; there are {there}"
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember what a test has raised: its session leaves evidence then."""
    report = yield
    if report.failed and call.excinfo is not None and call.when != "teardown":
        item.stash[ERROR] = call.excinfo.value
    return report
