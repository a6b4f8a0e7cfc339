"""What this machine can hold is said aloud."""

import subprocess
import sys

import pytest

from device_sim.target import card_address, card_net, claim_descriptors, resolve, source_addresses
from platform_stub.protocol.errors import EnvironmentFault

LIMITED = """
import asyncio, resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from device_sim import Endpoint, Fleet, Identity
from platform_stub.protocol.errors import EnvironmentFault
class InProcess:
    http_address = mqtt_address = ("127.0.0.1", 1)
here = Endpoint(http_address=("127.0.0.1", 1), mqtt_address=("127.0.0.1", 1))
devices = [Identity(device_id=at, product_id="p", name=f"d{{at}}", key="AAAA") for at in range(1, {devices} + 1)]
async def main():
    try:
        async with Fleet({target}, devices):
            print("fits", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    except EnvironmentFault as fault:
        print(fault.exit_code, fault)
asyncio.run(main())
"""


def limited(**values):
    script = LIMITED.format(**({"soft": 256, "hard": 1024, "target": "here"} | values))
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_the_soft_limit_is_raised_to_the_hard_one():
    assert limited(devices=800) == "fits 1024\n"


def test_a_fleet_that_does_not_fit_is_refused_with_what_to_do():
    text = limited(devices=1_000)
    assert text.startswith("3 1,000 devices need 1,1")
    assert "descriptors (a connection each), and this process may open 1,024: 8" in text
    assert "devices fit. split the fleet over several processes, or raise the limit (ulimit -Hn)" in text


def test_both_ends_in_one_process_take_twice_as_many():
    text = limited(devices=500, target="InProcess()")
    assert "both ends of each connection are in this process" in text
    assert "run the stub in a process of its own (ota-sim serve)" in text
    assert limited(devices=300, target="InProcess()").startswith("fits")


def test_no_fleet_is_too_large_in_words():
    with pytest.raises(EnvironmentFault, match="100,000,000 devices need 100,000,"):
        claim_descriptors(100_000_000, 64, shared=False)


@pytest.mark.parametrize(
    ("host", "devices", "count"),
    [
        ("127.0.0.1", 5_000, 0),
        ("127.0.0.1", 5_001, 2),
        ("127.0.0.1", 19_000, 4),
        ("10.0.0.1", 19_000, 0),
        ("::1", 9_000, 0),
    ],
)
def test_source_addresses(host, devices, count):
    found = source_addresses(host, devices)
    assert len(set(found)) == count
    assert all(address.startswith("127.0.0.") for address in found)


def test_a_card_has_an_address_of_its_own_on_loopback_alone():
    assert card_net("127.0.0.1", "127.0.0.1") == "127"
    assert card_net("127.0.0.1", "10.0.0.1") == ""
    assert card_net("::1", "::1") == ""
    cards = [(f"8986{at}", f"460{at}") for at in range(300)]
    addresses = [card_address("127", *card) for card in cards]
    assert addresses == [card_address("127", *card) for card in cards]
    assert len(set(addresses)) == 300
    for address in addresses:
        parts = [int(part) for part in address.split(".")]
        assert parts[0] == 127
        assert 64 <= parts[1] < 128
        assert 1 <= parts[3] <= 254
    assert card_address("", *cards[0]) == ""


async def test_names_are_resolved_once():
    assert await resolve(("127.0.0.1", 5)) == ("127.0.0.1", 5)
    host, port = await resolve(("localhost", 5))
    assert (host in {"127.0.0.1", "::1"}, port) == (True, 5)
