"""Writing reports: each file appears complete under its name, or not at all."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from platform_stub.protocol.errors import EnvironmentFault
from scenarios.report.html import make_html
from scenarios.report.json_report import make_json
from scenarios.report.junit import make_junit
from scenarios.results import RunResult

REPORTS: Final[Mapping[str, Callable[[RunResult], bytes]]] = {
    "junit.xml": make_junit,
    "report.json": make_json,
    "report.html": make_html,
}


class ReportFault(EnvironmentFault):
    """A report can't be written; the run itself is not touched by that."""


def prepare_folder(folder: Path) -> None:
    """Make the folder of the reports before a run that would be lost without it; an earlier run's reports go."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for path in map(folder.joinpath, REPORTS):
            if not path.is_dir():
                path.unlink(missing_ok=True)
    except OSError as exc:
        raise ReportFault(f"reports can't be written to {folder}: {exc.strerror or exc}") from exc


def write_reports(run: RunResult, folder: Path) -> list[Path]:
    """Write all reports; answers their paths. ReportFault: the disk is full, or the folder can't be written to."""
    return [_write(folder / name, make(run)) for name, make in REPORTS.items()]


def _write(path: Path, content: bytes) -> Path:
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            part = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as exc:
        if part is not None:
            part.unlink(missing_ok=True)
        raise ReportFault(f"report {path} can't be written: {exc.strerror or exc}") from exc
    return path
