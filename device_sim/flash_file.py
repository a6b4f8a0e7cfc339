"""What a device program keeps over a restart: the versions in its slots, as a small JSON file.

It is replaced as a whole, so a program that is killed leaves the old one or the new one. A download is not kept: it is
begun anew. Not here: when it is written (`scenarios.cli.device`).
"""

import contextlib
import os
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from device_sim.identity import Identity
from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from platform_stub.protocol.messages import Version

FORMAT: Final = 1


class Flash(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is in a device's slots; None for nothing that has a version."""

    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT)] = FORMAT
    product_id: str
    name: str
    f_version: Version | None = None
    s_version: Version | None = None
    spare: Version | None = None  # in the module's other slot


def read_flash(path: Path, identity: Identity) -> Flash | None:
    """Read a device's file; None when there is none. UsageFault: it is no such file, or another device's."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise UsageFault(f"{path}: {exc.strerror or exc}") from exc
    try:
        flash = msgspec.json.decode(content, type=Flash)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UsageFault(
            f"{path}: this is not a device's state: {exc}. Remove it to begin with a new device"
        ) from exc
    if (flash.product_id, flash.name) != (identity.product_id, identity.name):
        raise UsageFault(
            f"{path}: this is the state of device {flash.product_id}/{flash.name}, not of "
            f"{identity.product_id}/{identity.name}; give each device a file of its own"
        )
    return flash


def write_flash(path: Path, flash: Flash) -> None:
    """Replace a device's file. EnvironmentFault: it can't be written."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(flash) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise EnvironmentFault(f"{path}: the device's state can't be written: {exc.strerror or exc}") from exc
