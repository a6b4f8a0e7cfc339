"""`ota-sim run`: play scenarios, show what happens, write reports, give a verdict."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from msgspec import structs

from platform_stub.protocol.errors import UsageFault
from scenarios.brokers import BROKERS
from scenarios.loader import find_files, load_files
from scenarios.loader.mistakes import listing, nearest
from scenarios.play import Play
from scenarios.report.files import ReportFault, prepare_folder, write_reports
from scenarios.results import RunResult
from scenarios.runner.options import RunOptions
from scenarios.running import run_all
from scenarios.show.console import ConsoleShow

SEED_MAX = 2**53


@click.command(short_help="Play scenarios and give a verdict.")
@click.argument("files", nargs=-1, metavar="[FILE|FOLDER|NAME]...")
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for junit.xml and report.json; made if it is not there.",
)
@click.option("--seed", type=click.IntRange(0, SEED_MAX), help="Another seed than the scenarios'.")
@click.option(
    "--broker",
    type=click.Choice(list(BROKERS)),
    default="embedded",
    show_default=True,
    help="Which MQTT broker.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep each run's database in a folder of this folder, named after scenario and variant.",
)
@click.option(
    "--only",
    metavar="STEP",
    help="Check this step alone: the steps before it are played but not checked, those after it are left out.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Where the documentation contradicts itself, let the platform take its narrower reading, in every scenario.",
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first step that fails.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Runs at once, each in a process of its own; 1 is one after the other in this process. "
    "Default: as many as there are runs, at most one for each core.",
)
def run(
    *,
    files: tuple[str, ...],
    report_dir: Path | None,
    seed: int | None,
    broker: str,
    data: Path | None,
    only: str | None,
    strict: bool,
    fail_fast: bool,
    jobs: int | None,
) -> None:
    """Play scenarios: a run for each variant of each file.

    NAME is a scenario of the shipped library, such as examples (the default), or library for all of it.

    \b
    Examples:
      ota-sim run
      ota-sim run library --report-dir reports
      ota-sim run my-scenario.yaml --only E4
      ota-sim run b07 b13 --jobs 1

    Exit codes: 0 all held, 1 an expectation failed, 2 usage or scenario error, 3 the environment, 130 after Ctrl-C.
    """
    if report_dir is not None:
        prepare_folder(report_dir)
    plays = load_files(find_files(files or ("examples",)))
    if seed is not None:
        plays = [structs.replace(play, seed=seed) for play in plays]
    if strict:
        plays = [structs.replace(play, strict=True) for play in plays]
    if only is not None:
        plays = _with_step(plays, only)
    _check_size(plays, broker)
    options = RunOptions(
        broker=broker, data=None if data is None else str(data), only=only, fail_fast=fail_fast
    )
    with ConsoleShow(plays, broker) as show:
        result = run_all(plays, options, jobs or _cores(), show)
        if result.interrupted:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed once more, the reports are still written
    fault, written = _report(result, report_dir)
    show.summary(result, written)
    if fault is not None:
        click.echo(f"ota-sim: {fault}", err=True)
    sys.exit(result.exit_code if result.interrupted or fault is None else fault.exit_code)


def _with_step(plays: Sequence[Play], step: str) -> list[Play]:
    """Keep the plays that have a step."""
    having = [play for play in plays if step in {known.id for known in play.steps}]
    if not having:
        names = list(dict.fromkeys(known.id for play in plays for known in play.steps))
        hint = nearest(step, names) or f"; there are {listing(names, 30)}"
        raise UsageFault(f"--only: no step is named {step}{hint}")
    return having


def _check_size(plays: Sequence[Play], broker: str) -> None:
    """Refuse more devices than a broker carries in a reasonable time."""
    most = BROKERS[broker].devices_max
    for play in plays:
        if most is not None and play.connected_count > most:
            raise UsageFault(
                f"{play.name} connects {play.connected_count:,} devices, and the {broker} broker is for some {most:,}; "
                "use the embedded one, or a scenario such as examples-tenth"
            )


def _report(result: RunResult, folder: Path | None) -> tuple[ReportFault | None, list[str]]:
    if folder is None:
        return None, []
    try:
        return None, [str(path) for path in write_reports(result, folder)]
    except ReportFault as fault:
        return fault, []


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
