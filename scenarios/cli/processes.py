"""The option --processes: over how many processes a fleet goes."""

from typing import Final

import click

from device_sim.shards.limits import PROCESSES_MAX

AUTO: Final = 0
"""As many as the devices take on this machine."""

_DIGITS_MAX: Final = 9


class ProcessesType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A number of processes, or `auto`."""

    name = "N|auto"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Give the number; `AUTO` for auto."""
        if isinstance(value, int):
            return value
        if value == "auto":
            return AUTO
        is_number = value.isascii() and value.isdecimal() and len(value) < _DIGITS_MAX
        if not is_number or not 1 <= int(value) <= PROCESSES_MAX:
            self.fail(
                f"{value!r} is no number of processes: 1 to {PROCESSES_MAX} are wanted, or auto", param, ctx
            )
        return int(value)
