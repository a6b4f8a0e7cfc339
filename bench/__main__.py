"""`make bench`: measure parts of the benchmark, show them, keep them, compare them. What may be asked for is in `options`."""

import importlib
import sys
import time

from bench.apart import Unmeasured
from bench.book import BadBook, dump, load, merged
from bench.compare import worse
from bench.docs import filled
from bench.figures import Goal, Line, Part
from bench.machine import machine, versions
from bench.options import PARTS, arguments
from bench.table import part_text, summary

MODULES = {"postgres": "tasks_postgres", "load": "creators"}
INTERRUPTED = 130


def module_of(name):
    return importlib.import_module(f"bench.{MODULES.get(name, name)}")


def measure(name, chosen, find):
    """Measure a part; answers it, with what it had when something broke, and what broke, or failed, of ours."""
    print(f"\n{name}: {PARTS[name]}", flush=True)
    began, lines, goals, broken = time.monotonic(), [], [], ""
    try:
        for found in find(name).run(quick=not chosen.full, scale=chosen.scale):
            (goals if isinstance(found, Goal) else lines).append(found)
    except Unmeasured as exc:
        lines.append(Line(what=PARTS[name], side="ours", who="ours", note=f"not measured: {exc}"))
    except Exception as exc:  # noqa: BLE001 - one part that breaks must not cost the others
        broken = f"{name}: {type(exc).__name__}: {exc}"
    failed = [f"{name}: {line.what}: {line.note}" for line in lines if line.failed]
    part = Part(
        name=name, machine=machine(), versions=versions(), form="full" if chosen.full else "quick",
        took_s=time.monotonic() - began, lines=tuple(lines), goals=tuple(goals),
    )  # fmt: skip
    print(f"\n{part_text(part)}", flush=True)
    return part, [broken] * bool(broken) + failed


def show(parts, chosen):
    """Write documents and plots."""
    if chosen.docs:
        text = chosen.docs.read_text()
        chosen.docs.write_text(filled(text, {part.name: part_text(part) for part in parts}))
        print(f"tables: {chosen.docs}")
    if chosen.plots:
        from bench.plots import draw_all

        for path in draw_all(parts, chosen.plots):
            print(f"plot: {path}")


def measure_all(chosen, find):
    """Measure part after part until all are done, or Ctrl-C; answers them, what broke, and whether it was stopped."""
    parts, broken = [], []
    try:
        for name in chosen.parts or PARTS:
            part, why = measure(name, chosen, find)
            parts.append(part)
            broken += why
    except KeyboardInterrupt:
        print("\nstopped; what was measured until now:")
        return parts, broken, True
    return parts, broken, False


def main(words=None, find=module_of):
    chosen = arguments(words)
    try:
        kept = load(chosen.against)
        in_file = load(chosen.json) if chosen.json else []
    except BadBook as exc:
        print(exc, file=sys.stderr)
        return 2
    if chosen.only_shown:
        if not kept:
            print(f"{chosen.against}: no figures are kept there yet; --write measures them", file=sys.stderr)
            return 2
        show(kept, chosen)
        return 0
    print(f"{machine()}; {versions()}", flush=True)
    parts, broken, stopped = measure_all(chosen, find)
    compares = kept and chosen.scale == 1
    found = worse(kept, parts) if compares else []
    print("\n" + summary(parts, found, chosen.against.name if compares else ""))
    for why in broken:
        print(f"broken: {why}")
    whole = [part for part in parts if not any(why.startswith(f"{part.name}:") for why in broken)]
    if chosen.json:
        chosen.json.write_text(dump(merged(in_file, whole, PARTS)))
        print(f"figures: {chosen.json}")
    show(merged(in_file, whole, PARTS), chosen)
    if stopped:
        return INTERRUPTED
    missed = any(goal.held is False for part in parts for goal in part.goals)
    return 1 if broken or (chosen.fail and (missed or any(finding.counts for finding in found))) else 0


if __name__ == "__main__":
    sys.exit(main())
