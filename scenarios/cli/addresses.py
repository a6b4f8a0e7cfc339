"""HOST:PORT as an option of the command line."""

import click


class AddressType(click.ParamType[tuple[str, int]]):
    """HOST:PORT; port 0 is any free one."""

    name = "HOST:PORT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Split at the last colon."""
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        bare = ":" not in host or (host.startswith("[") and host.endswith("]"))
        if not colon or not host or not bare or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the highest port
            self.fail(f"{value!r} is not HOST:PORT, such as 127.0.0.1:8080", param, ctx)
        return host.strip("[]"), int(port)
