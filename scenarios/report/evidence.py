"""What a play that failed leaves behind to look into: a folder of plain files, complete under its name or not at all.

README.txt says what failed, in which step and which devices are concerned; wire.jsonl has what these sent and got,
devices.json their stories, journal.jsonl the lines about them, log.txt the log, and the scenario is there as it was.
It is written in the process that played, which has the wire traces; a report names the folder.
"""

import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import structs

from device_sim.recorder import ENDED, STRUCK, Wire
from platform_stub.protocol.operator import JournalEntry
from scenarios.report_files import ReportFault
from scenarios.results import DeviceStory, PlayResult, StepResult, StoryEntry
from scenarios.show.wording import VERDICTS, again_text, counted, outcome_lines, policy_text, versions_text

DEVICES_MAX: Final = 200
"""So many devices are gone into at most; the first of those concerned."""
DEVICES_ANY: Final = 20
"""So many, when no device in particular is concerned."""
LINES_MAX: Final = 20_000
"""So many last lines of journal and log are kept."""
README: Final = "README.txt"
_WORD: Final = re.compile(r"[A-Za-z0-9_\-]+")
_TITLE: Final = "Evidence of a play that did not pass, left by ota-sim"
_NAMED: Final = re.compile(r"\bdevice (\d+)\b")
_T = TypeVar("_T")


def keep_evidence(
    folder: Path,
    result: PlayResult,
    *,
    wire: Iterable[tuple[int, Wire]] = (),
    journal: Iterable[JournalEntry] = (),
    log: Iterable[str] = (),
) -> PlayResult:
    """Write the evidence of a play that did not pass, and name its folder in the result.

    What can't be written is said in the result: it does not cost the verdict.
    """
    if result.verdict in {"passed", "skipped"}:
        return result
    try:
        place = write_evidence(folder, result, wire, journal, log, _text_of(result))
    except ReportFault as fault:
        return structs.replace(result, reason="; ".join(filter(None, (result.reason, str(fault)))))
    return structs.replace(result, evidence=str(place))


def _text_of(result: PlayResult) -> str:
    """Read a scenario as it is now; a session's is not in a file, and the session adds it itself."""
    try:
        return "" if result.is_session else Path(result.file).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""


def write_evidence(
    folder: Path,
    result: PlayResult,
    wire: Iterable[tuple[int, Wire]],
    journal: Iterable[JournalEntry],
    log_lines: Iterable[str],
    scenario_text: str,
) -> Path:
    """Write a play's evidence to a folder of its own in `folder`, and give that.

    `wire` is device ID and message; what is not of the devices concerned is left out, so give what `concerned` names.
    The folder of an earlier run of the same play is replaced. ReportFault: the disk is full, or the folder can't be
    written to; then nothing is left but what was there.
    """
    place = folder / _name_of(result)
    part: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=folder, prefix=f".{place.name}."))
        part.chmod(0o755)
        _fill(part, result, wire, journal, log_lines, scenario_text)
        place = _clear(place, result)
        part.replace(place)
    except OSError as exc:
        raise ReportFault(f"evidence {place} can't be written: {exc.strerror or exc}") from exc
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    return place


def clear_evidence(folder: Path) -> None:
    """Remove what earlier runs left in this folder, and nothing else, so that what lies there is of the last one.

    ReportFault: it can't be removed.
    """
    try:
        left = [readme.parent for readme in folder.glob(f"*/{README}") if _title_of(readme) == _TITLE]
        for place in left:
            shutil.rmtree(place)
    except OSError as exc:
        raise ReportFault(
            f"evidence of an earlier run in {folder} can't be removed: {exc.strerror or exc}"
        ) from exc


def _title_of(readme: Path) -> str:
    try:
        with readme.open(encoding="utf-8", errors="replace") as file:
            return file.readline().rstrip("\n")
    except OSError:
        return ""


def concerned(result: PlayResult) -> tuple[int, ...]:
    """Give the devices to look into: whom failed steps name, who is not well, who had trouble; else the first.

    Trouble counts though a later job went well: the step that failed was about the earlier one.
    """
    devices = result.story.devices
    known = {device.device_id for device in devices}
    said = " ".join(text for step in _failed(result) for text in (step.note, *_seen_texts(step)))
    words = set(_WORD.findall(said))
    named = [int(number) for number in _NAMED.findall(said) if not known or int(number) in known]
    named += [device.device_id for device in devices if device.name in words]
    unwell = [device.device_id for device in devices if not device.is_well]
    troubled = [device.device_id for device in devices if any(map(_is_trouble, device.entries))]
    device_ids = tuple(dict.fromkeys([*named, *unwell, *troubled]))
    return device_ids[:DEVICES_MAX] or tuple(device.device_id for device in devices[:DEVICES_ANY])


def _seen_texts(step: StepResult) -> Iterator[str]:
    return (difference.seen for difference in step.differences if isinstance(difference.seen, str))


def _is_trouble(entry: StoryEntry) -> bool:
    return entry.what == STRUCK or (entry.what == ENDED and not entry.text.startswith("succeeded"))


def _failed(result: PlayResult) -> Iterator[StepResult]:
    return (step for step in result.all_steps if step.verdict == "failed")


