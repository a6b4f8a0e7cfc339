"""What names stand for in a scenario: fleets, groups, groups made by an earlier step, and tasks of earlier steps.

Sizes are told as far as they can be told before anything has run.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import UNSET, UnsetType

from scenarios import model
from scenarios.loader.document import PARALLEL, Document, Entry, Sight
from scenarios.loader.fleet_file import FleetRows
from scenarios.loader.mistakes import Path, listing, nearest
from scenarios.play import Flow
from scenarios.selection import Selection, SelectionFault, parse_selection, size_of

GROUPS_DEEP_MAX: Final = 20
"""A group of groups of groups may go so deep."""
_FAULT_WORDS: Final = {
    "inject": ("faults are injected by", "none injects a fault", "injects no fault"),
    "fault": ("faults of devices are set by", "none sets a fault of devices", "sets no fault of devices"),
}


class Names:
    """The names of one document. A `sight` is what has been done when a name is used; None: all of it may have been."""

    def __init__(self, document: Document, rows: Mapping[str, FleetRows]) -> None:
        self._document = document
        self._rows = rows
        self._steps: dict[str, Entry] = {}
        self._made: dict[str, Entry] = {}
        for entry in document.entries:
            if entry.id is not None:
                self._steps.setdefault(entry.id, entry)
            if (group := made_by(entry)) is not None:
                self._made.setdefault(group, entry)

    def judge(self, path: Path, texts: Sequence[str], sight: Sight | None) -> None:
        """Note what is wrong with selections."""
        for at, text in enumerate(texts):
            here = (*path, at) if (*path, at) in self._document.reading.marks else path
            try:
                selection = parse_selection(text)
            except SelectionFault as exc:
                self._document.blame(here, str(exc))
                continue
            for part in (selection, *selection.but):
                self._judge_one(here, part, sight)

    def _judge_one(self, here: Path, selection: Selection, sight: Sight | None) -> None:
        if selection.outcome is not None:
            self.judge_task(here, selection.base, sight)
        else:
            self._judge_base(here, selection, sight)
        self._judge_size(here, selection, sight)

    def judge_task(self, path: Path, step_id: str, sight: Sight | None) -> None:
        """Note it when a step is not there, not yet, or creates no task."""
        entry = self._steps.get(step_id)
        if entry is None:
            creating = [name for name, other in self._steps.items() if _creates(other)]
            known = f"; tasks are created by {listing(creating)}" if creating else ", and none creates a task"
            hint = nearest(step_id, creating) or known
            self._document.blame(path, f"no step is named {step_id}{hint}")
        elif entry.step is not None and not _creates(entry):
            self._document.blame(path, f"step {step_id} creates no task")
        else:
            self._judge_order(path, f"step {step_id}", entry, sight)

    def judge_fault(self, path: Path, step_id: str, sight: Sight | None, action: str) -> None:
        """Note it when a step is not there, not yet, or sets no fault by this action."""
        entry = self._steps.get(step_id)
        doing = [
            name for name, other in self._steps.items() if getattr(other.step, action, UNSET) is not UNSET
        ]
        by, none, this = _FAULT_WORDS[action]
        if entry is None:
            known = f"; {by} {listing(doing)}" if doing else f", and {none}"
            self._document.blame(path, f"no step is named {step_id}{nearest(step_id, doing) or known}")
        elif not _does(entry, action):
            self._document.blame(path, f"step {step_id} {this}")
        else:
            self._judge_order(path, f"step {step_id}", entry, sight)

    def _judge_order(self, path: Path, name: str, entry: Entry, sight: Sight | None) -> None:
        if sight is None or sight.sees(entry):
            return
        if entry.is_beside_others and entry.since == sight.before:
            self._document.blame(path, f"{name} is done at the same time; name an earlier one")
        else:
            self._document.blame(path, f"{name} comes later; name an earlier one")

    def has_webhook(self, sight: Sight | None) -> bool:
        """Whether an earlier step sets a webhook."""
        setting = (entry for entry in self._steps.values() if _does(entry, "set_webhook"))
        return any(sight is None or sight.sees(entry) for entry in setting)

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

    def is_too_deep(self, group: str) -> bool:
        """Whether a group is made from groups that are made from groups, and so on, too often."""
        groups, at = self._document.groups, {group}
        for _ in range(GROUPS_DEEP_MAX):
            at = {
                each.base
                for name in at
                for each in self._selections(groups.get(name) or ())
                if each.outcome is None and each.base in groups and each.base not in self._document.fleets
            }
            if not at:
                return False
        return True

    def size(self, texts: Sequence[str], sight: Sight | None) -> int | None:
        """Count selections; None when it can't be told."""
        total = 0
        for text in texts:
            try:
                count = self._size(parse_selection(text), sight)
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
            if self.fleet(selection.base) is not None or selection.base in self._document.fleets:
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

    def flows_at(self, devices: str | list[str] | UnsetType) -> set[Flow] | None:
        """Give what some devices speak that are there; None when it can't be told."""
        texts = [devices] if isinstance(devices, str) else devices
        if isinstance(texts, UnsetType) or not self.are_of_fleets(texts):
            return None
        return self.flows_of(self.fleets_of(texts))

    def flows_of(self, fleets: Iterable[str]) -> set[Flow] | None:
        """Give what the devices of fleets speak that are there; None when it can't be told."""
        found: set[Flow] = set()
        for name in fleets:
            fleet = self.fleet(name)
            if fleet is None or (fleet.file is not UNSET and name not in self._rows):
                return None
            if fleet.connect:
                found |= self._rows[name].flows() if name in self._rows else {fleet.flow}
        return found

    @property
    def fleets(self) -> list[str]:
        """Name all fleets, those that steps register included."""
        registered = [name for name in self._made if self.fleet(name) is not None]
        return list(dict.fromkeys([*self._document.fleets, *registered]))

    def fleet(self, name: str) -> model.Fleet | None:
        """Give a fleet, also one that a step registers; None when it is none, or can't be read."""
        made = self._made.get(name)
        if made is not None and made.step is not None and isinstance(made.step.register, model.Register):
            return made.step.register
        return self._document.fleets.get(name)

    def maker_of(self, name: str) -> Entry | None:
        """Give the step that makes a group or fleet; None when none does."""
        return self._made.get(name)

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
        if not isinstance(step.create_again, model.CreateAgain):
            return []
        devices = step.create_again.devices
        return [devices] if isinstance(devices, str) else devices

    def _judge_base(self, path: Path, selection: Selection, sight: Sight | None) -> None:
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
        elif sight is not None and not sight.sees(made):
            beside = made.is_beside_others and made.since == sight.before
            when = "is done at the same time" if beside else "comes later"
            document.blame(path, f"group {base} is made by step {made.id}, which {when}")

    def _judge_size(self, path: Path, selection: Selection, sight: Sight | None) -> None:
        try:
            self._size(selection, sight)
        except SelectionFault as exc:
            self._document.blame(path, str(exc))

    def _size(self, selection: Selection, sight: Sight | None) -> int | None:
        """Count a selection; SelectionFault when it reaches past its base."""
        if selection.outcome is not None:
            return None
        base_size = self._base_size(selection.base, sight)
        if base_size is None:
            return None
        count = size_of(selection, base_size)
        return count if selection.is_static else None

    def _base_size(self, base: str, sight: Sight | None) -> int | None:
        document = self._document
        fleet = self.fleet(base)
        if fleet is not None:
            if fleet.count is not UNSET:
                return fleet.count
            return len(self._rows[base].devices) if base in self._rows else None
        if base in document.fleets:
            return None
        if base in self._made:
            return self.size(self._made_from(base), sight)
        if base in document.groups and not self.is_circular(base):
            texts = document.groups[base]
            return None if texts is None else self.size(texts, sight)
        return None


def made_by(entry: Entry) -> str | None:
    """Name the group or fleet that a step makes."""
    match entry.step:
        case model.Step(create_again=model.CreateAgain(group=group)):
            return group
        case model.Step(register=model.Register(fleet=fleet)):
            return fleet
        case _:
            return None


def _creates(entry: Entry) -> bool:
    """Whether a step creates a task; one whose action can't be read may."""
    return any(_does(entry, action) for action in model.CREATING)


def _does(entry: Entry, action: str) -> bool:
    """Whether a step has this action; one whose action can't be read may."""
    if entry.inner:
        return action == PARALLEL
    actions = [name for name in model.ACTIONS if getattr(entry.step, name, UNSET) is not UNSET]
    return not actions or actions[0] == action
