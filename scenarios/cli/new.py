"""`ota-sim new`: write a commented scenario to start from."""

import re
from pathlib import Path
from typing import Final

import click

from platform_stub.protocol.errors import UsageFault
from scenarios.loader import load_bytes

STARTER: Final = Path(__file__).resolve().parents[1] / "starter.yaml"
DEFAULT_FILE: Final = "scenario.ota.yaml"
_SUFFIXES: Final = re.compile(r"(\.ota)?\.ya?ml$")


@click.command(short_help="Write a commented scenario to start from.")
@click.argument("file", type=click.Path(path_type=Path), default=DEFAULT_FILE, metavar="[FILE]")
def new(*, file: Path) -> None:
    """Write a commented scenario to FILE (scenario.ota.yaml); it can be played as it stands.

    A file that is there is never overwritten. - writes to the standard output.

    Exit code 0 when it was written, 2 when the file is there or is no YAML by its name, 3 when it can't be written.
    """
    if str(file) == "-":
        click.echo(starter("scenario"), nl=False)
        return
    if not _SUFFIXES.search(file.name):
        raise UsageFault(f"{file}: a scenario's name ends in .yaml, such as {file.name}.ota.yaml")
    text = starter(_name_of(file))
    try:
        with file.open("x", encoding="utf-8", newline="\n") as out:
            out.write(text)
    except FileExistsError:
        raise UsageFault(f"{file}: it is there already; name another file, or move it away") from None
    click.echo(f"{file}: a scenario to start from; play it with: ota-sim run {file}")


def starter(name: str) -> str:
    """Give the scenario under a name."""
    text = STARTER.read_text(encoding="utf-8").replace("name: NAME\n", f"name: {name}\n")
    assert load_bytes(text.encode(), "starter", Path()), "what we write is well formed"
    return text


def _name_of(file: Path) -> str:
    """Make a scenario's name of a file's."""
    name = re.sub(r"[^A-Za-z0-9_\-]+", "-", _SUFFIXES.sub("", file.name)).strip("-_")
    return name[:40] or "scenario"
