"""A suite's verdicts as files: junit.xml for CI servers, and conform.json for programs.

conform.json, format version 1: fields are added, never taken away or changed. A file appears whole, or not at all.
"""

import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import msgspec

from platform_stub.protocol.errors import EnvironmentFault
from scenarios.conform.verdicts import CaseResult, SuiteResult, Verdict

FORMAT_VERSION: Final = 1
# What XML 1.0 can't hold, not even escaped.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_reports(result: SuiteResult, folder: Path) -> list[str]:
    """Write both; answers their paths. EnvironmentFault: the folder can't be written to."""
    contents = {"junit.xml": make_junit(result), "conform.json": make_json(result)}
    return [str(_write(folder / name, content)) for name, content in contents.items()]


def prepare_folder(folder: Path) -> None:
    """Make a folder that will be written to. EnvironmentFault: it can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise EnvironmentFault(f"{folder} can't be written to: {exc.strerror or exc}") from exc


def make_json(result: SuiteResult) -> bytes:
    """Make conform.json."""
    counts = {verdict.value: result.count(verdict) for verdict in Verdict}
    said: dict[str, Any] = {"format_version": FORMAT_VERSION, "exit_code": result.exit_code, "counts": counts}
    said |= msgspec.to_builtins(result)
    return msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"


def make_junit(result: SuiteResult) -> bytes:
    """Make junit.xml: a testsuite is a flow, a testcase a case."""
    root = Element("testsuites", name="ota-sim conform", time=f"{result.seconds:.3f}")
    for flow in result.flows:
        root.append(_suite(result, flow))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'.encode()


def _suite(result: SuiteResult, flow: str) -> Element:
    cases = [case for case in result.cases if case.flow == flow]
    seconds = sum(case.seconds for case in cases)
    suite = Element("testsuite", name=f"conform {flow}", time=f"{seconds:.3f}")
    began = datetime.fromtimestamp(result.started_ms // 1_000, UTC)
    suite.set("timestamp", began.strftime("%Y-%m-%dT%H:%M:%S"))
    properties = SubElement(suite, "properties")
    known = {"entrypoint": result.entrypoint, "version": result.version, "patience": f"{result.patience:g}"}
    for name, value in known.items():
        SubElement(properties, "property", name=name, value=_text(value))
    for case in cases:
        suite.append(_case(case))
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.verdict is Verdict.FAILED for case in cases)))
    suite.set("errors", "0")
    suite.set("skipped", str(sum(case.verdict is Verdict.SKIPPED for case in cases)))
    return suite


def _case(case: CaseResult) -> Element:
    element = Element(
        "testcase",
        classname=f"conform.{case.flow}.{case.group}",
        name=f"{case.id}: {case.title}",
        time=f"{case.seconds:.3f}",
    )
    if case.verdict is Verdict.SKIPPED:
        SubElement(element, "skipped", message=_text(case.reason))
    elif case.verdict is Verdict.FAILED:
        failure = SubElement(element, "failure", type="conformance", message=_text(f"wanted: {case.wanted}"))
        lines = [case.reason, f"rests on {', '.join(case.facts)}", "", "wire:", *case.wire]
        failure.text = _text("\n".join([*lines, "", "output:", *case.output]))
    return element


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _write(path: Path, content: bytes) -> Path:
    part: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            part = Path(file.name)
            file.write(content)
        part.chmod(0o644)
        part.replace(path)
    except OSError as exc:
        if part is not None:
            part.unlink(missing_ok=True)
        raise EnvironmentFault(f"{path} can't be written: {exc.strerror or exc}") from exc
    return path
