"""`ota-sim load fleet`: as many devices as the machine holds, connected, told and updated once; and what that took."""

import asyncio
import contextlib
import shlex
import signal
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from platform_stub.protocol.errors import UsageFault
from scenarios.auditor.snapshot import find_database
from scenarios.cli.addresses import AddressType
from scenarios.cli.database import DatabaseType, check_place
from scenarios.cli.load_options import only_one, report_dir_option, web_option
from scenarios.cli.moments import span_ms
from scenarios.report_files import ReportFault
from scenarios.units import read_size

if TYPE_CHECKING:
    from platform_stub.database_url import DatabaseUrl
    from scenarios.load.far_end import FarEnd
    from scenarios.load.fleet.options import FleetOptions
    from scenarios.load.result import LoadResult

DEVICES_MAX: Final = 1_000_000
SEED_MAX: Final = 2**53
PACKAGE_BYTES_MAX: Final = 30 * 1000 * 1000
LOCAL: Final = "127.0.0.1"
MQTT_PORT: Final = 1883
LIMIT_MS_MIN: Final = 1_000
_THRESHOLDS: Final = ("connect", "told", "job", "reconnect")


class ProcessesType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A number of processes, or auto."""

    name = "N|auto"

    def convert(
        self, value: str | int | None, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Give the number; None for auto."""
        if value is None or isinstance(value, int) or value == "auto":
            return value if isinstance(value, int) else None
        if not value.isascii() or not value.isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is neither a number of processes from 1 nor auto", param, ctx)
        return int(value)


class SizeType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A package's size."""

    name = "SIZE"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Give bytes."""
        if isinstance(value, int):
            return value
        try:
            size = read_size(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)
        if not 1 <= size <= PACKAGE_BYTES_MAX:
            self.fail(f"{value!r}: a package has 1 byte to 30 MB", param, ctx)
        return size


@click.command(
    short_help="Connect many devices, and update each once.",
    context_settings={"ignore_unknown_options": False},
)
@click.option(
    "--devices", type=click.IntRange(1, DEVICES_MAX), default=1_000, show_default=True, help="How many."
)
@click.option(
    "--processes",
    type=ProcessesType(),
    default="auto",
    show_default=True,
    help="Over how many processes they go; auto: as many as the machine's limits ask for.",
)
@click.option(
    "--kind",
    type=click.Choice(["fota", "sota"], case_sensitive=False),
    default="fota",
    show_default=True,
    help="What is updated: the module's firmware, or the MCU's.",
)
@click.option(
    "--size",
    type=SizeType(),
    default="16KiB",
    show_default=True,
    help="Of the package, such as 16KiB or 1MB.",
)
@click.option(
    "--storm",
    type=click.Choice(["start", "half", "broker-restart"]),
    help="start: all dial at one moment. half: half of them lose their connection in the middle of the update. "
    "broker-restart: the stub is killed there, and started again on the same data.",
)
@click.option(
    "--max-missing",
    "missing",
    metavar="N|SHARE",
    default="0",
    show_default=True,
    help="Fail when more devices than this, such as 3 or 0.1%, were not updated exactly once.",
)
@click.option(
    "--max-connect-p99", "connect", metavar="SPAN", help="Fail when connecting took longer, such as 2s."
)
@click.option("--max-told-p99", "told", metavar="SPAN", help="Fail when being told of the task took longer.")
@click.option("--max-job-p99", "job", metavar="SPAN", help="Fail when a device's update took longer.")
@click.option(
    "--max-reconnect-p99", "reconnect", metavar="SPAN", help="Fail when coming back from a storm took longer."
)
@click.option(
    "--url",
    metavar="URL",
    help="Use the stub that runs there (ota-sim serve), such as http://127.0.0.1:8080, instead of one of its own.",
)
@click.option(
    "--mqtt",
    type=AddressType(),
    help="With --url: where its devices log in. Default: port 1883 of the same host.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the own stub, kept afterwards; with --url: the data folder of that stub, to be audited.",
)
@click.option(
    "--database",
    type=DatabaseType(),
    help="PostgreSQL database of the own stub, instead of --data; with --url: that stub's, to be audited.",
)
@click.option(
    "--target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Use the platform under test that this file describes; docs/adapters.md says how.",
)
@click.option(
    "--seed", type=click.IntRange(0, SEED_MAX), default=0, show_default=True, help="Of jitter and backoff."
)
@click.option(
    "--limit",
    "limit_ms",
    type=span_ms,
    metavar="SPAN",
    default="15 min",
    show_default=True,
    help="Give up after this long in all.",
)
@click.option(
    "--give-up",
    "stall_ms",
    type=span_ms,
    metavar="SPAN",
    default="60s",
    show_default=True,
    help="Give up when nothing has moved for this long.",
)
@web_option
@report_dir_option
@click.argument("locust_words", nargs=-1, metavar="[-- LOCUST OPTION...]")
def fleet(  # noqa: PLR0913 - one argument an option
    *,
    devices: int,
    processes: int | None,
    kind: str,
    size: int,
    storm: str | None,
    missing: str,
    url: str | None,
    mqtt: tuple[str, int] | None,
    data: Path | None,
    database: "DatabaseUrl | None",
    target: Path | None,
    seed: int,
    limit_ms: int,
    stall_ms: int,
    web: int | None,
    report_dir: Path | None,
    locust_words: tuple[str, ...],
    **thresholds: str | None,
) -> None:
    """Connect devices, create one task for all of them, and wait until each is updated once.

    How many processes it takes here is said before the start, and more devices than fit are refused. Each fleet process
    is a user of Locust; options behind -- go to Locust, such as -- --csv load.

    \b
    Examples:
      ota-sim load fleet --devices 19000
      ota-sim load fleet --devices 5000 --storm half --max-reconnect-p99 5s
      ota-sim load fleet --devices 1000 --storm broker-restart --report-dir reports
      ota-sim load fleet --devices 2000 --url http://127.0.0.1:8080 --mqtt 127.0.0.1:1883

    Exit codes: 0 all held, 1 a device is missing or a threshold was missed, 2 usage, 3 the environment: too many
    devices for this machine, no platform, a process that died; 130 after Ctrl-C, with the summary so far.
    """
    from scenarios.load.fleet.link import check_fleet_words  # noqa: PLC0415 - heavy
    from scenarios.load.fleet.options import FleetOptions, Missing, storm_of  # noqa: PLC0415 - heavy
    from scenarios.load.locust_process import check_locust, check_port  # noqa: PLC0415 - heavy
    from scenarios.load.report import make_room  # noqa: PLC0415 - heavy
    from scenarios.load.thresholds import Threshold  # noqa: PLC0415 - heavy

    check_locust()
    _check_far_end(url=url, mqtt=mqtt, data=data, database=database, target=target, storm=storm)
    check_fleet_words(locust_words)
    if web is not None:
        check_port(web)
    for name, span in (("--limit", limit_ms), ("--give-up", stall_ms)):
        if span < LIMIT_MS_MIN:
            raise UsageFault(f"{name}: at least 1s is wanted")
    options = FleetOptions(
        devices=devices,
        processes=processes,
        kind="SOTA" if kind == "sota" else "FOTA",
        size_bytes=size,
        storm=storm_of(storm),
        seed=seed,
        missing=Missing.parse(missing),
        thresholds=tuple(
            Threshold.parse(f"--max-{name}-p99 {text}")
            for name in _THRESHOLDS
            if (text := thresholds[name]) is not None
        ),
        limit_s=limit_ms / 1_000,
        stall_s=stall_ms / 1_000,
        words=locust_words,
        web=web,
    )
    if report_dir is not None:
        make_room(report_dir)
    far_end, mqtt_host = _far_end(url=url, mqtt=mqtt, data=data, database=database, target=target)
    is_ours = url is None and target is None
    stub_here = is_ours or (url is not None and mqtt_host.startswith("127."))
    command = (
        shlex.join(["ota-sim", *sys.argv[1:]]) if database is None else ""
    )  # its URL may hold a password
    result = asyncio.run(
        _play(options, far_end, is_ours=is_ours, stub_here=stub_here, mqtt_host=mqtt_host, command=command)
    )
    sys.exit(_report(result, report_dir))


def _check_far_end(
    *,
    url: str | None,
    mqtt: tuple[str, int] | None,
    data: Path | None,
    database: "DatabaseUrl | None",
    target: Path | None,
    storm: str | None,
) -> None:
    """Refuse options that don't go together."""
    only_one(url=url, target=target)
    if url is not None and data is not None:
        find_database(data)
    if mqtt is not None and url is None:
        where = "the target file has mqtt" if target is not None else "the own stub takes a free port"
        raise UsageFault(f"--mqtt is for --url: {where}")
    check_place(data, database)
    if target is not None and (data is not None or database is not None):
        given = "--data" if data is not None else "--database"
        raise UsageFault(f"{given} is about the stub, and --target uses another platform")
    if storm == "broker-restart" and (url is not None or target is not None):
        given = "--url" if url is not None else "--target"
        raise UsageFault(f"--storm broker-restart kills the stub that this command starts; leave {given} out")


