"""`ota-sim schema`: the JSON Schema of scenario files, for editors."""

import json
from typing import Any

import click

from scenarios.schema import scenario_schema


@click.command(short_help="Print the JSON Schema of scenario files.")
@click.option("--report", is_flag=True, help="That of report.json instead.")
@click.option("--load-report", is_flag=True, help="That of the report.json of `ota-sim load` instead.")
@click.option("--target", is_flag=True, help="That of target files (`ota-sim run --target`) instead.")
def schema(*, report: bool, load_report: bool, target: bool) -> None:
    """Print the JSON Schema of scenario files.

    \b
    For an editor with a YAML language server:
      ota-sim schema > ota-sim.schema.json
    and as the first line of a scenario:
      # yaml-language-server: $schema=ota-sim.schema.json
    """
    chosen = (
        _report_schema()
        if report
        else _load_schema()
        if load_report
        else _target_schema()
        if target
        else scenario_schema()
    )
    click.echo(json.dumps(chosen, indent=2, ensure_ascii=False))


def _report_schema() -> dict[str, Any]:
    from scenarios.report.document import report_schema  # noqa: PLC0415 - reports know devices, scenarios need not

    return report_schema()


def _load_schema() -> dict[str, Any]:
    from scenarios.load.result import load_schema  # noqa: PLC0415 - scenarios need not know loads

    return load_schema()


def _target_schema() -> dict[str, Any]:
    from scenarios.target_file import target_schema  # noqa: PLC0415 - it imports what speaks to platforms

    return target_schema()
