"""Parts of a benchmark, as small as they can be."""

from bench.figures import Goal, Line, Part, Spread


def line(side="ours", at=100, what="100 devices", **figures):
    return Line(
        what=what,
        side=side,
        who=f"{side} 1.0",
        at=at,
        figures={name: Spread(values) for name, values in figures.items()},
    )


def part(name="brokers", lines=(), goals=(), machine="2 cores"):
    return Part(
        name=name,
        machine=machine,
        versions="Python 3",
        form="quick",
        took_s=61.4,
        lines=tuple(lines),
        goals=tuple(goals),
    )


def goal(*values, **more):
    return Goal(what="ours / mosquitto", seen=Spread(values), **more)
