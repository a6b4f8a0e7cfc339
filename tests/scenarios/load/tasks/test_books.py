import pytest

from scenarios.load.tasks.books import Books, objection
from scenarios.load.tasks.wire import Totals

BEFORE = Books(left=1_000, bought=900, entitled=0)


@pytest.mark.parametrize(
    ("after", "totals", "wanted"),
    [
        (Books(left=700, bought=900, entitled=300), Totals(deducted=300), ""),
        (Books(left=705, bought=905, entitled=300), Totals(deducted=300, bought=5), ""),
        (Books(left=699, bought=900, entitled=300), Totals(deducted=300), "301 licences went"),
        (Books(left=600, bought=900, entitled=400), Totals(deducted=300), "the answers say 300"),
        (Books(left=600, bought=900, entitled=400), Totals(deducted=300, unsure=1), ""),
        (Books(left=699, bought=900, entitled=300), Totals(unsure=1), "301 licences went"),
        (Books(left=705, bought=905, entitled=300), Totals(deducted=300, bought=4), "4 licences were bought"),
    ],
)
def test_answers_and_accounts_must_say_the_same(after, totals, wanted):
    text = objection(BEFORE, after, totals)
    assert text.startswith(wanted)
    assert bool(text) == bool(wanted)
