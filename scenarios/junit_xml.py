"""JUnit XML as CI servers read it: suites with properties, their counts, and text that XML 1.0 can hold. Pure.

What a suite and a testcase stand for is the business of whoever makes one.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold, not even escaped."""
_COUNTED: Final = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def make_document(name: str, seconds: float, suites: Iterable[Element]) -> bytes:
    """Make the document; its counts are the sums of its suites'."""
    root = Element("testsuites", name=name, time=seconds_text(seconds))
    root.extend(suites)
    for count in ("tests", *_COUNTED):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'.encode()


def make_suite(
    name: str, seconds: float, started_ms: int, properties: Mapping[str, str], cases: Iterable[Element]
) -> Element:
    """Make a suite of its testcases, and count them by what they came to."""
    suite = Element("testsuite", name=xml_text(name), time=seconds_text(seconds))
    suite.set("timestamp", datetime.fromtimestamp(started_ms // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    known = SubElement(suite, "properties")
    for key, value in properties.items():
        SubElement(known, "property", name=key, value=xml_text(value))
    suite.extend(cases)
    suite.set("tests", str(len(suite.findall("testcase"))))
    for count, tag in _COUNTED.items():
        suite.set(count, str(sum(case.find(tag) is not None for case in suite.findall("testcase"))))
    return suite


def make_case(classname: str, name: str, seconds: float) -> Element:
    """Make a testcase; what it came to is put into it."""
    return Element("testcase", classname=xml_text(classname), name=xml_text(name), time=seconds_text(seconds))


def seconds_text(seconds: float) -> str:
    """Spell a duration as an attribute."""
    return f"{seconds:.3f}"


def xml_text(text: str) -> str:
    """Put the replacement character in for what XML can't hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
