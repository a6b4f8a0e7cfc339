"""What a load run shows while it goes on: a few lines that change on a terminal, a line now and then elsewhere.

What the lines say is the caller's business.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

LIVE_S: Final = 0.25
PLAIN_S: Final = 2.0


@contextlib.asynccontextmanager
async def showing(
    lines: Callable[[], Sequence[str]], console: Console | None = None, *, plain_s: float = PLAIN_S
) -> AsyncIterator[None]:
    """Show `lines()` on standard error while the body runs; elsewhere than on a terminal the first line alone."""
    console = console or Console(stderr=True, highlight=False, emoji=False, markup=False)
    is_live = console.is_terminal and not console.is_dumb_terminal
    task = asyncio.create_task(
        _live(lines, console) if is_live else _plain(lines, console, plain_s), name="live view"
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _live(lines: Callable[[], Sequence[str]], console: Console) -> None:
    def drawn() -> Group:
        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in lines()))

    with Live(drawn(), console=console, transient=True, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(LIVE_S)
            live.update(drawn(), refresh=True)


async def _plain(lines: Callable[[], Sequence[str]], console: Console, every_s: float) -> None:
    shown = ""
    while True:
        await asyncio.sleep(every_s)
        line = next(iter(lines()), "")
        if line and line != shown:
            console.print(Text(line), soft_wrap=True)
        shown = line
