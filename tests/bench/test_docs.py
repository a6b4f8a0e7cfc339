from bench.docs import filled, places
from bench.options import DOCS, PARTS

TEXT = """# Title

<!-- figures: brokers -->
old table
<!-- /figures -->

words

<!-- figures: tasks -->
<!-- /figures -->
"""


def test_tables_come_into_their_places_and_words_stay():
    assert filled(TEXT, {"brokers": "| a |\n| b |"}) == TEXT.replace("old table", "| a |\n| b |")
    assert filled(TEXT, {"tasks": "new"}) == TEXT.replace("tasks -->\n", "tasks -->\nnew\n")


def test_putting_them_in_twice_is_putting_them_in_once():
    once = filled(TEXT, {"brokers": "x", "tasks": r"\1 y"})
    assert filled(once, {"brokers": "x", "tasks": r"\1 y"}) == once


def test_a_place_without_a_new_table_and_a_table_without_a_place():
    assert filled(TEXT, {"clients": "nowhere"}) == TEXT


def test_the_document_has_a_place_for_each_part():
    assert sorted(places(DOCS.read_text())) == sorted(PARTS)
