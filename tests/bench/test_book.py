import json

import pytest

from bench.book import COMMITTED, BadBook, dump, load, merged, parse
from bench.figures import Line
from bench.options import PARTS as NAMES
from tests.bench.parts import goal, line, part

PARTS = [
    part(
        "tasks",
        [line(create_ms=(1.5, 2.5)), Line(what="100 devices", side="copy", who="COPY", note="not installed")],
    ),
    part(
        "brokers",
        [line("mosquitto", jobs_s=(10_000.0,))],
        [goal(0.5, bound=1, more_is_better=True, unit="ms", digits=1), goal(2.0)],
    ),
]


def test_what_was_written_is_read():
    assert parse(dump(PARTS), "figures.json") == PARTS


def test_figures_keep_five_digits_of_every_round():
    (written,) = json.loads(dump([part(lines=[line(jobs_s=(12_345.678, 1.0))])]))["parts"]
    assert written["lines"][0]["figures"] == {"jobs_s": [12_346.0, 1.0]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no figures"),
        ("[]", "no figures"),
        ('{"parts": []}', "format_version"),
        ('{"format_version": 2, "parts": []}', "format_version 2, this program reads 1"),
        ('{"format_version": 1, "parts": [{"name": "tasks", "colour": 1}]}', "colour"),
    ],
)
def test_a_file_of_something_else_is_named(text, said):
    with pytest.raises(BadBook, match=r"^some\.json: .*") as caught:
        parse(text, "some.json")
    assert said in str(caught.value)


def test_a_missing_file_holds_nothing_and_an_unreadable_one_is_named(tmp_path):
    assert load(tmp_path / "none.json") == []
    with pytest.raises(BadBook, match="directory"):
        load(tmp_path)


def test_a_part_measured_anew_takes_the_place_of_the_kept_one():
    kept, new = (
        [part("tasks"), part("brokers", machine="old")],
        [part("brokers", machine="new"), part("clients")],
    )
    both = merged(kept, new, ["brokers", "tasks", "clients"])
    assert [(each.name, each.machine) for each in both] == [
        ("brokers", "new"),
        ("tasks", "2 cores"),
        ("clients", "2 cores"),
    ]


def test_the_committed_figures_can_be_read():
    assert {each.name for each in load(COMMITTED)} <= set(NAMES)
