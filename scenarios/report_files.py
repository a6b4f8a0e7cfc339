"""Reports on the disk: a folder that can be written to, and files that appear whole under their names, or not at all.

What is in them is made elsewhere: in `scenarios.report` of a run, in `scenarios.conform` of a suite.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from platform_stub.protocol.errors import EnvironmentFault


class ReportFault(EnvironmentFault):
    """A report can't be written; what it is about is not touched by that."""


def prepare_folder(folder: Path, names: Iterable[str] = ()) -> None:
    """Make a folder before work that would be lost without it; an earlier run's reports of these names go.

    ReportFault: it can't be made, or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise ReportFault(f"{folder} can't be written to: {exc.strerror or exc}") from exc
    try:
        for path in map(folder.joinpath, names):
            if not path.is_dir():
                path.unlink(missing_ok=True)
    except OSError as exc:
        raise ReportFault(
            f"reports of an earlier run in {folder} can't be removed: {exc.strerror or exc}"
        ) from exc


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file, and give its path. ReportFault: the disk is full, or the folder can't be written to."""
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
        raise ReportFault(f"{path} can't be written: {exc.strerror or exc}") from exc
    return path
