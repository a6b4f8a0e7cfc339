"""The schema: valid JSON Schema, described throughout, and made without harm."""

import subprocess
import sys

import pytest
import yaml
from jsonschema import Draft202012Validator

from scenarios import model
from scenarios.loader import LIBRARY
from scenarios.schema import scenario_schema

COUNTED = {"ExpectJobs", "ExpectNotices", "ExpectDeliveries"}
"""Their fields are the names of states and channels."""


def test_it_is_a_json_schema():
    Draft202012Validator.check_schema(scenario_schema())


@pytest.mark.parametrize("file", sorted(LIBRARY.glob("*.yaml")), ids=lambda file: file.stem)
def test_an_editor_has_nothing_against_the_library(file):
    document = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - texts only
    objections = [
        error
        for error in Draft202012Validator(scenario_schema()).iter_errors(document)
        if error.validator in {"additionalProperties", "required"}
    ]
    assert objections == []


def test_every_action_and_expectation_is_described():
    defs = scenario_schema()["$defs"]
    for kind in defs.keys() - COUNTED:
        assert defs[kind]["description"]
        for name, schema in defs[kind]["properties"].items():
            target = defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            assert "description" in schema or "description" in target, f"{kind}.{name}"


def test_actions_are_fields_of_a_step():
    assert set(model.ACTIONS) < set(model.Step.__struct_fields__)
    assert set(model.COUNTS) < set(model.Expect.__struct_fields__)


def test_making_it_damages_no_memory():
    """msgspec 0.22 writes beyond its memory for a str with a pattern in a union with a list or a dict."""
    code = "from scenarios.schema import scenario_schema; from scenarios.model import CsvDevice; import msgspec; "
    code += "scenario_schema(); msgspec.json.schema(CsvDevice)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        env={"PYTHONMALLOC": "debug"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
