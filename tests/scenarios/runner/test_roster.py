"""Selections answered: order, filters, jobs of steps, and what can't be chosen."""

import pytest

from scenarios.runner.roster import CannotSelect, Member, Roster
from scenarios.selection import parse_selection


@pytest.fixture
def roster():
    roster = Roster(
        {"odd": (parse_selection("m[1,3,5]"),), "both": (parse_selection("odd"), parse_selection("n"))}
    )
    for name, ids in (("m", range(11, 17)), ("n", range(21, 23))):
        roster.enlist(
            name,
            [
                Member(
                    device_id=i,
                    product="main",
                    name=f"d{i}",
                    connect=name == "m",
                    f_version="1",
                    s_version="1",
                )
                for i in ids
            ],
        )
    roster.licensed = {11: "free", 12: "purchased", 14: "purchased"}
    roster.change(12, terminated=True)
    roster.states["E1"] = {
        11: "success",
        12: "failed",
        13: "pending",
        14: "cancelled",
        15: "failed",
        16: "upgrading",
    }
    return roster


CASES = [
    ("m", [11, 12, 13, 14, 15, 16]),
    ("m[2-3,1]", [12, 13, 11]),
    ("odd[2]", [13]),
    ("both", [11, 13, 15, 21, 22]),
    ("licensed of m", [11, 14]),
    ("unlicensed of both", [13, 15, 21, 22]),
    ("first 2 unlicensed of m", [13, 15]),
    ("last 1 of first 2 of m", [12]),
    ("failed of E1", [12, 15]),
    ("succeeded of E1", [11]),
    ("open of E1", [13, 16]),
    ("cancelled of E1", [14]),
    ("devices of E1[1-2]", [11, 12]),
    ("unlicensed failed of E1", [15]),
    ("m but failed of E1", [11, 13, 14, 16]),
    ("m but m[1-2] but odd", [14, 16]),
    ("100% of odd", [11, 13, 15]),
    ("3 of odd[2-3,1]", [13, 15, 11]),
]


def test_who_is_drawn(roster):
    text = "3 of m but m[2]"
    drawn = roster.select((parse_selection(text),))
    assert drawn == roster.select((parse_selection(text),))
    assert set(drawn) < {11, 13, 14, 15, 16}
    assert len(roster.select((parse_selection("34% of m"),))) == 2
    draws = set()
    for roster.seed in range(20):
        draws.add(tuple(roster.select((parse_selection("2 of m"),))))
    assert len(draws) > 1
    with pytest.raises(CannotSelect, match=r"^'3 of failed of E1': there are only 2 to choose 3 from$"):
        roster.select((parse_selection("3 of failed of E1"),))


@pytest.mark.parametrize(("text", "chosen"), CASES)
def test_who_is_chosen(roster, text, chosen):
    assert roster.select((parse_selection(text),)) == chosen


def test_one_that_is_named_twice_is_there_twice(roster):
    assert roster.select((parse_selection("m[1]"), parse_selection("m[1]"))) == [11, 11]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("m[7]", "there are 6 devices, no number 7"),
        ("first 3 licensed of m", "there are only 2 to choose from"),
        ("failed of E2", "step E2 has created no task"),
        ("later", "group later is not there yet"),
    ],
)
def test_who_cannot_be_chosen(roster, text, why):
    with pytest.raises(CannotSelect, match=why):
        roster.select((parse_selection(text),))


def test_who_is_connected(roster):
    assert roster.on_air([11, 16, 11, 21]) == [11, 16]
