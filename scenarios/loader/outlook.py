"""What of a scenario can't come true, as far as it can be told before it is played.

That is a fault at a byte that no package has, and an install that takes longer than its step waits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from scenarios import model, terms, units
from scenarios.loader.document import Document, Entry
from scenarios.loader.hardware import read_place
from scenarios.loader.mistakes import Path
from scenarios.loader.names import Names

ADVICE = "write wait: none and let the time pass with advance, or wait with wait_until and its advance"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Download:
    """A package that devices of these fleets get; None: perhaps any."""

    at: int
    kind: str
    size_bytes: int
    fleets: frozenset[str] | None

    def may_reach(self, fleets: frozenset[str] | None, kind: object) -> bool:
        return kind in {UNSET, self.kind} and (
            self.fleets is None or fleets is None or not self.fleets.isdisjoint(fleets)
        )


def judge_outlook(document: Document, names: Names) -> None:
    """Note faults at a byte that no package of their devices has, in a scenario that is whole."""
    downloads = list(_downloads(document, names))
    if None in downloads:
        return
    known = [each for each in downloads if each is not None]
    for name, fleet in document.fleets.items():
        for at, fault in enumerate(fleet.faults if fleet is not None else ()):
            _judge_byte(document, ("fleets", name, "faults", at), fault, frozenset({name}), known)
    for entry in document.entries:
        match entry.step:
            case model.Step(fault=model.SetFault(devices=devices) as fault):
                if any(each.at > entry.at for each in known):  # else one from before is meant
                    fleets = _fleets(names, devices)
                    _judge_byte(document, (*entry.path, "fault"), fault, fleets, known)
            case model.Step(register=model.Register(faults=faults, fleet=name)):
                for at, each in enumerate(faults):
                    path = (*entry.path, "register", "faults", at)
                    _judge_byte(document, path, each, frozenset({name}), known)


def _judge_byte(
    document: Document,
    path: Path,
    fault: model.Fault,
    fleets: frozenset[str] | None,
    downloads: list[_Download],
) -> None:
    if document.has_mistakes_below(path):
        return
    _, at_byte = read_place(fault)
    sizes = [each.size_bytes for each in downloads if each.may_reach(fleets, fault.update)]
    if at_byte is not None and sizes and max(sizes) <= at_byte:
        field = "at" if fault.at_byte is UNSET else "at_byte"
        text = f"byte {at_byte:,} is never reached: the largest package for these devices has {max(sizes):,} bytes"
        document.blame((*path, field), text)


def _downloads(document: Document, names: Names) -> Iterator[_Download | None]:
    """Give every package that a task or a policy brings to devices; None for one that can't be read."""
    for entry in document.entries:
        match entry.step:
            case None:
                yield None
            case model.Step(create_task=model.CreateTask() as task):
                fleets = _fleets(names, task.devices) if task.scope == "chosen" else None
                yield _Download(at=entry.at, kind=task.kind, size_bytes=_size(task.package), fleets=fleets)
            case model.Step(auto_add=model.AutoAdd(kind=str(kind)) as policy):
                package = terms.PACKAGE_DEFAULT if policy.package is UNSET else policy.package
                yield _Download(at=entry.at, kind=kind, size_bytes=_size(package), fleets=None)


def _size(package: Any) -> int:
    return units.read_size(str(package))


def _fleets(names: Names, devices: Any) -> frozenset[str] | None:
    """Give the fleets of devices; None when it can't be told."""
    texts = [devices] if isinstance(devices, str) else devices
    if texts is UNSET or not names.are_of_fleets(texts):
        return None
    return frozenset(names.fleets_of(texts))


def judge_patience(document: Document, names: Names, entry: Entry, action: str) -> None:
    """Note it when a task's step waits for installs that take longer."""
    step = entry.step
    assert step is not None
    task = step.create_task
    if not isinstance(task, model.CreateTask) or document.has_mistakes_below((*entry.path, action)):
        return
    wait_ms = _wait_ms(document, entry)
    if wait_ms is None or _begins_later(task) or _expects_no_install(step.expect):
        return
    for name, least_ms in _slow(document, names, task):
        if least_ms > wait_ms:
            takes, waits = units.show_span(least_ms), units.show_span(wait_ms)
            place = "wait" if step.wait is not UNSET else action
            text = (
                f"an install takes devices of {name} {takes} at least, and the step waits {waits}; {ADVICE}"
            )
            document.blame((*entry.path, place), text)
            return


def _wait_ms(document: Document, entry: Entry) -> int | None:
    """Give how long a step waits; None when it doesn't, or can't be told."""
    own = getattr(entry.step, "wait", UNSET)
    written = document.raw(("wait",))
    text = own if isinstance(own, str) else written if written is not None else "60s"
    if text == "none" or not isinstance(text, str) or document.has_mistakes_below(("wait",)):
        return None
    return None if document.has_mistakes_below((*entry.path, "wait")) else units.read_span_ms(text)


def _begins_later(task: model.CreateTask) -> bool:
    return task.start_in is not UNSET or task.start_at is not UNSET or task.notification == "webhook"


def _expects_no_install(expect: model.Expect) -> bool:
    """Whether it is expected that nothing is installed in the step: it is refused, or no job succeeds."""
    if expect.reason is not UNSET or expect.outcome not in (UNSET, "created"):
        return True
    return isinstance(expect.jobs, model.ExpectJobs) and expect.jobs.success in (UNSET, 0)


def _slow(document: Document, names: Names, task: model.CreateTask) -> Iterator[tuple[str, int]]:
    """Give what an install takes at least, for each selection whose devices are all known."""
    if task.scope == "all":
        return
    texts = [task.devices] if isinstance(task.devices, str) else task.devices
    for text in texts if isinstance(texts, list) else ():
        if not names.are_of_fleets([text]):
            continue
        least: dict[str, int] = {}
        for name in names.fleets_of([text]):
            fleet = names.fleet(name)
            least[name] = 0 if fleet is None else _least_ms(document, fleet)
        if least:
            yield min(least.items(), key=lambda item: (item[1], item[0]))


def _least_ms(document: Document, fleet: model.Fleet) -> int:
    """Give what an install takes a fleet at least; 0 for one that isn't there, or that something goes wrong with."""
    if not fleet.connect or fleet.faults or document.has_mistakes_in("fleets"):
        return 0
    spans = (fleet.device.install, fleet.device.reboot)
    try:
        return sum(units.read_span_range_ms(text)[0] for text in spans if isinstance(text, str))
    except ValueError:
        return 0  # said already
