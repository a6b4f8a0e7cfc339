"""What the plugin keeps with a pytest run and its tests, by key."""

from typing import Final

import pytest

from scenarios.pytest_plugin.bridge import Bridge

BRIDGE: Final = pytest.StashKey[Bridge]()
"""The loop that fixtures and plays by steps live in."""
VARIABLES: Final = pytest.StashKey[set[str]]()
"""The variables of all scenarios that were collected."""
ERROR: Final = pytest.StashKey[BaseException]()
"""What a test has raised."""
SECTION: Final = "ota-sim"
"""What a section of a report is headed with."""
