"""What figures are measured on: the machine, and versions of what our own side consists of. Peers name theirs in their lines."""

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("SQLAlchemy", "aiohttp", "msgspec", "httptools")


def machine():
    """Name the machine so that the same one is known again."""
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{os.cpu_count()} cores{_processor()}, {platform.system()} {kernel}"


def versions():
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}"


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f" ({names[0]})" if names else ""
