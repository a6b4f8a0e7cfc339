"""Scenarios from Python values: read as a file is, with mistakes by path."""

from datetime import UTC, datetime, timedelta

import pytest

from scenarios import play as p
from scenarios.loader import ScenarioFault, load_value
from scenarios.selection import parse_selection

HEAD = {"version": 1, "name": "x", "fleets": {"meters": {"count": 3}}}


def mistakes_of(value, **more):
    with pytest.raises(ScenarioFault) as caught:
        load_value(value, **more)
    return str(caught.value).splitlines()


def test_it_may_have_no_steps_yet():
    (play,) = load_value(HEAD)
    assert (play.file, play.device_count, play.steps) == ("<python>", 3, ())
    assert mistakes_of(HEAD, is_whole=True) == ["<python>: steps is missing"]


def test_values_are_read_as_in_a_file():
    steps = [
        {"id": "a", "create_task": {"kind": "FOTA", "target": 2.0, "devices": ("meters", "meters[1]")}},
        {"id": "b", "advance": timedelta(days=1, seconds=2, milliseconds=3)},
        {"id": "c", "advance_to": datetime(2030, 1, 1, tzinfo=UTC)},
        {"id": "d", "top_up": 10.5, "expect": {"left": "2-3"}},
        {"id": "e", "charging_date": None},
        {"id": "f", "subscribe": True, "wait": "none"},
    ]
    (play,) = load_value(HEAD | {"steps": steps})
    actions = [step.action for step in play.steps]
    assert isinstance(actions[0], p.CreateTask)
    assert actions[0].package.target == "2.0"
    assert actions[0].devices == (parse_selection("meters"), parse_selection("meters[1]"))
    assert actions[1:] == [
        p.Advance(span_ms=86_402_003),
        p.AdvanceTo(at_ms=1_893_456_000_000),
        p.TopUp(amount_fen=1_050),
        p.SetChargingDate(at_ms=None),
        p.Subscribe(),
    ]
    assert play.steps[3].expected.counts == {"left": p.Bounds(low=2, high=3)}
    assert play.steps[5].wait_ms is None


def test_mistakes_name_a_path():
    steps = [
        {"id": "a", "buy": 0},
        {"id": "a", "buy": "1"},
        {"id": "c", "create_task": {"kind": "FOTA", "target": "2", "devices": "pumps"}},
        {"id": "d", "parallel": [{"id": "e", "buy": 1}, {"id": "f", "top_up": "much"}]},
    ]
    assert mistakes_of(HEAD | {"steps": steps}, file="session") == [
        "session: steps.a.buy: expected 1 or more, found 0",
        "session: steps.a.id: a step is named a already, at steps[0]",
        "session: steps.a.buy: expected a whole number from 1 on, found '1'",
        "session: steps.c.create_task.devices: no fleet or group is named pumps; there are meters",
        ("session: steps.d.parallel.f.top_up: expected an amount: yuan such as 1000 or 10.50, or fen such as 1050 fen, "
         "found 'much'"),
    ]  # fmt: skip


CIRCLE: dict = {}
CIRCLE["a"] = CIRCLE
NO_VALUES = [
    ({"steps": [{"id": object()}]}, "<python>: steps[0].id: a value of type object has no place in a scenario"),
    ({"name": b"x"}, "<python>: name: a value of type bytes has no place in a scenario"),
    ({3: 4}, "<python>: the key 3 is no text"),
    ({"clock": datetime(2030, 1, 1)},  # noqa: DTZ001 - that is the mistake
     "<python>: clock: the moment 2030-01-01 00:00:00 has no zone; give it one (tzinfo)"),
    (CIRCLE, f"<python>: {'.'.join('a' * 21)}: this is nested more than 20 deep"),
    ([], "<python>: expected a mapping with version, name, title"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), NO_VALUES, ids=lambda value: str(value)[:20])
def test_what_has_no_place(value, text):
    assert mistakes_of(value)[0].startswith(text)


def test_what_a_later_step_may_set_right_is_no_mistake_yet():
    steps = [
        {"id": "f", "fault": {"devices": "meters", "what": "cut", "at": 5_000}},
        {"id": "t", "create_task": {"kind": "FOTA", "target": "2", "devices": "meters", "package": 5_000}},
    ]
    assert load_value(HEAD | {"steps": steps})
    assert mistakes_of(HEAD | {"steps": steps}, is_whole=True) == [
        "<python>: steps.f.fault.at: byte 5,000 is never reached: the largest package for these devices has 5,000 bytes"
    ]
