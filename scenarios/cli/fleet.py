"""`ota-sim fleet`: devices from a CSV against a stub, or a platform, that runs elsewhere."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import click
from rich.console import Console

from device_sim import (
    FLOWS,
    Endpoint,
    Fault,
    Fleet,
    FleetError,
    FleetSnapshot,
    Flow,
    Profile,
    TraceEntry,
    read_devices_csv,
)
from device_sim.errors import ShardDied
from device_sim.shards.limits import read_limits
from device_sim.shards.messages import REPORT_EVERY_MS
from device_sim.shards.plan import plan
from device_sim.shards.sharded import ShardedFleet
from platform_stub.protocol.calls import SOUTH, CallRefusal
from platform_stub.protocol.errors import EnvironmentFault
from scenarios.cli.addresses import AddressType
from scenarios.cli.hardware import Ordered, faults_by_device, hardware_options, world_of
from scenarios.cli.moments import span, span_ms
from scenarios.cli.processes import ProcessesType
from scenarios.cli.targets import addresses_of
from scenarios.units import read_span_ms, show_span

LIVE_S: Final = 0.2
PLAIN_S: Final = 2.0
TRACE_LINES: Final = 10
KEY_HINT: Final = (
    "hint: devices of flow south that sign with their own key are refused by `serve --strict`; give the product's key "
    "in the CSV's column product_key (ota-sim devices export --flow south writes it)"
)

AnyFleet = Fleet | ShardedFleet
Until = int | Literal["idle", "stopped"]


class UntilType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """`idle`, or a span of time."""

    name = "idle|SPAN"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Give milliseconds, or the word."""
        if isinstance(value, int) or value in {"idle", "stopped"}:
            return value
        try:
            return read_span_ms(value)
        except ValueError as exc:
            self.fail(f"{exc}; or idle", param, ctx)


