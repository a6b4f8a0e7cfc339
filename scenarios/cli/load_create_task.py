"""`ota-sim load create-task`: many creators at once, on Locust, and whether a licence was lost."""

import asyncio
import contextlib
import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import click

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.errors import UsageFault
from scenarios.auditor.snapshot import find_database
from scenarios.cli.database import DatabaseType, check_place
from scenarios.cli.load_options import (
    only_one,
    report_dir_option,
    stop_event,
    threshold_options,
    thresholds_of,
    web_option,
)
from scenarios.load.far_end import FarEnd, at_url, behind_adapter, own_stub
from scenarios.load.live import showing
from scenarios.load.locust_process import check_locust, check_port, check_words
from scenarios.load.report import make_room, text_lines, write_reports
from scenarios.load.result import LoadResult
from scenarios.load.tasks.load import Load, locust_options
from scenarios.load.tasks.plan import OPEN_HELP, OPTIONS, read_plan
from scenarios.load.tasks.wanted import TaskLoad
from scenarios.report_files import ReportFault

DURATION: Final = "30s"
"""How long it goes on when neither a duration nor a count is given."""


METAVARS: Final = {
    "devices": "COUNT|FROM-TO",
    "licensed": "SHARE",
    "again": "SHARE",
    "purchases": "SHARE",
    "rate": "RATE",
    "duration": "SPAN",
    "warm-up": "SPAN",
    "timeout": "SPAN",
    "seed": "NUMBER",
}
"""What an option's text is; of the others it is a count."""


def _plan_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for name, (default, help_text) in reversed(list(OPTIONS.items())):
        shown = f"{help_text} [default: {default}]" if default else help_text
        function = click.option(f"--{name}", metavar=METAVARS.get(name, "COUNT"), help=shown)(function)
    return function


@click.command(short_help="Create tasks, many at once.")
@click.option("--creators", type=int, default=20, show_default=True, help="How many create at the same time.")
@_plan_options
@click.option("--open", "keeps_open", is_flag=True, help=OPEN_HELP)
@threshold_options()
@click.option(
    "--url",
    metavar="URL",
    help="A stub that runs elsewhere, such as http://127.0.0.1:8080, instead of one of its own.",
)
@click.option(
    "--target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The platform under test that this file describes, through its adapter; docs/adapters.md says how.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the stub, kept; without it a temporary one. With --url: that stub's folder, for the audit.",
)
@click.option(
    "--database",
    metavar="URL",
    type=DatabaseType(),
    help="Let the stub run on PostgreSQL, such as postgresql://user@host/db. With --url: that stub's, for the audit.",
)
@web_option
@report_dir_option
@click.argument("words", nargs=-1, metavar="[-- LOCUST OPTION]...")
def create_task(
    *,
    creators: int,
    keeps_open: bool,
    url: str | None,
    target: Path | None,
    data: Path | None,
    database: DatabaseUrl | None,
    web: int | None,
    report_dir: Path | None,
    words: tuple[str, ...],
    **said: Any,
) -> None:
    """Create tasks from many creators at once, each with devices of its own, and time every creation.

    It starts a stub in a process of its own, makes accounts, licences and devices, lets Locust create, audits the
    licences afterwards (I1-I7), and says what it came to. Without --duration and --count it creates for 30 seconds.

    \b
    Examples:
      ota-sim load create-task --creators 20 --devices 1000 --rate 50/s --duration 60s --max-p99 300ms
      ota-sim load create-task --creators 100 --devices 100-1000 --licensed 90% --report-dir reports
      ota-sim load create-task --url http://127.0.0.1:8080 --duration 30s --web 8089
      ota-sim load create-task --rate 200/s -- --processes 2 --csv load

    What stands behind -- is for Locust. Exit codes: 0 all held, 1 a threshold was missed, something failed or a
    licence was lost, 2 usage, 3 the environment, 130 after Ctrl-C (with the summary so far).
    """
    check_locust()
    only_one(url=url, target=target)
    check_place(data, database)
    if target is not None and (data is not None or database is not None):
        raise UsageFault("--data and --database are not wanted with --target: the platform keeps its own")
    if url is not None and data is not None:
        find_database(data)
    thresholds = thresholds_of(said)
    spoken = {name: said[name.replace("-", "_")] or "" for name in OPTIONS}
    if not spoken["duration"] and not spoken["count"]:
        spoken["duration"] = DURATION
    plan = read_plan(spoken, keeps_open=keeps_open)
    plan.check(creators)
    check_words(words)
    if web is not None:
        check_port(web)
    if report_dir is not None:
        make_room(report_dir)
    wanted = TaskLoad(
        plan=plan,
        creators=creators,
        thresholds=thresholds,
        words=words,
        options=locust_options(spoken, keeps_open=keeps_open),
        web=web,
        command=shlex.join(["ota-sim", *sys.argv[1:]]) if database is None else "",
    )
    result = asyncio.run(_play(wanted, lambda: _far_end(url, target, data, database)))
    sys.exit(_say(result, report_dir))


def _far_end(
    url: str | None, target: Path | None, data: Path | None, database: DatabaseUrl | None
) -> AbstractAsyncContextManager[FarEnd]:
    if url is not None:
        return at_url(url, database=data or database)
    return own_stub(data, database) if target is None else behind_adapter(target)


async def _play(wanted: TaskLoad, far_end: Callable[[], AbstractAsyncContextManager[FarEnd]]) -> LoadResult:
    loads: list[Load] = []
    playing = asyncio.current_task()
    assert playing is not None

    def hurry() -> None:
        for each in loads:
            each.hurry()
        if not loads:
            playing.cancel()

    with stop_event(hurry) as stop:
        async with _unless(stop, far_end()) as far:
            load = Load(wanted, far, stop)
            loads.append(load)
            async with showing(load.lines):
                return await load.play()


@contextlib.asynccontextmanager
async def _unless(stop: asyncio.Event, context: AbstractAsyncContextManager[FarEnd]) -> Any:
    """Enter a context; KeyboardInterrupt: Ctrl-C came before that was done."""
    entering = asyncio.ensure_future(context.__aenter__())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({entering, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not entering.done():
        entering.cancel()
        await asyncio.wait({entering})
        raise KeyboardInterrupt
    async with contextlib.AsyncExitStack() as stack:
        far = entering.result()
        stack.push_async_exit(context)
        yield far


def _say(result: LoadResult, report_dir: Path | None) -> int:
    """Print the summary and write the reports; answers the exit code."""
    for line in text_lines(result):
        click.echo(line)
    if report_dir is None:
        return result.exit_code
    try:
        for path in write_reports(result, report_dir):
            click.echo(f"written: {path}")
    except ReportFault as fault:
        click.echo(f"ota-sim: {fault}", err=True)
        return result.exit_code or fault.exit_code
    return result.exit_code
