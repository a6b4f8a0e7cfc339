"""What holds for all tests: where nothing may be skipped, a skip is a failure; no example is timed."""

import os

import pytest
from hypothesis import HealthCheck, settings

NO_SKIPS = "OTA_SIM_NO_SKIPS"

# how long one example takes says something of the machine, not of what is tested
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


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
