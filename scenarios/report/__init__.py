"""Reports for programs: JUnit XML and JSON, written whole or not at all."""

from scenarios.report.files import write_reports

__all__ = ["write_reports"]
