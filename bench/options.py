"""Measure: all figures in the quick form, or the parts named: `python -m bench brokers tasks --full`.

What is shown at the end: goals that were missed, sides that could not be measured and why, and what got worse by more than a
third against the committed figures. `--docs FILE` and `--plots DIR` alone measure nothing: they show the committed figures.
"""

import argparse
from pathlib import Path

from bench.book import COMMITTED

PARTS = {
    "tasks": "creating a task against raw inserts on SQLite, and with 1 and 1,000 open tasks",
    "postgres": "creating a task on PostgreSQL against COPY",
    "licences": "licence decisions alone, without a database",
    "brokers": "the embedded broker, mosquitto, aedes, amqtt",
    "clients": "MQTT clients: ours, gmqtt, paho-mqtt, aiomqtt, Locust's",
    "stub": "the whole stub against a broker with nothing behind it",
    "fleets": "whole runs with 1,000 to 19,000 devices",
    "load": "creations under load, 1 to 100 creators (ota-sim load create-task)",
    "calls": "the stub's HTTP against bare handlers",
    "flows": "devices over HTTP against aiohttp's client",
    "told": "how soon 1,900 devices know of their task",
    "examples": "the shipped examples, cold",
    "faults": "what faults cost devices that have none",
    "month": "a bad month of 1,000 devices",
    "report": "the reports of a run of 10,000 devices",
}
ROOT = COMMITTED.parent.parent
DOCS, PLOTS = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "img"


def arguments(words):
    listed = "\n".join(f"  {name:<10} {about}" for name, about in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=f"{__doc__}\nparts:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("parts", nargs="*", metavar="PART", help="which to measure; all when left out")
    parser.add_argument(
        "--full", action="store_true", help="more rounds, and 1,000,000 devices in a task (over an hour)"
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="X",
        help="measure with X times the devices: 0.02 tries the programs, its figures mean nothing",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write all figures to FILE; parts that were not measured stay in it",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="figures to compare with (bench/figures.json)",
    )
    parser.add_argument(
        "--fail",
        action="store_true",
        help="exit with 1 when a figure got worse by more than a third, or a goal is missed",
    )
    parser.add_argument("--docs", type=Path, metavar="FILE", help="put the tables into their places in FILE")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw the plots into DIR")
    parser.add_argument(
        "--write",
        action="store_true",
        help="the same as --json bench/figures.json --docs docs/benchmarks.md --plots docs/img",
    )
    chosen = parser.parse_args(words)
    chosen.parts = list(dict.fromkeys(chosen.parts))
    for name in chosen.parts:
        if name not in PARTS:
            parser.error(f"{name}: no such part; there are {', '.join(PARTS)}")
    if not 0 < chosen.scale <= 1:
        parser.error(f"--scale {chosen.scale:g}: more than 0 and at most 1 is wanted")
    if chosen.write and chosen.scale != 1:
        parser.error("--write is for real figures, not for --scale")
    if chosen.against is not None and not chosen.against.is_file():
        parser.error(f"--against {chosen.against}: no such file")
    if chosen.docs is not None and not chosen.docs.is_file():
        parser.error(f"--docs {chosen.docs}: no such file")
    if chosen.json is not None and not chosen.json.parent.is_dir():
        parser.error(f"--json {chosen.json}: there is no folder {chosen.json.parent}")
    if chosen.plots is not None and chosen.plots.exists() and not chosen.plots.is_dir():
        parser.error(f"--plots {chosen.plots}: a file, not a folder")
    chosen.against = chosen.against or COMMITTED
    if chosen.write:
        chosen.json, chosen.docs = chosen.json or COMMITTED, chosen.docs or DOCS
        chosen.plots = chosen.plots or PLOTS
    chosen.only_shown = bool(chosen.docs or chosen.plots) and not (chosen.parts or chosen.full or chosen.json)
    return chosen
