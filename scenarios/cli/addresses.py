"""HOST:PORT as an option of the command line."""

import re
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


def url_of(address: tuple[str, int]) -> str:
    """Spell an address as the base of URLs."""
    host, port = address
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
