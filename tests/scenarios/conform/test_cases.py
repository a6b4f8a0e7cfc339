"""The cases as data: named once, resting on facts that are there, each able to say no."""

import re
from pathlib import Path

import pytest

from device_sim import FLOWS
from scenarios.conform.case import Do, Never, Want
from scenarios.conform.cases import CASES

DOCS = Path(__file__).parents[3] / "docs"
FACTS = set(re.findall(r"^\| ([A-Z]-[\w-]+) \|", (DOCS / "protocol.md").read_text(), re.MULTILINE))
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def test_every_case_has_a_name_of_its_own():
    names = [case.id for case in CASES]
    assert len(names) == len(set(names))
    assert not set(names) & {"good", "failing", "hostile"}


def test_every_flow_has_cases_of_each_group():
    for flow in FLOWS:
        there = [case.group for case in CASES if flow in case.flows]
        assert {"good", "failing", "hostile"} == set(there)
        assert len(there) >= 60


@EACH
def test_a_case_rests_on_facts(case):
    assert case.facts
    assert set(case.facts) <= FACTS


@EACH
def test_a_case_can_say_no(case):
    assert any(isinstance(step, Want | Never) for step in case.steps)
    assert isinstance(case.steps[-1], Want | Never)


@EACH
def test_a_case_reads_well(case):
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", case.id)
    assert len(case.id) <= 24
    assert case.title[0].isupper()
    assert not case.title.endswith(".")
    assert all(step.text for step in case.steps if not isinstance(step, Do))
