"""Expected against seen, predicted against seen."""

import pytest

from scenarios.play import Expected
from scenarios.results import Difference, Seen
from scenarios.runner.compare import compare, compare_prediction

CREATED = Seen(
    outcome="created", needed=5, deducted=5, left=0, jobs={"success": 4, "failed": 1}, balance_fen=50
)
REFUSED = Seen(outcome="refused", reason="arrears", message="pay first", deducted=0)

CASES = [
    (Expected(), CREATED, []),
    (Expected(outcome="created", counts={"needed": 5, "left": 0}, amounts={"balance": 50}), CREATED, []),
    (Expected(counts={"needed": 4}), CREATED, [("needed", 4, 5)]),
    (Expected(counts={"needed": 1_000, "available": 1}), CREATED, [("needed", 1_000, 5), ("available", 1, None)]),
    (Expected(counts={"jobs.success": 5, "jobs.failed": 1, "jobs.cancelled": 0}), CREATED, [("jobs.success", 5, 4)]),
    (Expected(counts={"jobs.success": 1}), REFUSED, [
        ("outcome", "no refusal", "refused (arrears): pay first"), ("jobs.success", 1, None)]),
    (Expected(amounts={"balance": 100}), CREATED, [("balance_fen", 100, 50)]),
    (Expected(amounts={"fee": 100}), CREATED, [("fee_fen", 100, None)]),
    (Expected(reason="arrears"), REFUSED, []),
    (Expected(outcome="refused"), REFUSED, []),
    (Expected(reason="conflict"), REFUSED, [("outcome", "refused (conflict)", "refused (arrears): pay first")]),
    (Expected(reason="arrears"), CREATED, [("outcome", "refused (arrears)", "created")]),
    (Expected(outcome="done"), CREATED, [("outcome", "done", "created")]),
    (Expected(outcome="created"), REFUSED, [("outcome", "created", "refused (arrears): pay first")]),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "seen", "differences"), CASES)
def test_expectations(expected, seen, differences):
    assert [(d.what, d.expected, d.seen) for d in compare(expected, seen)] == differences


PREDICTED = [
    (CREATED, CREATED, []),
    (Seen(outcome="created"), CREATED, []),
    (Seen(outcome="created", needed=6, jobs={"success": 5}), CREATED, [
        ("needed", 6, 5), ("jobs.failed", 0, 1), ("jobs.success", 5, 4)]),
    (Seen(outcome="refused", reason="arrears", needed=5), CREATED, [("outcome", "refused (arrears)", "created")]),
    (Seen(outcome="refused", reason="conflict"), REFUSED, [("outcome", "refused (conflict)", "refused (arrears)")]),
    (Seen(outcome="created", balance_fen=0, fee_fen=7), CREATED, [("balance_fen", 0, 50)]),
]  # fmt: skip


@pytest.mark.parametrize(("predicted", "seen", "differences"), PREDICTED)
def test_predictions(predicted, seen, differences):
    assert list(compare_prediction(predicted, seen)) == [
        Difference(what=what, expected=expected, seen=found, by="prediction")
        for what, expected, found in differences
    ]
