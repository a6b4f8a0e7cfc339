"""`ota-sim load locustfile`: the path of a locustfile that ota-sim ships, for Locust's own command line."""

from importlib.resources import files

import click


@click.command(short_help="Say where a locustfile is, for locust -f.")
@click.argument("name", type=click.Choice(["tasks", "fleet"]))
def locustfile(name: str) -> None:
    """Print the path of a locustfile: tasks creates tasks, fleet connects devices and updates them.

    \b
      locust -f $(ota-sim load locustfile tasks) -H http://127.0.0.1:8080
    """
    click.echo(str(files("scenarios.load").joinpath(f"locustfile_{name}.py")))
