"""Groups of groups, and products: what can't be is told with its place before anything runs."""

from pathlib import Path

import pytest

from scenarios.loader import ScenarioFault, load_bytes

HEAD = b"version: 1\nname: deep\nfleets: {meters: {count: 3}}\n"
STEPS = b"steps:\n  - id: look\n    top_up: 1\n"


def chain(count):
    lines = ["groups:", "  g0: meters"] + [f"  g{n}: g{n - 1}" for n in range(1, count)]
    return ("\n".join(lines) + "\n").encode()


def load(middle):
    return load_bytes(HEAD + middle + STEPS, "deep.yaml", Path())


def test_twenty_deep_is_taken():
    assert load(chain(20))


@pytest.mark.parametrize("count", [22, 2_000])
def test_deeper_is_told_with_its_line(count):
    with pytest.raises(ScenarioFault, match=r"deep\.yaml:25:\d+: groups\.g20: .* more than 20 deep"):
        load(chain(count))


def test_two_products_have_two_ids():
    products = b"products:\n  main: {id: P1}\n  other: {id: P1}\n"
    with pytest.raises(
        ScenarioFault, match=r"deep\.yaml:6:15: products\.other\.id: product main has this id"
    ):
        load(products)
