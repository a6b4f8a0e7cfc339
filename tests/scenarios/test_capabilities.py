"""What a play asks of its platform, and which plays are not for a target."""

from pathlib import Path

import pytest

from scenarios import play as p
from scenarios.capabilities import CAPABILITIES, misfit, wanted_by
from scenarios.loader.files import load_bytes
from scenarios.target import Target
from scenarios.terms import Need

HEAD = "version: 1\nname: x\nfleets: {meters: {count: 2}}\n"
STEPS = "steps:\n  - {id: a, create_task: {kind: FOTA, target: '2', devices: meters}, expect: {outcome: created}}\n"


def play_of(text):
    (play,) = load_bytes(text.encode(), "x.yaml", Path())
    return play


def target(**facts):
    return Target(
        file="t.yaml", folder=".", name="acme", adapter="a:b", http=("h", 1), **{"mqtt": ("h", 2)} | facts
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (HEAD + STEPS, {"mqtt": "fleets"}),
        (HEAD.replace("count: 2", "count: 2, flow: south") + STEPS, {"south": "fleets"}),
        (HEAD.replace("count: 2", "count: 2, connect: false") + STEPS, {}),
        (HEAD + "clock: 2021-06-01T00:00:00+08:00\n" + STEPS, {"clock": "clock", "mqtt": "fleets"}),
        (HEAD + "policy: {price_fen: 7}\n" + STEPS, {"policy": "policy", "mqtt": "fleets"}),
        (HEAD + "strict: true\n" + STEPS, {"strict": "strict", "mqtt": "fleets"}),
        (HEAD + "needs: [durable_ack]\n" + STEPS, {"durable_ack": "needs", "mqtt": "fleets"}),
        (
            HEAD + "account: {top_up: 10, buy: 1}\n" + STEPS,
            {"money": "account", "licences": "account", "mqtt": "fleets"},
        ),
        (
            HEAD + STEPS + "  - {id: b, advance: 1d}\n  - {id: c, cancel_task: {of: a}}\n",
            {"mqtt": "fleets", "clock": "step b", "cancel": "step c"},
        ),
        (HEAD + STEPS + "teardown:\n  - {id: z, buy: 1}\n", {"mqtt": "fleets", "licences": "step z"}),
        (
            HEAD + STEPS + "  - {id: two, parallel: [{id: b, top_up: 1}, {id: c, grant: {count: 1}}]}\n",
            {"mqtt": "fleets", "money": "step b", "licences": "step c"},
        ),
    ],
)
def test_what_a_play_asks_for_and_where(text, wanted):
    assert wanted_by(play_of(text)) == wanted


def test_all_that_can_be_needed_has_a_name():
    assert set(Need.__args__) <= CAPABILITIES.keys()


def test_each_capability_of_steps_is_asked_for_by_an_action():
    asked = {"clock", "policy", "strict", "mqtt", "fuse", "studio", "south", *Need.__args__}
    assert len(CAPABILITIES) > len(asked)
    assert p.Advance in p.Action.__args__


PLAY = play_of(HEAD + "clock: 2021-06-01T00:00:00+08:00\n" + STEPS)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, ""),
        ({"cannot": ("clock",)}, "acme can't: clock (clock)"),
        ({"cannot": ("clock", "mqtt")}, "acme can't: clock (clock), mqtt (fleets)"),
        ({"can": ("clock",)}, "acme can't: mqtt (fleets)"),
        ({"can": ("clock", "mqtt")}, ""),
        ({"mqtt": None}, "acme can't: mqtt (fleets)"),
        ({"mqtt": None, "can": ("clock", "mqtt")}, "acme can't: mqtt (fleets)"),
        ({"skip": {"x": "not paid for"}}, "left out in t.yaml: not paid for"),
        ({"skip": {"y": "not paid for"}}, ""),
    ],
)
def test_which_plays_are_not_for_a_target(facts, why):
    assert misfit(PLAY, target(**facts)) == why


def test_one_variant_can_be_left_out():
    plays = load_bytes((HEAD + "variants: {A: {}, B: {}}\n" + STEPS).encode(), "x.yaml", Path())
    assert [bool(misfit(play, target(skip={"x B": "why"}))) for play in plays] == [False, True]


def test_the_narrower_reading_is_the_targets_to_have():
    strict = play_of(HEAD + "strict: true\n" + STEPS)
    assert misfit(strict, target()) == "acme can't: strict (strict)"
    assert misfit(strict, target(strict=True)) == ""
