"""`ota-sim schema`: the JSON Schema of scenario files, for editors."""

import json

import click

from scenarios.schema import scenario_schema


@click.command(short_help="Print the JSON Schema of scenario files.")
def schema() -> None:
    """Print the JSON Schema of scenario files.

    \b
    For an editor with a YAML language server:
      ota-sim schema > ota-sim.schema.json
    and as the first line of a scenario:
      # yaml-language-server: $schema=ota-sim.schema.json
    """
    click.echo(json.dumps(scenario_schema(), indent=2, ensure_ascii=False))
