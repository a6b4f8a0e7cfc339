"""What `ota-sim run --until` says once it holds: what is up, where, and how to look at it."""

from collections.abc import Iterator

from scenarios.cli.addresses import spell, url_of
from scenarios.results import Holding
from scenarios.show.wording import counted


def holding_lines(holding: Holding, step: str, platform: str) -> Iterator[str]:
    """Give the lines; `platform` is the name of a platform under test, empty for the stub."""
    http, account = spell(holding.http), f"/v1/accounts/{holding.account_id}"
    devices = counted(holding.result.connected, "device")
    yield ""
    yield f"holding after step {step}: {platform or 'the stub'} and {devices} stay up until Ctrl-C"
    yield f"  HTTP      {url_of(holding.http)}"
    if holding.mqtt is not None:
        yield f"  MQTT      {spell(holding.mqtt)}"
    yield f"  account   {holding.account_id}"
    if holding.database is not None:
        yield f"  database  {holding.database}"
    if platform:
        return
    yield "look, in another terminal:"
    for path in (account, f"{account}/tasks", f"{account}/devices?limit=20", f"{account}/journal?limit=20"):
        yield f"  ota-sim api --http {http} GET '{path}'"
