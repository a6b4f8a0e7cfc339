"""Evidence of a play that did not pass, kept once its result is there; what can't be written is said in the result."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import structs

from device_sim.recorder import Wire
from platform_stub.protocol.operator import JournalEntry
from scenarios.report.evidence import write_evidence
from scenarios.report.files import ReportFault
from scenarios.results import PlayResult


def keep_evidence(
    folder: Path,
    result: PlayResult,
    *,
    wire: Iterable[tuple[int, Wire]] = (),
    journal: Iterable[JournalEntry] = (),
    log: Iterable[str] = (),
) -> PlayResult:
    """Write the evidence of a play, and name its folder in the result; one that passed leaves none."""
    if result.verdict in {"passed", "skipped"}:
        return result
    try:
        place = write_evidence(folder, result, wire, journal, log, _text_of(Path(result.file)))
    except ReportFault as fault:
        return structs.replace(result, reason="; ".join(filter(None, (result.reason, str(fault)))))
    return structs.replace(result, evidence=str(place))


def _text_of(file: Path) -> str:
    """Read a scenario as it is now; one that came from elsewhere than a file has no text."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""
