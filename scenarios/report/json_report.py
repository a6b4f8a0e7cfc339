"""The run as JSON: everything that is known of it, in a shape that is kept from version to version.

Fields are only added within a format version. Times are in seconds, or unix milliseconds where the name says `_ms`;
money is in fen.
"""

from typing import Any, Final

import msgspec

from scenarios.results import PlayResult, RunResult, StepResult

FORMAT: Final = "ota-sim-report"
FORMAT_VERSION: Final = 1


def make_json(run: RunResult) -> bytes:
    """Make the document, readable and with a line feed at its end."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "version": run.version,
        "verdict": "stopped" if run.interrupted else "passed" if run.exit_code == 0 else "failed",
        "exit_code": run.exit_code,
        "seconds": round(run.seconds, 3),
        "plays": [_play(play) for play in run.plays],
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _play(play: PlayResult) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(play)
    facts["seconds"] = round(play.seconds, 3)
    facts["steps"] = [_step(step) for step in play.steps]
    return facts


def _step(step: StepResult) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(step)
    facts["seconds"] = round(step.seconds, 4)
    facts["seen"] = {name: value for name, value in facts["seen"].items() if value not in (None, "")}
    return facts
