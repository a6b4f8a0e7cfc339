"""Devices may come from anywhere, the operator from this machine only."""

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from platform_stub.api.app import _guard
from platform_stub.api.call import Rejected
from platform_stub.server import Stub


class Wire:
    """A connection's two ends, as a transport tells them."""

    def __init__(self, peer, here):
        self.ends = {"peername": peer and (peer, 40_000), "sockname": here and (here, 8080)}

    def get_extra_info(self, name, default=None):
        return self.ends.get(name, default)


def request(peer, here, host, **headers):
    return make_mocked_request(
        "GET", "/v1/accounts", headers={"Host": host, **headers}, transport=Wire(peer, here)
    )


@pytest.mark.parametrize(
    ("peer", "here", "host"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1:8080"),
        ("127.0.0.9", "127.0.0.1", "localhost:8080"),
        ("::1", "::1", "[::1]:8080"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", "localhost"),
        ("192.168.1.5", "192.168.1.5", "192.168.1.5:8080"),  # this machine by its other address
        ("::ffff:192.168.1.5", "::ffff:192.168.1.5", "192.168.1.5:8080"),
    ],
)
def test_this_machine_is_answered(peer, here, host):
    _guard(request(peer, here, host))


@pytest.mark.parametrize(
    ("peer", "here", "host", "origin"),
    [
        ("192.168.1.9", "192.168.1.5", "192.168.1.5:8080", ""),
        ("192.168.1.9", "192.168.1.5", "localhost", ""),  # who is elsewhere can say anything
        ("fe80::1", "fe80::2", "localhost", ""),
        (None, None, "localhost", ""),
        ("192.168.1.5", "192.168.1.5", "rebound.example", ""),
        ("127.0.0.1", "127.0.0.1", "192.168.1.5", ""),
        ("127.0.0.1", "127.0.0.1", "localhost", "http://evil.example"),
        ("127.0.0.1", "127.0.0.1", "[", ""),
    ],
)
def test_others_are_refused(peer, here, host, origin):
    with pytest.raises(Rejected, match="is not this machine"):
        _guard(request(peer, here, host, **({"Origin": origin} if origin else {})))


async def test_a_stub_that_listens_everywhere():
    async with Stub(http=("0.0.0.0", 0)) as stub, aiohttp.ClientSession() as session:
        assert stub.http_url == f"http://127.0.0.1:{stub.http_address[1]}"
        async with session.get(f"{stub.http_url}/v1/accounts") as answer:
            assert (answer.status, await answer.json()) == (200, {"accounts": []})
        async with session.get(f"{stub.http_url}/fuse-ota/p/d/version") as answer:
            assert (await answer.json())["code"] == 10403
