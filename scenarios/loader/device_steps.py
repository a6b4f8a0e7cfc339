"""What can't be about devices: hardware, faults, and steps that do something to devices, beyond what a schema sees."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET

from device_sim.core.faults import MEANINGS, STRIKES, Meaning, Scope
from platform_stub.protocol.errors import UsageFault
from scenarios import model, units
from scenarios.loader.document import Document, Entry
from scenarios.loader.expectations import judge_until
from scenarios.loader.hardware import read_device_fault, read_place, read_world
from scenarios.loader.mistakes import Path, listing
from scenarios.loader.names import Names
from scenarios.loader.task_steps import SPAN_MAX_MS
from scenarios.play import Flow

# A fault's values by the words that an author has for them.
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "at": ("at",),
    "at_byte": ("at", "at_byte"),
    "rate": ("rate",),
    "step": ("step",),
    "version": ("version",),
    "for_ms": ("for",),
    "skew_ms": ("by",),
    "boots": ("boots",),
}
_EXAMPLES: Final[Mapping[str, str]] = {
    "at": "at: install",
    "at_byte": "at: 10 KiB",
    "rate": "rate: 2 KiB",
    "step": "step: 206",
    "version": 'version: "1.0"',
    "for_ms": "for: 10s",
    "skew_ms": "by: -2d",
}
_ANY: Final = ("what", "devices", "times")
_OF_JOBS: Final = ("attempts", "after", "update")
_CHANGES: Final = ("battery", "signal", "storage", "mcu_storage")
_FEW: Final = 2


def judge_device_step(document: Document, names: Names, entry: Entry, action: str) -> None:
    """Note every mistake in what a step does to devices."""
    path = (*entry.path, action)
    value: Any = getattr(entry.step, action)
    match value:
        case model.SetFault():
            judge_fault(document, path, value, names.flows_at(value.devices))
        case model.ClearFaults():
            _judge_clear(document, names, entry, value)
        case model.SetDevices() if all(getattr(value, name) is UNSET for name in _CHANGES):
            if not document.has_mistakes_below(path):
                document.blame(path, f"nothing is changed; there are {listing(_CHANGES)}")
        case model.PowerOff(span=str(span)):
            _judge_span(document, (*path, "for"), span, "a time without power")
        case model.WaitUntil():
            _judge_wait_until(document, names, entry, value)
        case model.OnDevices() if action == "storm":
            flows = names.flows_at(value.devices)
            if flows and "mqtt" not in flows:
                text = f"these devices speak {listing(sorted(flows))}, and only over mqtt is there a connection to cut"
                document.blame((*path, "devices"), text)
        case model.OnDevices() if action == "swap_cards":
            texts = [value.devices] if isinstance(value.devices, str) else value.devices
            size = names.size(texts, entry.before)
            if size is not None and (size < _FEW or size % 2):
                document.blame(
                    (*path, "devices"), f"cards are swapped by two and two, and these are {size:,}"
                )


def judge_hardware(document: Document, path: Path, hardware: model.Hardware) -> None:
    """Note every mistake in what devices are."""
    for name in ("install", "reboot"):
        text = getattr(hardware, name)
        if isinstance(text, str):
            try:
                units.read_span_range_ms(text)
            except ValueError as exc:
                document.blame((*path, name), str(exc))
                return
    for name in ("battery", "signal"):
        level = getattr(hardware, name)
        if isinstance(level, model.Level) and units.read_span_ms(level.period) == 0:
            document.blame((*path, name, "period"), "a period is longer than nothing")
            return
    try:
        read_world(hardware)
    except UsageFault as fault:
        document.blame(path, str(fault))


def judge_fault(document: Document, path: Path, fault: model.Fault, flows: set[Flow] | None) -> None:
    """Note every mistake in a fault by itself, and when it can happen to none of its devices."""
    if document.has_mistakes_below(path):
        return
    meaning = MEANINGS[fault.what]
    before = len(document.mistakes)
    _judge_words(document, path, fault, meaning)
    if flows is not None and meaning.flows and not flows & set(meaning.flows):
        spoken = (
            f"these devices speak {listing(sorted(flows))}" if flows else "these devices are not connected"
        )
        text = f"{spoken}, and {fault.what} is known to {listing(meaning.flows)} only"
        document.blame((*path, "what"), text)
    if len(document.mistakes) == before:
        _judge_values(document, path, fault)


def _judge_words(document: Document, path: Path, fault: model.Fault, meaning: Meaning) -> None:
    raw = document.raw(path)
    written = [str(word) for word in raw] if isinstance(raw, dict) else []
    own = [word for name in (*meaning.wants, *meaning.takes) for word in _WORDS[name]]
    if meaning.scope is Scope.JOB:
        own += _OF_JOBS
    for word in written:
        if word in _ANY or word in own:
            continue
        if word in _OF_JOBS:
            text = f"{fault.what} is about no job in particular, so it takes no {word}"
        else:
            known = [*dict.fromkeys(own), "times"]
            text = f"{fault.what} takes no {word}; it takes {listing(known)}"
        document.blame((*path, word), text, at_key=True)
    for name in meaning.wants:
        if not set(_WORDS[name]) & set(written):
            document.blame(path, f"{fault.what} wants {_WORDS[name][0]}, as in {_EXAMPLES[name]}")


def _judge_values(document: Document, path: Path, fault: model.Fault) -> None:
    at, at_byte = read_place(fault)
    if fault.at is not UNSET and fault.at_byte is not UNSET and at_byte is not None and fault.at != at:
        text = "at says already after how much of the package"
        document.blame((*path, "at_byte"), text, at_key=True)
    elif fault.what == "cut" and at is not None:
        document.blame((*path, "at"), "a download is cut once so much is there, as in at: 10 KiB")
    elif at_byte is not None and at not in {None, "download"}:
        document.blame((*path, "at_byte"), f"so much of the package goes with at: download, not with {at}")
    elif fault.what == "fails" and fault.step not in STRIKES:
        document.blame((*path, "step"), f"a device fails with one of {listing(map(str, STRIKES), 20)}")
    elif fault.rate == 0:
        document.blame((*path, "rate"), "at no bytes a second nothing comes at all; hang does that")
    elif isinstance(fault.span, str) and not _judge_span(document, (*path, "for"), fault.span, "a span"):
        return
    elif isinstance(fault.offset, str) and abs(units.read_offset_ms(fault.offset)) > SPAN_MAX_MS:
        document.blame((*path, "by"), "a clock is at most 100 years off")
    else:
        try:
            read_device_fault(fault)
        except UsageFault as exc:
            document.blame(path, str(exc))


def _judge_span(document: Document, path: Path, text: str, what: str) -> bool:
    """Hold that a span is longer than nothing, and no longer than 100 years."""
    if 0 < units.read_span_ms(text) <= SPAN_MAX_MS:
        return True
    document.blame(path, f"{what} is longer than nothing, and 100 years at most")
    return False


def _judge_clear(document: Document, names: Names, entry: Entry, clear: model.ClearFaults) -> None:
    path = (*entry.path, "clear_faults")
    if isinstance(clear.by, str):
        names.judge_fault((*path, "by"), clear.by, entry.before, "fault")
        if clear.devices is not UNSET:
            text = "a step's fault is taken off all of its devices; leave out devices, or by"
            document.blame((*path, "devices"), text, at_key=True)


def _judge_wait_until(document: Document, names: Names, entry: Entry, wait: model.WaitUntil) -> None:
    judge_until(document, names, entry, wait)
    assert entry.step is not None
    if entry.step.wait == "none":
        document.blame((*entry.path, "wait"), "wait_until waits; give it a time, such as 30s")
    if isinstance(wait.advance, str) and units.read_span_ms(wait.advance) > SPAN_MAX_MS:
        document.blame((*entry.path, "wait_until", "advance"), "the clock is moved by at most 100 years")
