"""A shop for each test of the devices' calls."""

import contextlib

import aiohttp
import pytest

from tests.platform_stub.api.shop import open_shop
from tests.platform_stub.api.test_operator import Client


@contextlib.asynccontextmanager
async def operator(stub):
    async with aiohttp.ClientSession(stub.http_url) as session:
        yield Client(session)


@pytest.fixture
async def shop():
    """A stub with three devices, two of which have a pending job."""
    async with open_shop(operator) as shop:
        yield shop
