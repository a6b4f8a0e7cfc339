"""HOST:PORT as an option of the command line."""

import ipaddress
import re
import socket
from typing import Final

import click

PORT_MAX: Final = 65_535
_ADDRESS: Final = re.compile(r"(?P<host>[^:\s]+|\[[0-9A-Fa-f:]+\]):(?P<port>[0-9]{1,5})")


class AddressType(click.ParamType[tuple[str, int]]):
    """HOST:PORT; port 0 is any free one."""

    name = "HOST:PORT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Split at the last colon."""
        if isinstance(value, tuple):
            return value
        match = _ADDRESS.fullmatch(value)
        if match is None or int(match["port"]) > PORT_MAX:
            self.fail(f"{value!r} is not HOST:PORT, such as 127.0.0.1:8080", param, ctx)
        return match["host"].strip("[]"), int(match["port"])


def spell(address: tuple[str, int]) -> str:
    """Spell an address as HOST:PORT."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_of(address: tuple[str, int]) -> str:
    """Spell an address as the base of URLs."""
    return f"http://{spell(address)}"


def outward_host(any_host: str) -> str | None:
    """Say by which address others reach what listens everywhere; None when the system can't tell.

    Connecting a UDP socket looks up the route and sends nothing; the peer's address is one for documentation.
    """
    is_v6 = ":" in any_host
    try:
        with socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("2001:db8::1" if is_v6 else "192.0.2.1", 9))
            host = str(probe.getsockname()[0])
    except OSError:
        return None
    address = ipaddress.ip_address(host.partition("%")[0])
    return None if address.is_loopback or address.is_unspecified else host
