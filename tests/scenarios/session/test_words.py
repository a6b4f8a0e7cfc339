"""The language's actions as methods: all of them are there, with all of their words, and nothing else is."""

import inspect
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import get_args, get_type_hints

import pytest
from msgspec import Struct, structs

from scenarios import model
from scenarios.session import Did, Session
from scenarios.session.spelling import body, spell
from scenarios.session.words import StepWords, Words


def struct_of(action):
    """Give the struct that an action's words are, None for one that is a plain value."""
    hint = get_type_hints(model.Step, include_extras=False)[action]
    return next(
        (kind for kind in get_args(hint) if isinstance(kind, type) and issubclass(kind, Struct)), None
    )


def test_every_action_is_a_method_and_every_method_an_action():
    ours = {
        name
        for base in Session.__mro__
        if issubclass(base, Words) and base not in {Words, Session}
        for name in vars(base)
        if not name.startswith("_")
    }
    assert ours == set(model.ACTIONS)


@pytest.mark.parametrize("action", model.ACTIONS)
def test_a_method_has_the_words_of_its_action_and_says_what_it_does(action):
    method = getattr(Session, action)
    assert method.__doc__
    taken = inspect.signature(method).parameters
    struct = struct_of(action)
    if struct is None:
        return
    words = {field.encode_name for field in structs.fields(struct)}
    keywords = {n.rstrip("_") for n, p in taken.items() if p.kind is p.KEYWORD_ONLY}
    assert keywords == words


def test_a_step_says_what_a_step_of_the_language_says():
    assert set(StepWords.__annotations__) == set(model.Step.__struct_fields__) - set(model.ACTIONS)


def test_python_s_values_in_the_words_of_the_language():
    noon = datetime(2021, 6, 1, 12, tzinfo=UTC)
    assert body(a=timedelta(days=1, milliseconds=5), for_=noon, c=None, d=Decimal("10.50")) == {
        "a": "86400005 ms",
        "for": "2021-06-01T12:00:00.000+00:00",
        "d": "10.50",
    }
    assert spell({"of": Did(id="E1"), "in": ("a", {"b": timedelta(0)})}) == {
        "of": "E1",
        "in": ["a", {"b": "0 ms"}],
    }