def _fill(
    part: Path,
    result: PlayResult,
    wire: Iterable[tuple[int, Wire]],
    journal: Iterable[JournalEntry],
    log_lines: Iterable[str],
    scenario_text: str,
) -> None:
    """Write all files; README.txt last, so that it can count the others."""
    device_ids = set(concerned(result))
    stories = [device for device in result.story.devices if device.device_id in device_ids]
    _write(part / "devices.json", [msgspec.json.format(msgspec.json.encode(stories))])
    names = {device.device_id: device.name for device in result.story.devices}
    counts = {
        "wire.jsonl": _write(part / "wire.jsonl", _wire_lines(wire, device_ids, names)),
        "journal.jsonl": _write(part / "journal.jsonl", _journal_lines(journal, device_ids)),
        "log.txt": _write(part / "log.txt", (line.rstrip("\n").encode() for line in _last(log_lines))),
    }
    _write(part / "scenario.yaml", [scenario_text.rstrip("\n").encode()])
    readme = [*_what_failed(result), *_who(result, stories), *_what_lies_here(result, counts)]
    _write(part / README, (line.encode("utf-8", "replace") for line in readme))


def _write(path: Path, lines: Iterable[bytes]) -> int:
    """Write lines; answers how many."""
    count = 0
    with path.open("wb") as file:
        for line in lines:
            file.write(line + b"\n")
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return count


def _wire_lines(
    wire: Iterable[tuple[int, Wire]], device_ids: set[int], names: dict[int, str]
) -> Iterator[bytes]:
    ours = [(device_id, message) for device_id, message in wire if device_id in device_ids or not device_ids]
    for device_id, message in sorted(ours, key=lambda pair: pair[1].at_ms):
        line = {
            "at_ms": message.at_ms,
            "device_id": device_id,
            "device": names.get(device_id, ""),
            "way": message.way,
            "protocol": message.protocol,
            "name": message.name,
            "status": message.status,
            "size_bytes": message.size_bytes,
            **_payload(message.payload),
        }
        yield msgspec.json.encode({key: value for key, value in line.items() if value not in ("", 0)})


def _payload(payload: bytes) -> dict[str, object]:
    """Give a payload so that it can be read: JSON as such, text as text, anything else in hexadecimal digits."""
    if not payload:
        return {}
    try:
        return {"payload": msgspec.Raw(msgspec.json.encode(msgspec.json.decode(payload)))}
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return {"text": payload.decode()}
    except UnicodeDecodeError:
        return {"hex": payload.hex(" ")}


def _journal_lines(journal: Iterable[JournalEntry], device_ids: set[int]) -> Iterator[bytes]:
    """Give the lines about no device, and those about the devices concerned."""
    for entry in _last(journal):
        if entry.device_id is None or entry.device_id in device_ids or not device_ids:
            yield msgspec.json.encode(entry)


def _last(lines: Iterable[_T]) -> Iterable[_T]:
    return deque(lines, maxlen=LINES_MAX)


def _what_failed(result: PlayResult) -> Iterator[str]:
    yield from (_TITLE, "")
    title = ": ".join(part for part in (result.title, result.variant_title) if part)
    facts = {
        "play": f"{result.name}  {title}".rstrip(),
        "file": result.file,
        "verdict": f"{VERDICTS[result.verdict]}{': ' if result.reason else ''}{result.reason}",
        "platform": result.target or "the stub",
        "seed": str(result.seed),
        "policy": policy_text(result.policy),
        "variables": ", ".join(f"{name}: {value}" for name, value in result.variables.items()),
        "versions": versions_text(result.versions),
        "again": again_text(result),
    }
    yield from (f"{name:<9} {' '.join(value.split())}" for name, value in facts.items() if value)
    yield from ("", "What is wrong")
    steps = list(_failed(result))
    for step in steps:
        yield f"  {step.id}  {step.title or step.action.replace('_', ' ')}"
        yield from (f"      {line}" for line in outcome_lines(step))
    findings = () if result.audit is None else result.audit.findings
    yield from (f"  audit: {finding}" for finding in findings)
    if not steps and not findings:
        yield f"  {result.reason or 'no step failed'}"


def _who(result: PlayResult, stories: Sequence[DeviceStory]) -> Iterator[str]:
    yield from ("", f"Devices looked into: {len(stories):,} of {counted(result.devices, 'device')}")
    for device in stories:
        state = "no job" if device.state in {"none", ""} else device.state
        why = f": {' '.join(device.why.split())}" if device.why else ""
        yield f"  {device.name} (device {device.device_id}): {state}{why}"


def _what_lies_here(result: PlayResult, counts: dict[str, int]) -> Iterator[str]:
    yield from ("", "What lies here")
    says = {
        "scenario.yaml": f"the scenario as it was played ({Path(result.file).name})",
        "devices.json": "what happened to these devices, oldest first, and where they are now",
        "wire.jsonl": f"what they sent and got: {counted(counts['wire.jsonl'], 'message')}",
        "journal.jsonl": f"the account's journal about them: {counted(counts['journal.jsonl'], 'line')}",
        "log.txt": f"the log of the run: {counted(counts['log.txt'], 'line')}",
    }
    yield from (f"  {name:<14} {text}" for name, text in says.items())


def _name_of(result: PlayResult) -> str:
    """Make a name that any file system takes."""
    return re.sub(r"[^\w.-]+", "-", result.name).strip("-.")[:100] or "play"


def _clear(place: Path, result: PlayResult) -> Path:
    """Remove an earlier run's folder of this play; what someone else put there stays, and a number goes on the name."""
    for number in range(1, 1_000):
        free = place if number == 1 else place.with_name(f"{place.name}-{number}")
        if not free.exists():
            return free
        if _is_of(free / README, result):
            shutil.rmtree(free)
            return free
    raise OSError(f"{place.name} and 999 names like it are taken")


def _is_of(readme: Path, result: PlayResult) -> bool:
    try:
        lines = readme.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return lines[:1] == [_TITLE] and f"{'file':<9} {' '.join(result.file.split())}" in lines[:8]
