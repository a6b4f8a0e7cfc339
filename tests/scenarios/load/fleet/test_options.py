"""What may be missing."""

import importlib
import sys

import pytest

from platform_stub.protocol.errors import UsageFault
from scenarios.load.fleet.options import Missing, storm_of


@pytest.mark.parametrize(
    ("said", "missing", "held"),
    [
        ("0", 0, True),
        ("0", 1, False),
        ("3", 3, True),
        ("1%", 10, True),
        ("1%", 11, False),
        ("0.5 %", 5, True),
    ],
)
def test_a_bound_is_held_against_the_missing_of_a_thousand(said, missing, held):
    verdict = Missing.parse(said).judge(missing, 1_000)
    assert verdict.held is held
    assert verdict.option == f"--max-missing {said}"
    assert verdict.seen.startswith(f"{missing:,} of 1,000")


@pytest.mark.parametrize("said", ["", "-1", "few", "101%", "1.5", "1%%", "∞"])
def test_what_is_no_bound_is_refused(said):
    with pytest.raises(UsageFault, match="a count or a share is wanted"):
        Missing.parse(said)


def test_gevent_stays_in_locusts_process():
    """It patches the whole process that it is imported into."""
    importlib.import_module("scenarios.load.fleet.play")
    assert "gevent" not in sys.modules


def test_no_storm_is_one_too():
    assert storm_of(None) == "none"
