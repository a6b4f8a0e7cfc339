"""`make bench`: all figures, or the parts named: `python -m bench tasks brokers --full`."""

import argparse
import importlib
import sys
import time
from pathlib import Path

from bench.table import machine, markdown

PARTS = ("tasks", "brokers", "stub", "calls", "flows", "told", "examples", "faults", "month", "report")


def main():
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which figures; all when left out")
    parser.add_argument("--full", action="store_true", help="more rounds and 1,000,000 devices")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    chosen = parser.parse_args()
    print(machine(), flush=True)
    rows = []
    for part in chosen.parts or PARTS:
        started = time.monotonic()
        print(f"\n{part} ...", flush=True)
        for row in importlib.import_module(f"bench.{part}").run(quick=not chosen.full):
            rows.append(row)
            print(markdown([row]).splitlines()[-1], flush=True)
        print(f"{part}: {time.monotonic() - started:.0f} s", flush=True)
    text = f"{machine()}\n\n{markdown(rows)}\n"
    print(f"\n{markdown(rows)}")
    if chosen.write:
        chosen.write.write_text(text)
    missed = [row.what for row in rows if row.held is False]
    print(f"\n{len(rows)} figures, {len(missed)} miss their goal" + "".join(f"\n  {what}" for what in missed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
