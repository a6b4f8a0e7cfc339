"""Every rule, decision, invariant and example is cited where it is tested, and described in docs/rules.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
IDS = [f"B{n}" for n in range(1, 18)] + [f"P{n}" for n in range(1, 17)] + [f"I{n}" for n in range(1, 8)]


def cited(paths):
    text = "\n".join(path.read_text() for path in paths if path != Path(__file__))
    text = re.sub(
        r"\b([BPIE])(\d+)-(?:\1)?(\d+)\b",
        lambda m: " ".join(f"{m[1]}{n}" for n in range(int(m[2]), int(m[3]) + 1)),
        text,
    )
    return set(re.findall(r"\b[BPIE]\d{1,2}\b", text))


def test_every_id_is_described():
    assert set(IDS) <= cited([ROOT / "docs" / "rules.md"])


@pytest.mark.parametrize("where", [["tests"], ["platform_stub", "scenarios"]])
def test_every_id_is_cited(where):
    files = [path for folder in where for path in (ROOT / folder).rglob("*.py")]
    files += [path for folder in where for path in (ROOT / folder).rglob("*.yaml")]
    assert sorted(set(IDS) - cited(files)) == []


def test_every_example_is_in_the_library():
    text = cited((ROOT / "scenarios" / "library").glob("*.yaml"))
    assert {f"E{n}" for n in range(1, 12)} <= text