@click.command(short_help="Let devices of a CSV run against a stub elsewhere.")
@click.option(
    "--devices",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with device_id, product_id, name, key (and iccid, imsi, f_version, s_version, flow, product_key, "
    "manufacturer, model); "
    "`ota-sim devices export` writes one.",
)
@click.option(
    "--http",
    type=AddressType(),
    default="127.0.0.1:8080",
    show_default=True,
    help="Where packages are, and HTTP calls are answered.",
)
@click.option(
    "--mqtt", type=AddressType(), default="127.0.0.1:1883", show_default=True, help="Where devices log in."
)
@click.option(
    "--target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take the addresses of the platform under test from this file, instead of --http and --mqtt.",
)
@click.option(
    "--until",
    type=UntilType(),
    default="stopped",
    help="idle: until all devices are in and no job is left, or none has come; or a span, such as 90s or 10 min. "
    "Default: until Ctrl-C.",
)
@click.option(
    "--quiet",
    "quiet_s",
    type=span,
    default="5s",
    show_default=True,
    help="With --until idle: how long no job may have come.",
)
@click.option(
    "--give-up",
    "give_up_s",
    type=span,
    default="10 min",
    show_default=True,
    help="With --until idle: fail when the devices are not in, or a job is not done, after this long.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of jitter and backoff."
)
@click.option(
    "--flow",
    type=click.Choice(FLOWS),
    default="mqtt",
    show_default=True,
    help="What devices speak whose row in the CSV names no flow: MQTT, or HTTP as of generation C (fuse), "
    "B (studio) or A (south).",
)
@click.option(
    "--poll",
    "poll_ms",
    type=span_ms,
    metavar="SPAN",
    default="2s",
    show_default=True,
    help="How long at most until a device that speaks HTTP asks for a job again; --quiet should be twice that.",
)
@click.option(
    "--inform",
    is_flag=True,
    help="Let devices that speak HTTP be connected over MQTT too, be told of jobs there, and ask at once.",
)
@click.option(
    "--processes",
    type=ProcessesType(),
    default="1",
    show_default=True,
    help="Spread the devices over so many processes, or over as many as they take on this machine: auto.",
)
@hardware_options
def fleet(  # noqa: PLR0913, PLR0917 - one argument an option
    devices: Path,
    http: tuple[str, int],
    mqtt: tuple[str, int],
    target: Path | None,
    until: Until,
    quiet_s: int,
    give_up_s: int,
    seed: int,
    flow: Flow,
    poll_ms: int,
    processes: int,
    faults: Sequence[Ordered],
    *,
    inform: bool,
    **hardware: Any,
) -> None:
    """Connect the devices of a CSV and let them do what they are told.

    Exit code 0 when all went well, 1 when a job failed or a device never got in, 2 for a bad CSV, 3 when nothing
    listens there, the fleet does not fit this machine or one of its processes died, 130 after Ctrl-C (with the
    summary so far).
    """
    identities = read_devices_csv(devices)
    if target is not None:
        speaks_mqtt = inform or any((identity.flow or flow) == "mqtt" for identity in identities)
        http, mqtt = addresses_of(target, speaks_mqtt=speaks_mqtt)
    profile = Profile(flow=flow, poll_ms=poll_ms, inform=inform, world=world_of(**hardware))
    struck = faults_by_device(faults, {each.device_id: each.flow or flow for each in identities}, seed)
    spread = plan(
        len(identities),
        read_limits(),
        processes=processes or None,
        connections=sum(1 for each in identities if inform or (each.flow or flow) == "mqtt"),
        is_loopback=mqtt[0].startswith("127.") or mqtt[0] == "localhost",
    )
    at = Endpoint(http_address=http, mqtt_address=mqtt)
    run: AnyFleet
    if spread.processes > 1:
        run = ShardedFleet(
            at,
            identities,
            plan=spread,
            seed=seed,
            profile=profile,
            faults=struck,
            report_every_ms=REPORT_EVERY_MS,
        )
    else:
        run = Fleet(at, identities, seed=seed, profile=profile)
    console = Console(stderr=True)
    flows = {identity.flow or flow for identity in identities}
    told = f"MQTT {mqtt[0]}:{mqtt[1]}, " if inform or "mqtt" in flows else ""
    console.print(
        f"{len(identities):,} devices of {devices}, {told}HTTP {http[0]}:{http[1]}, seed {seed}",
        highlight=False,
        soft_wrap=True,
    )
    if processes != 1:
        console.print(spread.text, highlight=False, soft_wrap=True)
    has_keys = all(identity.product_key for identity in identities if (identity.flow or flow) == "south")
    if asyncio.run(until_stopped(_run(run, console, until, quiet_s, give_up_s, struck, has_keys=has_keys))):
        raise KeyboardInterrupt


async def until_stopped(work: Coroutine[None, None, None]) -> bool:
    """Do the work; True when Ctrl-C or SIGTERM ended it. They count also where a shell has them ignored."""
    task = asyncio.create_task(work, name="fleet")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


async def _run(
    run: AnyFleet,
    console: Console,
    until: Until,
    quiet_s: int,
    give_up_s: int,
    struck: Mapping[int, Sequence[Fault]],
    *,
    has_keys: bool,
) -> None:
    started = time.monotonic()
    stopped = True
    async with run:
        if isinstance(run, Fleet):
            for device_id, faults in struck.items():
                run.set_faults([device_id], faults)
        try:
            async with _progress(run, console):
                await _wait(run, until, quiet_s, give_up_s)
            stopped = False
        finally:
            end, trace = _end_of(run)
            _summarise(trace, end, time.monotonic() - started, stopped=stopped)
            if not has_keys and _is_key_refused(end):
                click.echo(KEY_HINT)
    _judge(end)


async def _wait(run: AnyFleet, until: Until, quiet_s: int, give_up_s: int) -> None:
    match until:
        case "stopped":
            await run.failed()
        case "idle":
            await _wait_for_idle(run, quiet_s, give_up_s)
        case _:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until / 1_000):
                    await run.failed()


async def _wait_for_idle(run: AnyFleet, quiet_s: int, give_up_s: int) -> None:
    """Wait until all devices are in, no job is under way, and none has come for a while."""
    try:
        await run.ready(give_up_s)
    except FleetError as exc:
        seen = run.snapshot()
        if not seen.present and seen.connect_failures and not _is_refused(seen):
            raise EnvironmentFault(f"{exc}. Is `ota-sim serve` running there?") from exc
        raise
    while True:
        try:
            await run.idle(give_up_s)
        except FleetError as exc:
            if run.snapshot().notes and not run.snapshot().downloaded_bytes:
                raise EnvironmentFault(f"{exc}. Is --http the stub's address?") from exc
            raise
        before = run.snapshot()
        await asyncio.sleep(quiet_s)
        after = run.snapshot()
        if _jobs_come(after) == _jobs_come(before) and not after.busy and after.present == after.devices:
            return


def _jobs_come(seen: FleetSnapshot) -> int:
    """How many jobs devices were told of, or found."""
    return seen.informs + seen.jobs_started


def _is_refused(seen: FleetSnapshot) -> bool:
    """Whether anybody answers there, if only with a no."""
    return bool(seen.refused or seen.calls_refused)


def _is_key_refused(seen: FleetSnapshot) -> bool:
    """Whether devices of generation A were told that their token is of the wrong kind, or by the wrong key."""
    return (
        "south" in seen.flows
        and SOUTH[CallRefusal.INVALID_RESOURCE].code in seen.flows["south"].calls_refused
    )


