import pytest

from bench.apart import Unmeasured
from bench.rounds import Side, paired


class Recorded:
    """Sides that note when they are measured; a side may give out."""

    def __init__(self):
        self.order = []

    def side(self, name, *values, missing=""):
        left = list(values)

        def measure():
            self.order.append(name)
            value = left.pop(0)
            if isinstance(value, str):
                raise Unmeasured(value)
            return {"jobs_s": value, "note": ""}

        return Side(name=name, who=name.upper(), measure=measure, missing=missing)


@pytest.fixture
def recorded():
    return Recorded()


def silent(_):
    pass


def test_every_round_has_all_sides_in_another_order(recorded):
    sides = [recorded.side(name, 1, 1, 1, 1) for name in ("a", "b", "c")]
    paired("x", sides, 4, say=silent)
    assert "".join(recorded.order) == "abc" + "bca" + "cab" + "abc"


def test_a_side_that_fails_is_not_tried_again_and_costs_only_its_line(recorded):
    rounds = paired(
        "x",
        [recorded.side("ours", 10, 20, 30), recorded.side("peer", 5, "not done within 60 s")],
        3,
        say=silent,
    )
    ours, peer = rounds.lines("jobs_s")
    assert ours.figures["jobs_s"].values == (10, 20, 30)
    assert peer.figures["jobs_s"].values == (5,)
    assert peer.note == "round left out: not done within 60 s"
    assert recorded.order.count("peer") == 2


def test_a_side_that_is_not_there_is_never_tried(recorded):
    rounds = paired(
        "x", [recorded.side("ours", 1), recorded.side("peer", missing="node is not installed")], 1, say=silent
    )
    _, peer = rounds.lines("jobs_s")
    assert (peer.figures, peer.note) == ({}, "not measured: node is not installed")
    assert recorded.order == ["ours"]
    assert rounds.ratio("jobs_s", "ours", "peer") is None


def test_ratios_are_taken_round_by_round(recorded):
    rounds = paired("x", [recorded.side("ours", 10, 30), recorded.side("peer", 5, 10)], 2, say=silent)
    assert rounds.ratio("jobs_s", "ours", "peer").values == (2.0, 3.0)


def test_progress_names_the_round_the_side_and_its_figures(recorded):
    said = []
    paired("100 devices", [recorded.side("ours", 1_234.5)], 1, say=said.append)
    assert said[0].startswith("  100 devices, round 1 of 1: OURS: jobs/s 1,234 (")


def test_a_note_is_said_once():
    side = Side(name="a", who="A", measure=lambda: {"jobs_s": 1, "note": "327 of 600 devices"})
    (line,) = paired("x", [side], 3, say=silent).lines("jobs_s")
    assert line.note == "327 of 600 devices"


def test_ours_that_fails_is_told_from_ours_that_can_not_be_measured_here(recorded):
    sides = [
        recorded.side("ours", "lost 3 messages"),
        recorded.side("ours-19000", missing="only 1,024 file descriptors"),
    ]
    sides.append(recorded.side("peer", "lost 3 messages"))
    assert [line.failed for line in paired("x", sides, 1, say=silent).lines("jobs_s")] == [True, False, False]


def test_a_slow_side_takes_fewer_rounds(recorded):
    slow = recorded.side("slow", 1)
    sides = [
        recorded.side("ours", 2, 4, 6),
        Side(name="slow", who="SLOW", measure=slow.measure, rounds_max=1),
    ]
    rounds = paired("x", sides, 3, say=silent)
    assert recorded.order.count("slow") == 1
    assert rounds.ratio("jobs_s", "ours", "slow").values == (2.0,)
