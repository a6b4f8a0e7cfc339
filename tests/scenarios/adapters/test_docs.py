"""docs/adapters.md says all that there is, and its examples are right."""

import re
from pathlib import Path

import pytest

from scenarios.adapters.entry import check_call, find_factory
from scenarios.adapters.guard import calls
from scenarios.capabilities import CAPABILITIES
from scenarios.target_file import load_target, target_schema

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "adapters.md").read_text()


def table(heading):
    """Give the first and second cell of each row of the first table after a heading."""
    part = TEXT[TEXT.index(f"{heading}\n") :]
    rows = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:3]] for row in rows]


def test_all_methods_are_told():
    assert sorted(name.strip("`") for name, _ in table("### All methods")) == sorted(calls())


def test_all_capabilities_are_told():
    assert {
        name.strip("`"): words for name, words in table("### What a scenario can ask for")
    } == CAPABILITIES


def test_all_fields_of_a_target_file_are_told():
    told = [word for name, _ in table("## A target file") for word in re.findall(r"`(\w+)`", name)]
    assert sorted(told) == sorted(target_schema()["$defs"]["TargetFile"]["properties"])


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_example_of_a_target_file_and_its_adapter(tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", "secret")
    (tmp_path / "acme.py").write_text(blocks("python")[0])
    (tmp_path / "t.yaml").write_text(blocks("yaml")[0])
    target = load_target(tmp_path / "t.yaml")
    assert (target.name, target.call_ms, target.cannot) == ("acme staging", 30_000, ("clock", "inject"))


def test_the_example_adapter_takes_its_options():
    factory = find_factory("scenarios.adapters.served:Served", ROOT)
    assert check_call(factory, {"url": "http://127.0.0.1:8080"}) == ""
    assert check_call(factory, {}) == "the adapter wants url too"


@pytest.mark.parametrize("file", ["scenarios/adapters/served.py", "scenarios/operator.py", "docs/tasks.md"])
def test_what_it_points_to_is_there(file):
    assert file in TEXT
    assert (ROOT / file).is_file()
