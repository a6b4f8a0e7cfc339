"""The language's JSON Schema: for editors (`ota-sim schema`) and for the loader, from the one definition in `model`."""

from functools import cache
from typing import Any, Final

import msgspec

from scenarios import model

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@cache
def scenario_schema() -> dict[str, Any]:
    """Make the schema of a scenario file."""
    schema = msgspec.json.schema(model.Scenario)
    return {"$schema": DIALECT, "title": "ota-sim scenario, version 1", **schema}
