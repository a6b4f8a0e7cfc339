"""Any bytes in: plays or mistakes out, never another exception."""

import contextlib
from pathlib import Path

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from scenarios.loader import LIBRARY, ScenarioFault
from scenarios.loader.files import load_bytes
from scenarios.loader.mistakes import Mark
from scenarios.loader.tree import compose
from scenarios.model import (
    ACTIONS,
    AutoAdd,
    ClearInjected,
    CreateTask,
    Expect,
    ExpectDistribution,
    Fleet,
    Inject,
    Policy,
    Scenario,
    Step,
)

EXAMPLES = (LIBRARY / "examples-tenth.yaml").read_bytes()

KINDS = (
    Scenario,
    Step,
    Expect,
    Fleet,
    Policy,
    CreateTask,
    AutoAdd,
    Inject,
    ClearInjected,
    ExpectDistribution,
)
NAMES = sorted({name for kind in KINDS for name in kind.__struct_encode_fields__} | {*ACTIONS, "F", "never"})
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from([
        "meters", "meters[1-3]", "failed of E1", "first 2 licensed of meters", "30d", "64 KiB", "FOTA", "E1", "F",
        "2021-06-01T00:00:00+08:00", "9999-12-31T23:59:59Z", "0012", "1.5", "1 fen", "none", "created", "refused",
        "never", "all", "50%", "webhook", "fuse", "download", "2 KiB",
    ]),
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)


def load(data):
    with contextlib.suppress(ScenarioFault):
        load_bytes(data, "s.yaml", Path())


@given(st.binary(max_size=200))
def test_any_bytes(data):
    load(data)


@given(st.text(max_size=200))
def test_any_text(text):
    load(text.encode("utf-8", "surrogatepass"))


@given(TREES)
def test_any_tree_of_the_languages_words(tree):
    load(yaml.safe_dump(tree).encode())


@given(st.dictionaries(st.sampled_from(NAMES), TREES, max_size=8), st.lists(TREES, max_size=3))
def test_any_scenario(extra, steps):
    load(yaml.safe_dump({"version": 1, "name": "x", "steps": steps, **extra}).encode())


@given(st.data())
def test_the_examples_with_bytes_changed(data):
    text = bytearray(EXAMPLES)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 12))] = data.draw(
            st.sampled_from([b"", b"[", b"}", b": ", b"\n", b"\t", b"9", b"-", b"'"])
        )
    load(bytes(text))


@given(st.binary(max_size=100))
@example(b"a: [")
@example(b"? [a]\n: 1")
def test_a_tree_or_faults_with_places(data):
    root, faults = compose(data)
    assert root is not None or faults
    assert all(
        isinstance(mark, Mark) and mark.line >= 1 and mark.column >= 1 and text for mark, text in faults
    )
