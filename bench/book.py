"""Figures in a file: JSON, format_version 1. A part that is measured again takes the place of what was kept of it."""

import json
from dataclasses import asdict
from pathlib import Path

from bench.figures import Goal, Line, Part, Spread

FORMAT_VERSION = 1
COMMITTED = Path(__file__).parent / "figures.json"


class BadBook(Exception):
    """A file of figures that can't be read; the text says which and why."""


def dump(parts):
    """Spell parts as JSON."""
    return (
        json.dumps(
            {"format_version": FORMAT_VERSION, "parts": [_plain(asdict(part)) for part in parts]},
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def _plain(value):
    """Leave out what is empty, and digits that nobody measured."""
    if isinstance(value, dict):
        if value.keys() == {"values"}:
            return [float(f"{number:.5g}") for number in value["values"]]
        return {
            key: _plain(entry)
            for key, entry in value.items()
            if entry is not False and entry not in ({}, (), "", None)
        }
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def parse(text, name):
    """Read parts. BadBook names the file and what is wrong with it."""
    try:
        data = json.loads(text)
        if data["format_version"] != FORMAT_VERSION:
            raise BadBook(
                f"{name}: format_version {data['format_version']}, this program reads {FORMAT_VERSION}"
            )
        return [_part(entry) for entry in data["parts"]]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BadBook(f"{name}: no figures of python -m bench in it ({type(exc).__name__}: {exc})") from exc


def _part(entry):
    lines = [
        Line(
            **{
                **line,
                "figures": {key: Spread(tuple(values)) for key, values in line.get("figures", {}).items()},
            }
        )
        for line in entry.pop("lines", [])
    ]
    goals = [Goal(**{**goal, "seen": Spread(tuple(goal["seen"]))}) for goal in entry.pop("goals", [])]
    return Part(**entry, lines=tuple(lines), goals=tuple(goals))


def load(path):
    """Read parts from a file; none when it is not there. BadBook."""
    try:
        return parse(path.read_text(), path)
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise BadBook(f"{path}: {exc.strerror}") from exc


def merged(kept, new, order):
    """Put new parts in the place of the kept ones of the same name, in the order of names."""
    by_name = {part.name: part for part in (*kept, *new)}
    return [by_name[name] for name in order if name in by_name]
