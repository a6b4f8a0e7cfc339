"""What a run was made with: this program, Python and the system, so that a report can say it. Light to import."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version


def tool_version() -> str:
    """Give this program's version."""
    try:
        return version("ota-sim")
    except PackageNotFoundError:
        return "unknown"


@cache
def versions_in_use() -> dict[str, str]:
    """Give the versions in use, by what they are of."""
    return {
        "ota-sim": tool_version(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
