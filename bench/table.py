"""How figures are shown: one row each, ours beside the peer's, the ratio against its goal."""

import os
import platform
import sqlite3
import statistics
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure. `held` is None where there is no goal."""

    what: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    goal: str = ""
    held: bool | None = None


def median(values):
    return statistics.median(values)


def machine():
    """Say what it was measured on."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("SQLAlchemy", "aiohttp", "msgspec", "httptools")
    )
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}"
    )


def markdown(rows):
    """Spell rows as a Markdown table."""
    lines = ["| figure | ours | peer | ratio | goal | held |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        held = {True: "yes", False: "**no**", None: ""}[row.held]
        lines.append(f"| {row.what} | {row.ours} | {row.peer} | {ratio} | {row.goal} | {held} |")
    return "\n".join(lines)