def _far_end(
    *,
    url: str | None,
    mqtt: tuple[str, int] | None,
    data: Path | None,
    database: "DatabaseUrl | None",
    target: Path | None,
) -> tuple["AbstractAsyncContextManager[FarEnd]", str]:
    """Give the platform, not opened yet, and the host that devices connect to."""
    from scenarios.load.far_end import address_of, at_url, behind_adapter, own_stub  # noqa: PLC0415 - heavy

    if target is not None:
        from scenarios.cli.targets import addresses_of  # noqa: PLC0415 - seldom needed

        return behind_adapter(target), addresses_of(target, speaks_mqtt=True)[1][0]
    if url is not None:
        at = mqtt or (address_of(url)[0], MQTT_PORT)
        return at_url(url, mqtt=at, database=data or database), at[0]
    return own_stub(data, database), LOCAL


async def _play(
    options: "FleetOptions",
    far_end: "AbstractAsyncContextManager[FarEnd]",
    *,
    is_ours: bool,
    stub_here: bool,
    mqtt_host: str,
    command: str,
) -> "LoadResult":
    """Play it; Ctrl-C and SIGTERM end it with what there is so far. They count also where a shell has them ignored."""
    from scenarios.load.fleet.play import play_fleet  # noqa: PLC0415 - heavy

    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await play_fleet(
            options,
            far_end,
            is_ours=is_ours,
            stub_here=stub_here,
            mqtt_host=mqtt_host,
            say=lambda text: click.echo(text, err=True),
            command=command,
        )
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _report(result: "LoadResult", folder: Path | None) -> int:
    """Write the reports and show the summary; gives the exit code."""
    from scenarios.load.report import text_lines, write_reports  # noqa: PLC0415 - heavy

    if result.interrupted:
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed once more, the reports are still written
    code, written = result.exit_code, []
    try:
        written = [] if folder is None else write_reports(result, folder)
    except ReportFault as exc:
        click.echo(f"ota-sim: {exc}", err=True)
        code = code or exc.exit_code
    for line in text_lines(result):
        click.echo(line)
    for path in written:
        click.echo(f"written: {path}")
    return code
