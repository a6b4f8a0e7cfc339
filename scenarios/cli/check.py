"""`ota-sim check`: whether scenario files are well formed, and with --plan what each step is predicted to come to."""

import sys
from collections.abc import Iterator

import click
from msgspec import structs
from rich.text import Text

from scenarios.loader import find_files, load_files, read_variables
from scenarios.play import Play
from scenarios.results import not_played, result_of
from scenarios.runner.plan import Planned, plan
from scenarios.show.console import can_show_symbols, make_console
from scenarios.show.table import Layout, head_lines, layout_for, step_lines
from scenarios.show.wording import counted


@click.command(short_help="Check scenario files; --plan predicts each step.")
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER|NAME...")
@click.option(
    "--plan",
    "with_plan",
    is_flag=True,
    help="Show needed, available and deducted of each step as the auditor predicts them; nothing is started.",
)
@click.option(
    "--var",
    "variables",
    metavar="NAME=VALUE",
    multiple=True,
    help="Another value for one of the scenarios' vars. Can be given several times.",
)
def check(*, files: tuple[str, ...], with_plan: bool, variables: tuple[str, ...]) -> None:
    """Check scenario files; all mistakes are shown at once, with file, line and column.

    Exit code 0 when all is well, 1 when --plan contradicts an expectation, 2 when a file has a mistake.
    """
    paths = find_files(files)
    plays = load_files(paths, read_variables(variables))
    console = make_console()
    contradicted = 0
    if with_plan:
        symbols = can_show_symbols(console)
        for play in plays:
            planned = plan(play)
            contradicted += sum(bool(step.differences or step.note) for step in planned)
            width = min(console.width, 140)
            layout = layout_for(width, [step.id for step in play.steps], play.device_count, symbols=symbols)
            for line in _lines(play, planned, layout):
                console.print(line, soft_wrap=True)
            console.print()
    scenarios = len({play.file for play in plays})
    console.print(
        f"{counted(scenarios, 'scenario')} with {counted(len(plays), 'run')}: well formed", soft_wrap=True
    )
    if contradicted:
        text = f"{counted(contradicted, 'step')} can't come to what is expected, says the auditor"
        console.print(Text(text, style="bold red"), soft_wrap=True)
        sys.exit(1)


def _lines(play: Play, planned: list[Planned], layout: Layout) -> Iterator[Text]:
    title = ": ".join(part for part in (play.title, play.variant_title) if part)
    yield from head_lines(play.name, title, result_of(play, "embedded", "passed"), layout)
    for step in planned:
        yield from step_lines(
            structs.replace(
                not_played(step.step),
                verdict="failed" if step.differences or step.note else "planned",
                seen=step.seen,
                differences=step.differences,
                note=step.note,
                remark=step.remark,
            ),
            layout,
        )
