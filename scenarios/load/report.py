"""The reports of a load run: text for a terminal, JSON, JUnit and a page with its curves. Pure, but for the writing.

All that comes from a run is escaped; the same result gives the same bytes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement

import msgspec

from scenarios.junit_xml import make_case, make_document, make_suite, xml_text
from scenarios.load.page import make_html
from scenarios.load.result import INTERRUPTED, LoadResult, Measurement
from scenarios.load.thresholds import show_us
from scenarios.report_files import prepare_folder, write_whole
from scenarios.show.wording import counted, seconds_text

_HEADS: Final = ("", "done", "failed", "a second", "p50", "p95", "p99", "p99.9", "max")
ERRORS_SHOWN: Final = 10
FINDINGS_SHOWN: Final = 10
VERDICTS: Final = {"passed": "passed", "failed": "FAILED", "broken": "BROKEN", "stopped": "stopped"}


def text_lines(result: LoadResult) -> Iterator[str]:
    """Give the summary, line by line."""
    yield f"{result.title}"
    if result.settings:
        yield "  " + ", ".join(f"{fact.name} {fact.text}" for fact in result.settings)
    yield f"  {result.target}; {seconds_text(result.seconds)}"
    yield ""
    yield from table_lines(result.measurements)
    for figure in result.figures:
        yield f"  {figure.name}: {figure.text}"
    yield from _errors(result)
    yield from _judged(result)


def table_lines(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Give the measurements as a table."""
    yield from _columns([_HEADS, *(_row(each) for each in measurements)])


def _row(each: Measurement) -> tuple[str, ...]:
    known = each.percentiles
    times = (known.p50_us, known.p95_us, known.p99_us, known.p999_us, known.max_us)
    shown = ("-" if us is None else show_us(us) for us in times)
    return (each.name, f"{each.count:,}", f"{each.errors:,}", f"{each.rate:,.1f}", *shown)


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
        yield f"  {row[0]:<{widths[0]}}  {'  '.join(cells)}".rstrip()


def _errors(result: LoadResult) -> Iterator[str]:
    if result.errors:
        yield "errors"
    for error in result.errors[:ERRORS_SHOWN]:
        yield f"  {error.count:,} x {error.name}: {error.what}"
    if len(result.errors) > ERRORS_SHOWN:
        yield f"  and {len(result.errors) - ERRORS_SHOWN:,} kinds more"


def _judged(result: LoadResult) -> Iterator[str]:
    audit = result.audit
    mark = "BROKEN" if audit.is_broken else "holds" if audit.audited else "not audited"
    yield f"audit: {mark}: {audit.how}" if audit.how else f"audit: {mark}"
    for finding in audit.findings[:FINDINGS_SHOWN]:
        yield f"  {finding.rule} {finding.where}: expected {finding.expected}; seen {finding.seen}"
    if audit.findings_count > FINDINGS_SHOWN:
        yield f"  and {audit.findings_count - FINDINGS_SHOWN:,} more"
    for each in result.thresholds:
        yield f"{'kept  ' if each.held else 'MISSED'}  {each.option}: {each.seen}, wanted {each.wanted}"
    yield from (f"note: {note}" for note in result.notes)
    yield from (f"FAILED  {failure}" for failure in result.failures)
    yield from (f"BROKEN  {trouble}" for trouble in result.trouble)
    yield verdict_line(result)


def verdict_line(result: LoadResult) -> str:
    """Say in a line what it came to."""
    if result.exit_code == INTERRUPTED:
        return "stopped before its end; what there was until then is above"
    missed = sum(not each.held for each in result.thresholds)
    reasons = [
        counted(missed, "threshold") + " missed" if missed else "",
        counted(result.audit.findings_count, "finding") + " of the audit" if result.audit.is_broken else "",
        counted(len(result.failures), "failure") if result.failures else "",
        "it could not be played to its end" if result.trouble else "",
    ]
    why = ", ".join(filter(None, reasons))
    return f"{VERDICTS[result.verdict]}{f': {why}' if why else ''}"


def make_json(result: LoadResult) -> bytes:
    """Make report.json, whose schema is `load_schema()`."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def make_junit(result: LoadResult) -> bytes:
    """Make junit.xml: a testcase for the run, one for each threshold, one for the audit."""
    known = {fact.name: fact.text for fact in result.settings}
    known |= {"target": result.target, "version": result.version}
    known |= {figure.name: figure.text for figure in result.figures}
    suite = make_suite(f"load {result.kind}", result.seconds, result.started_ms, known, _cases(result))
    return make_document("ota-sim load", result.seconds, [suite])


def _cases(result: LoadResult) -> Iterator[Element]:
    name = f"load.{result.kind}"
    run = make_case(name, "the run", result.seconds)
    if result.trouble:
        _put(run, "error", "broken", result.trouble)
    elif result.failures:
        _put(run, "failure", "failed", result.failures)
    elif result.interrupted:
        _put(run, "error", "stopped", ("stopped before its end",))
    out = SubElement(run, "system-out")
    out.text = xml_text("\n".join(text_lines(result)))
    yield run
    for each in result.thresholds:
        case = make_case(name, each.option, 0)
        if not each.held:
            _put(case, "failure", "threshold", (f"seen {each.seen}, wanted {each.wanted}",))
        yield case
    audit = make_case(name, "the charging rules (audit)", 0)
    if result.audit.is_broken:
        found = (
            f"{each.rule} {each.where}: expected {each.expected}; seen {each.seen}"
            for each in result.audit.findings
        )
        _put(audit, "failure", "audit", tuple(found))
    elif not result.audit.audited:
        SubElement(audit, "skipped", message=xml_text(result.audit.how))
    yield audit


def _put(case: Element, tag: str, kind: str, lines: Sequence[str]) -> None:
    element = SubElement(case, tag, type=kind, message=xml_text(lines[0] if lines else kind))
    element.text = xml_text("\n".join(lines))


REPORTS: Final[Mapping[str, Callable[[LoadResult], bytes]]] = {
    "junit.xml": make_junit,
    "report.json": make_json,
    "report.html": make_html,
}


def make_room(folder: Path) -> None:
    """Make the folder before the load, without an earlier run's reports. ReportFault: it can't be written to."""
    prepare_folder(folder, REPORTS)


def write_reports(result: LoadResult, folder: Path) -> list[Path]:
    """Write all reports, and give their paths. ReportFault: the disk is full, or the folder can't be written to."""
    return [write_whole(folder / name, make(result)) for name, make in REPORTS.items()]