@contextlib.asynccontextmanager
async def _progress(run: AnyFleet, console: Console) -> AsyncIterator[None]:
    """Show where the fleet stands: one line that changes on a terminal, a line now and then elsewhere."""
    show = _live(run, console) if console.is_terminal else _plain(run, console)
    task = asyncio.create_task(show, name="progress")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _live(run: AnyFleet, console: Console) -> None:
    with console.status(_line(run)) as status:
        while True:
            await asyncio.sleep(LIVE_S)
            status.update(_line(run))


async def _plain(run: AnyFleet, console: Console) -> None:
    shown = ""
    while True:
        await asyncio.sleep(PLAIN_S)
        line = _line(run)
        if line != shown:
            console.print(line, highlight=False, soft_wrap=True)
        shown = line


def _line(run: AnyFleet) -> str:
    now = run.snapshot()
    parts = [
        f"{now.present:,} of {now.devices:,} devices in",
        f"{now.busy:,} busy",
        f"jobs {now.jobs_succeeded:,} succeeded, {now.jobs_failed:,} failed",
    ]
    if now.present < now.devices and now.notes:
        parts.append(f"first trouble: {run.trace[0].what}")
    return "; ".join(parts)


def _end_of(run: AnyFleet) -> tuple[FleetSnapshot, Sequence[TraceEntry]]:
    """See how the fleet stands; where one of its processes has died, how each stood when it last said so."""
    try:
        return run.snapshot(), run.trace
    except ShardDied:
        assert isinstance(run, ShardedFleet), "only its processes die"
        return run.last_seen, ()


def _summarise(trace: Sequence[TraceEntry], end: FleetSnapshot, elapsed_s: float, *, stopped: bool) -> None:
    click.echo(f"{'stopped' if stopped else 'done'} after {show_span(int(elapsed_s * 1_000))}")
    for name, text in _rows(end):
        click.echo(f"  {name:<11}{text}")
    if trace:
        click.echo(f"what went wrong first ({end.notes:,} in all)")
    for entry in trace[:TRACE_LINES]:
        click.echo(f"  {entry.at_ms / 1_000:8.3f} s  device {entry.device_id}  {entry.what}")
    sys.stdout.flush()


def _rows(end: FleetSnapshot) -> Iterator[tuple[str, str]]:
    yield "devices", f"{end.devices:,}, {end.present:,} in at the end, {end.busy:,} busy"
    ended = f", {end.jobs_ended:,} ended by the platform" if end.jobs_ended else ""
    yield (
        "jobs",
        f"{end.jobs_started:,} begun, {end.jobs_succeeded:,} succeeded, {end.jobs_failed:,} failed{ended}",
    )
    if set(end.flows) != {"mqtt"}:
        yield from _flow_rows(end)
    if end.failed_steps:
        yield "failed at", ", ".join(f"step {step}: {n:,}" for step, n in sorted(end.failed_steps.items()))
    if end.struck:
        yield "struck", ", ".join(f"{what}: {n:,}" for what, n in sorted(end.struck.items()))
    yield "downloads", f"{end.downloads:,} answers, {end.downloaded_bytes:,} bytes"
    yield (
        "messages",
        f"{end.messages_sent:,} sent, {end.repeats:,} of them again, {end.messages_received:,} received",
    )
    yield "links", f"{end.reconnects:,} lost, {end.connect_failures:,} attempts in vain"
    for name, flow in end.flows.items():
        if flow.calls_refused:
            codes = ", ".join(f"code {code}: {n:,}" for code, n in sorted(flow.calls_refused.items()))
            yield "refused", f"{name} {codes}"
    if end.refused:
        yield "refused", ", ".join(f"CONNACK {code}: {n:,}" for code, n in sorted(end.refused.items()))


def _flow_rows(end: FleetSnapshot) -> Iterator[tuple[str, str]]:
    """Say the same of each flow."""
    for name, flow in end.flows.items():
        text = (
            f"{flow.devices:,} devices, {flow.present:,} in, {flow.jobs_started:,} jobs begun, "
            f"{flow.jobs_succeeded:,} succeeded, {flow.jobs_failed:,} failed"
        )
        ended = f", {flow.jobs_ended:,} ended by the platform" if flow.jobs_ended else ""
        calls = f", {flow.calls:,} calls" if flow.calls else ""
        yield name, text + ended + calls


def _judge(end: FleetSnapshot) -> None:
    if end.jobs_failed:
        raise FleetError(f"{end.jobs_failed:,} jobs failed")
    if end.present < end.devices:
        text = f"{end.devices - end.present:,} of {end.devices:,} devices are not in"
        if not end.present and end.connect_failures and not _is_refused(end):
            raise EnvironmentFault(f"{text}: nobody answers there. Is `ota-sim serve` running?")
        raise FleetError(text)
