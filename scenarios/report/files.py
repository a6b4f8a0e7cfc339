"""The reports of a run, and their names."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from scenarios.report.html import make_html
from scenarios.report.json_report import make_json
from scenarios.report.junit import make_junit
from scenarios.report_files import prepare_folder, write_whole
from scenarios.results import RunResult

REPORTS: Final[Mapping[str, Callable[[RunResult], bytes]]] = {
    "junit.xml": make_junit,
    "report.json": make_json,
    "report.html": make_html,
}


def make_room(folder: Path) -> None:
    """Make the folder of the reports before a run that would be lost without it; an earlier run's reports go."""
    prepare_folder(folder, REPORTS)


def write_reports(run: RunResult, folder: Path) -> list[Path]:
    """Write all reports; answers their paths. ReportFault: the disk is full, or the folder can't be written to."""
    return [write_whole(folder / name, make(run)) for name, make in REPORTS.items()]
