"""`ota-sim run`: play scenarios, show what happens, write reports, give a verdict."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from msgspec import structs

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.errors import UsageFault
from scenarios.brokers import facts_of, is_external, shown_broker
from scenarios.cli.broker import BROKER_HELP, BrokerType
from scenarios.cli.database import DatabaseType, check_place
from scenarios.cli.held import holding_lines
from scenarios.cli.processes import ProcessesType
from scenarios.cli.targets import platform_of
from scenarios.loader import find_files, load_files, read_variables
from scenarios.loader.mistakes import listing, nearest
from scenarios.play import Play
from scenarios.report.evidence import clear_evidence
from scenarios.report.files import make_room, write_reports
from scenarios.report_files import ReportFault
from scenarios.results import Holding, RunResult
from scenarios.runner.options import RunOptions
from scenarios.running import run_all
from scenarios.show.console import ConsoleShow

SEED_MAX = 2**53


@click.command(short_help="Play scenarios and give a verdict.")
@click.argument("files", nargs=-1, metavar="[FILE|FOLDER|NAME]...")
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for report.html, junit.xml and report.json; made if it is not there.",
)
@click.option("--seed", type=click.IntRange(0, SEED_MAX), help="Another seed than the scenarios'.")
@click.option(
    "--broker",
    type=BrokerType(),
    default="embedded",
    show_default=True,
    help=BROKER_HELP,
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep each run's database in a folder of this folder, named after scenario and variant.",
)
@click.option(
    "--database",
    metavar="URL",
    type=DatabaseType(),
    help="Run on PostgreSQL, such as postgresql://user@host/db, each run in a schema of its own that is dropped "
    "afterwards. Where the URL names a schema (?options=-csearch_path%3DNAME), those of the runs are named after it "
    "and kept.",
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
@click.option(
    "--variant", metavar="NAME", help="Play this variant alone, of the scenarios that have one of this name."
)
@click.option(
    "--until",
    metavar="STEP",
    help="Stop after this step, write the reports, and keep platform and devices up to look at, until Ctrl-C. One run "
    "only; no later step and no teardown is played.",
)
@click.option(
    "--var",
    "variables",
    metavar="NAME=VALUE",
    multiple=True,
    help="Another value for one of the scenarios' vars. Can be given several times.",
)
@click.option(
    "--target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Play on the platform under test that this file describes, not on the stub; docs/adapters.md says how.",
)
@click.option(
    "--evidence",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for what runs that did not pass leave: messages, stories, journal, log. "
    "Default: evidence in --report-dir.",
)
@click.option(
    "--processes",
    type=ProcessesType(),
    help="Spread the devices of each run over so many processes, or over as many as they take on this machine: auto. "
    "Default: what the scenario says, or one.",
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first step that fails.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Runs at once, each in a process of its own; 1 is one after the other in this process. "
    "Default: as many as there are runs, at most one for each core; one with --target, and at a broker's address.",
)
def run(  # noqa: PLR0913 - one argument an option
    *,
    files: tuple[str, ...],
    report_dir: Path | None,
    seed: int | None,
    broker: str,
    data: Path | None,
    database: DatabaseUrl | None,
    only: str | None,
    strict: bool,
    fail_fast: bool,
    jobs: int | None,
    variant: str | None,
    until: str | None,
    variables: tuple[str, ...],
    target: Path | None,
    evidence: Path | None,
    processes: int | None,
) -> None:
    """Play scenarios: a run for each variant of each file.

    NAME is a scenario of the shipped library, such as examples (the default), or library for all of it.

    \b
    Examples:
      ota-sim run
      ota-sim run library --report-dir reports
      ota-sim run my-scenario.yaml --only E4
      ota-sim run b07 b13 --jobs 1
      ota-sim run examples --variant F --until E4
      ota-sim run my-scenario.yaml --target staging.yaml

    Exit codes: 0 all held, 1 an expectation failed, 2 usage or scenario error, 3 the environment, 130 after Ctrl-C.
    """
    check_place(data, database)
    platform = None if target is None else platform_of(target)
    if report_dir is not None:
        make_room(report_dir)
        evidence = evidence or report_dir / "evidence"
    if evidence is not None:
        clear_evidence(evidence)
    plays = load_files(find_files(files or ("examples",)), read_variables(variables))
    plays = _chosen(plays, variant, only, until)
    if seed is not None:
        plays = [structs.replace(play, seed=seed) for play in plays]
    if processes is not None:
        plays = [
            structs.replace(play, processes=min(processes, max(play.connected_count, 1))) for play in plays
        ]
    if strict or (platform is not None and platform.strict):
        plays = [structs.replace(play, strict=True) for play in plays]
    _check_size(plays, broker)
    options = RunOptions(
        broker=broker,
        data=None if data is None else str(data),
        database=None if database is None else database.secret,
        only=only,
        fail_fast=fail_fast,
        until=until,
        evidence=None if evidence is None else str(evidence),
        story=report_dir is not None or evidence is not None,
        target=platform,
    )
    alone = until is not None or platform is not None or is_external(broker)
    at_once = jobs or (1 if alone else _cores())
    name = "" if platform is None else platform.name
    with ConsoleShow(plays, shown_broker(broker), target=name) as show:
        reports = _Reports(show, report_dir)

        def hold(result: RunResult, holding: Holding) -> None:
            show.settle()
            reports.write(result)
            for line in holding_lines(holding, until or "", name):
                click.echo(line)

        result = run_all(plays, options, at_once, show, hold)
        if result.interrupted:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed once more, the reports are still written
    if not result.was_held:
        reports.write(result)
    sys.exit(result.exit_code if result.interrupted else reports.exit_code or result.exit_code)


class _Reports:
    """Writes a run's reports where they are wanted, and sums it up. `exit_code` is not 0 when they can't be written."""

    def __init__(self, show: ConsoleShow, folder: Path | None) -> None:
        self._show = show
        self._folder = folder
        self.exit_code = 0

    def write(self, result: RunResult) -> None:
        """Write them, and show the summary with their paths."""
        written: list[Path] = []
        fault = None
        try:
            written = [] if self._folder is None else write_reports(result, self._folder)
        except ReportFault as exc:
            fault = exc
        self._show.summary(result, [str(path) for path in written])
        if fault is not None:
            self.exit_code = fault.exit_code
            click.echo(f"ota-sim: {fault}", err=True)


def _chosen(plays: Sequence[Play], variant: str | None, only: str | None, until: str | None) -> list[Play]:
    """Keep the plays that are asked for; UsageFault: there is none, or too many to hold."""
    if only is not None and until is not None:
        raise UsageFault("give --only or --until, not both: --only ends at its step too")
    chosen = list(plays)
    if variant is not None:
        chosen = [play for play in chosen if play.variant == variant]
        if not chosen:
            names = list(dict.fromkeys(play.variant for play in plays if play.variant))
            hint = nearest(variant, names) or f"; there are {listing(names, 30)}"
            raise UsageFault(f"--variant: no variant is named {variant}{hint}")
    if only is not None:
        chosen = _with_step(chosen, only, "--only")
    if until is not None:
        chosen = _with_step(chosen, until, "--until")
        if len(chosen) > 1:
            having = listing([play.name for play in chosen], 8)
            raise UsageFault(
                f"--until keeps one run up, and {len(chosen)} have the step {until}: {having}; give one scenario, "
                "and --variant if it has several"
            )
    return chosen


def _with_step(plays: Sequence[Play], step: str, option: str) -> list[Play]:
    """Keep the plays that have a step."""
    having = [play for play in plays if step in {known.id for known in play.steps}]
    if not having:
        names = list(dict.fromkeys(known.id for play in plays for known in play.steps))
        hint = nearest(step, names) or f"; there are {listing(names, 30)}"
        raise UsageFault(f"{option}: no step is named {step}{hint}")
    return having


def _check_size(plays: Sequence[Play], broker: str) -> None:
    """Refuse more devices than a broker carries in a reasonable time."""
    most = facts_of(broker).devices_max
    for play in plays:
        if most is not None and play.connected_count > most:
            raise UsageFault(
                f"{play.name} connects {play.connected_count:,} devices, and the {broker} broker is for some {most:,}; "
                "use the embedded one, or a scenario such as examples-tenth"
            )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
