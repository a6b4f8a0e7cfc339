"""Reports: JUnit XML and JSON for programs, a page for people, evidence of what failed; written whole or not at all."""

from scenarios.report.files import write_reports

__all__ = ["write_reports"]
