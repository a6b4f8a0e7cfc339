"""What holds for all tests: where nothing may be skipped, a skip is a failure; no example is timed."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

from tests.postgresql import cluster  # noqa: F401 - a fixture: one server for all tests of a process

NO_SKIPS = "OTA_SIM_NO_SKIPS"

# how long one example takes says something of the machine, not of what is tested
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "long: takes many seconds; played first, so that no process ends with it"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Put the long tests first in each process's part of the tests; parts are as xdist's worksteal makes them."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in items if item.get_closest_marker("long")]
    rest = [item for item in items if not item.get_closest_marker("long")]
    part = len(items) // workers
    items[:] = []
    for worker in range(workers):
        mine = long[worker::workers]
        room = len(rest) if worker == workers - 1 else max(0, part - len(mine))
        items += mine + rest[:room]
        del rest[:room]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    """Take what was collected out of the collector's sight: thousands of tests would be walked through each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get(NO_SKIPS):
        terminalreporter.write_line(
            f"{len(skipped)} skipped, and {NO_SKIPS} is set: that fails the run", red=True
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and reporter.stats.get("skipped") and os.environ.get(NO_SKIPS) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
