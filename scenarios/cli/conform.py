"""`ota-sim conform`: hold a device program, started by a command, against the protocol."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from device_sim import FLOWS, Flow
from platform_stub.protocol.errors import UsageFault
from scenarios.conform.case import Case
from scenarios.conform.cases import CASES
from scenarios.conform.program import read_command
from scenarios.conform.reports import write_reports
from scenarios.conform.running import Listener, Order, run
from scenarios.conform.show import Show, list_cases
from scenarios.conform.verdicts import SuiteResult
from scenarios.loader.mistakes import nearest
from scenarios.report_files import ReportFault, prepare_folder
from scenarios.show.console import make_console
from scenarios.versions import tool_version

JOBS: Final = 10
GROUPS: Final = ("good", "failing", "hostile")


@click.command(short_help="Hold a device program against the protocol.")
@click.option(
    "--entrypoint",
    metavar="CMD",
    help="The command that starts the device program, with {placeholders}; it is not run by a shell.",
)
@click.option(
    "--flow",
    "flows",
    type=click.Choice([*FLOWS, "all"]),
    multiple=True,
    help="What the program speaks; may be given more than once. Default: mqtt.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="CASE",
    help="Play this case alone, or this group (good, failing, hostile); may be given more than once.",
)
@click.option("--skip", multiple=True, metavar="CASE", help="Leave this case, or group, out.")
@click.option("--list", "lists", is_flag=True, help="List the cases that would be played, and play none.")
@click.option(
    "--patience",
    type=click.FloatRange(0.1, 100),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="Multiply every limit: 3 for a program, or a machine, that is three times as slow.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 32),
    default=JOBS,
    show_default=True,
    help="Cases at a time, each with a program of its own; 1 for a program that can run but once.",
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for junit.xml and conform.json; made if it is not there.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep what the program wrote and what went over the wire, a folder for each case.",
)
def conform(
    *,
    entrypoint: str | None,
    flows: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    lists: bool,
    patience: float,
    jobs: int,
    report_dir: Path | None,
    keep: Path | None,
) -> None:
    """Play the conformance cases against a device program.

    The program is started anew for each case, and told where to connect and who it is by its environment
    (OTA_HTTP, OTA_MQTT, OTA_PRODUCT_ID, OTA_DEVICE_NAME, OTA_KEY ...) and by {placeholders} in the command, such as
    {http}, {mqtt}, {product_id}, {device_name} and {key}.

    \b
    Examples:
      ota-sim conform --entrypoint "ota-sim device"
      ota-sim conform --entrypoint "./my-device --http {http} --mqtt {mqtt}" --flow fuse --report-dir reports
      ota-sim conform --entrypoint ./my-device --only resume --only hostile --keep traces
      ota-sim conform --list --flow south

    Exit codes: 0 all passed, 1 a case failed, 2 usage, 3 the program does not start or never connects, 130 after
    Ctrl-C.
    """
    spoken = _flows_of(flows)
    cases = _chosen(only, skip)
    if lists:
        for line in list_cases([case for case in cases if set(case.flows) & set(spoken)]):
            click.echo(line)
        return
    if entrypoint is None:
        raise click.UsageError("--entrypoint is wanted: the command that starts the device program")
    planned = tuple((case, flow) for flow in spoken for case in cases if flow in case.flows)
    if not planned:
        raise UsageFault(f"no case is left for flow {', '.join(spoken)}; --list shows what there is")
    for folder in filter(None, (report_dir, keep)):
        prepare_folder(folder)
    with tempfile.TemporaryDirectory(prefix="ota-sim-conform-", ignore_cleanup_errors=True) as scratch:
        order = Order(
            entrypoint=entrypoint,
            words=read_command(entrypoint),
            cases=planned,
            folder=(keep or Path(scratch)).absolute(),
            patience=patience,
            jobs=jobs,
            version=tool_version(),
        )
        show = Show(make_console(), len(planned), many_flows=len(spoken) > 1)
        with show:
            result = asyncio.run(_run(order, show))
        fault, written = _report(result, report_dir)
    show.summary(result, written, folder="" if keep is None else str(keep))
    if fault is not None:
        click.echo(f"ota-sim: {fault}", err=True)
    sys.exit(result.exit_code or (0 if fault is None else fault.exit_code))


def _flows_of(flows: Sequence[str]) -> tuple[Flow, ...]:
    if "all" in flows:
        return FLOWS
    return tuple(flow for flow in FLOWS if flow in flows) or ("mqtt",)


def _chosen(only: Sequence[str], skip: Sequence[str]) -> list[Case]:
    for option, names in (("--only", only), ("--skip", skip)):
        for name in names:
            _check_name(option, name)
    return [
        case
        for case in CASES
        if (not only or case.id in only or case.group in only)
        and case.id not in skip
        and case.group not in skip
    ]


def _check_name(option: str, name: str) -> None:
    known = [case.id for case in CASES]
    if name not in known and name not in GROUPS:
        hint = nearest(name, [*known, *GROUPS]) or "; --list shows them"
        raise UsageFault(f"{option}: no case is named {name}{hint}")


async def _run(order: Order, listener: Listener) -> SuiteResult:
    """Run; Ctrl-C and SIGTERM end it with what there is. They count also where a shell has them ignored."""
    task = asyncio.create_task(run(order, listener), name="conform")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    return await task


def _report(result: SuiteResult, folder: Path | None) -> tuple[ReportFault | None, list[str]]:
    if folder is None:
        return None, []
    try:
        return None, write_reports(result, folder)
    except ReportFault as fault:
        return fault, []
