"""Spans and moments as options of a command; what they may look like stands in `scenarios.units`.

A token counts in unix seconds, so these readers give whole seconds.
"""

import click

from scenarios.units import read_moment_ms, read_span_ms


def span(text: str) -> int:
    """Read `90s`, `1h 30m`, `30d` as seconds."""
    try:
        return read_span_ms(text) // 1_000
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


def span_ms(text: str) -> int:
    """Read the same, down to a millisecond."""
    try:
        return read_span_ms(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


def moment(text: str) -> int:
    """Read unix seconds, or a date with its zone, as unix seconds."""
    if text.isascii() and text.isdecimal():
        return int(text[:20])
    try:
        return read_moment_ms(text) // 1_000
    except ValueError as exc:
        raise click.BadParameter(f"{exc}; or unix seconds") from exc
