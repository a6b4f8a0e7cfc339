"""What holds for all tests: where nothing may be skipped, a skip is a failure."""

import os

import pytest

NO_SKIPS = "OTA_SIM_NO_SKIPS"


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
