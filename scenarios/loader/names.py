"""What names stand for in a scenario: fleets, groups, groups made by an earlier step, and tasks of earlier steps.

Sizes are told as far as they can be told before anything has run.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET

from scenarios import model
from scenarios.loader.document import Document, Entry
from scenarios.loader.fleet_file import FleetRows
from scenarios.loader.mistakes import Path, listing, nearest
from scenarios.play import Flow
from scenarios.selection import Selection, SelectionFault, parse_selection, size_of


class Names:
    """The names of one document. `before` is the step at which a name is used; None: not at a step."""

    def __init__(self, document: Document, rows: Mapping[str, FleetRows]) -> None:
        self._document = document
        self._rows = rows
        self._steps: dict[str, Entry] = {}
        self._made: dict[str, Entry] = {}
        for entry in document.steps:
            if entry.id is not None:
                self._steps.setdefault(entry.id, entry)
            if entry.step is not None and isinstance(entry.step.create_again, model.CreateAgain):
                self._made.setdefault(entry.step.create_again.group, entry)

    def judge(self, path: Path, texts: Sequence[str], before: int | None) -> None:
        """Note what is wrong with selections."""
        for at, text in enumerate(texts):
            here = (*path, at) if (*path, at) in self._document.reading.marks else path
            try:
                selection = parse_selection(text)
            except SelectionFault as exc:
                self._document.blame(here, str(exc))
                continue
            if selection.outcome is not None:
                self.judge_task(here, selection.base, before)
            else:
                self._judge_base(here, selection, before)
            self._judge_size(here, selection, before)

    def judge_task(self, path: Path, step_id: str, before: int | None) -> None:
        """Note it when a step is not there, not yet, or creates no task."""
        entry = self._steps.get(step_id)
        if entry is None:
            creating = [name for name, other in self._steps.items() if _creates(other)]
            known = f"; tasks are created by {listing(creating)}" if creating else ", and none creates a task"
            hint = nearest(step_id, creating) or known
            self._document.blame(path, f"no step is named {step_id}{hint}")
        elif entry.step is not None and not _creates(entry):
            self._document.blame(path, f"step {step_id} creates no task")
        elif before is not None and entry.at >= before:
            self._document.blame(path, f"step {step_id} comes later; name an earlier one")

    def judge_fault(self, path: Path, step_id: str, before: int) -> None:
        """Note it when a step is not there, not yet, or injects no fault."""
        entry = self._steps.get(step_id)
        injecting = [
            name for name, other in self._steps.items() if getattr(other.step, "inject", UNSET) is not UNSET
        ]
        if entry is None:
            known = (
                f"; faults are injected by {listing(injecting)}"
                if injecting
                else ", and none injects a fault"
            )
            hint = nearest(step_id, injecting) or known
            self._document.blame(path, f"no step is named {step_id}{hint}")
        elif not _does(entry, "inject"):
            self._document.blame(path, f"step {step_id} injects no fault")
        elif entry.at >= before:
            self._document.blame(path, f"step {step_id} comes later; name an earlier one")

    def has_webhook(self, before: int) -> bool:
        """Whether an earlier step sets a webhook."""
        return any(entry.at < before and _does(entry, "set_webhook") for entry in self._steps.values())

    def is_circular(self, group: str) -> bool:
        """Whether a group is made from itself."""
        waiting, seen = [group], set()
        while waiting:
            for selection in self._selections(self._document.groups.get(waiting.pop()) or ()):
                if selection.outcome is not None or selection.base in self._document.fleets:
                    continue
                if selection.base == group:
                    return True
                if selection.base in self._document.groups and selection.base not in seen:
                    seen.add(selection.base)
                    waiting.append(selection.base)
        return False

    def size(self, texts: Sequence[str], before: int | None) -> int | None:
        """Count selections; None when it can't be told."""
        total = 0
        for text in texts:
            try:
                count = self._size(parse_selection(text), before)
            except SelectionFault:
                return None
            if count is None:
                return None
            total += count
        return total

    def fleets_of(self, texts: Sequence[str]) -> set[str]:
        """Name the fleets that selections draw on, as far as it can be told."""
        found: set[str] = set()
        for selection in self._selections(texts):
            if selection.outcome is not None:
                continue
            if selection.base in self._document.fleets:
                found.add(selection.base)
            elif selection.base in self._made:
                found |= self.fleets_of(self._made_from(selection.base))
            elif selection.base in self._document.groups and not self.is_circular(selection.base):
                found |= self.fleets_of(self._document.groups[selection.base] or ())
        return found

    def are_of_fleets(self, texts: Sequence[str]) -> bool:
        """Whether selections draw on fleets that are known, and not on what became of a task."""
        selections = self._selections(texts)
        return bool(self.fleets_of(texts)) and all(each.outcome is None for each in selections)

    def flows_of(self, fleets: Iterable[str]) -> set[Flow] | None:
        """Give what the devices of fleets speak that are there; None when it can't be told."""
        found: set[Flow] = set()
        for name in fleets:
            fleet = self._document.fleets.get(name)
            if fleet is None or (fleet.file is not UNSET and name not in self._rows):
                return None
            if fleet.connect:
                found |= self._rows[name].flows() if name in self._rows else {fleet.flow}
        return found

    def _selections(self, texts: Sequence[str]) -> list[Selection]:
        parsed = []
        for text in texts:
            try:
                parsed.append(parse_selection(text))
            except SelectionFault:
                continue
        return parsed

    def _made_from(self, group: str) -> Sequence[str]:
        step = self._made[group].step
        assert step is not None
        assert isinstance(step.create_again, model.CreateAgain)
        devices = step.create_again.devices
        return [devices] if isinstance(devices, str) else devices

    def _judge_base(self, path: Path, selection: Selection, before: int | None) -> None:
        document, base = self._document, selection.base
        if base in document.fleets or base in document.groups:
            return
        made = self._made.get(base)
        if made is None:
            known = [*document.fleets, *document.groups, *self._made]
            hint = nearest(base, known) or f"; there are {listing(known)}"
            if base in self._steps:
                hint = f"; devices of {base} are those of that step's task"
            document.blame(path, f"no fleet or group is named {base}{hint}")
        elif before is not None and made.at >= before:
            document.blame(path, f"group {base} is made by step {made.id}, which comes later")

    def _judge_size(self, path: Path, selection: Selection, before: int | None) -> None:
        try:
            self._size(selection, before)
        except SelectionFault as exc:
            self._document.blame(path, str(exc))

    def _size(self, selection: Selection, before: int | None) -> int | None:
        """Count a selection; SelectionFault when it reaches past its base."""
        if selection.outcome is not None:
            return None
        base_size = self._base_size(selection.base, before)
        if base_size is None:
            return None
        count = size_of(selection, base_size)
        return count if selection.is_static else None

    def _base_size(self, base: str, before: int | None) -> int | None:
        document = self._document
        if base in document.fleets:
            fleet = document.fleets[base]
            if fleet is None:
                return None
            if fleet.count is not UNSET:
                return fleet.count
            return len(self._rows[base].devices) if base in self._rows else None
        if base in self._made:
            return self.size(self._made_from(base), before)
        if base in document.groups and not self.is_circular(base):
            texts = document.groups[base]
            return None if texts is None else self.size(texts, before)
        return None


def _creates(entry: Entry) -> bool:
    """Whether a step creates a task; one whose action can't be read may."""
    return any(_does(entry, action) for action in model.CREATING)


def _does(entry: Entry, action: str) -> bool:
    """Whether a step has this action; one whose action can't be read may."""
    actions = [name for name in model.ACTIONS if getattr(entry.step, name, UNSET) is not UNSET]
    return not actions or actions[0] == action
