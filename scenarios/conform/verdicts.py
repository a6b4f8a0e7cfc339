"""What a suite comes to: a verdict for each case, and what people need to understand it. Values only."""

from enum import Enum

from msgspec import Struct


class Verdict(Enum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # it says nothing about this program, or is optional and not so


class CaseResult(Struct, frozen=True, kw_only=True):
    """A case as it was played. `wanted` is the step that was not met, `wire` and `output` are the last lines."""

    id: str
    title: str
    group: str
    flow: str
    facts: tuple[str, ...]
    verdict: Verdict
    wanted: str
    reason: str
    seconds: float
    output: list[str]
    wire: list[str]
    folder: str


class SuiteResult(Struct, frozen=True, kw_only=True):
    """A suite: its cases in their order, and whether it was stopped before its end."""

    entrypoint: str
    flows: tuple[str, ...]
    version: str
    started_ms: int
    seconds: float
    patience: float
    cases: list[CaseResult]
    planned: int
    interrupted: bool

    def count(self, verdict: Verdict) -> int:
        """Count the cases that ended so."""
        return sum(case.verdict is verdict for case in self.cases)

    @property
    def exit_code(self) -> int:
        """Give 130 after an interruption, 1 when a case failed, else 0."""
        if self.interrupted:
            return 130
        return 1 if self.count(Verdict.FAILED) else 0
