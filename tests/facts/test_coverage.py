"""Each fact has a test, each test's id is a fact's, and docs/protocol.md names the modules that there are."""

from collections import Counter

import pytest

from tests.facts.book import BOOK, TESTS, filled, marked, modules_by_id, read_facts

TEXT = BOOK.read_text()
FACTS = read_facts(TEXT)
FOUND = modules_by_id()


def test_no_id_is_given_twice():
    assert [one for one, count in Counter(fact.id for fact in FACTS).items() if count > 1] == []
    assert len(FACTS) > 150  # the tables were read at all


def test_every_fact_says_how_it_is_known():
    assert [fact.id for fact in FACTS if not fact.marks] == []


def test_every_fact_has_a_test():
    assert [fact.id for fact in FACTS if fact.id not in FOUND] == []


def test_every_id_in_a_test_is_a_facts():
    assert sorted(set(FOUND) - {fact.id for fact in FACTS}) == []


def test_the_book_names_the_modules_that_cover_a_fact():
    """`python -m tests.facts.book` writes the last column anew."""
    wrong = {
        fact.id: sorted(FOUND.get(fact.id, ()))
        for fact in FACTS
        if list(fact.modules) != sorted(FOUND.get(fact.id, ()))
    }
    assert wrong == {}
    assert [module for fact in FACTS for module in fact.modules if not (TESTS / module).is_file()] == []
    assert filled(TEXT, FOUND) == TEXT


@pytest.mark.parametrize(
    ("source", "ids"),
    [
        ('@pytest.mark.fact("X-1", "X-2")\ndef test_a(): ...', ["X-1", "X-2"]),
        ('@pytest.mark.fact("X-1")\nasync def test_a(): ...', ["X-1"]),
        (
            '@pytest.mark.parametrize("a", [pytest.param(1, marks=pytest.mark.fact("X-1"))])\ndef test_a(a): ...',
            ["X-1"],
        ),
        ('@pytest.mark.fact("X-1")\ndef help_a_test(): ...', []),
        ('# pytest.mark.fact("X-1")\ndef test_a(): ...', []),
    ],
)
def test_only_a_tests_own_decorators_count(source, ids):
    assert [fact_id for _, fact_id in marked(source)] == ids


def test_a_fact_without_a_test_and_a_wrong_column_would_show():
    row = "| W-99 | made up | seen | so | | `facts/test_none.py` |\n"
    (fact,) = read_facts(row)
    assert (fact.id, fact.marks, fact.modules) == ("W-99", {"seen"}, ("facts/test_none.py",))
    assert fact.id not in FOUND
    assert filled(row, FOUND) == "| W-99 | made up | seen | so | | |\n"
    assert filled(row, {"W-99": {"b/test_b.py", "a/test_a.py"}}).endswith(
        "| | `a/test_a.py` `b/test_b.py` |\n"
    )
