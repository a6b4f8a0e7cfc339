"""A suite's verdicts as files: junit.xml for CI servers, and conform.json for programs.

conform.json, format version 1: fields are added, never taken away or changed.
"""

from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement

import msgspec

from scenarios.conform.verdicts import CaseResult, SuiteResult, Verdict
from scenarios.junit_xml import make_case, make_document, make_suite, xml_text
from scenarios.report_files import write_whole

FORMAT_VERSION: Final = 1


def write_reports(result: SuiteResult, folder: Path) -> list[str]:
    """Write both; answers their paths. ReportFault: the folder can't be written to."""
    contents = {"junit.xml": make_junit(result), "conform.json": make_json(result)}
    return [str(write_whole(folder / name, content)) for name, content in contents.items()]


def make_json(result: SuiteResult) -> bytes:
    """Make conform.json."""
    counts = {verdict.value: result.count(verdict) for verdict in Verdict}
    said: dict[str, Any] = {"format_version": FORMAT_VERSION, "exit_code": result.exit_code, "counts": counts}
    said |= msgspec.to_builtins(result)
    return msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"


def make_junit(result: SuiteResult) -> bytes:
    """Make junit.xml: a testsuite is a flow, a testcase a case."""
    suites = (_suite(result, flow) for flow in result.flows)
    return make_document("ota-sim conform", result.seconds, suites)


def _suite(result: SuiteResult, flow: str) -> Element:
    cases = [case for case in result.cases if case.flow == flow]
    seconds = sum(case.seconds for case in cases)
    known = {"entrypoint": result.entrypoint, "version": result.version, "patience": f"{result.patience:g}"}
    return make_suite(f"conform {flow}", seconds, result.started_ms, known, map(_case, cases))


def _case(case: CaseResult) -> Element:
    element = make_case(f"conform.{case.flow}.{case.group}", f"{case.id}: {case.title}", case.seconds)
    if case.verdict is Verdict.SKIPPED:
        SubElement(element, "skipped", message=xml_text(case.reason))
    elif case.verdict is Verdict.FAILED:
        failure = SubElement(
            element, "failure", type="conformance", message=xml_text(f"wanted: {case.wanted}")
        )
        lines = [case.reason, f"rests on {', '.join(case.facts)}", "", "wire:", *case.wire]
        failure.text = xml_text("\n".join([*lines, "", "output:", *case.output]))
    return element
