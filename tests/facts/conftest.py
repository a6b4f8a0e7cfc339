"""The shops that the black-box tests buy in."""

import pytest

from tests.facts.shop import open_shop


@pytest.fixture
async def shop():
    async with open_shop() as one:
        yield one


@pytest.fixture
async def strict_shop():
    async with open_shop(strict=True) as one:
        yield one
