"""Variables: what they stand for, what can be given instead, and what they can't be."""

from pathlib import Path

import pytest

from platform_stub.protocol.errors import UsageFault
from scenarios import play as p
from scenarios.loader import ScenarioFault, load_files, read_variables
from scenarios.loader.files import load_bytes
from scenarios.selection import parse_selection

TEXT = """\
version: 1
name: x
vars: {count: 5, who: meters, target: 2.0, date: null, on: true}
fleets:
  meters: {count: "${count}"}
steps:
  - id: task
    title: costs $${count} for ${who}, ${count} yuan
    create_task: {kind: FOTA, target: "${target}", devices: "first ${count} of ${who}"}
    expect: {distribution: [{f_versions: {"${target}": 5}}]}
  - id: date
    charging_date: ${date}
  - {id: hook, set_webhook: {off: "${on}"}}
"""


def plays_of(text, **given):
    return load_bytes(text.encode(), "x.yaml", Path(), given)


def mistakes_of(text):
    with pytest.raises(ScenarioFault) as caught:
        plays_of(text)
    return [str(mistake).removeprefix("x.yaml:") for mistake in caught.value.mistakes]


def test_what_they_stand_for():
    (play,) = plays_of(TEXT)
    task, date, hook = play.steps
    assert play.fleets[0].count == 5
    assert task.title == "costs ${count} for meters, 5 yuan"
    assert isinstance(task.action, p.CreateTask)
    assert task.action.package.target == "2.0"
    assert task.action.devices == (parse_selection("first 5 of meters"),)
    assert task.expected.distribution[0].f_versions == {"2.0": 5}
    assert date.action == p.SetChargingDate(at_ms=None)
    assert hook.action == p.SetWebhook(passes=True, failing=0, off=True)
    assert play.variables == {"count": "5", "who": "meters", "target": "2.0", "date": "null", "on": "true"}


def test_another_value_is_read_as_its_place_wants_it():
    (play,) = plays_of(TEXT, count="7", target="03", date="1970-01-01T00:00Z", other="x")
    assert play.fleets[0].count == 7
    assert isinstance(play.steps[0].action, p.CreateTask)
    assert play.steps[0].action.package.target == "03"
    assert play.steps[1].action == p.SetChargingDate(at_ms=0)
    assert play.variables["count"] == "7"
    assert play.given == ("count", "target", "date")
    assert "other" not in play.variables


HEAD = "version: 1\nname: x\n"
MISTAKES = [
    ("vars: {n: 1}\nsteps: [{id: s, buy: '${m}'}]\n", [
        "3:8: vars.n: nothing uses the variable n; take it out",
        "4:22: steps.s.buy: no variable is named m; there are n",
    ]),
    ("vars: {number: 1}\nsteps: [{id: s, buy: '${nubmer}'}, {id: t, buy: '${number}'}]\n", [
        "4:22: steps.s.buy: no variable is named nubmer; did you mean number?",
    ]),
    ("steps: [{id: s, buy: '${n}'}]\n", [
        "3:22: steps.s.buy: no variable is named n, and the scenario has none; name it under vars",
    ]),
    ("steps: [{id: s, title: '${n', buy: 1}]\n", [
        "3:24: steps.s.title: a variable is written ${name}; two dollars, $${, stand for the characters themselves",
    ]),
    ("vars: {n: 1, m: '${n}'}\nsteps: [{id: s, buy: '${n}', title: '${m}'}]\n", [
        "3:17: vars.m: a variable is not made from others; write its value out",
    ]),
    ("vars: {n: [1], 1n: 2}\nsteps: [{id: s, buy: 1}]\n", [
        "3:11: vars.n: expected one text, number, true, false or null, found a list",
        "3:16: vars.1n: expected a variable's name: a letter, then letters, digits, - and _",
        "3:16: vars.1n: nothing uses the variable 1n; take it out",
    ]),
    ("vars: {n: none}\nsteps: [{id: s, buy: '${n}'}]\n", [
        "4:22: steps.s.buy: expected a whole number from 1 on, found 'none'",
    ]),
    ("vars: [n]\nsteps: [{id: s, buy: 1}]\n", ["3:7: vars: expected a mapping with a value for each name, found a list"]),
    ("vars: {v: a}\nfleets: {a: {count: 1}, '${v}': {count: 2}}\nsteps: [{id: s, buy: 1}]\n", [
        "4:25: fleets.a: with the variable filled in 'a' stands here twice",
    ]),
    ("vars: {n: 1}\nsteps:\n  - {id: s, buy: ${n}}\n", [
        ("5:19: not YAML: while parsing a flow mapping, expected ',' or '}', but got '{'; inside { } a variable stands in "
         'quotes, as in "${name}"'),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=lambda value: str(value)[:40])
def test_mistakes(text, expected):
    assert mistakes_of(HEAD + text) == expected


def test_a_value_counts_in_every_file_that_has_it(tmp_path):
    for name in "ab":
        text = f"version: 1\nname: {name}\nvars: {{n: 1, {name}: 2}}\n"
        text += f"steps: [{{id: s, buy: '${{n}}'}}, {{id: t, buy: '${{{name}}}'}}]\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    paths = sorted(tmp_path.iterdir())
    a, b = load_files(paths, {"n": "3", "b": "4"})
    assert [play.variables for play in (a, b)] == [{"n": "3", "a": "2"}, {"n": "3", "b": "4"}]
    with pytest.raises(
        UsageFault, match=r"^--var c: no scenario has a variable of that name; there are a, b, n$"
    ):
        load_files(paths, {"c": "1"})


def test_the_words_of_a_command_line():
    assert read_variables(["n=1", "text=a=b", "none=", "n=2"]) == {"n": "2", "text": "a=b", "none": ""}
    for text in ("n", "=1", "1n=2", "a b=1"):
        with pytest.raises(UsageFault, match="NAME=VALUE is wanted"):
            read_variables([text])
