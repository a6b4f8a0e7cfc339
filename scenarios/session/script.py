"""The scenario that a session writes as it goes: its words, read by the loader step by step.

A step is read together with what came before it, so that what it refers to is there; what nothing can refer to is left
out of that, and so are expectations.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from scenarios import model
from scenarios.loader import load_value
from scenarios.play import Play, PlayStep

FILE: Final = "scenario.yaml"
"""What a session's scenario is called where it is written down: in its evidence."""
WIDTH: Final = 110
_NOTHING_REFERS_TO: Final = frozenset(
    {"buy", "grant", "cancel_licences", "top_up", "post", "subscribe", "charging_date", "check", "wait_jobs"}
)
_FIRST: Final = ("id", "title")
_LAST: Final = ("wait", "xfail", "expect")


class Script:
    """A scenario of which the head is written, and steps are added. ScenarioFault: its words can't be right."""

    def __init__(self, head: Mapping[str, Any], folder: Path) -> None:
        self._head = {"version": 1, **head}
        self._folder = folder
        self._steps: list[dict[str, Any]] = []
        self._before: list[dict[str, Any]] = []
        self._ids: set[str] = set()
        self.play: Play = self._load([])

    @property
    def text(self) -> str:
        """The whole scenario as far as it is written, as YAML."""
        value = {**self._head, "steps": self._steps}
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=WIDTH)

    def free_id(self, action: str) -> str:
        """Give an id that no step has: the action, with a number from the second one on."""
        number, free = 1, action
        while free in self._ids:
            number += 1
            free = f"{action}-{number}"
        return free

    def add(self, words: Mapping[str, Any]) -> PlayStep:
        """Read the next step; it counts as written from now on."""
        words = _in_order(words)
        step = self._load([*self._before, words]).steps[-1]
        self._ids.add(step.id)
        self._steps.append(words)
        if not _NOTHING_REFERS_TO.intersection(words):
            self._before.append({name: words[name] for name in words if name not in {"title", "expect"}})
        return step

    def _load(self, steps: list[dict[str, Any]]) -> Play:
        (play,) = load_value({**self._head, "steps": steps}, FILE, self._folder)
        return play


def action_of(words: Mapping[str, Any]) -> str:
    """Name the action that a step's words have; `step` when there is none, which the loader will say."""
    return next((name for name in model.ACTIONS if name in words), "step")


def _in_order(words: Mapping[str, Any]) -> dict[str, Any]:
    """Put a step's words in the order in which one reads them."""
    between = [name for name in words if name not in {*_FIRST, *_LAST}]
    return {name: words[name] for name in (*_FIRST, *between, *_LAST) if name in words}
