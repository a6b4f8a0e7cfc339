"""`ota-sim device`: one device as a program of its own, told by options or by the environment who it is.

It prints what happens to it, a line each, and runs until it is stopped. What it runs survives in `--state FILE`.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from msgspec import structs

from device_sim import (
    FLOWS,
    DeviceView,
    Endpoint,
    Entry,
    Fault,
    Flash,
    Fleet,
    Flow,
    Identity,
    Profile,
    Recorder,
    Wire,
    read_flash,
    write_flash,
)
from device_sim.core.profile import KEEPALIVE_S_MAX, KEEPALIVE_S_MIN
from device_sim.identity import value_fault
from scenarios.cli.addresses import AddressType, spell
from scenarios.cli.fleet import until_stopped
from scenarios.cli.hardware import Ordered, faults_by_device, hardware_options, world_of
from scenarios.cli.moments import span_ms
from scenarios.units import show_span

INTERRUPTED: Final = 130
SHOWN_BYTES_MAX: Final = 400
"""Of a payload, with --wire."""


class FieldType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A value that a column of a fleet's CSV may have."""

    def __init__(self, column: str) -> None:
        self.name = "TEXT"
        self._column = column

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it; an empty text is none where there need be none."""
        is_needed = param is not None and param.required
        if (value or is_needed) and (fault := value_fault(self._column, value)):
            self.fail(fault, param, ctx)
        return value


def _said(option: str, column: str, help_text: str, **more: Any) -> Callable[[Any], Any]:
    """Make an option of a column, with its variable."""
    name = f"OTA_{option.upper().replace('-', '_')}"
    return click.option(
        f"--{option}", column, type=FieldType(column), envvar=name, show_envvar=True, help=help_text, **more
    )


@click.command(short_help="Run one device, told by options or the environment who it is.")
@click.option(
    "--http",
    type=AddressType(),
    envvar="OTA_HTTP",
    show_envvar=True,
    default="127.0.0.1:8080",
    show_default=True,
    help="Where packages are, and HTTP calls are answered.",
)
@click.option(
    "--mqtt",
    type=AddressType(),
    envvar="OTA_MQTT",
    show_envvar=True,
    default="127.0.0.1:1883",
    show_default=True,
    help="Where devices log in.",
)
@_said("product-id", "product_id", "The product's ID.", required=True)
@_said("device-name", "name", "The device's name.", required=True)
@_said("device-id", "device_id", "The platform's number for it; wanted by flow south, where calls say it.")
@_said("key", "key", "The device's key, base64; signs its tokens.")
@_said("product-key", "product_key", "The product's key; signs instead in flow south, where it is given.")
@_said("f-version", "f_version", "What the module runs; a --state file says better.")
@_said("s-version", "s_version", "What the MCU runs; the same.")
@_said("iccid", "iccid", "The card's ICCID.", default="")
@_said("imsi", "imsi", "The card's IMSI.", default="")
@_said("manufacturer", "manufacturer", "Said in checks of flow south.", default="")
@_said("model", "model", "The same.", default="")
@click.option(
    "--flow",
    type=click.Choice(FLOWS),
    envvar="OTA_FLOW",
    show_envvar=True,
    default="mqtt",
    show_default=True,
    help="What it speaks: MQTT, or HTTP as of generation C (fuse), B (studio) or A (south).",
)
@click.option(
    "--poll",
    "poll_ms",
    type=span_ms,
    envvar="OTA_POLL",
    show_envvar=True,
    metavar="SPAN",
    default="2s",
    show_default=True,
    help="Over HTTP: how long at most until it asks for a job again.",
)
@click.option(
    "--inform", is_flag=True, help="Over HTTP: be connected over MQTT too, and be told of jobs there."
)
@click.option(
    "--keepalive",
    "keepalive_s",
    type=click.IntRange(KEEPALIVE_S_MIN, KEEPALIVE_S_MAX),
    envvar="OTA_KEEPALIVE",
    show_envvar=True,
    default=300,
    show_default=True,
    help="Over MQTT: seconds of silence until it pings.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of jitter and backoff."
)
@hardware_options
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep what is in its slots here: started again, also after a kill, it runs what it ran.",
)
@click.option("--wire", is_flag=True, help="Print each message, call and answer too.")
def device(  # noqa: PLR0913, PLR0917 - one argument an option
    http: tuple[str, int],
    mqtt: tuple[str, int],
    flow: Flow,
    poll_ms: int,
    keepalive_s: int,
    seed: int,
    state: Path | None,
    faults: Sequence[Ordered],
    *,
    inform: bool,
    wire: bool,
    **said: Any,
) -> None:
    """Run one device until Ctrl-C or SIGTERM, and print what happens to it.

    It reconnects for ever. Exit code 130 after Ctrl-C or SIGTERM, 2 for what it can't be, 3 when its state can't be
    written or this machine stands in the way.
    """
    identity = _identity_of(flow, said)
    struck = faults_by_device(faults, {identity.device_id: flow}, seed).get(identity.device_id, ())
    flash = None if state is None else read_flash(state, identity)
    if flash is not None:
        identity = structs.replace(identity, f_version=flash.f_version, s_version=flash.s_version)
    profile = Profile(
        flow=flow,
        poll_ms=poll_ms,
        keepalive_s=keepalive_s,
        inform=inform,
        start_jitter_ms=0,
        posts_card=True,
        world=world_of(**said),
    )
    diary = Diary(identity, state, flash)
    recorder = Recorder(wire=wire, heard=diary.heard, heard_wire=diary.heard_wire)
    target = Endpoint(http_address=http, mqtt_address=mqtt)
    fleet = Fleet(target, [identity], seed=seed, profile=profile, recorder=recorder)
    told = f"MQTT {spell(mqtt)}, " if inform or flow == "mqtt" else ""
    diary.say(
        "start", f"{identity.product_id}/{identity.name} speaks {flow}; {told}HTTP {spell(http)}; seed {seed}"
    )
    diary.say("start", f"runs {_versions(identity.f_version, identity.s_version)}")
    if asyncio.run(until_stopped(_run(fleet, diary, identity.device_id, struck))):
        sys.exit(INTERRUPTED)  # its last line has said so


def _identity_of(flow: Flow, said: dict[str, Any]) -> Identity:
    """Make the device of what was said of it, and take that out."""
    fields = {name: said.pop(name) for name in Identity.__struct_fields__ if name in said}
    key = fields["key"] or (fields["product_key"] if flow == "south" else None)
    if not key:
        raise click.UsageError("Missing option '--key' (env var: 'OTA_KEY'): it signs the device's tokens")
    if not fields["device_id"] and flow == "south":
        raise click.UsageError("Missing option '--device-id' (env var: 'OTA_DEVICE_ID'): flow south says it")
    product_key = fields["product_key"] or ""
    fields |= {name: fields[name] or None for name in ("f_version", "s_version")}
    number = int(fields["device_id"] or 1)
    return Identity(**{**fields, "key": key, "product_key": product_key, "device_id": number, "flow": flow})


async def _run(fleet: Fleet, diary: "Diary", device_id: int, faults: Sequence[Fault]) -> None:
    try:
        async with fleet:
            diary.begin(fleet, device_id, faults)
            try:
                await fleet.failed()
            finally:
                diary.look_back()
    finally:
        diary.end()


class Diary:
    """What happens to the device, as lines on stdout; and what it runs, in its file before anyone is told."""

    def __init__(self, identity: Identity, state: Path | None, flash: Flash | None) -> None:
        self._identity = identity
        self._state = state
        self._flash = flash
        self._view: Callable[[], DeviceView] | None = None
        self._fleet: Fleet | None = None
        self._sum = ""
        self._started = time.monotonic()

    def begin(self, fleet: Fleet, device_id: int, faults: Sequence[Fault]) -> None:
        """Take over what was kept, and keep from now on."""
        if self._flash is not None:
            fleet.put_spare(device_id, self._flash.spare)
        if faults:
            fleet.set_faults([device_id], faults)
        self._fleet = fleet
        self._view = lambda: fleet.device(device_id)
        self._keep()

    def heard(self, _: int, entry: Entry) -> None:
        """Print an entry, once the file has what the device runs."""
        self._keep()
        job = f"job {entry.tid}" if entry.tid else ""
        step = f"step {entry.step}" if entry.step else ""
        self.say(entry.what, " ".join(part for part in (job, step, entry.text) if part))

    def heard_wire(self, _: int, wire: Wire) -> None:
        """Print a message."""
        status = f" {wire.status}" if wire.status else ""
        text = wire.payload[:SHOWN_BYTES_MAX].decode("utf-8", "backslashreplace")
        more = (
            f" ... {wire.size_bytes:,} bytes" if wire.size_bytes > len(wire.payload[:SHOWN_BYTES_MAX]) else ""
        )
        self.say(
            "->" if wire.way == "sent" else "<-", f"{wire.protocol} {wire.name}{status} {text}{more}".rstrip()
        )

    def say(self, what: str, text: str) -> None:
        """Print a line, and let it out at once."""
        at = datetime.now().astimezone().isoformat(sep=" ", timespec="milliseconds")
        printable = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
        click.echo(f"{at}  {what:<9}  {printable}".rstrip())

    def look_back(self) -> None:
        """Sum up, while the device is still there."""
        if self._fleet is None or self._view is None:
            return
        seen, view = self._fleet.snapshot(), self._view()
        elapsed = show_span(int((time.monotonic() - self._started) * 1_000))
        jobs = f"jobs: {seen.jobs_succeeded:,} succeeded, {seen.jobs_failed:,} failed"
        ended = f", {seen.jobs_ended:,} ended by the platform" if seen.jobs_ended else ""
        self._sum = f"after {elapsed}; runs {_versions(view.f_version, view.s_version)}; {jobs}{ended}"
        self._view = None

    def end(self) -> None:
        """Say what it came to."""
        if self._sum:
            self.say("stop", self._sum)

    def _keep(self) -> None:
        if self._state is None or self._view is None:
            return
        view = self._view()
        flash = Flash(
            product_id=view.product_id,
            name=view.name,
            f_version=view.f_version,
            s_version=view.s_version,
            spare=view.spare,
        )
        if flash != self._flash:
            write_flash(self._state, flash)
            self._flash = flash


def _versions(f_version: str | None, s_version: str | None) -> str:
    return f"FOTA {f_version or 'nothing'}, SOTA {s_version or 'nothing'}"
