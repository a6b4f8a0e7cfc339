"""Scenario files to plays: read, checked against the schema, checked for sense, converted last.

Nothing is started, and nothing is converted as long as one mistake is left. All mistakes of all files are answered at
once (`ScenarioFault`), each with its place.
"""

from scenarios.loader.files import LIBRARY, find_files, load_bytes, load_file, load_files, load_value
from scenarios.loader.mistakes import Mark, Mistake, ScenarioFault
from scenarios.loader.variables import read_variables

__all__ = [
    "LIBRARY",
    "Mark",
    "Mistake",
    "ScenarioFault",
    "find_files",
    "load_bytes",
    "load_file",
    "load_files",
    "load_value",
    "read_variables",
]
