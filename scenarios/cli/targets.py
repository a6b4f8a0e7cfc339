"""A target file as the command line takes it: for its addresses, or as the platform that scenarios are played on."""

from pathlib import Path

import click
from click.core import ParameterSource

from platform_stub.protocol.errors import UsageFault
from scenarios.target import NOWHERE, Address, Target


def platform_of(file: Path) -> Target:
    """Read a target to play on, and refuse options that are about the stub."""
    _refuse(
        "about the stub, and --target plays on another platform",
        {
            "broker": "the platform has its own",
            "data": "the platform keeps its own",
            "strict": f"say strict: true in {file}",
        },
    )
    return _load(file, with_adapter=True)


def addresses_of(file: Path, *, speaks_mqtt: bool) -> tuple[Address, Address]:
    """Give where a target's devices call, and where they log in."""
    said = "the target file has the addresses"
    _refuse("not wanted with --target", {"http": said, "mqtt": said})
    target = _load(file, with_adapter=False)
    if target.mqtt is None and speaks_mqtt:
        raise UsageFault(
            f"{file}: there is no mqtt, and these devices speak it; add mqtt: HOST:PORT, or choose --flow"
        )
    return target.http, target.mqtt or NOWHERE


def _refuse(why: str, options: dict[str, str]) -> None:
    context = click.get_current_context()
    for name, instead in options.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageFault(f"--{name} is {why}: {instead}")


def _load(file: Path, *, with_adapter: bool) -> Target:
    from scenarios.target_file import load_target  # noqa: PLC0415 - it imports what speaks to platforms

    return load_target(file, with_adapter=with_adapter)
