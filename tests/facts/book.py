"""Reads the facts out of docs/protocol.md, and the ids that tests carry out of the tests' source.

The book's last column is made from the tests: `python -m tests.facts.book` writes it anew, and a test holds that it is up to date.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parent.parent
BOOK = TESTS.parent / "docs" / "protocol.md"
ID = re.compile(r"[GTMSUFRJWO]-(?:[0-9]+|errno-(?:[0-9]+|old)|code-[0-9]+)")
MARKS = {"documented", "seen", "inferred"}


class Fact(NamedTuple):
    id: str
    text: str
    marks: frozenset[str]
    modules: tuple[str, ...]


def read_facts(book: str) -> list[Fact]:
    """Every row whose first cell is an id."""
    return [
        Fact(
            cells[0],
            cells[1],
            frozenset(word for cell in cells[2:] for word in re.findall("[a-z]+", cell) if word in MARKS),
            tuple(re.findall(r"`([^`]+\.py)`", cells[-1])),
        )
        for cells in map(_cells, book.splitlines())
        if cells
    ]


def filled(book: str, modules: Mapping[str, set[str]]) -> str:
    """The book with its last column as the tests' markers have it."""
    lines = []
    for line in book.splitlines():
        cells = _cells(line)
        if cells:
            cells[-1] = " ".join(f"`{module}`" for module in sorted(modules.get(cells[0], ())))
            line = re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(cells)} |")  # noqa: PLW2901 - the same line, mended
        lines.append(line)
    return "\n".join(lines) + "\n"


def _cells(line: str) -> list[str]:
    cells = [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]
    return cells if line.startswith("| ") and ID.fullmatch(cells[0]) else []


def marked(source: str) -> Iterator[tuple[str, str]]:
    """(test function, id) for every `pytest.mark.fact(...)` in a test's decorators, `pytest.param` included."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not function.name.startswith("test_"):
            continue
        for decorator in function.decorator_list:
            for call in ast.walk(decorator):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fact":
                    for value in call.args:
                        yield function.name, ast.literal_eval(value)


def modules_by_id() -> dict[str, set[str]]:
    """Which modules below tests/ carry which id."""
    found: dict[str, set[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for _, fact_id in marked(path.read_text()):
            found.setdefault(fact_id, set()).add(path.relative_to(TESTS).as_posix())
    return found


if __name__ == "__main__":
    BOOK.write_text(filled(BOOK.read_text(), modules_by_id()))
