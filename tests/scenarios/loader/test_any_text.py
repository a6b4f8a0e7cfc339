"""Any bytes in: plays or mistakes out, never another exception."""

import contextlib
import copy
from pathlib import Path

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from scenarios.loader import LIBRARY, ScenarioFault, load_value
from scenarios.loader.files import load_bytes
from scenarios.loader.mistakes import Mark
from scenarios.loader.tree import compose
from scenarios.model import (
    ACTIONS,
    AutoAdd,
    ClearFaults,
    ClearInjected,
    CreateTask,
    Expect,
    ExpectDistribution,
    ExpectMessages,
    ExpectPushes,
    ExpectRunning,
    Fault,
    Fleet,
    Hardware,
    Inject,
    Level,
    Never,
    Policy,
    Register,
    Scenario,
    SetDevices,
    SetFault,
    Step,
    Upload,
    WaitUntil,
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
    ClearFaults,
    ExpectMessages,
    ExpectPushes,
    ExpectRunning,
    Fault,
    Hardware,
    Level,
    Never,
    Register,
    SetDevices,
    SetFault,
    Upload,
    WaitUntil,
)
NAMES = sorted({name for kind in KINDS for name in kind.__struct_encode_fields__} | {*ACTIONS, "F", "never"})
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from([
        "meters", "meters[1-3]", "failed of E1", "first 2 licensed of meters", "30d", "64 KiB", "FOTA", "E1", "F",
        "2021-06-01T00:00:00+08:00", "9999-12-31T23:59:59Z", "0012", "1.5", "1 fen", "none", "created", "refused",
        "never", "all", "50%", "webhook", "fuse", "download", "2 KiB", "cut", "hang", "install", "always", ">= 3", "3-2",
        "2% of meters", "5 of meters but failed of E1", "${v}", "$${", "${", "v", "10s-5s", "-2d", "ota/status", "bound",
    ]),
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)


# One scenario with everything that has a judge of its own, to be changed here and there.
WHOLE = {
    "version": 1,
    "name": "x",
    "vars": {"v": 2},
    "fleets": {
        "meters": {
            "count": 3,
            "device": {"battery": {"start": 80, "swing": 5}, "install": "10s-20s", "storage": "1 KiB"},
            "faults": [{"what": "cut", "at": 10}],
        },
    },
    "groups": {"some": "${v} of meters"},
    "steps": [
        {"id": "f", "fault": {"devices": "some", "what": "hang", "at": "install", "for": "5s"}},
        {"id": "c", "clear_faults": {"by": "f"}},
        {"id": "r", "register": {"fleet": "late", "count": 2, "faults": [{"what": "silent"}]}},
        {
            "id": "E1",
            "create_task": {"kind": "FOTA", "target": "2", "devices": ["meters", "late"]},
            "wait": "none",
        },
        {"id": "w", "wait_until": {"of": "E1", "until": {"jobs": {"success": ">= 1"}}, "advance": "2h"}},
        {"id": "p", "parallel": [{"id": "a", "buy": 1}, {"id": "b", "storm": {"devices": "meters"}}]},
        {"id": "s", "swap_cards": {"devices": "meters[1-2]"}, "expect": {"never": [{"left": 0}]}},
    ],
    "teardown": [{"id": "z", "power_off": {"devices": "failed of E1", "for": "1s"}}],
    "never": [{"of": "E1", "running": [{"devices": "meters", "stage": "idle", "count": "2-3"}]}],
}


def places_of(value, path=()):
    yield path
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, part in entries:
        yield from places_of(part, (*path, key))


PLACES = list(places_of(WHOLE))[1:]


def load(data):
    """Load it; every mistake has a place in the file and says something."""
    mistakes = mistakes_of(data)
    assert mistakes is None or mistakes
    assert all(each.mark.line >= 1 and each.mark.column >= 1 and each.text for each in mistakes or ())


def mistakes_of(data):
    try:
        load_bytes(data, "s.yaml", Path())
    except ScenarioFault as fault:
        return fault.mistakes
    return None


def test_the_whole_one_is_well_formed():
    load_bytes(yaml.safe_dump(WHOLE).encode(), "s.yaml", Path())


@given(st.lists(st.tuples(st.sampled_from(PLACES), SCALARS | TREES), min_size=1, max_size=3))
def test_a_whole_scenario_with_other_values(changes):
    tree = copy.deepcopy(WHOLE)
    for path, value in changes:
        here = tree
        for part in path[:-1]:
            known = (
                part in here
                if isinstance(here, dict)
                else isinstance(here, list) and part in range(len(here))
            )
            here = here[part] if known else None
        if isinstance(here, dict) or (isinstance(here, list) and path[-1] in range(len(here))):
            here[path[-1]] = value
    load(yaml.safe_dump(tree).encode())
    with contextlib.suppress(ScenarioFault):
        load_value(tree)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3)
    | st.datetimes() | st.timedeltas() | st.just(object()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.integers(), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_any_python_value(value):
    with contextlib.suppress(ScenarioFault):
        load_value({"version": 1, "name": "x", "steps": value})
    with contextlib.suppress(ScenarioFault):
        load_value(value)


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
